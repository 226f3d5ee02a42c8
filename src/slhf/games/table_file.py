"""Tables of preferences: one line an action, entries p(row ≻ column), separated by commas, tabs or blanks.

::

    0.5  0.7           ,rock,paper         rock   paper
    0.3  0.5       rock,0.5,0.7      rock  0.5    0.7
                   paper,0.3,0.5     paper 0.3    0.5

A first line of names, a first column of names, or both; where both stand, they are the same names in the same
order. A first line is taken for names if its first entry is blank or none of its entries is a number; a first
column, if that line's first entry is blank, or it is one entry shorter than all others, or no line begins with a
number. Without names, actions are called "0", "1", …. Empty lines are skipped, in a table with blanks also lines
that begin with ``#``.
"""

from __future__ import annotations

import csv
import re

import numpy as np

from slhf.errors import InputError, suggestion
from slhf.games.preference_data import MAX_ACTIONS, PreferenceData, action_names, bounded
from slhf.games.simplex import Array

Row = tuple[int, list[str]]
"""A line's number and its entries."""

_NAMES = "a first line is taken for names if its first entry is blank or none of its entries is a number"


def read_table(text: str, where: str, separator: str | None) -> PreferenceData:
    """Read a table.

    Args:
        text: the file's contents.
        where: the file's name, for messages.
        separator: what stands between entries; None for blanks.

    Raises:
        InputError: names file, line and entry.
    """
    rows = _rows(text, where, separator)
    header, names, body = _split(rows)
    if not body or not any(cells for _, cells in body):
        raise InputError(f"{where}: there are names but no numbers; add a line of preferences for each action")
    actions, columns = len(body), len(body[0][1])
    widths = {line: len(cells) for line, cells in body}
    uneven = next((line for line, width in widths.items() if width != columns), None)
    if uneven is not None:
        raise InputError(
            f"{where}, line {uneven}: {_numbers(widths[uneven])} where line {body[0][0]} has {columns}; every line "
            f"needs one for each action ({_NAMES})"
        )
    numbers = _parse(body, where, offset=1 + bool(names))
    if actions != columns:
        raise InputError(
            f"{where}: {actions} lines of {_numbers(columns)}, not square; give a line and a column for each action"
            f" ({_NAMES})"
        )
    found = _agreed(header, names, body, where) or [str(y) for y in range(actions)]
    return PreferenceData(numbers, action_names(found, where), source=where)


def _rows(text: str, where: str, separator: str | None) -> list[Row]:
    lines = text.splitlines(keepends=True)
    if separator is None:
        split = ((n, line.split()) for n, line in enumerate(lines, start=1) if not line.lstrip().startswith("#"))
        rows = [(n, cells) for n, cells in split if cells]
    else:
        reader = csv.reader(lines, delimiter=separator, strict=True)
        try:
            rows = [(reader.line_num, [c.strip() for c in cells]) for cells in reader if any(c.strip() for c in cells)]
        except csv.Error as error:
            raise InputError(f"{where}, line {reader.line_num}: {error}; check the quotation marks") from None
    if not rows:
        raise InputError(f"{where}: there are no numbers; write a line of preferences for each action")
    if max(len(rows), len(rows[0][1])) > MAX_ACTIONS + 1:
        bounded(max(len(rows), len(rows[0][1])), where)
    return rows


def _split(rows: list[Row]) -> tuple[list[str] | None, list[str] | None, list[Row]]:
    """Return the names of the columns, those of the lines, and the lines of numbers."""
    first, body, header = rows[0][1], rows, None
    corner = not first[0]
    if corner or all(map(_is_name, first)):
        header, body = first, rows[1:]
    longer = header is not None and all(len(cells) == len(header) + 1 for _, cells in body)
    if not body or not (corner or longer or all(_is_name(cells[0]) for _, cells in body)):
        return header, None, body
    if header is not None and not longer:
        header = header[1:]
    return header, [cells[0] for _, cells in body], [(line, cells[1:]) for line, cells in body]


def _agreed(header: list[str] | None, names: list[str] | None, body: list[Row], where: str) -> list[str] | None:
    if header is not None and len(header) != len(body):
        raise InputError(f"{where}: {len(header)} names in the first line for {len(body)} lines of numbers")
    if header is None or names is None or header == names:
        return header or names
    line, row, column = next(
        (line, row, column) for (line, _), row, column in zip(body, names, header, strict=True) if row != column
    )
    raise InputError(
        f"{where}, line {line}: the line is called {row!r} where the column is {column!r}; lines and columns need the "
        f"same names in the same order.{suggestion(row, header) if row not in header else ''}"
    )


def _parse(body: list[Row], where: str, offset: int) -> Array:
    numbers = np.empty((len(body), len(body[0][1])))
    for row, (line, cells) in enumerate(body):
        try:
            numbers[row] = [float(cell) for cell in cells]
        except ValueError:
            bad = next(k for k, cell in enumerate(cells) if not _is_number(cell))
            raise InputError(
                f"{where}, line {line}, entry {bad + offset}: {cells[bad]!r} is not a number; {_remedy(cells[bad])}"
            ) from None
        off = np.flatnonzero(~((numbers[row] >= 0.0) & (numbers[row] <= 1.0)))
        if len(off):
            bad = int(off[0])
            raise InputError(
                f"{where}, line {line}, entry {bad + offset}: {cells[bad]} is not in [0, 1]; a preference is a "
                "probability (divide counts by their sum, write ½ where nothing is known)"
            )
    return numbers


def _remedy(cell: str) -> str:
    if _runs_together(cell):
        return "decimals are written with a point; entries stand apart by commas in .csv, tabs in .tsv, blanks in .txt"
    return f"write a number between 0 and 1 ({_NAMES})"


def _runs_together(cell: str) -> bool:
    pieces = re.split("[,;\t ]", cell)
    return len(pieces) > 1 and all(map(_is_number, pieces))


def _is_name(cell: str) -> bool:
    return not _is_number(cell) and not _runs_together(cell)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _numbers(count: int) -> str:
    return f"{count} number{'' if count == 1 else 's'}"
