"""Preferences from files: JSON, CSV, tables with blanks or tabs, and PrefLib's orders."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

from slhf.errors import InputError, suggestion
from slhf.games.json_file import read_json
from slhf.games.preference_data import PreferenceData
from slhf.games.preference_matrix import preference_matrix
from slhf.games.preference_matrix import symmetrise as mean_with_mirror_image
from slhf.games.preflib import read_preflib
from slhf.games.table_file import read_table
from slhf.games.votes import warn_of_uncompared

_READERS = {
    ".json": read_json,
    ".csv": partial(read_table, separator=","),
    ".tsv": partial(read_table, separator="\t"),
    ".txt": partial(read_table, separator=None),
    ".soc": partial(read_preflib, kind="soc"),
    ".soi": partial(read_preflib, kind="soi"),
    ".toc": partial(read_preflib, kind="toc"),
    ".toi": partial(read_preflib, kind="toi"),
}

KINDS = tuple(_READERS)
"""The endings of names that :func:`read_preferences` knows."""


def read_preferences(path: str | Path, *, symmetrise: bool = False) -> PreferenceData:
    """Read preferences from a file; the ending of its name says what it holds.

    ========================  =========================================================================
    .json                     a matrix, votes, rankings or types of people, for one prompt or several;
                              see :mod:`slhf.games.json_file`
    .csv  .tsv  .txt          a matrix separated by commas, tabs or blanks, with or without names;
                              see :mod:`slhf.games.table_file`
    .soc  .soi  .toc  .toi    PrefLib's orders; see :mod:`slhf.games.preflib`
    ========================  =========================================================================

    Args:
        path: the file, in UTF-8.
        symmetrise: replace a matrix by the mean of it and 1 − pᵀ, where p + pᵀ is not 1.

    Returns:
        Checked preferences with names.

    Raises:
        InputError: no such file, an unknown kind, or contents that are wrong; the message names the file,
            the line or entry, what is wrong there, and what to do.
    """
    path = Path(path)
    text = _text(path)
    data = _READERS[path.suffix.lower()](text, str(path))
    p = data.p
    # Numbers outside [0, 1] must not be averaged into the range before they are seen.
    if symmetrise and p.shape[-1] == p.shape[-2] and ((p >= 0.0) & (p <= 1.0)).all():
        p = mean_with_mirror_image(p)
    try:
        p = preference_matrix(p, actions=data.actions)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    warn_of_uncompared(data.uncompared, p.shape, str(path))
    return dataclasses.replace(data, p=p)


def _text(path: Path) -> str:
    kind = path.suffix.lower()
    if kind not in KINDS:
        near = suggestion(kind, KINDS) if kind else ""
        raise InputError(
            f"{path}: unknown kind of file {kind or '(no ending)'!r}; the kinds are {', '.join(KINDS)}.{near}"
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        near = suggestion(path.name, (p.name for p in path.parent.iterdir())) if path.parent.is_dir() else ""
        raise InputError(f"{path}: there is no such file.{near}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    if not text.strip():
        raise InputError(f"{path}: the file is empty; it should hold preferences (see slhf.games.read_preferences)")
    return text
