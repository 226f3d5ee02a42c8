"""Texts laid out as rows of one table: nothing is padded, and a beginning that texts share is there once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]

_WORTH_SHARING = 8
"""Tokens from which on a beginning is shared: texts that share attend by a mask, which costs as much as a few rows."""

_CALL = 2048
"""Scores of attention that take as long as one more call of it: so many may be padding, if that saves the call."""


@dataclass(frozen=True)
class Block:
    """N texts that attend together: m queries each, and the l keys they see, all as rows of a table.

    Attributes:
        queries: (N, m); where a text has fewer, its last one again.
        keys: rows of the text from its beginning, (N, l), likewise.
        starts: place of the first query in its text, (N,): 0 for all, or for none.
    """

    queries: Rows
    keys: Rows
    starts: Rows


@dataclass(frozen=True)
class Table:
    """Some texts as rows.

    Attributes:
        texts: which texts, (N,).
        tokens: one a row, (T,).
        places: of each row in its text, (T,).
        ends: the row of each text's last token, (N,).
        blocks: who attends to what, for all rows.
        last: the same for the texts' last tokens alone; its queries are numbered as the texts are.
    """

    texts: Rows
    tokens: Rows
    places: Rows
    ends: Rows
    blocks: tuple[Block, ...]
    last: tuple[Block, ...]


@dataclass(frozen=True)
class _Piece:
    """What is computed of one text: its queries and all its keys, as rows."""

    queries: Rows
    keys: Rows

    @property
    def start(self) -> int:
        return len(self.keys) - len(self.queries)


def tables(texts: Sequence[list[int]], most: int) -> list[Table]:
    """Lay texts out in tables of bounded size, those that begin alike beside each other.

    Args:
        texts: the tokens of each, at least one.
        most: bound on the rows of a table; a single longer text is a table of its own.

    Returns:
        Tables that hold every text once.
    """
    return [_table(texts, members) for members in _members(texts, most)]


def _members(texts: Sequence[list[int]], most: int) -> Iterator[list[tuple[int, int]]]:
    """Yield the texts of each table, and how many tokens each shares with the one before it."""
    held: list[tuple[int, int]] = []
    rows = 0
    for number in sorted(range(len(texts)), key=lambda i: texts[i]):
        text = texts[number]
        shared = _shared(texts[held[-1][0]], text) if held else 0
        if held and rows + len(text) - shared > most:
            yield held
            held, rows, shared = [], 0, 0
        held.append((number, shared))
        rows += len(text) - shared
    if held:
        yield held


def _shared(before: list[int], text: list[int]) -> int:
    """Return how many first tokens of ``text`` are taken over from the text before it."""
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, text, strict=False)))
    return same if same >= _WORTH_SHARING else 0


def _table(texts: Sequence[list[int]], members: Sequence[tuple[int, int]]) -> Table:
    tokens: list[int] = []
    places: list[Rows] = []
    pieces: list[_Piece] = []
    path = np.empty(0, dtype=np.int64)
    paths: list[Rows] = []
    for number, shared in members:
        text = texts[number]
        own = np.arange(len(tokens), len(tokens) + len(text) - shared)
        path = np.concatenate([path[:shared], own])
        tokens += text[shared:]
        places.append(np.arange(shared, len(text)))
        paths.append(path)
        if len(own):  # the same tokens as the text before: nothing is left to compute
            pieces.append(_Piece(own, path))
    return Table(
        texts=np.array([number for number, _ in members]),
        tokens=np.array(tokens),
        places=np.concatenate(places),
        ends=np.array([path[-1] for path in paths]),
        blocks=_blocks(pieces),
        last=_blocks([_Piece(np.array([n]), path) for n, path in enumerate(paths)]),
    )


def _blocks(pieces: Sequence[_Piece]) -> tuple[Block, ...]:
    """Put pieces of like size together; those from a text's first token on need no mask, so they stay apart."""
    groups: list[list[_Piece]] = []
    most = keys = 0  # queries and keys of the group's largest pieces
    for piece in sorted(pieces, key=lambda p: (p.start > 0, -len(p.queries), -len(p.keys))):
        own, seen = len(piece.queries), len(piece.keys)
        # sorted by queries: the first of a group has most, and may have fewer keys than one that comes later
        if groups and (groups[-1][0].start > 0) == (piece.start > 0):
            count, longer = len(groups[-1]), max(keys, seen)
            # scores of attention are padded to one size
            if (count + 1) * most * longer - count * most * keys - own * seen <= _CALL:
                groups[-1].append(piece)
                keys = longer
                continue
        groups.append([piece])
        most, keys = own, seen
    return tuple(
        Block(_square([p.queries for p in group]), _square([p.keys for p in group]), np.array([p.start for p in group]))
        for group in groups
    )


def _square(rows: Sequence[Rows]) -> Rows:
    square = np.empty((len(rows), max(map(len, rows))), dtype=np.int64)
    for number, row in enumerate(rows):
        square[number, : len(row)] = row
        square[number, len(row) :] = row[-1]
    return square
