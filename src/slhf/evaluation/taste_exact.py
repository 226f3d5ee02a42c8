"""Clicks until a user's favourite appears, exactly, in a finite game."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slhf.errors import InputError
from slhf.evaluation.taste_visits import Array, Ask, Between, Method, Visit, Wanted
from slhf.judges.annotators import credit
from slhf.taste import Taste

_MOST = 1 << 16
"""Sets of sampled answers that one click may have."""


def chance_by_click(
    method: Method, belief: Taste, user: int, leader: ArrayLike, follower: ArrayLike, utilities: ArrayLike, clicks: int
) -> Array:
    """Return the probability that a user's favourite has appeared by the n-th click, n = 1 … N.

    Every set of samples and every answer to a comparison is followed with its probability. For the plain chain and
    for independent samples this is pass@N.

    Paper: SLHF §4.1, pass@N.

    Args:
        method: how clicks are spent.
        belief: about the user before the first click; its lapse is the user's too.
        user: the number of their annotator.
        leader: π, shape (Y,).
        follower: ω, shape (Y, Y).
        utilities: u[a, y], what annotator a thinks of action y, shape (A, Y).
        clicks: N.

    Returns:
        Shape (N,).

    Raises:
        InputError: fewer clicks than one, or more sets of samples than can be followed.
    """
    if clicks < 1:
        raise InputError(f"clicks={clicks}: there is at least one")
    pi, omega, u = (np.asarray(given, dtype=np.float64) for given in (leader, follower, utilities))
    favourite = u[user] == u[user].max()
    between = by_utility(u)
    hits = np.zeros(clicks)

    def follow(visit: Visit, probability: float) -> None:
        if visit.clicks >= clicks or probability == 0.0:
            return
        action = method.next(visit, between)
        if isinstance(action, Ask):
            for chosen, p in enumerate(belief.clicks(between(action.pair))[user]):
                follow(visit.told(action.pair, chosen, between), probability * float(p))
            return
        law = pi if action.previous is None else omega[action.previous]
        for answer, p in _shown(method, visit, action, law, between).items():
            if favourite[answer]:
                hits[visit.clicks] += probability * p
            else:
                follow(visit.showing(answer), probability * p)

    follow(Visit(belief), 1.0)
    return np.minimum(np.cumsum(hits), 1.0)


def by_utility(utilities: NDArray[np.float64], temperature: float | None = None) -> Between:
    """Return the preferences of annotators who prefer the larger utility; see :func:`slhf.judges.annotators.credit`.

    Args:
        utilities: u[a, y], shape (A, Y).
        temperature: None for hard preferences.
    """

    def between(answers: Sequence[int]) -> Array:
        u = utilities[:, list(answers)]
        return credit(u[:, :, None], u[:, None, :], temperature)

    return between


def _shown(method: Method, visit: Visit, wanted: Wanted, law: Array, between: Between) -> dict[int, float]:
    """Return how likely each answer is shown, over all sets of samples."""
    possible = [int(y) for y in np.flatnonzero(law)]
    if len(possible) ** len(wanted.samples) > _MOST:
        raise InputError(
            f"{len(wanted.samples)} samples of {len(possible)} actions are too many sets to follow; lower the number "
            "of candidates"
        )
    found: dict[int, float] = {}
    for answers in product(possible, repeat=len(wanted.samples)):
        shown = method.choose(visit, answers, between)
        found[shown] = found.get(shown, 0.0) + float(np.prod(law[list(answers)]))
    return found
