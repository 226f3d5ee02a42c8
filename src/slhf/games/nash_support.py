"""The Nash equilibrium for τ = 0: who plays at all, whether they must play as they do, and if not, most evenly."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from slhf.games.nash_interior import interior, start
from slhf.games.nash_regularised import regularised
from slhf.games.simplex import Array

log = logging.getLogger(__name__)

_GAPS = (1e-10, 1e-12, 1e-14)
"""The interior path is left at these gaps to try whether its support is the equilibrium's."""

_EXACT = 1e-13
"""Exploitability of a policy that is an equilibrium up to rounding."""

_RANK = 1e-11
"""Singular values below this are zero: preferences are known no better."""

_LITTLE = 1e-8
"""The τ that stands for τ → 0 where several policies are equilibria; their weights are right to about this."""

_LEAST = (3e-11, 1e-11)
"""The same where rounding hides which actions are played: costs about τ, if the solver gets as far as that."""


def unregularised(skew: Array) -> tuple[Array, bool, int]:
    """Return the Nash equilibrium of largest entropy, whether it is the only one, and linear systems solved.

    The interior path ends in the relative interior of the set of equilibria, so that every action has either
    π > 0 in some equilibrium (the support B) or a slack z > 0 in some (Goldman and Tucker); the larger of both
    tells which. On B all equilibria solve S_BB π = 0, Σ π = 1. If that system has full rank the equilibrium is
    unique and the system gives it to rounding. Otherwise every direction of its null space leads to others;
    the one of largest entropy is the limit τ → 0 of the regularised equilibrium with a uniform reference:
    for π_τ that one and π* any equilibrium, 0 ≥ f_τ(π*, π_τ) = π*ᵀS π_τ + τ H(π*) − τ H(π_τ) and
    π*ᵀS π_τ ≥ 0, hence H(π_τ) ≥ H(π*).

    Where rounding hides the support (smooth games whose S is all but of low rank), the regularised equilibrium
    of a least τ is returned; its exploitability, about 1e-11 to 1e-10, says so. Games within 1e-11 of having
    several equilibria are taken to have several.

    Args:
        skew: S = ½(p − pᵀ), shape (Y, Y).
    """
    uniform = np.full(len(skew), -np.log(len(skew)))
    point, support = start(skew, 0.0, uniform), np.ones(len(skew), dtype=bool)
    for gap in _GAPS:
        point = interior(skew, 0.0, uniform, gap, point)
        support = point.policy > point.slack
        policy, single = on_support(skew, point.policy, support)
        if (skew @ policy).max() <= _EXACT:
            if single:
                return policy, True, point.steps
            break
    even, more = regularised(skew, _LITTLE, uniform)
    policy = on_support(skew, even, support)[0]
    if (skew @ policy).max() <= _EXACT:
        return policy, False, point.steps + more
    log.warning(
        "Nash: rounding hides which of the %d actions are played, so the equilibrium is approximate (see its "
        "exploitability) and not known to be unique; a positive tau makes the problem well posed.",
        len(skew),
    )
    candidates = [policy, point.policy]
    for tau in _LEAST:
        even, last = regularised(skew, tau, uniform)
        candidates.append(even)
        more += last
    return min(candidates, key=lambda found: float((skew @ found).max())), False, point.steps + more


def on_support(skew: Array, policy: Array, support: NDArray[np.bool_]) -> tuple[Array, bool]:
    """Move a policy the least so that it solves S_BB π = 0, Σ π = 1 on its support B, and is zero elsewhere.

    Args:
        skew: S, shape (Y, Y).
        policy: nearly an equilibrium, shape (Y,).
        support: B, a mask of shape (Y,).

    Returns:
        The policy, and whether the system had only this solution.
    """
    size = int(support.sum())
    system = np.zeros((size + 1, size + 1))
    system[:size, :size] = skew[np.ix_(support, support)]
    system[:size, size], system[size, :size] = 1.0, -1.0
    left, singular, right = np.linalg.svd(system)
    kept = singular > _RANK
    chosen = policy[support]
    missing = np.append(-(system[:size, :size] @ chosen), chosen.sum() - 1.0)
    change = right[kept].T @ ((left[:, kept].T @ missing) / singular[kept])
    moved = np.zeros_like(policy)
    moved[support] = np.maximum(chosen + change[:size], 0.0)
    return moved / moved.sum(), bool(kept.all())
