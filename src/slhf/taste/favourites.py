"""Which of several candidates each annotator would pick."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slhf.errors import InputError

Array = NDArray[np.float64]

SAME = 1e-12
"""Probabilities that differ by less are equal: what is left is rounding."""


def favourites(preferences: ArrayLike) -> Array:
    """Return how likely each annotator picks each of n candidates, were all of them on the table.

        q_k(i) = Π_{j ≠ i} P_k(i ≻ j) / Σ_l Π_{j ≠ l} P_k(l ≻ j)

    With n = 2 this is P_k itself; with hard preferences it is the annotator's top candidate, shared evenly where
    several tie; a hard circle without a top is shared by all.

    Args:
        preferences: P[k, i, j] = P_k(i ≻ j), shape (A, n, n).

    Returns:
        Shape (A, n), rows summing to one.

    Raises:
        InputError: no such preferences; see :func:`checked`.

    >>> favourites([[[0.5, 0.8], [0.2, 0.5]]])
    array([[0.8, 0.2]])
    """
    p = checked(preferences)
    n = p.shape[-1]
    with np.errstate(divide="ignore"):
        logs = np.log(np.where(np.eye(n, dtype=bool), 1.0, p)).sum(axis=2)
    highest = logs.max(axis=1, keepdims=True)
    weights = np.where(np.isfinite(highest), np.exp(logs - np.where(np.isfinite(highest), highest, 0.0)), 1.0)
    return weights / weights.sum(axis=1, keepdims=True)


def checked(preferences: ArrayLike) -> Array:
    """Check the preferences of A annotators between n candidates.

    Args:
        preferences: shape (A, n, n), in [0, 1], with P_k(i ≻ j) + P_k(j ≻ i) = 1 to 1e-9.

    Raises:
        InputError: another shape, or numbers that are no preferences; the message names the entry.
    """
    p = np.asarray(preferences, dtype=np.float64)
    if p.ndim != 3 or p.shape[1] != p.shape[2] or 0 in p.shape:
        raise InputError(f"preferences between n candidates have shape (annotators, n, n); got {p.shape}")
    wrong = ~((p >= 0.0) & (p <= 1.0)) | (np.abs(p + p.transpose(0, 2, 1) - 1.0) > 1e-9)
    if wrong.any():
        k, i, j = (int(place) for place in np.argwhere(wrong)[0])
        raise InputError(
            f"preferences[{k}, {i}, {j}] = {p[k, i, j]} and [{k}, {j}, {i}] = {p[k, j, i]}: both lie in [0, 1] and "
            "sum to one"
        )
    return p


def first_largest(values: Array) -> int:
    """Return the place of the largest value; of values that are equal up to rounding the first.

    >>> first_largest(np.array([0.1, 0.3, 0.3 + 1e-16]))
    1
    """
    return int(np.flatnonzero(values >= values.max() - SAME)[0])
