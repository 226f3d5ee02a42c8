"""Preference matrices: what makes a table of numbers one, and mending what is nearly one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slhf.errors import InputError
from slhf.games.simplex import Array

ANTISYMMETRY = 1e-9
"""How far p + pᵀ may be from 1."""

BLOCK = 1 << 14
"""Entries handled at once: they stay in the processor's cache, and a large game needs no copy of itself."""

MANY = 64
"""From so many actions on, a row of a game is long enough to be summed as it lies."""


def blocks(prompts: int, actions: int) -> Iterator[tuple[slice, slice]]:
    """Cut a batch of games into pieces of about 16,000 entries.

    Args:
        prompts: X.
        actions: Y.

    Yields:
        Slices of the prompts and of the rows: several whole games, or some rows of one.
    """
    if actions * actions <= BLOCK:
        step = BLOCK // (actions * actions)
        for x in range(0, prompts, step):
            yield slice(x, min(x + step, prompts)), slice(0, actions)
        return
    step = max(1, BLOCK // actions)
    for x in range(prompts):
        for y in range(0, actions, step):
            yield slice(x, x + 1), slice(y, min(y + step, actions))


def actions_first(block: Array) -> Array:
    """Reverse the axes, (x, y, y′) into (y′, y, x): sums over actions run over long stretches however few there are.

    Where there are many actions they are the long stretch already, and the result is a view.
    """
    return block.T if block.shape[-1] >= MANY else np.ascontiguousarray(block.T)


def part(array: Array, block: tuple[slice, ...]) -> Array:
    """Cut a block out of an array that may broadcast: an axis of length 1 is left as it is."""
    return array[tuple(cut if n > 1 else slice(None) for cut, n in zip(block, array.shape, strict=False))]


def stretches(prompts: int, actions: int) -> Iterator[slice]:
    """Cut X distributions over Y actions into pieces of about 16,000 entries."""
    step = max(1, BLOCK // actions)
    return (slice(x, min(x + step, prompts)) for x in range(0, prompts, step))


def preference_matrix(p: ArrayLike, *, actions: Sequence[str] | None = None) -> Array:
    """Check that ``p`` is a preference matrix, or one a prompt, and return it as float64.

        p[y, y′] ∈ [0, 1],    p[y, y′] + p[y′, y] = 1    (to 1e-9), hence p[y, y] = ½

    Args:
        p: p[y, y′] = P(y ≻ y′), shape (Y, Y) or (X, Y, Y).
        actions: Y names for messages; numbers if not given.

    Returns:
        The same numbers, without a copy where they are float64 already.

    Raises:
        InputError: wrong shape, NaN, outside [0, 1], or not antisymmetric; names the first such entry.

    >>> preference_matrix([[0.5, 0.7], [0.3, 0.5]])
    array([[0.5, 0.7],
           [0.3, 0.5]])
    """
    checked = _square(p)
    if actions is not None and len(actions) != checked.shape[-1]:
        raise InputError(f"{len(actions)} action names for {checked.shape[-1]} actions; give one name an action")
    batch = checked if checked.ndim == 3 else checked[None]
    for xs, ys in blocks(batch.shape[0], batch.shape[1]):
        rows = actions_first(batch[xs, ys])
        if not (rows.min() >= 0.0 and rows.max() <= 1.0):  # NaN fails both
            _complain(batch, xs.start, ys.start, ~((rows >= 0.0) & (rows <= 1.0)).T, actions)
        off = rows + actions_first(batch[xs, :, ys].swapaxes(1, 2))
        off -= 1.0
        if max(off.max(), -off.min()) > ANTISYMMETRY:
            _complain(batch, xs.start, ys.start, np.abs(off).T > ANTISYMMETRY, actions)
    return checked


def symmetrise(p: ArrayLike) -> Array:
    """Return the nearest preference matrix: the mean of p and 1 − pᵀ.

        ½ + ½ (p − pᵀ)

    Args:
        p: shape (Y, Y) or (X, Y, Y), numbers in [0, 1].

    Returns:
        A preference matrix; p itself if it was one.

    Raises:
        InputError: not square.

    >>> symmetrise([[0.5, 0.75], [0.5, 0.5]])
    array([[0.5  , 0.625],
           [0.375, 0.5  ]])
    """
    raw = _square(p)
    return 0.5 + 0.5 * (raw - raw.swapaxes(-1, -2))


def _square(p: ArrayLike) -> Array:
    try:
        table = np.asarray(p, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"a preference matrix is a table of numbers, all rows equally long: {error}") from None
    if table.ndim not in (2, 3) or table.shape[-1] != table.shape[-2] or 0 in table.shape:
        raise InputError(
            f"a preference matrix is square, shape (Y, Y), or (X, Y, Y) for X prompts; got shape {table.shape}"
        )
    return table


def _complain(batch: Array, x: int, y: int, bad: NDArray[np.bool_], actions: Sequence[str] | None) -> None:
    game, i, j = (int(k) for k in np.argwhere(bad)[0])
    i, game = i + y, game + x
    first, second = batch[game, i, j], batch[game, j, i]
    if not 0.0 <= second <= 1.0 and 0.0 <= first <= 1.0:  # the mirror image, which a later block holds, is at fault
        i, j, first, second = j, i, second, first
    where = f"p[{i}, {j}] = {first:.10g}" if len(batch) == 1 else f"p[{game}, {i}, {j}] = {first:.10g}"
    names = f" ({actions[i]!r} against {actions[j]!r})" if actions is not None else ""
    if np.isnan(first):
        raise InputError(f"{where}{names} is not a number; every pair needs a preference, ½ where nothing is known")
    if not 0.0 <= first <= 1.0:
        raise InputError(
            f"{where}{names} is outside [0, 1]; a preference is a probability (divide counts by their sum)"
        )
    worst = _worst(batch)
    raise InputError(
        f"{where}{names} and its mirror image {second:.10g} add up to {first + second:.10g}, {first + second - 1:+.3g} "
        f"from 1 (largest distance anywhere: {worst:.3g}); correct the entry, or take the mean of p and 1 − pᵀ: "
        "slhf.games.symmetrise(p), --symmetrise on the command line"
    )


def _worst(batch: Array) -> float:
    return max(
        float(np.abs(batch[xs, ys] + batch[xs, :, ys].swapaxes(-1, -2) - 1.0).max())
        for xs, ys in blocks(batch.shape[0], batch.shape[1])
    )
