"""Populations: people of several types, each with an opinion of every action, and the preferences they add up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slhf.errors import InputError
from slhf.games.preference_matrix import blocks
from slhf.games.simplex import Array


@dataclass(frozen=True, eq=False)
class Population:
    """Annotator types with shares. Made by :func:`population` or :func:`slhf.games.rankings.ranked_population`.

    Attributes:
        utilities: u[a, y], what type a thinks of action y, more being better; shape (A, Y), or (X, A, Y) for
            X prompts. Only their order within a type matters.
        weights: ν_a, shape (A,), summing to one.
        names: A names.
    """

    utilities: Array
    weights: Array
    names: tuple[str, ...]

    def preferences(self) -> Array:
        """Return the preferences of a person drawn at random.

            p[y, y′] = Σ_a ν_a ( [u_a(y) > u_a(y′)] + ½ [u_a(y) = u_a(y′)] )

        Paper: SLHF Eq. (6), with ties ½.

        Returns:
            A preference matrix, shape (Y, Y) or (X, Y, Y).
        """
        return from_scores(self.utilities, self.weights)

    def favourites(self) -> NDArray[np.bool_]:
        """Return the actions each type likes best, as masks in the shape of ``utilities``; ties all count."""
        return self.utilities == self.utilities.max(axis=-1, keepdims=True)


def population(
    utilities: ArrayLike, weights: ArrayLike | None = None, names: Sequence[str] | None = None
) -> Population:
    """Check a population's parts and put them together.

    Args:
        utilities: u[a, y], shape (A, Y), or (X, A, Y) for X prompts; negate those of which less is better.
        weights: shares of the types, shape (A,); divided by their sum; equal if not given.
        names: A distinct names; "type 1", "type 2", … if not given.

    Raises:
        InputError: wrong shapes, a utility that is not finite, weights that are no shares, a name twice.

    >>> population([[2, 1, 0], [0, 1, 1]], weights=[3, 1]).preferences()
    array([[0.5  , 0.75 , 0.75 ],
           [0.25 , 0.5  , 0.875],
           [0.25 , 0.125, 0.5  ]])
    """
    u = _checked_scores(utilities)
    types = u.shape[-2]
    named = tuple(f"type {a + 1}" for a in range(types)) if names is None else tuple(names)
    if len(named) != types:
        raise InputError(f"{len(named)} names for a population of {types} types; give one name a type")
    if len(set(named)) != types:
        raise InputError(f"types of a population need distinct names, got {list(named)}")
    return Population(u, shares(weights, types, "a population's types"), named)


def from_scores(scores: ArrayLike, weights: ArrayLike | None = None) -> Array:
    """Return a panel's preferences: every annotator votes for the action it scores higher, or half for each.

        p[y, y′] = Σ_a w_a ( [r_a(y) > r_a(y′)] + ½ [r_a(y) = r_a(y′)] )

    Paper: SLHF Eq. (11), where all weights are equal.
    Departs: the printed ≥ gives a tie to both sides; here it is ½; see tests/judges/test_panel.py.

    Args:
        scores: r[a, y], shape (A, Y), or (X, A, Y) for X prompts; negate those of which less is better.
        weights: the annotators' shares, shape (A,); divided by their sum; equal if not given.

    Returns:
        A preference matrix, shape (Y, Y) or (X, Y, Y); p + pᵀ is 1 to the last bit but one.

    Raises:
        InputError: wrong shapes, a score that is not finite, or weights that are no shares.

    >>> from_scores([[0.3, 0.9], [5, 5]])
    array([[0.5 , 0.25],
           [0.75, 0.5 ]])
    """
    r = _checked_scores(scores)
    batch = r if r.ndim == 3 else r[None]
    prompts, annotators, actions = batch.shape
    w = shares(weights, annotators, "a panel's annotators")
    lead = np.zeros((prompts, actions, actions))
    for xs, ys in blocks(prompts, actions):
        block = lead[xs, ys]
        for a in range(annotators):
            rows, columns = batch[xs, a, ys, None], batch[xs, a, None, :]
            block += w[a] * (rows > columns)
            block -= w[a] * (rows < columns)
        # Every step treats a pair and its mirror image with opposite signs, so the halves add up to one.
        np.clip(block, -1.0, 1.0, out=block)  # the weights' sum may be one bit over one
        block *= 0.5
        block += 0.5
    return lead if r.ndim == 3 else lead[0]


def shares(weights: ArrayLike | None, count: int, of: str) -> Array:
    """Return weights divided by their sum; equal ones if none are given.

    Args:
        weights: numbers, 0 or more, not all 0.
        count: how many there must be.
        of: whose they are, for messages.

    Raises:
        InputError: not as many as ``count``, negative, not finite, or all zero.
    """
    if weights is None:
        return np.full(count, 1.0 / count)
    try:
        w = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"weights of {of} are numbers: {error}") from None
    if w.shape != (count,):
        raise InputError(f"{count} weights are needed, one for each of {of}; got shape {w.shape}")
    with np.errstate(over="ignore"):
        total = float(w.sum())
    if not (w.min() >= 0.0 and 0.0 < total < np.inf):  # NaN fails it too
        raise InputError(f"weights of {of} must be finite, 0 or more and not all 0; got {_short(w)}")
    return w / total


def _short(w: Array) -> str:
    text = ", ".join(f"{v:g}" for v in w[:8])
    return f"{text}, …" if len(w) > 8 else text


def _checked_scores(given: ArrayLike) -> Array:
    try:
        scores = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"scores are a table of numbers, a row for each annotator: {error}") from None
    if scores.ndim not in (2, 3) or 0 in scores.shape:
        raise InputError(
            f"scores have shape (A, Y), a row for each annotator, or (X, A, Y) for X prompts; got shape {scores.shape}"
        )
    if not np.isfinite(scores).all():
        where = tuple(int(k) for k in np.argwhere(~np.isfinite(scores))[0])
        raise InputError(
            f"scores{list(where)} is {scores[where]}; every annotator needs a finite opinion of every action"
        )
    return scores
