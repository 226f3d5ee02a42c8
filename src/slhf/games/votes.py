"""Votes: how often one action was chosen over another, and the preferences that follow."""

from __future__ import annotations

import logging
import math

import numpy as np
from numpy.typing import ArrayLike

from slhf.errors import InputError
from slhf.games.preference_matrix import blocks
from slhf.games.simplex import Array

log = logging.getLogger(__name__)


def from_votes(votes: ArrayLike) -> Array:
    """Return the share of votes each action won against each other.

        p[y, y′] = votes[y, y′] / (votes[y, y′] + votes[y′, y]),   ½ where nobody compared the two

    How many pairs were never compared is logged once, as a warning.

    Args:
        votes: votes[y, y′] = how often y was chosen over y′, shape (Y, Y) or (X, Y, Y); a tie may count as
            half a vote for each side. The diagonal is zero.

    Returns:
        A preference matrix in the shape of ``votes``.

    Raises:
        InputError: not square, a number that is negative or not finite, or votes of an action over itself.

    >>> from_votes([[0, 3], [1, 0]])
    array([[0.5 , 0.75],
           [0.25, 0.5 ]])
    """
    c = checked_votes(votes)
    warn_of_uncompared(uncompared(c), c.shape, "votes")
    return vote_shares(c)


def vote_shares(c: Array) -> Array:
    """Return the share of votes each action won, ½ where there are none; says nothing about those.

    Args:
        c: checked votes, shape (Y, Y) or (X, Y, Y).
    """
    batch = c if c.ndim == 3 else c[None]
    p = np.empty(batch.shape)
    for xs, ys in blocks(batch.shape[0], batch.shape[1]):
        won, lost = batch[xs, ys], batch[xs, :, ys].swapaxes(1, 2)
        # Halves first: counts near the largest number a float holds must not overflow when added.
        total = 0.5 * won + 0.5 * lost
        np.divide(0.5 * won, total, out=p[xs, ys], where=total > 0.0)
        p[xs, ys][total == 0.0] = 0.5
    return p if c.ndim == 3 else p[0]


def uncompared(votes: Array) -> int:
    """Return how many pairs of different actions nobody compared, over all prompts.

    Args:
        votes: shape (Y, Y) or (X, Y, Y).
    """
    batch = votes if votes.ndim == 3 else votes[None]
    empty = sum(
        int(np.count_nonzero((batch[xs, ys] == 0.0) & (batch[xs, :, ys].swapaxes(1, 2) == 0.0)))
        for xs, ys in blocks(batch.shape[0], batch.shape[1])
    )
    return (empty - batch.shape[0] * batch.shape[1]) // 2


def warn_of_uncompared(missing: int, shape: tuple[int, ...], source: str) -> None:
    """Log how many of all pairs nobody compared, if any.

    Args:
        missing: that many pairs, over all prompts.
        shape: of the preferences.
        source: where they come from.
    """
    if missing:
        pairs = math.prod(shape) // shape[-1] * (shape[-1] - 1) // 2
        log.warning("%s: %d of %d pairs were never compared; they get ½", source, missing, pairs)


def checked_votes(votes: ArrayLike) -> Array:
    """Return vote counts as float64.

    Raises:
        InputError: see :func:`from_votes`.
    """
    try:
        c = np.asarray(votes, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"votes are a table of counts, all rows equally long: {error}") from None
    if c.ndim not in (2, 3) or c.shape[-1] != c.shape[-2] or 0 in c.shape:
        raise InputError(f"votes are square, shape (Y, Y), or (X, Y, Y) for X prompts; got shape {c.shape}")
    if not (c.min() >= 0.0 and c.max() < np.inf):  # NaN fails both
        where = tuple(int(k) for k in np.argwhere(~((c >= 0.0) & (c < np.inf)))[0])
        raise InputError(f"votes{list(where)} is {c[where]:g}; a count of votes is a finite number, 0 or more")
    own = np.diagonal(c, axis1=-2, axis2=-1)
    if own.any():
        where = tuple(int(k) for k in np.argwhere(own)[0])
        raise InputError(
            f"votes{[*where, where[-1]]} is {own[where]:g}; nobody can choose an action over itself: put 0 there"
        )
    return c
