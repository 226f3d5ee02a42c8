"""Laws of the adversary, on random margins; the reason stands in each name."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_oracles import logistic
from slhf.robust import Adversary, adversary

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 40)
epsilons = st.one_of(st.just(0.0), st.floats(-4, 1).map(lambda e: 10.0**e))
flip_costs = st.one_of(st.none(), st.floats(-1, 1).map(lambda e: 10.0**e))
grids = st.sampled_from([0, 1, 4])
lawful = settings(derandomize=True, deadline=None, max_examples=60)
WINDOW = (-3.0, 4.0)


def drawn(seed: int, size: int, grid: int = 0) -> np.ndarray:
    margins = np.random.default_rng(seed).uniform(*WINDOW, size)
    return np.round(margins * grid) / grid if grid else margins


def worst(margins: np.ndarray, epsilon: float, flip_cost: float | None, **more: Any) -> Adversary:
    return adversary(margins, **({"window": WINDOW} | more), epsilon=epsilon, flip_cost=flip_cost)


@lawful
@given(seeds, sizes, grids, epsilons, flip_costs)
def test_the_certificate_is_zero_because_the_programme_has_no_duality_gap(seed, size, grid, epsilon, flip_cost):
    found = worst(drawn(seed, size, grid), epsilon, flip_cost)
    assert abs(found.certificate) <= 1e-13 * max(1.0, found.value)


@lawful
@given(seeds, sizes, epsilons, flip_costs)
def test_the_value_is_at_least_the_mean_loss_because_staying_is_allowed(seed, size, epsilon, flip_cost):
    margins = drawn(seed, size)
    assert worst(margins, epsilon, flip_cost).value >= logistic(margins).mean() - 1e-14


@lawful
@given(seeds, sizes, epsilons)
def test_the_value_is_at_most_the_mean_loss_plus_epsilon_because_the_loss_is_1_lipschitz(seed, size, epsilon):
    margins = drawn(seed, size)
    assert worst(margins, epsilon, None).value <= logistic(margins).mean() + epsilon + 1e-14


@lawful
@given(seeds, sizes, st.lists(st.floats(0.0, 2.0), min_size=2, max_size=5), flip_costs)
def test_value_grows_and_multiplier_falls_with_epsilon_because_the_value_is_concave(seed, size, several, flip_cost):
    margins = drawn(seed, size)
    found = [worst(margins, epsilon, flip_cost) for epsilon in sorted(several)]
    for smaller, larger in pairwise(found):
        assert larger.value >= smaller.value - 1e-14
        assert larger.multiplier <= smaller.multiplier + 1e-14


@lawful
@given(seeds, sizes, grids, epsilons, flip_costs)
def test_the_budget_is_kept_because_shares_are_bought_with_it(seed, size, grid, epsilon, flip_cost):
    """What a plan costs at least: flips at c; moves at their least, between the margin and the lower edge."""
    margins = drawn(seed, size, grid)
    found = worst(margins, epsilon, flip_cost)
    assert ((found.moved >= 0.0) & (found.moved <= 1.0)).all()
    assert ((found.flipped >= -1e-15) & (found.flipped <= found.moved + 1e-15)).all()
    spent = (found.moved - found.flipped) @ (margins - WINDOW[0]) + found.flipped.sum() * (flip_cost or 0.0)
    assert spent <= size * epsilon * (1 + 1e-12) + 1e-12


@lawful
@given(seeds, sizes, grids, epsilons, flip_costs)
def test_order_does_not_matter_because_margins_are_a_law(seed, size, grid, epsilon, flip_cost):
    margins = drawn(seed, size, grid)
    shuffled = np.random.default_rng(seed).permutation(size)
    one, other = worst(margins, epsilon, flip_cost), worst(margins[shuffled], epsilon, flip_cost)
    np.testing.assert_allclose(other.weights, one.weights[shuffled], rtol=0, atol=1e-13)
    assert abs(one.value - other.value) <= 1e-13


@lawful
@given(seeds, sizes, epsilons, flip_costs)
def test_pairs_said_twice_change_nothing_because_only_their_share_counts(seed, size, epsilon, flip_cost):
    margins = drawn(seed, size)
    one, twice = worst(margins, epsilon, flip_cost), worst(np.repeat(margins, 2), epsilon, flip_cost)
    assert abs(one.value - twice.value) <= 1e-13
    np.testing.assert_allclose(twice.weights[::2] + twice.weights[1::2], one.weights, rtol=0, atol=1e-12)


@lawful
@given(seeds, sizes, epsilons)
def test_weights_of_moved_pairs_are_level_because_the_price_of_the_budget_is_one(seed, size, epsilon):
    """Below the threshold every weight is λ*, above it DPO's; none exceeds σ(−a)."""
    margins = drawn(seed, size)
    found = worst(margins, epsilon, None)
    weights = found.weights * size
    np.testing.assert_allclose(weights[found.moved == 1.0], found.multiplier, rtol=1e-12)
    np.testing.assert_allclose(weights[found.moved == 0.0], 1 / (1 + np.exp(margins[found.moved == 0.0])), rtol=1e-12)
    assert weights.max() <= 1 / (1 + np.exp(WINDOW[0])) + 1e-12


@lawful
@given(seeds, sizes, epsilons, flip_costs)
def test_a_wider_window_is_worse_because_more_laws_are_allowed(seed, size, epsilon, flip_cost):
    margins = drawn(seed, size)
    inner, outer = (worst(margins, epsilon, flip_cost, window=w).value for w in (WINDOW, (-5.0, 6.0)))
    assert outer >= inner - 1e-14
