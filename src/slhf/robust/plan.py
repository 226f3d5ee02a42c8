"""What the adversary does with every pair, and how that is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slhf.robust.hull import Step, hull_steps
from slhf.robust.losses import Loss
from slhf.robust.options import Option, costs_and_gains, options_of, unbounded_rate
from slhf.robust.shares import option_shares, settle_edges, step_shares
from slhf.robust.spend import best_selected, best_sorted, nearest_selected, nearest_sorted, share_at, spend

Array = NDArray[np.float64]

_BLOCK = 1 << 14
"""This many pairs at a time: what is in between stays in the processor's cache."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A best plan, before it is averaged.

    Attributes:
        multiplier: λ*, loss per unit of margin.
        total: Σ_i of the loss the plan reaches, without what vanishing shares reach infinitely far.
        highest: Σ_i max over options of ℓ + gain − λ* cost, from which the dual value is made.
        weights: −∂V/∂ξ_i · N, shape (N,).
        moved: share of each pair that is not left as it is, shape (N,).
        flipped: share of each pair whose label is flipped, shape (N,).
        left: what of the budget is unspent, while moving infinitely far still pays; else 0.
    """

    multiplier: float
    total: float
    highest: float
    weights: Array
    moved: Array
    flipped: Array
    left: float = 0.0


@dataclass(frozen=True, eq=False)
class _Ball:
    """What may be done with a pair."""

    options: list[Option]
    window: tuple[float, float] | None
    flip_cost: float | None
    loss: Loss

    def costs_and_gains(self, margins: Array) -> tuple[list[Array], list[Array]]:
        return costs_and_gains(margins, self.options, self.window, self.flip_cost, self.loss.rise)


def one_way(margins: Array, low: float, budget: float, loss: Loss, method: str) -> Plan:
    """Move margins down to the lower edge, the only option of a loss that never rises.

        s_i = (ℓ(a) − ℓ(ξ_i)) / (ξ_i − a)    falls as ξ_i rises, so the lowest margins go first, whole,
        while Σ (ξ_i − a) ≤ B; the next go in part, with λ* = their rate

    Args:
        margins: ξ ≥ a, shape (N,).
        low: a, finite.
        budget: B = N ε.
        loss: ℓ, never rising.
        method: "sort" or "select".
    """
    distances = margins - low
    losses = loss.value(margins)
    top = float(loss.value(np.array([low]))[0])
    if budget == 0.0:
        apart = distances[distances > 0.0]
        multiplier = _rate(loss, low, float(apart.min())) if apart.size else 0.0
        nothing = np.zeros(margins.shape)
        return Plan(multiplier, float(losses.sum()), float(losses.sum()), -loss.slope(margins), nothing, nothing)
    find = nearest_sorted if method == "sort" else nearest_selected
    critical = find(distances, budget)
    below = distances < critical
    if critical == np.inf:
        share, multiplier = 0.0, 0.0
    else:
        share, multiplier = share_at(-distances, distances, budget, -critical), _rate(loss, low, critical)
    moved = below.astype(np.float64)
    moved[distances == critical] = share
    weights = -loss.slope(margins)
    weights += moved * (multiplier - weights)
    return Plan(
        multiplier,
        total=float((losses + moved * (top - losses)).sum()),
        highest=float(np.maximum(losses, top - multiplier * distances).sum()),
        weights=weights,
        moved=moved,
        flipped=np.zeros(margins.shape),
    )


def pooled(
    margins: Array, window: tuple[float, float] | None, flip_cost: float | None, budget: float, loss: Loss, method: str
) -> Plan:
    """Buy steps along every pair's hull of options, the best rate first, all pairs in one pool.

    Args:
        margins: ξ within the window, shape (N,).
        window: a and b, either may be infinite; None if margins are not moved.
        flip_cost: c; None if labels are not flipped.
        budget: B = N ε.
        loss: ℓ, convex.
        method: "sort" or "select".
    """
    ball = _Ball(options_of(loss.limits, window, flip_cost), window, flip_cost, loss)
    floor = unbounded_rate(loss.limits, window, flip_cost)
    parts = [margins[first : first + _BLOCK] for first in range(0, margins.size, _BLOCK)]
    hulls = [hull_steps(*ball.costs_and_gains(part), np.where) for part in parts] if ball.options else [[]] * len(parts)
    steps = [step for hull in hulls for step in hull]
    multiplier, share, left = floor, 0.0, budget if floor > 0.0 else 0.0
    if steps:
        rates, costs = np.concatenate([s.rate for s in steps]), np.concatenate([s.cost for s in steps])
        multiplier, share, left = spend(rates, costs, budget, floor, best_sorted if method == "sort" else best_selected)
    plans = [_carry_out(part, hull, ball, multiplier, share, budget) for part, hull in zip(parts, hulls, strict=True)]
    return Plan(
        multiplier,
        total=sum(plan.total for plan in plans),
        highest=sum(plan.highest for plan in plans),
        weights=np.concatenate([plan.weights for plan in plans]),
        moved=np.concatenate([plan.moved for plan in plans]),
        flipped=np.concatenate([plan.flipped for plan in plans]),
        left=left,
    )


def _carry_out(
    margins: Array, steps: Sequence[Step], ball: _Ball, multiplier: float, share: float, budget: float
) -> Plan:
    """Do with some of the pairs what was bought for all."""
    loss, options = ball.loss, ball.options
    shares = step_shares(steps, multiplier, share)
    kept, taken = option_shares(options, steps, shares, margins)
    if ball.window is not None and budget > 0.0:
        rates = edge_rates(options, ball.window, loss)
        kept, taken = settle_edges(kept, taken, options, margins, rates, ball.window, multiplier)
    losses = loss.value(margins)
    total = losses + sum(given * step.rate * step.cost for given, step in zip(shares, steps, strict=True))
    highest = losses.copy()
    for cost, gain in zip(*ball.costs_and_gains(margins), strict=True):
        np.maximum(highest, losses + (gain - multiplier * cost), out=highest)
    weights = kept * -loss.slope(margins)
    flipped = np.zeros(margins.shape)
    for option, given in zip(options, taken, strict=True):
        weights += given * (-option.edge * multiplier if option.edge else loss.slope(-margins))
        flipped += given * option.flipped
    return Plan(multiplier, float(total.sum()), float(highest.sum()), weights, 1.0 - kept, flipped)


def edge_rates(options: Sequence[Option], window: tuple[float, float], loss: Loss) -> list[float]:
    """Return, for each option that ends at an edge, what the last bit of the way there pays; 0 for others."""
    rates = []
    for option in options:
        place = window[option.edge > 0]
        slope = -loss.slope(np.array([-place])) if option.flipped else loss.slope(np.array([place]))
        rates.append(option.edge * float(slope[0]) if option.edge else 0.0)
    return rates


def _rate(loss: Loss, low: float, distance: float) -> float:
    edge, place = np.array([low]), np.array([low + distance])
    return float(loss.rise(edge, place)[0]) / distance
