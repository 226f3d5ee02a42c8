"""Stochastic transitivity: how far preferences are from being explained by one score an action."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slhf.errors import InputError
from slhf.games.majority import TIE
from slhf.games.population import shares
from slhf.games.preference_matrix import BLOCK, preference_matrix
from slhf.games.simplex import Array

CLASSES = ("weak", "moderate", "strong")
"""From the loosest to the strictest: each implies those before it."""


@dataclass(frozen=True)
class Violation:
    """The triple that breaks a class by most.

    Attributes:
        actions: (a, b, c).
        preferences: p(a ≻ b) and p(b ≻ c), both at least ½, and p(a ≻ c).
        shortfall: by how much p(a ≻ c) falls short of what the class asks.
    """

    actions: tuple[int, int, int]
    preferences: tuple[float, float, float]
    shortfall: float


@dataclass(frozen=True)
class Transitivity:
    """Which classes hold, with a witness for each that does not.

    Attributes:
        weak: p(a ≻ c) ≥ ½ whenever p(a ≻ b) ≥ ½ and p(b ≻ c) ≥ ½.
        moderate: then p(a ≻ c) ≥ min(p(a ≻ b), p(b ≻ c)).
        strong: then p(a ≻ c) ≥ max(p(a ≻ b), p(b ≻ c)); every Bradley–Terry model is strong.
        violations: the worst triple of each class that does not hold, by the name of the class.
    """

    weak: bool
    moderate: bool
    strong: bool
    violations: Mapping[str, Violation]


@dataclass(frozen=True)
class TransitiveShare:
    """The share of prompts on which each class holds, by weight.

    Attributes:
        weak: see :class:`Transitivity`.
        moderate: the same.
        strong: the same.
    """

    weak: float
    moderate: float
    strong: float


def transitivity(p: ArrayLike) -> Transitivity:
    """Test the three classes of stochastic transitivity.

        p(a ≻ b) ≥ ½ and p(b ≻ c) ≥ ½   ⇒   p(a ≻ c) ≥ ½ (weak), ≥ min (moderate), ≥ max (strong) of the two

    Every ≥ holds to 1e-9.

    Args:
        p: preferences of one prompt, shape (Y, Y).

    Raises:
        InputError: not a preference matrix, or several; see :func:`transitive_share`.

    >>> found = transitivity([[0.5, 0.8, 0.7], [0.2, 0.5, 0.6], [0.3, 0.4, 0.5]])
    >>> found.weak, found.moderate, found.strong, found.violations["strong"].actions
    (True, True, False, (0, 1, 2))
    """
    checked = preference_matrix(p)
    if checked.ndim == 3:
        raise InputError(f"one prompt at a time: got shape {checked.shape}; slhf.games.transitive_share takes many")
    shortfall, triples = _worst(checked[None])
    violations = {}
    for name, short, (a, b, c) in zip(CLASSES, shortfall[:, 0].tolist(), triples[:, 0].tolist(), strict=True):
        if short > TIE:
            preferences = (float(checked[a, b]), float(checked[b, c]), float(checked[a, c]))
            violations[name] = Violation((a, b, c), preferences, short)
    return Transitivity(**{name: name not in violations for name in CLASSES}, violations=violations)


def transitive_share(p: ArrayLike, rho: ArrayLike | None = None) -> TransitiveShare:
    """Return the share of prompts on which each class of :func:`transitivity` holds.

    Args:
        p: preferences, shape (X, Y, Y), or (Y, Y) for one prompt.
        rho: weights of the prompts, shape (X,); divided by their sum; equal if not given.

    Raises:
        InputError: not a preference matrix, or weights that do not fit.

    >>> circle = [[0.5, 0.6, 0.4], [0.4, 0.5, 0.6], [0.6, 0.4, 0.5]]
    >>> order = [[0.5, 0.6, 0.6], [0.4, 0.5, 0.6], [0.4, 0.4, 0.5]]
    >>> transitive_share([circle, order])
    TransitiveShare(weak=0.5, moderate=0.5, strong=0.5)
    """
    checked = preference_matrix(p)
    batch = checked if checked.ndim == 3 else checked[None]
    prompts, actions = batch.shape[:2]
    weights = shares(rho, prompts, "the prompts")
    holds = np.zeros(len(CLASSES))
    step = max(1, BLOCK // (actions * actions))
    for x in range(0, prompts, step):
        shortfall, _ = _worst(batch[x : x + step])
        holds += (shortfall <= TIE) @ weights[x : x + step]
    return TransitiveShare(*np.minimum(holds, 1.0).tolist())


def _worst(batch: Array) -> tuple[Array, NDArray[np.intp]]:
    """Return the largest shortfall of each class and prompt, and the triple it occurs at; one a at a time."""
    prompts, actions = batch.shape[:2]
    follows = batch >= 0.5 - TIE
    worst = np.full((len(CLASSES), prompts), -np.inf)
    triples = np.zeros((len(CLASSES), prompts, 3), dtype=np.intp)
    every = np.arange(prompts)
    for a in range(actions):
        first = batch[:, a, :, None]
        broken = ~(follows[:, a, :, None] & follows)  # [x, b, c]: the premise fails
        for index in range(len(CLASSES)):
            asked = np.full_like(batch, 0.5) if index == 0 else (np.minimum, np.maximum)[index - 1](first, batch)
            np.maximum(asked, 0.5, out=asked)  # a premise may be a tie that rounding left below ½
            asked -= batch[:, a, None, :]
            asked[broken] = -np.inf
            flat = asked.reshape(prompts, -1)
            at = flat.argmax(axis=1)
            short = flat[every, at]
            better = short > worst[index]
            worst[index, better] = short[better]
            b, c = np.divmod(at, actions)
            triples[index, better] = np.stack((np.full(prompts, a), b, c), axis=1)[better]
    return worst, triples
