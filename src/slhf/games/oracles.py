"""What a learner is told about preferences: the whole matrix, or noisy verdicts on actions it drew itself."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from slhf.errors import InputError
from slhf.games.preference_matrix import preference_matrix
from slhf.games.simplex import Array

Oracle = Callable[[Array, Array], Array]
"""From π (X, Y) and ω (X, Y, Y) to preferences (X, Y, Y): the true ones, or an unbiased estimate of them."""

Verdict = Callable[[Array, Generator], Array]
"""From preferences of sampled pairs to what an annotator says of them, right on average."""


def exact_oracle(p: ArrayLike) -> Oracle:
    """Return the oracle that knows every preference.

    Args:
        p: preferences, shape (Y, Y) or (X, Y, Y).

    Raises:
        InputError: not a preference matrix.
    """
    known = _batch(p)
    return lambda _leader, _follower: known


def sampled_oracle(
    p: ArrayLike, rng: Generator, *, samples: int = 1, exploration: float = 0.1, verdict: Verdict | None = None
) -> Oracle:
    """Return an oracle that sees a few sampled pairs and a noisy verdict on each.

        y ~ b_L = (1 − γ) π + γ/Y,    y′ ~ b_F = (1 − γ) ω(·|y) + γ/Y,    z with mean p(y ≻ y′)
        p̂ = ½ + mean over samples of [ (z − ½) / (b_L(y) b_F(y′|y)) at (y, y′), 0 elsewhere ]

    The expectation of p̂ is p, whatever the policies. ½ is a baseline: a constant moves no policy, and
    without it the weights would multiply something twice as large. Exploration bounds the weights and
    keeps p̂ unbiased where a projected policy has zeros; with γ = 0 such pairs are believed to be ½.

    Args:
        p: preferences, shape (Y, Y) or (X, Y, Y).
        rng: where every draw comes from.
        samples: pairs drawn a prompt and call.
        exploration: γ in [0, 1], the share of uniform draws.
        verdict: what is said of a pair; :func:`vote` if not given.

    Raises:
        InputError: not a preference matrix, no samples, or γ outside [0, 1].
    """
    true = _batch(p)
    if samples < 1:
        raise InputError(f"samples is {samples}; an oracle needs at least one pair a call")
    if not 0.0 <= exploration <= 1.0:
        raise InputError(f"exploration is {exploration}; it is a share of the draws, between 0 and 1")
    judge = vote if verdict is None else verdict
    prompts, actions = true.shape[:2]
    xs = np.arange(prompts)[:, None]

    def ask(leader: Array, follower: Array) -> Array:
        first_rows = (1.0 - exploration) * leader + exploration / actions
        first = _draw(np.repeat(first_rows[:, None], samples, axis=1), rng)
        second_rows = (1.0 - exploration) * follower[xs, first] + exploration / actions
        second = _draw(second_rows, rng)
        chance = first_rows[xs, first] * np.take_along_axis(second_rows, second[..., None], axis=-1)[..., 0]
        said = judge(true[xs, first, second], rng)
        estimate = np.full(true.shape, 0.5)
        np.add.at(estimate, (xs, first, second), (said - 0.5) / (chance * samples))
        return estimate

    return ask


def vote(p: Array, rng: Generator) -> Array:
    """Return one annotator's votes: 1 with probability p, else 0.

    Args:
        p: preferences.
        rng: where the draw comes from.

    >>> vote(np.array([0.0, 1.0]), np.random.default_rng(0))
    array([0., 1.])
    """
    return (rng.random(p.shape) < p).astype(np.float64)


def bounded_noise(width: float) -> Verdict:
    """Return a verdict that reads the preference with an error, uniform in [−width, width].

    Args:
        width: largest error, preference.

    Raises:
        InputError: negative or not finite.
    """
    if not (math.isfinite(width) and width >= 0.0):
        raise InputError(f"width is {width}; the largest error is a finite number, 0 or more")
    return lambda p, rng: p + rng.uniform(-width, width, p.shape)


def _batch(p: ArrayLike) -> Array:
    checked = preference_matrix(p)
    return checked if checked.ndim == 3 else checked[None]


def _draw(rows: Array, rng: Generator) -> np.ndarray:
    """Draw one action from every row, shape (..., Y); the total stands in for 1, which rounding may miss."""
    cumulative = rows.cumsum(axis=-1)
    reached = rng.random((*rows.shape[:-1], 1)) * cumulative[..., -1:]
    return (reached >= cumulative).sum(axis=-1)
