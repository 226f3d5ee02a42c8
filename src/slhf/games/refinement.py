"""Trying again, exactly: chains of refinements against independent samples, by pass@N and by rank.

A chain is y₁ ~ π, then y_{i+1} ~ ω(· | y_i). Nothing here samples: a chain is a Markov chain over the
actions, and the answers somebody waits for absorb it. One prompt at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slhf.errors import InputError
from slhf.games.game import distribution
from slhf.games.simplex import Array

Masks = NDArray[np.bool_]
Targets = int | Collection[int] | Masks


def chain_distributions(leader: ArrayLike, follower: ArrayLike, n: int) -> Array:
    """Return how each answer of a chain is distributed.

        d₁ = π,    d_{i+1}(y′) = Σ_y d_i(y) ω(y′ | y)

    Args:
        leader: π, shape (Y,).
        follower: ω, shape (Y, Y).
        n: answers in the chain, the first included.

    Returns:
        Shape (n, Y).

    Raises:
        InputError: a policy that is no distribution, or n < 1.

    >>> chain_distributions([1, 0], [[0.5, 0.5], [0, 1]], 3)
    array([[1.  , 0.  ],
           [0.5 , 0.5 ],
           [0.25, 0.75]])
    """
    pi, omega = _policies(leader, follower)
    marginals = np.empty((_attempts(n), len(pi)))
    marginals[0] = pi
    for i in range(1, n):
        marginals[i] = marginals[i - 1] @ omega
    return marginals


def pass_at_n(leader: ArrayLike, follower: ArrayLike, targets: Targets, n: int) -> Array:
    """Return the probability that a chain has hit a target within its first N answers, for N = 1 … n.

        P(y₁ ∈ T or … or y_N ∈ T) = Σ_{i ≤ N} P(y_i ∈ T, none before)

    Paper: SLHF §4.1, pass@N.

    Args:
        leader: π, shape (Y,).
        follower: ω, shape (Y, Y).
        targets: T: an action's number, several of them, or a boolean mask, shape (Y,), or (A, Y) for a row a type.
        n: the largest N.

    Returns:
        Shape (n,), or (A, n) for masks of A types.

    Raises:
        InputError: a policy that is no distribution, a target that does not exist, or n < 1.

    >>> pass_at_n([1, 0, 0], [[0, 0, 1], [1, 0, 0], [0, 1, 0]], 1, 3)  # A → C → B
    array([0., 0., 1.])
    """
    pi, omega = _policies(leader, follower)
    masks, single = _masks(targets, len(pi))
    hits = np.empty((len(masks), _attempts(n)))
    waiting = np.broadcast_to(pi, masks.shape)
    for i in range(n):
        hits[:, i] = np.where(masks, waiting, 0.0).sum(axis=1)
        waiting = np.where(masks, 0.0, waiting) @ omega
    passed = np.minimum(np.cumsum(hits, axis=1), 1.0)
    return passed[0] if single else passed


def pass_at_n_iid(policy: ArrayLike, targets: Targets, n: int) -> Array:
    """Return the probability that one of N independent samples is a target, for N = 1 … n.

        1 − (1 − Σ_{y ∈ T} π(y))^N

    Args:
        policy: π, shape (Y,).
        targets: as for :func:`pass_at_n`.
        n: the largest N.

    Returns:
        Shape (n,), or (A, n) for masks of A types.

    >>> pass_at_n_iid([0.5, 0.5], 0, 3)
    array([0.5  , 0.75 , 0.875])
    """
    pi = _policy(policy)
    masks, single = _masks(targets, len(pi))
    missed = np.where(masks, 0.0, pi).sum(axis=1, keepdims=True)
    passed = 1.0 - np.minimum(missed, 1.0) ** np.arange(1, _attempts(n) + 1)
    return passed[0] if single else passed


def pass_at_n_average(values: ArrayLike, weights: ArrayLike) -> Array:
    """Return the average over annotator types of pass@N, or of any other curve there is one of a type.

        Σ_a ν_a values(a, N)

    Args:
        values: shape (A, n).
        weights: ν, the types' shares, shape (A,), summing to one.

    Returns:
        Shape (n,).
    """
    curves = np.asarray(values, dtype=np.float64)
    if curves.ndim != 2:
        raise InputError(f"values have shape (A, n), a row a type; got shape {curves.shape}")
    return distribution(weights, curves.shape[:1], "weights") @ curves


def best_of_n(policy: ArrayLike, utilities: ArrayLike, n: int) -> Array:
    """Return how the best of N independent samples is distributed, for N = 1 … n.

        P(y is chosen) = π(y) / P(u = u(y)) · [ P(u ≤ u(y))^N − P(u < u(y))^N ]

    for samples whose utility u is that of the action; of equally good samples the first is chosen.

    Args:
        policy: π, shape (Y,).
        utilities: u, shape (Y,): what the chooser likes.
        n: the largest N.

    Returns:
        Shape (n, Y); ``best_of_n(…) @ u`` is the expected utility.

    >>> best_of_n([0.5, 0.5], [0, 1], 2)
    array([[0.5 , 0.5 ],
           [0.25, 0.75]])
    """
    pi = _policy(policy)
    u = _utilities(utilities, len(pi))
    if u.ndim != 1:
        raise InputError(f"the chooser has one utility an action, shape ({len(pi)},); got shape {u.shape}")
    better, same = u[:, None] < u, u[:, None] == u
    below = 1.0 - (better | same) @ pi  # P(u < u(y)): what is left, so that the best level reaches exactly 1
    upto = 1.0 - better @ pi
    of_level = same @ pi
    share = np.divide(pi, of_level, out=np.zeros_like(pi), where=of_level > 0.0)
    powers = np.arange(1, _attempts(n) + 1)[:, None]
    return share * np.maximum(upto.clip(0.0, 1.0) ** powers - below.clip(0.0, 1.0) ** powers, 0.0)


def expected_best_rank(leader: ArrayLike, follower: ArrayLike, utilities: ArrayLike, n: int) -> Array:
    """Return the expected rank of the best among the first N answers of a chain, for N = 1 … n.

        E min_{i ≤ N} rank(y_i),    rank(y) = 1 + #{y′ : u(y′) > u(y)}

    Args:
        leader: π, shape (Y,).
        follower: ω, shape (Y, Y).
        utilities: u, shape (Y,), or (A, Y) for A types; only their order matters.
        n: the largest N.

    Returns:
        Ranks, 1 being the favourite; shape (n,), or (A, n) for A types.

    >>> expected_best_rank([1, 0, 0], [[0, 0, 1], [1, 0, 0], [0, 1, 0]], [0, 2, 1], 3)
    array([3., 2., 1.])
    """
    pi, omega = _policies(leader, follower)
    return _best_rank(lambda masks: pass_at_n(pi, omega, masks, n), _utilities(utilities, len(pi)), n)


def expected_best_rank_iid(policy: ArrayLike, utilities: ArrayLike, n: int) -> Array:
    """Return the expected rank of the best of N independent samples, for N = 1 … n.

    Args:
        policy: π, shape (Y,).
        utilities: u, shape (Y,), or (A, Y) for A types.
        n: the largest N.

    Returns:
        Ranks, as :func:`expected_best_rank`.

    >>> expected_best_rank_iid([0.5, 0.5], [0, 1], 2)
    array([1.5 , 1.25])
    """
    pi = _policy(policy)
    return _best_rank(lambda masks: pass_at_n_iid(pi, masks, n), _utilities(utilities, len(pi)), n)


def _best_rank(passed: Callable[[Masks], Array], utilities: Array, n: int) -> Array:
    """Sum E min rank = 1 + Σ_k P(min rank > k); it is enough to ask at the ranks that occur."""
    rows = np.atleast_2d(utilities)
    expected = np.empty((len(rows), _attempts(n)))
    for row, u in zip(expected, rows, strict=True):
        ranks = 1 + (u[:, None] < u).sum(axis=1)
        steps = np.unique(ranks)
        row[:] = 1.0 + np.diff(steps) @ (1.0 - passed(ranks <= steps[:-1, None]))
    return expected[0] if utilities.ndim == 1 else expected


def _policy(given: ArrayLike, name: str = "policy") -> Array:
    shape = np.shape(given)
    if len(shape) != 1:
        raise InputError(f"{name} has shape {shape}; chains are counted a prompt at a time: one distribution (Y,)")
    return distribution(given, shape, name)


def _policies(leader: ArrayLike, follower: ArrayLike) -> tuple[Array, Array]:
    pi = _policy(leader, "leader")
    shape = (len(pi), len(pi))
    return pi, np.broadcast_to(distribution(follower, shape, "follower"), shape)


def _attempts(n: int) -> int:
    if n < 1:
        raise InputError(f"n is {n}; there is at least one attempt")
    return n


def _utilities(given: ArrayLike, actions: int) -> Array:
    u = np.asarray(given, dtype=np.float64)
    if u.ndim not in (1, 2) or u.shape[-1] != actions or not np.isfinite(u).all():
        raise InputError(f"utilities are finite, shape ({actions},) or (A, {actions}) for A types; got {u.shape}")
    return u


def _masks(targets: Targets, actions: int) -> tuple[Masks, bool]:
    given = np.asarray(list(targets) if isinstance(targets, set | frozenset) else targets)
    if given.dtype == np.bool_:
        if given.ndim not in (1, 2) or given.shape[-1] != actions:
            raise InputError(f"a mask of targets has shape ({actions},) or (A, {actions}); got {given.shape}")
        return np.atleast_2d(given), given.ndim == 1
    numbers = given.reshape(-1)
    if given.ndim > 1 or (given.size and not np.issubdtype(given.dtype, np.integer)):
        raise InputError("targets are an action's number, several of them, or a boolean mask")
    if given.size and not (numbers.min() >= 0 and numbers.max() < actions):
        raise InputError(f"targets {numbers.tolist()} do not all name one of the {actions} actions, counted from 0")
    mask = np.zeros((1, actions), dtype=bool)
    mask[0, numbers.astype(np.int64)] = True
    return mask, True
