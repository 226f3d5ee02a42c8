"""Which two candidates to ask a user about."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr

from slhf.errors import InputError
from slhf.taste.belief import Taste
from slhf.taste.favourites import SAME, Array, checked, first_largest


def information(taste: Taste, preferences: ArrayLike) -> Array:
    """Return what the answer to "i or j?" would tell about the user's taste: the mutual information of both.

        I[i, j] = H(Σ_k w_k m_k) − Σ_k w_k H(m_k),   m_k = (1 − 2λ) P_k(i ≻ j) + λ

    with H the entropy of a coin that falls so. It is what the entropy of the posterior is expected to lose.

    Args:
        taste: what is believed now.
        preferences: P[k, i, j], shape (A, n, n).

    Returns:
        Nats, shape (n, n), symmetric, zero on the diagonal; at most ln 2.

    Raises:
        InputError: no such preferences.
    """
    p = checked(preferences)
    m = (1.0 - 2.0 * taste.lapse) * p + taste.lapse
    w = taste.weights
    told = _coin(np.tensordot(w, m, axes=1)) - np.tensordot(w, _coin(m), axes=1)
    return np.where(np.eye(p.shape[1], dtype=bool), 0.0, np.maximum(told, 0.0))


def most_informative(taste: Taste, preferences: ArrayLike) -> tuple[int, int]:
    """Return the two candidates i < j whose comparison tells most about the user; of equals the first.

    Args:
        taste: what is believed now.
        preferences: P[k, i, j], shape (A, n, n), n ≥ 2.

    Raises:
        InputError: fewer than two candidates, or no such preferences.
    """
    told = information(taste, preferences)
    first, second = np.triu_indices(_two_or_more(told), k=1)
    place = first_largest(told[first, second])
    return int(first[place]), int(second[place])


def max_min(taste: Taste, preferences: ArrayLike, level: float = 0.95) -> tuple[int, int]:
    """Return two candidates by the optimistic max-min choice: one that may be the best, and its hardest rival.

        lcb[i, j] = min_{k ∈ C} P_k(i ≻ j),   ucb[i, j] = max_{k ∈ C} P_k(i ≻ j)
        M = { i : ucb[i, j] ≥ ½ for all j },   i* = argmax_{i ∈ M} min_{j ∈ M, j ≠ i} lcb[i, j],   j* = that argmin

    where C are the likeliest annotators that together hold ``level`` of the belief, all that weigh as much as the
    last of them included. A single candidate in M meets its hardest rival among all; should M be empty, as soft
    circles allow, every candidate is in it. Of equals the first counts.

    Paper: MaxMinLCB of "Bandits with Preference Feedback: A Stackelberg Game Perspective" (arXiv 2406.16745).
    Departs: a set of annotators stands for the confidence set, and the rival is never the candidate itself; see
        tests/taste/test_questions.py.

    Args:
        taste: what is believed now.
        preferences: P[k, i, j], shape (A, n, n), n ≥ 2.
        level: share of the belief that C holds, in (0, 1].

    Raises:
        InputError: fewer than two candidates, a level out of range, or no such preferences.
    """
    if not 0.0 < level <= 1.0:
        raise InputError(f"level={level}: it is more than 0 and at most 1")
    p = checked(preferences)
    n = _two_or_more(p[0])
    credible = p[_credible(taste.weights, level)]
    lower, upper = credible.min(axis=0), credible.max(axis=0)
    plausible = np.flatnonzero((upper >= 0.5 - SAME).all(axis=1))  # the diagonal is ½
    if not plausible.size:
        plausible = np.arange(n)
    worst = np.array([lower[i, _rivals(i, plausible, n)].min() for i in plausible.tolist()])
    leader = int(plausible[first_largest(worst)])
    rivals = _rivals(leader, plausible, n)
    return leader, int(rivals[first_largest(-lower[leader, rivals])])


def _rivals(candidate: int, plausible: np.ndarray, n: int) -> np.ndarray:
    others = plausible[plausible != candidate]
    return others if others.size else np.delete(np.arange(n), candidate)


def _credible(weights: Array, level: float) -> np.ndarray:
    order = np.sort(weights)[::-1]
    last = order[min(int(np.searchsorted(np.cumsum(order), level - SAME)), len(order) - 1)]
    return weights >= last - SAME


def _coin(p: Array) -> Array:
    return entr(p) + entr(1.0 - p)


def _two_or_more(square: Array) -> int:
    if len(square) < 2:
        raise InputError("a comparison needs two candidates, there is one")
    return len(square)
