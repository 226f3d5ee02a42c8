"""What makes a judge itself: fingerprints of settings and code, so that no judgement is taken for another judge's."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import types
from collections.abc import Iterator, Mapping
from collections.abc import Set as AnySet
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from pathlib import PurePath
from typing import Any, Protocol, runtime_checkable

import numpy as np

from slhf.errors import InputError
from slhf.judges import CallableJudge, CheckJudge, Judge, MatrixJudge, MixtureJudge, PanelJudge, RuleJudge

_OWN = (CallableJudge, CheckJudge, MatrixJudge, MixtureJudge, PanelJudge, RuleJudge)
"""Judges that are nothing but their attributes."""


@runtime_checkable
class Identified(Protocol):
    """Anything that says itself what makes it different from others."""

    @property
    def identity(self) -> str:
        """The same text for the same judge, another one for any other, in this process and the next."""
        ...


def fingerprint(*values: Any) -> str:
    """Return 64 hexadecimal digits that are the same for the same values, in any process.

    Args:
        values: numbers, texts, bytes, dates, paths, arrays; lists, mappings, sets and dataclasses of such;
            functions, which count by their code (see :func:`judge_identity`).

    Raises:
        InputError: a value whose content cannot be seen from outside.

    >>> fingerprint({"a": 1, "b": [2.0]}) == fingerprint({"b": [2.0], "a": 1})
    True
    >>> fingerprint("ab", "c") == fingerprint("a", "bc")
    False
    """
    return _hash(_plain(list(values), set()))


def content_key(*values: str | int | None) -> str:
    """Return the key that content is kept under: a fingerprint of texts and whole numbers, quickly.

    >>> content_key("ab", "c") == content_key("a", "bc")
    False
    """
    return hashlib.sha256(ascii(values).encode()).hexdigest()


def row_fingerprint(row: Mapping[str, Any]) -> str:
    """Return ``fingerprint(dict(row))``, quickly where a row holds texts and whole numbers alone.

    >>> row_fingerprint({"b": 1, "a": "x"}) == fingerprint({"a": "x", "b": 1})
    True
    """
    parts = []
    for key, value in row.items():
        if type(key) is not str or type(value) not in (str, int):
            return fingerprint(dict(row))
        parts.append(f"[{_quoted(key)},{_quoted(value) if type(value) is str else value}]")
    parts.sort()
    return hashlib.sha256(f'["list",["map",{",".join(parts)}]]'.encode()).hexdigest() if parts else fingerprint({})


def judge_identity(judge: Judge) -> str:
    """Return what tells ``judge`` from every other judge, whatever both are called.

    A judge with an attribute ``identity`` is believed. The judges of this package count by their settings and
    by the code of their rules: the byte code, default arguments, what a closure holds, and all functions and
    constants of the same package they reach. Code of other packages counts by name only.

    Args:
        judge: any judge.

    Returns:
        64 hexadecimal digits.

    Raises:
        InputError: it is neither, or a rule holds an object whose content cannot be seen.
    """
    if isinstance(judge, Identified):
        return fingerprint("identity", judge.identity)
    if type(judge) not in _OWN:
        raise InputError(
            f"what makes the judge {judge.name!r} ({type(judge).__name__}) different from others cannot be seen from "
            "outside, so its judgements cannot be kept; give it an attribute `identity`, or pass identity='…': a text "
            "that changes whenever its preferences may change"
        )
    try:
        return fingerprint(type(judge).__qualname__, vars(judge))
    except InputError as error:
        raise InputError(f"judge {judge.name!r}: {error}; or pass identity='…' for the whole judge") from None


def _hash(plain: Any) -> str:
    return hashlib.sha256(_dumps(plain).encode()).hexdigest()


_dumps = json.JSONEncoder(separators=(",", ":")).encode
_quoted = json.encoder.encode_basestring_ascii


def _plain(value: Any, seen: set[int]) -> Any:
    """Return nested lists of texts that say all of ``value``; ``seen`` are the functions being told already."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return ["float", value.hex()]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, np.ndarray) and value.dtype != object:
        content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return ["array", value.dtype.str, list(value.shape), content]
    if isinstance(value, list | tuple):
        return ["list", *(_plain(v, seen) for v in value)]
    if isinstance(value, Mapping):
        return ["map", *sorted(([_plain(k, seen), _plain(v, seen)] for k, v in value.items()), key=_dumps)]
    if isinstance(value, AnySet):
        return ["set", *sorted((_plain(v, seen) for v in value), key=_dumps)]
    if isinstance(value, bytes | date | time | timedelta | PurePath | complex | re.Pattern) or value is Ellipsis:
        return [type(value).__name__, repr(value)]
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__qualname__, *([f.name, _plain(getattr(value, f.name), seen)] for f in fields(value))]
    if isinstance(value, Judge) and not isinstance(value, type):
        return ["judge", judge_identity(value)]  # inside a mixture
    return _callable(value, seen)


def _callable(value: Any, seen: set[int]) -> Any:
    if isinstance(value, functools.partial):
        return ["partial", *(_plain(v, seen) for v in (value.func, value.args, value.keywords))]
    if isinstance(value, types.MethodType):
        return ["method", _plain(value.__func__, seen), _plain(value.__self__, seen)]
    if isinstance(value, types.FunctionType):
        return _function(value, seen)
    wrapped = getattr(value, "__wrapped__", None)  # functools.cache and its kin
    if isinstance(wrapped, types.FunctionType):
        return _function(wrapped, seen)
    if isinstance(value, types.BuiltinFunctionType | type):
        return [type(value).__name__, value.__module__, value.__qualname__]
    raise InputError(
        f"an object of type {type(value).__qualname__} cannot be told from others of its kind; give the judge an "
        "attribute `identity`, a text that changes whenever its preferences may change"
    )


def _function(function: types.FunctionType, seen: set[int]) -> Any:
    name = [function.__module__, function.__qualname__]
    if id(function) in seen:
        return ["again", *name]
    seen.add(id(function))
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    held = _plain([function.__defaults__, function.__kwdefaults__, cells], seen)
    names = sorted(set(_names(function.__code__)))
    reached = [
        [n, _reached(function.__globals__[n], function, names, seen)] for n in names if n in function.__globals__
    ]
    return ["function", *name, _code(function.__code__, seen), held, reached]


def _code(code: types.CodeType, seen: set[int]) -> Any:
    constants = [_code(c, seen) if isinstance(c, types.CodeType) else _plain(c, seen) for c in code.co_consts]
    return ["code", code.co_code.hex(), list(code.co_names), list(code.co_varnames), *constants]


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _reached(value: Any, by: types.FunctionType, names: list[str], seen: set[int]) -> Any:
    """Tell what a function finds among its globals: in full where it is its package's own, else by name."""
    package = by.__module__.partition(".")[0]
    if isinstance(value, types.ModuleType):
        own = value.__name__.partition(".")[0] == package
        inside = [n for n in names if own and n in vars(value)]
        return ["module", value.__name__, *([n, _reached(vars(value)[n], by, names, seen)] for n in inside)]
    home = str(getattr(value, "__module__", None) or "")
    if callable(value) and home.partition(".")[0] != package:
        return ["elsewhere", home, getattr(value, "__qualname__", type(value).__qualname__)]
    if isinstance(value, type):
        methods = [m for m in vars(value).values() if isinstance(m, types.FunctionType)]
        return ["class", home, value.__qualname__, *(_plain(m, seen) for m in methods if m.__module__ == home)]
    try:
        return _plain(value, seen)
    except InputError:  # a logger, say: nothing that a preference is made of, as far as one can see
        return ["object", type(value).__qualname__]
