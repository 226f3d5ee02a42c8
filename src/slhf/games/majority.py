"""What majorities say: winner, loser, the set nobody outside can touch, and the circles in which they run.

An action beats another if more than half prefer it, by more than 1e-9; otherwise the two are tied or it loses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slhf.errors import InputError
from slhf.games.preference_matrix import BLOCK, preference_matrix
from slhf.games.simplex import Array

TIE = 1e-9
"""A preference this close to ½ is a tie."""

_ROWS = 256
"""Rows of a large game handled at once."""

Beats = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Cycle:
    """Three actions that beat each other in a circle: i beats j, j beats k, k beats i.

    Attributes:
        actions: (i, j, k), starting from the smallest number.
        margins: p − ½ of i over j, of j over k, and of k over i; all positive.
    """

    actions: tuple[int, int, int]
    margins: tuple[float, float, float]


def condorcet_winner(p: ArrayLike) -> int | None:
    """Return the action that beats every other, or None if there is none.

        p[y, y′] > ½ for all y′ ≠ y

    Args:
        p: preferences of one prompt, shape (Y, Y).

    Raises:
        InputError: not a preference matrix, or several.

    >>> condorcet_winner([[0.5, 0.6, 0.7], [0.4, 0.5, 0.5], [0.3, 0.5, 0.5]])
    0
    """
    beats = _beats(_single(p))
    return _only(beats.sum(axis=1) == len(beats) - 1)


def condorcet_loser(p: ArrayLike) -> int | None:
    """Return the action that every other beats, or None if there is none.

    Args:
        p: preferences of one prompt, shape (Y, Y).

    Raises:
        InputError: not a preference matrix, or several.

    >>> condorcet_loser([[0.5, 0.6, 0.7], [0.4, 0.5, 0.5], [0.3, 0.5, 0.5]]) is None
    True
    """
    beats = _beats(_single(p))
    return _only(beats.sum(axis=0) == len(beats) - 1)


def smith_set(p: ArrayLike) -> tuple[int, ...]:
    """Return the smallest set of actions, not empty, each of which beats every action outside.

    It is the Condorcet winner alone if there is one. Ties do not beat: who ties with a member is a member.

    The members lose to fewer actions than all others do, so the set is found at the head of that order.

    Args:
        p: preferences of one prompt, shape (Y, Y).

    Returns:
        Actions, ascending.

    Raises:
        InputError: not a preference matrix, or several.

    >>> smith_set([[0.5, 0.6, 0.4, 0.9], [0.4, 0.5, 0.7, 0.9], [0.6, 0.3, 0.5, 0.9], [0.1, 0.1, 0.1, 0.5]])
    (0, 1, 2)
    """
    beats = _beats(_single(p))
    order = np.argsort(beats.sum(axis=0), kind="stable")
    head = beats[np.ix_(order, order)]
    # How far down each action reaches without a strict win; itself at least.
    last_unbeaten = len(head) - 1 - np.argmin(head[:, ::-1], axis=1)
    reach = np.maximum.accumulate(last_unbeaten)
    size = int(np.flatnonzero(reach == np.arange(len(head)))[0]) + 1
    return tuple(sorted(order[:size].tolist()))


def majority_cycles(p: ArrayLike) -> list[Cycle]:
    """Return all circles of three, each once, ordered by their actions.

    Args:
        p: preferences of one prompt, shape (Y, Y).

    Returns:
        At most about Y³ / 24 cycles; :func:`cyclic_share` counts them without making a list.

    Raises:
        InputError: not a preference matrix, or several.

    >>> majority_cycles([[0.5, 0.65, 0.4], [0.35, 0.5, 0.75], [0.6, 0.25, 0.5]])[0].actions
    (0, 1, 2)
    """
    checked = _single(p)
    found: list[Cycle] = []
    for i, j, k in _cycle_rows(_beats(checked)):
        margins = np.stack((checked[i, j], checked[j, k], checked[k, i]), axis=1) - 0.5
        actions = zip(j.tolist(), k.tolist(), strict=True)
        found += [Cycle((i, a, b), tuple(m)) for (a, b), m in zip(actions, margins.tolist(), strict=True)]
    return found


def cyclic_share(p: ArrayLike) -> float | Array:
    """Return the share of triples of actions that run in a circle.

        trace(B³) / 3 / C(Y, 3),   B[y, y′] = 1 if y beats y′

    Args:
        p: preferences, shape (Y, Y) or (X, Y, Y).

    Returns:
        A number in [0, 1], or one for each prompt, shape (X,); 0 for fewer than three actions. Without ties
        it is at most about ¼ for large Y.

    Raises:
        InputError: not a preference matrix.

    >>> cyclic_share([[0.5, 0.65, 0.4], [0.35, 0.5, 0.75], [0.6, 0.25, 0.5]])
    1.0
    """
    checked = preference_matrix(p)
    batch = checked if checked.ndim == 3 else checked[None]
    prompts, actions = batch.shape[:2]
    paths = np.zeros(prompts)
    step = max(1, BLOCK // (actions * actions))
    for x in range(0, prompts, step):
        beats = _beats(batch[x : x + step])
        edges = beats.astype(np.float32)  # counts of up to Y are exact in single precision; their sum is double
        for y in range(0, actions, _ROWS):
            two_steps = edges[:, y : y + _ROWS] @ edges
            back = beats[:, :, y : y + _ROWS].swapaxes(1, 2)
            paths[x : x + step] += np.sum(two_steps, axis=(1, 2), dtype=np.float64, where=back)
    triples = actions * (actions - 1) * (actions - 2) / 6
    share = paths / 3 / triples if triples else paths
    return share if checked.ndim == 3 else float(share[0])


def has_cycle(p: ArrayLike) -> bool | NDArray[np.bool_]:
    """Say whether majorities run in a circle of any length.

    With ties there may be a circle of four or more without any of three. Actions that nobody left beats are
    taken away until none is left, or none can be.

    Args:
        p: preferences, shape (Y, Y) or (X, Y, Y).

    Returns:
        The answer, or one for each prompt, shape (X,).

    Raises:
        InputError: not a preference matrix.

    >>> has_cycle([[0.5, 0.65, 0.4], [0.35, 0.5, 0.75], [0.6, 0.25, 0.5]])
    True
    """
    checked = preference_matrix(p)
    beats = _beats(checked if checked.ndim == 3 else checked[None])
    beaten_by = beats.sum(axis=1)
    left = np.ones(beaten_by.shape, dtype=np.bool_)
    while (unbeaten := np.logical_and(left, beaten_by == 0)).any():
        np.logical_and(left, ~unbeaten, out=left)
        x, y = np.nonzero(unbeaten)
        np.subtract.at(beaten_by, x, beats[x, y])
    circular = np.asarray(left.any(axis=1))
    return circular if checked.ndim == 3 else bool(circular[0])


def _single(p: ArrayLike) -> Array:
    checked = preference_matrix(p)
    if checked.ndim == 3:
        raise InputError(f"one prompt at a time: got shape {checked.shape}; pass p[x] for each prompt x")
    return checked


def _beats(p: Array) -> Beats:
    return p > 0.5 + TIE


def _only(mask: Beats) -> int | None:
    return int(mask.argmax()) if mask.any() else None


def _cycle_rows(beats: Beats) -> Iterator[tuple[int, NDArray[np.intp], NDArray[np.intp]]]:
    """Yield for each i all (j, k), j and k above i, such that i beats j, j beats k, k beats i."""
    for i in range(len(beats) - 2):
        losers = i + 1 + np.flatnonzero(beats[i, i + 1 :])
        winners = i + 1 + np.flatnonzero(beats[i + 1 :, i])
        at, to = np.nonzero(beats[np.ix_(losers, winners)])
        if len(at):
            yield i, losers[at], winners[to]
