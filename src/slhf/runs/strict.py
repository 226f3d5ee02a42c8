"""Settings from files and from the command line, read strictly."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from slhf.errors import InputError


class _Loader(yaml.SafeLoader):
    """Reads YAML 1.2's words and numbers, and refuses a key that stands twice.

    To the library's YAML 1.1, ``eval_strategy: no`` is false and ``1e-5`` is text.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


_BOOL, _FLOAT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:float"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_BOOL, _FLOAT)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_NUMBER = r"^[-+]?(?:(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+|\.(?:inf|Inf|INF))$|^\.(?:nan|NaN|NAN)$"
_Loader.add_implicit_resolver(_FLOAT, re.compile(_NUMBER), list("-+.0123456789"))


def read_yaml(path: Path, what: str = "a recipe") -> dict[str, Any]:
    """Return the mapping in a YAML file, which may be JSON.

    Args:
        path: the file.
        what: what it should hold, for the error message.

    Raises:
        InputError: no such file, not YAML, a key twice, or not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    try:
        values = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: {what} is a mapping of settings, got {type(values).__name__}")
    return values


def override(values: dict[str, Any], assignments: Collection[str]) -> dict[str, Any]:
    """Return ``values`` with ``key.sub=value`` assignments applied; the values are read as YAML.

    A section given in short, ``judge: toy`` say, becomes its long form ``judge: {name: toy}``
    before something inside it is set.

    Raises:
        InputError: an assignment that is not of that form.
    """
    result = dict(values)
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        keys = path.split(".")
        if not equals or not all(keys):
            raise InputError(f"override {assignment!r} is not of the form key.sub=value, args.learning_rate=1e-4 say")
        try:
            value = yaml.load(text, Loader=_Loader)
        except yaml.YAMLError as error:
            raise InputError(f"override {assignment!r}: the value is not valid YAML: {error}") from error
        here = result
        for key in keys[:-1]:
            inner = here.get(key)
            here[key] = dict(inner) if isinstance(inner, Mapping) else long_form(key, inner)
            here = here[key]
        here[keys[-1]] = value
    return result


SHORT_FORMS = {
    "judge": "name",
    "data": "train",
    "algorithm": "name",
    "label": "name",
    "loss": "name",
    "seed_loss": "name",
    "seed": "data",
    "pool": "data",
}
"""Sections that may be given as one word, and which key of the section the word is."""


def long_form(section: str, value: Any) -> dict[str, Any]:
    """Return a section as a mapping, also where it was given as one word or not at all."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, str) and section in SHORT_FORMS:
        return {SHORT_FORMS[section]: value}
    raise InputError(f"{section}: expected a section of settings, got {value!r}")
