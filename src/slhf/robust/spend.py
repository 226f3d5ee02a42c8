"""Spending a budget on what pays best: by sorting, or by selection in linear time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_FEW = 2048
"""This many are sorted; of more, half are put aside without sorting."""


def nearest_sorted(costs: Array, budget: float) -> float:
    """Return the cost of the first that the budget does not pay whole, cheapest first; +∞ if it pays all.

    O(N log N).
    """
    ordered = np.sort(costs)
    paid = int(np.searchsorted(np.cumsum(ordered), budget, side="right"))
    return float(ordered[paid]) if paid < ordered.size else float("inf")


def nearest_selected(costs: Array, budget: float) -> float:
    """Return what :func:`nearest_sorted` returns, in O(N): halves are put aside unsorted."""
    rest = costs.copy()
    while rest.size > _FEW:
        middle = rest.size // 2
        rest.partition(middle)
        cheap = float(rest[:middle].sum())
        if cheap > budget:
            rest = rest[:middle]
        else:
            budget -= cheap
            rest = rest[middle:]
    return nearest_sorted(rest, budget)


def best_sorted(rates: Any, costs: Any, budget: float) -> float:
    """Return the rate of the first that the budget does not pay whole, best rate first; zero if it pays all.

    O(N log N). NumPy arrays and torch tensors alike.

    Args:
        rates: gain per unit of cost, shape (N,).
        costs: ≥ 0, shape (N,).
        budget: what may be spent.
    """
    order = (-rates).argsort()
    paid = int((costs[order].cumsum(0) <= budget).sum())
    return float(rates[order[paid]]) if paid < len(order) else 0.0


def best_selected(rates: Array, costs: Array, budget: float) -> float:
    """Return what :func:`best_sorted` returns, in O(N)."""
    while rates.size > _FEW:
        middle = rates.size // 2
        order = np.argpartition(-rates, middle)
        head = order[:middle]
        cheap = float(costs[head].sum())
        if cheap > budget:
            keep = head
        else:
            budget -= cheap
            keep = order[middle:]
        rates, costs = rates[keep], costs[keep]
    return best_sorted(rates, costs, budget)


def share_at(rates: Any, costs: Any, budget: float, critical: float) -> float:
    """Return which share of those at the critical rate is paid, once everything better has been paid whole.

    All of them share alike, so that equal margins are treated equally.
    """
    level = float(costs[rates == critical].sum())
    left = budget - float(costs[rates > critical].sum())
    return min(max(left / level, 0.0), 1.0) if level > 0.0 else 0.0


def spend(
    rates: Any, costs: Any, budget: float, floor: float, find: Callable[[Any, Any, float], float]
) -> tuple[float, float, float]:
    """Spend a budget on the best rates, and on nothing that pays less than a rate always on offer.

    Args:
        rates: gain per unit of cost, shape (N,), arrays or tensors.
        costs: ≥ 0, shape (N,).
        budget: B ≥ 0.
        floor: a rate at which any amount can be spent; 0 if there is none.
        find: :func:`best_sorted` or :func:`best_selected`.

    Returns:
        λ*, what one more unit would gain: everything with a better rate is paid whole. The share of those
        at λ* that is paid. What is left for the floor; 0 if there is none.
    """
    critical = find(rates, costs, budget)
    if critical > floor:
        return critical, share_at(rates, costs, budget, critical), 0.0
    left = budget - float(costs[rates > floor].sum()) if floor > 0.0 else 0.0
    return floor, 0.0, max(left, 0.0)
