"""The judge a command is given as one word: a name, an import path, or a file of settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from slhf.errors import InputError
from slhf.judges import Judge, judge_from
from slhf.runs.strict import read_yaml

SETTINGS_FILES = (".yaml", ".yml", ".json")


def judge_of(text: str) -> Judge:
    """Make a judge from what a command line names.

    Args:
        text: the name of a judge, ``package.module:name`` or ``file.py:name``, or a YAML or JSON file that
            holds what a recipe has under ``judge:``.

    Raises:
        InputError: there is no such judge or file, or its settings are wrong; the message says which.
    """
    if text.endswith(SETTINGS_FILES):
        path = Path(text).expanduser()
        return judge_from(read_yaml(path, "a file of judge settings"), str(path))
    return judge_from({"callable": text} if ":" in text else text)


def named_judges(given: Sequence[str]) -> dict[str, str]:
    """Return what each of several judges is called, and how it was named.

    Args:
        given: each as :func:`judge_of` takes it, or ``LABEL=JUDGE``; a label has no slash and no colon.

    Raises:
        InputError: there are none, or two have one label.
    """
    found: dict[str, str] = {}
    for text in given:
        head, equals, rest = text.partition("=")
        labelled = equals and head and rest and not set("/\\:") & set(head)
        label, named = (head, rest) if labelled else (_short(text), text)
        if label in found:
            raise InputError(
                f"two judges are called {label!r} ({found[label]} and {named}); tell them apart by LABEL={named}"
            )
        found[label] = named
    if not found:
        raise InputError("name at least one judge")
    return found


def _short(text: str) -> str:
    """Return a judge's name without its folder and, of a file of settings, without its ending."""
    short = text.replace("\\", "/").rpartition("/")[2]
    return short if ":" in text else next((short.removesuffix(e) for e in SETTINGS_FILES if short.endswith(e)), short)
