"""Upper concave hulls, one a pair: which moves are worth buying, in which order, at which rate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class Step:
    """One step along every pair's hull, from the option it is at to a dearer and better one.

    Attributes:
        rate: gain per unit of cost, shape (N,); 0 where the hull has ended. Never larger than the step before's.
        cost: what the step costs more than the option it starts from, shape (N,); 0 where the hull has ended.
        option: number of the option reached, counted from 1, shape (N,); 0 where the hull has ended.
    """

    rate: Any
    cost: Any
    option: Any


def hull_steps(costs: Sequence[Any], gains: Sequence[Any], where: Callable[..., Any]) -> list[Step]:
    """Return the steps along the upper concave hull of staying and a few options, for every pair at once.

    Staying costs nothing and gains nothing. From the option a pair is at, the next is the one with the most
    gain per unit of further cost; O options take at most O steps, each O(N).

    Args:
        costs: one array of shape (N,) an option, ≥ 0 and finite.
        gains: likewise.
        where: ``numpy.where`` or ``torch.where``, for arrays or tensors.

    Returns:
        The steps, best first, as many as any pair has; a mixture of a pair's options is a share of each step,
        and the shares of later steps are no larger.
    """
    zero = costs[0] * 0.0
    at_cost, at_gain, last = zero, zero, zero + float("inf")
    steps = []
    for _ in costs:
        rate, cost, gain, option = zero, zero, zero, zero
        for number, (c, g) in enumerate(zip(costs, gains, strict=True), start=1):
            ahead = (c > at_cost) & (g > at_gain)
            offered = where(ahead, (g - at_gain) / where(ahead, c - at_cost, 1.0), 0.0)
            better = offered > rate
            rate, option = where(better, offered, rate), where(better, float(number), option)
            cost, gain = where(better, c, cost), where(better, g, gain)
        moving = rate > 0.0
        if not moving.any():
            break
        rate = where(rate > last, last, rate)  # by rounding only
        steps.append(Step(rate, where(moving, cost - at_cost, 0.0), option))
        at_cost, at_gain = where(moving, cost, at_cost), where(moving, gain, at_gain)
        last = rate
    return steps
