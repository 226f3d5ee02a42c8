"""The Nash equilibrium's interior path: all actions played, and prices on playing less, driven to zero.

The margins S = ½(p − pᵀ) are skew, so both players of the game solve the same problem, and its optimality
conditions are, for τ ≥ 0 and some number v,

    τ log(π / ref) + v − S π = z,    π > 0,  z > 0,  Σ π = 1,    π z = 0

A primal–dual interior-point method keeps π z = μ instead, and lets μ → 0. Each step solves one linear system
diag(positive) − S. For τ = 0 this is the linear programme max_π min_y (−S π)_y, its own dual.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import lu_factor, lu_solve

from slhf.games.simplex import Array

_CENTRAL = 1e-5
"""No product π z may fall below this share of their mean: far from the path's middle, steps become short."""

_STEPS = 100
"""More steps than any game has needed; rounding stops hard ones earlier."""

_SHORT = 0.05
"""Three steps in a row shorter than this share of their direction: rounding has taken over."""

_GOOD = 0.3
"""After a step shorter than this, a plain step towards the path's middle is tried as well."""

Solver = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class Interior:
    """A point near the interior path.

    Attributes:
        policy: π, all entries positive, shape (Y,).
        slack: z, what each action's reply leaves unused, all entries positive, shape (Y,).
        steps: linear systems solved on the way.
    """

    policy: Array
    slack: Array
    steps: int

    @property
    def gap(self) -> float:
        """Σ π z; for τ = 0 an upper bound of the exploitability."""
        return float(self.policy @ self.slack)


def tangent_solver(skew: Array, weights: Array) -> Solver:
    """Factorise once; return the solver of a system on directions that keep Σ π.

        (diag(1 / weights) − S) d + c 1 = rhs,    Σ d = 0    (c is whatever it must be)

    With t = √weights and d = t u this is (I − P t S t P) u = P t rhs, P the projection orthogonal to t: one
    plus a skew matrix, which is never singular and never lengthens a vector when it is inverted.

    Args:
        skew: S, shape (Y, Y).
        weights: positive, shape (Y,).
    """
    root = np.sqrt(weights)
    unit = root / np.linalg.norm(root)
    scaled = skew * root[:, None]
    scaled *= root
    along = scaled @ unit
    scaled += np.outer(unit, along) - np.outer(along, unit)
    np.negative(scaled, out=scaled)
    scaled[np.diag_indices(len(unit))] += 1.0
    factors = lu_factor(scaled, overwrite_a=True, check_finite=False)

    def solve(rhs: Array) -> Array:
        b = root * rhs
        b -= unit * (unit @ b)
        return root * lu_solve(factors, b, check_finite=False)

    return solve


def start(skew: Array, tau: float, log_ref: Array) -> Interior:
    """Return a point to begin at: half the reference, half uniform, all slacks positive."""
    policy = 0.5 * np.exp(log_ref) + 0.5 / len(skew)
    values = skew @ policy
    if tau:
        values -= tau * (np.log(policy) - log_ref)
    return Interior(policy, max(2.0 * np.ptp(values), 1e-3) + values.max() - values, 0)


def interior(skew: Array, tau: float, log_ref: Array, gap: float, begin: Interior | None = None) -> Interior:
    """Follow the interior path until Σ π z ≤ gap, or as far as rounding lets it.

    Mehrotra's predictor–corrector steps; where they get short, plain steps towards the middle of the path.

    Paper: Mehrotra, "On the implementation of a primal-dual interior point method", 1992.

    Args:
        skew: S = ½(p − pᵀ), shape (Y, Y).
        tau: τ ≥ 0, preference per nat.
        log_ref: log ref, finite, shape (Y,).
        gap: where to stop, preference.
        begin: a point of the same game; the middle if not given.
    """
    point = start(skew, tau, log_ref) if begin is None else begin
    short = 0
    while point.gap > gap and point.steps < _STEPS and short < 3:
        point, length = _step(skew, tau, log_ref, point)
        short = short + 1 if length < _SHORT else 0
    return point


def _step(skew: Array, tau: float, log_ref: Array, point: Interior) -> tuple[Interior, float]:
    policy, slack, gap = point.policy, point.slack, point.gap
    off = -(skew @ policy) - slack
    if tau:
        off += tau * (np.log(policy) - log_ref)
    off -= policy @ off
    solve = tangent_solver(skew, policy / (tau + slack))

    def direction(target: Array) -> tuple[Array, Array]:
        """Solve for π z = π z + target, to first order, with the first condition mended."""
        moved = solve(target / policy - off)
        moved -= policy * moved.sum()
        freed = off - skew @ moved + tau * moved / policy
        freed += (target - slack * moved - policy * freed).sum()
        return moved, freed

    products, mean = policy * slack, gap / len(policy)
    ahead = direction(-products)
    reach = min(1.0, _reach(policy, ahead[0]), _reach(slack, ahead[1]))
    left = ((policy + reach * ahead[0]) @ (slack + reach * ahead[1]) / gap) ** 3
    best = direction(left * mean - products - ahead[0] * ahead[1])
    length = _length(point, *best)
    if length < _GOOD:
        plain = direction(0.5 * mean - products)
        other = _length(point, *plain)
        if 0.5 * other > length * (1.0 - left):
            best, length = plain, other
    policy = policy + length * best[0]
    return replace(
        point, policy=policy / policy.sum(), slack=slack + length * best[1], steps=point.steps + 1
    ), length  # fmt: skip


def _reach(values: Array, change: Array) -> float:
    falling = change < 0.0
    return float((-values[falling] / change[falling]).min()) if falling.any() else np.inf


def _length(point: Interior, moved: Array, freed: Array) -> float:
    """Return how far along a direction everything stays positive and the products of one size."""
    length = min(
        1.0, min(0.9999, max(0.9, 1.0 - point.gap)) * min(_reach(point.policy, moved), _reach(point.slack, freed))
    )
    for _ in range(40):
        products = (point.policy + length * moved) * (point.slack + length * freed)
        if products.min() >= _CENTRAL * products.mean():
            break
        length *= 0.8
    return length
