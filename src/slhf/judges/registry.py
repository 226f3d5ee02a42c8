"""Judges by name, and judges by import path."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from slhf.errors import InputError, suggestion
from slhf.judges.panel import toy_panel
from slhf.judges.protocol import Judge, as_judge
from slhf.judges.stories import stories_panel

JUDGES: dict[str, Callable[..., Judge]] = {"toy": toy_panel, "stories": stories_panel}
"""Judges that come with the package, by the name a recipe uses."""


def named_judge(name: str, **settings: Any) -> Judge:
    """Return the judge called ``name``.

    Args:
        name: one of ``JUDGES``.
        settings: passed to it, e.g. ``soft=True``.

    Raises:
        InputError: no judge has that name, or it has no such setting.
    """
    if name not in JUDGES:
        raise InputError(
            f"there is no judge called {name!r}; the judges are {', '.join(sorted(JUDGES))}.{suggestion(name, JUDGES)}"
        )
    try:
        return JUDGES[name](**settings)
    except TypeError as error:
        raise InputError(f"judge {name!r} does not take these settings: {error}") from error


def imported_judge(path: str) -> Judge:
    """Return the judge at ``package.module:name`` or ``file.py:name``.

    The name may be a Judge object, a class or function without arguments that makes one,
    or a plain callable ``(prompts, first, second) → P(first ≻ second)``.

    Args:
        path: what to import, a colon, and the name inside it.

    Raises:
        InputError: it cannot be imported, has no such name, or is no judge.
    """
    source, colon, name = path.rpartition(":")
    if not colon or not source or not name:
        raise InputError(f"a judge's import path reads 'package.module:name' or 'file.py:name', got {path!r}")
    module = _module(source, path)
    if not hasattr(module, name):
        raise InputError(f"judge {path!r}: {source} has no {name!r}.{suggestion(name, dir(module))}")
    found = getattr(module, name)
    if isinstance(found, type):
        found = found()
    return as_judge(found)


def _module(source: str, path: str) -> Any:
    try:
        if not source.endswith(".py"):
            return importlib.import_module(source)
        file = Path(source)
        if not file.is_file():
            raise InputError(f"judge {path!r}: there is no file {file.resolve()}")
        spec = importlib.util.spec_from_file_location(f"slhf_judge_{file.stem}", file)
        assert spec is not None  # a .py file always has a spec and a loader
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module
    except ImportError as error:
        raise InputError(f"judge {path!r} cannot be imported: {error}; is it installed, or on PYTHONPATH?") from error
