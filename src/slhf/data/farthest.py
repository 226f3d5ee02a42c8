"""Choose points that lie far from each other, so that a few stand for all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slhf.errors import InputError


def farthest_first(points: NDArray[np.floating], count: int, first: int = 0) -> NDArray[np.intp]:
    """Return the numbers of ``count`` points, each the one farthest from all chosen before it.

        i₁ = first,   i_{k+1} = argmax_i min_{j ≤ k} ‖x_i − x_{i_j}‖

    The largest distance of any point to its nearest chosen one is at most twice the least that any choice of so many
    points can reach (Gonzalez 1985); see tests/data/test_farthest.py.

    Args:
        points: X points, shape (X, H).
        count: how many, from 1 to X.
        first: number of the point to begin with.

    Returns:
        Shape (count,), all different, in the order they were chosen; of equally far points the first.

    Raises:
        InputError: no such number of points, or a coordinate that is not a finite number.

    >>> farthest_first(np.array([[0.0], [1.0], [10.0], [4.0]]), 3)
    array([0, 2, 3])
    """
    x = np.asarray(points, dtype=np.float64)
    if x.ndim != 2 or not 1 <= count <= len(x) or not 0 <= first < len(x):
        raise InputError(f"cannot choose {count} points, beginning with number {first}, from an array {x.shape}")
    if not np.isfinite(x).all():
        row = int(np.flatnonzero(~np.isfinite(x).all(axis=1))[0])
        raise InputError(f"point {row} has a coordinate that is not a finite number; distances need finite ones")
    chosen = np.empty(count, dtype=np.intp)
    chosen[0] = first
    nearest = _squares(x, first)
    nearest[first] = -1.0  # never again, also where other points are the same
    for k in range(1, count):
        chosen[k] = np.argmax(nearest)
        nearest = np.minimum(nearest, _squares(x, chosen[k]))
        nearest[chosen[: k + 1]] = -1.0
    return chosen


def _squares(x: NDArray[np.float64], place: int | np.intp) -> NDArray[np.float64]:
    """Return every point's squared distance to one of them."""
    return ((x - x[place]) ** 2).sum(axis=1)
