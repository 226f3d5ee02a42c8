"""The Nash equilibrium of the symmetric game: nobody moves first, and nobody can be beaten on average."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slhf.games.game import distribution, reference
from slhf.games.game import tau as checked_tau
from slhf.games.nash_regularised import regularised
from slhf.games.nash_support import unregularised
from slhf.games.preference_matrix import preference_matrix
from slhf.games.simplex import Array, regret, reply

log = logging.getLogger(__name__)

_LOOSE = 1e-8
"""An exploitability above this, preference, is said, not only returned."""


@dataclass(frozen=True, eq=False)
class NashEquilibrium:
    """A Nash equilibrium with its certificate; without an axis of prompts if the game had none.

    Attributes:
        policy: π*, shape (Y,) or (X, Y).
        value: what the policy is sure of, ½ − exploitability, preference; ½ at the equilibrium. A number, or (X,).
        exploitability: what the best reply still gains; zero up to rounding. A number, or (X,).
        unique: True if there is known to be no other equilibrium; always for τ > 0. A bool, or (X,).
        support: which actions are played with positive probability, shape (Y,) or (X, Y).
        steps: linear systems solved. An int, or (X,).
    """

    policy: Array
    value: float | Array
    exploitability: float | Array
    unique: bool | NDArray[np.bool_]
    support: NDArray[np.bool_]
    steps: int | NDArray[np.int64]


def nash_equilibrium(p: ArrayLike, *, tau: float = 0.0, ref: ArrayLike | None = None) -> NashEquilibrium:
    """Solve the game in which both players choose at once, prompt by prompt.

        max_π min_π′ P(π ≻ π′) − τ KL(π ‖ ref) + τ KL(π′ ‖ ref),    P(π ≻ π′) = Σ_{y, y′} π(y) π′(y′) p(y ≻ y′)

    For τ > 0 the equilibrium is the only solution of π ∝ ref · exp(P(· ≻ π) / τ). For τ = 0 it solves a linear
    programme; where several policies do, the one of largest entropy is returned, whatever the reference. Any
    equilibrium at τ = 0 plays only actions of the Smith set, and a Condorcet winner alone.

    Departs: only S = ½(p − pᵀ) counts, so a p + pᵀ that is 1 to 1e-9 is made to be 1.

    Paper: SLHF Eq. (4).

    Args:
        p: p[x, y, y′] = P(y ≻ y′ | x), shape (Y, Y) or (X, Y, Y); prompts are solved one after another.
        tau: τ ≥ 0, preference per nat.
        ref: reference, shape (Y,) or (X, Y); uniform if not given.

    Raises:
        InputError: not a preference matrix, τ < 0, or a reference that does not fit.

    >>> cycle = [[0.5, 0.65, 0.4], [0.35, 0.5, 0.75], [0.6, 0.25, 0.5]]
    >>> nash_equilibrium(cycle).policy.round(12)
    array([0.5, 0.2, 0.3])
    """
    checked, tau = preference_matrix(p), checked_tau(tau)
    batch = checked if checked.ndim == 3 else checked[None]
    refs = np.broadcast_to(reference(ref, batch.shape[:2], "ref", tau), batch.shape[:2])
    policies, lost = np.empty(batch.shape[:2]), np.empty(len(batch))
    unique, steps = np.ones(len(batch), dtype=bool), np.empty(len(batch), dtype=np.int64)
    for x, (game, given) in enumerate(zip(batch, refs, strict=True)):
        skew = 0.5 * (game - game.T)
        if tau:
            policies[x], steps[x] = regularised(skew, tau, np.log(given))
        else:
            policies[x], unique[x], steps[x] = unregularised(skew)
        lost[x] = _lost(policies[x], skew @ policies[x], given, tau)
    if lost.max() > _LOOSE:
        log.warning("Nash: exploitability %.1e at prompt %d; the policy is approximate", lost.max(), lost.argmax())
    if checked.ndim == 3:
        return NashEquilibrium(policies, 0.5 - lost, lost, unique, policies > 0.0, steps)
    gap = float(lost[0])
    return NashEquilibrium(policies[0], 0.5 - gap, gap, bool(unique[0]), policies[0] > 0.0, int(steps[0]))


def exploitability(p: ArrayLike, policy: ArrayLike, *, tau: float = 0.0, ref: ArrayLike | None = None) -> float | Array:
    """Return what the best reply to a policy gains over a draw; zero at the Nash equilibrium only.

        max_π′ [ P(π′ ≻ π) − τ KL(π′ ‖ ref) ] + τ KL(π ‖ ref) − ½
          = τ KL(π ‖ π†)                       for τ > 0, π† ∝ ref · exp(P(· ≻ π) / τ)
          = Σ_y π(y) [ max P(· ≻ π) − P(y ≻ π) ]    for τ = 0

    since P(π ≻ π) = ½. Computed in the second form, in which no term can be negative.

    Args:
        p: preferences, shape (Y, Y) or (X, Y, Y).
        policy: π, shape (Y,) or (X, Y).
        tau: τ ≥ 0, preference per nat.
        ref: reference, shape (Y,) or (X, Y); uniform if not given.

    Returns:
        Preference, 0 or more; a number, or shape (X,).

    Raises:
        InputError: the policy is no distribution or does not fit the game.

    >>> round(exploitability([[0.5, 0.7], [0.3, 0.5]], [0.5, 0.5]), 12)
    0.1
    """
    checked, tau = preference_matrix(p), checked_tau(tau)
    batch = checked if checked.ndim == 3 else checked[None]
    shape = batch.shape[:2]
    pi = np.broadcast_to(distribution(policy, shape, "policy"), shape)
    refs = np.broadcast_to(reference(ref, shape, "ref", tau), shape)
    # (p − pᵀ)/2 · π, without a copy of the games
    values = 0.5 * (np.einsum("xyz,xz->xy", batch, pi) - np.einsum("xzy,xz->xy", batch, pi))
    lost = _lost(pi, values, refs, tau)
    return lost if checked.ndim == 3 else float(lost[0])


def _lost(policy: Array, values: Array, ref: Array, tau: float) -> Array:
    """Return what playing the policy instead of the best reply to ``values`` loses, along the last axis."""
    with np.errstate(divide="ignore"):
        log_ref = np.log(ref)
    return regret(policy, values, log_ref, *reply(values, ref, log_ref, tau), tau)
