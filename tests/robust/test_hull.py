"""The pieces: hulls, and spending by sorting and by selection."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from slhf.robust import adversary
from slhf.robust.hull import hull_steps
from slhf.robust.spend import best_selected, best_sorted, nearest_selected, nearest_sorted, share_at, spend


def test_steps_run_along_the_hull_and_skip_what_lies_below_it() -> None:
    """Options (1, 1), (2, 1.2), (3, 2.5) and (1, −1) from (0, 0): first the one at 1, then the one at 3."""
    costs = [np.array([c]) for c in (1.0, 2.0, 3.0, 1.0)]
    gains = [np.array([g]) for g in (1.0, 1.2, 2.5, -1.0)]
    steps = hull_steps(costs, gains, np.where)
    assert [float(step.rate[0]) for step in steps] == [1.0, 0.75]
    assert [float(step.cost[0]) for step in steps] == [1.0, 2.0]
    assert [int(step.option[0]) for step in steps] == [1, 3]
    assert hull_steps(costs[3:], gains[3:], np.where) == []


def test_hulls_are_concave_and_above_every_option() -> None:
    """2,000 random hulls of five options, seed 0; the height at any cost is that of the best mixture of two."""
    rng = np.random.default_rng(0)
    costs, gains = rng.uniform(0, 3, (5, 2000)), rng.normal(size=(5, 2000))
    steps = hull_steps(list(costs), list(gains), np.where)
    rates = np.stack([step.rate for step in steps])
    assert (np.diff(rates, axis=0) <= 0.0).all()
    for at in (0.1, 0.7, 1.5, 3.0):
        left, height = np.full(2000, at), np.zeros(2000)
        for step in steps:
            paid = np.minimum(left, step.cost)
            left, height = left - paid, height + paid * step.rate
        every_cost, every_gain = np.vstack([np.zeros(2000), costs]), np.vstack([np.zeros(2000), gains])
        best = np.where(every_cost <= at, every_gain, -np.inf).max(axis=0)
        for i in range(6):
            for j in range(6):
                between = (every_cost[i] < at) & (at < every_cost[j])
                share = (at - every_cost[i]) / np.where(between, every_cost[j] - every_cost[i], 1.0)
                mixed = (1 - share) * every_gain[i] + share * every_gain[j]
                best = np.where(between, np.maximum(best, mixed), best)
        np.testing.assert_allclose(height, best, rtol=1e-12, atol=1e-12)


def test_rates_never_rise_along_a_hull_not_even_by_rounding() -> None:
    """20,000 hulls whose four options lie on one line, seed 1: the steps' quotients differ in their last digits."""
    rng = np.random.default_rng(1)
    costs = np.sort(rng.uniform(0, 3, (4, 20_000)), axis=0)
    steps = hull_steps(list(costs), list(costs * rng.uniform(0.1, 1.0, 20_000)), np.where)
    assert len(steps) > 1
    for earlier, later in pairwise(steps):
        assert (later.rate <= earlier.rate).all()


@pytest.mark.parametrize("size", [1, 2, 2048, 2049, 10_000, 100_001])
@pytest.mark.parametrize("ties", [0, 50])
def test_selection_finds_what_sorting_finds(size: int, ties: int) -> None:
    """Ten budgets each, from nothing to more than everything; margins in order, reversed and shuffled."""
    rng = np.random.default_rng(size + ties)
    costs, rates = rng.exponential(size=size), rng.normal(size=size).clip(0.0)
    if ties:
        costs, rates = np.ceil(costs * ties) / ties, np.round(rates * ties) / ties
    for order in (slice(None), np.argsort(costs), np.argsort(-costs)):
        for part in (0.0, 1e-6, 0.01, 0.2, 0.5, 0.77, 0.999, 1.0, 1.5):
            budget = part * float(costs.sum()) * (1 + 1e-9)
            assert nearest_selected(costs[order], budget) == nearest_sorted(costs[order], budget)
            assert best_selected(rates[order], costs[order], budget) == best_sorted(rates[order], costs[order], budget)


def test_those_at_the_critical_rate_share_what_is_left() -> None:
    rates, costs = np.array([3.0, 1.0, 2.0, 2.0]), np.array([1.0, 1.0, 2.0, 4.0])
    assert best_sorted(rates, costs, 4.0) == 2.0
    assert share_at(rates, costs, 4.0, 2.0) == 0.5
    assert spend(rates, costs, 4.0, 0.0, best_sorted) == (2.0, 0.5, 0.0)
    assert spend(rates, costs, 4.0, 2.5, best_sorted) == (2.5, 0.0, 3.0)
    assert spend(rates, costs, 0.0, 0.0, best_sorted) == (3.0, 0.0, 0.0)
    assert spend(rates, costs, 8.0, 0.0, best_sorted) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("flip_cost", [None, 2.0])
@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 1.0, 20.0])
def test_both_methods_give_the_same_adversary(flip_cost: float | None, epsilon: float) -> None:
    margins = np.random.default_rng(3).normal(0.5, 1.5, 30_000).round(3)
    one, other = (
        adversary(margins, window=(-3.0, 4.0), epsilon=epsilon, flip_cost=flip_cost, method=method)
        for method in ("sort", "select")
    )
    assert (one.value, one.multiplier) == (other.value, other.multiplier)
    np.testing.assert_array_equal(one.weights, other.weights)
    np.testing.assert_array_equal(one.moved, other.moved)
    assert abs(one.certificate) <= 1e-12
