"""Label flips: against both programmes, an enumeration of all plans, and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from robust_oracles import affine_programme, enumeration, logistic, transport_programme
from slhf.robust import PiecewiseLinear, adversary, tangents

Array = NDArray[np.float64]


def draw(rng: np.random.Generator, most: int) -> tuple[Array, tuple[float, float], float, float]:
    """Draw margins, every second time with ties; a window around them; ε from 1e-4 to 10; c from .1 to 10."""
    margins = rng.normal(0.5, rng.uniform(0.2, 3.0), rng.integers(1, most + 1))
    if rng.integers(2):
        margins = np.round(margins * 2) / 2
    window = (margins.min() - rng.uniform(0.0, 2.0) - 1e-3, margins.max() + rng.uniform(0.0, 2.0))
    return margins, window, 10.0 ** rng.uniform(-4, 1), 10.0 ** rng.uniform(-1, 1)


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_finite_programme_with_twice_the_pieces(seed: int) -> None:
    """75 cases, tangents and lines that rise and fall."""
    rng = np.random.default_rng(seed)
    for case in range(25):
        margins, window, epsilon, cost = draw(rng, 50)
        loss = tangents(rng.uniform(*window, size=5))
        if case % 2:
            loss = PiecewiseLinear(rng.uniform(-2, 2, 5), rng.uniform(-1, 1, 5))
        found = adversary(margins, window=window, epsilon=epsilon, flip_cost=cost, loss=loss)
        oracle = affine_programme(margins, np.asarray(loss.slopes), np.asarray(loss.intercepts), window, epsilon, cost)
        assert found.value == pytest.approx(oracle.value, rel=1e-8, abs=1e-9)
        assert abs(found.certificate) <= 1e-10 * max(1.0, abs(found.value))


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_transport_programme_with_every_place_twice(seed: int) -> None:
    """75 cases of the logistic loss; a third without a window, where margins may only be flipped."""
    rng = np.random.default_rng(10 + seed)
    for case in range(25):
        margins, window, epsilon, cost = draw(rng, 40)
        if case % 3:
            places = np.unique(np.concatenate([margins, np.linspace(*window, 25)]))
            oracle = transport_programme(margins, logistic, places, epsilon, cost)
            found = adversary(margins, window=window, epsilon=epsilon, flip_cost=cost)
            assert found.value == pytest.approx(oracle, rel=1e-8)
        else:
            found = adversary(margins, window=None, epsilon=epsilon, flip_cost=cost)
            gains = np.append(np.sort(margins.clip(0.0))[::-1], 0.0)  # a flip gains exactly the margin
            flips = min(margins.size * epsilon / cost, margins.size)
            total = logistic(margins).sum() + gains[: int(flips)].sum() + (flips % 1.0) * gains[int(flips)]
            assert found.value == pytest.approx(total / margins.size, rel=1e-12)


@pytest.mark.parametrize("method", ["sort", "select"])
def test_it_is_the_best_of_all_plans(method: str) -> None:
    """60 batches of one to four pairs, six options each, enumerated."""
    rng = np.random.default_rng(20)
    for case in range(60):
        margins, (low, high), epsilon, cost = draw(rng, 4)
        lines = PiecewiseLinear(rng.uniform(-2, 2, 4), rng.uniform(-1, 1, 4))
        given, loss = (lines, lines.value) if case % 2 else (None, logistic)
        found = adversary(margins, window=(low, high), epsilon=epsilon, flip_cost=cost, method=method, loss=given)
        down, up, zero = margins - low, high - margins, np.zeros(margins.size)
        costs = np.stack([zero, down, up, zero + cost, down + cost, up + cost], axis=1)
        losses = np.stack([loss(z) for z in (margins, zero + low, zero + high, -margins, zero - low, zero - high)], 1)
        budget = margins.size * epsilon
        assert found.value * margins.size == pytest.approx(enumeration(costs, losses, budget), rel=1e-12, abs=1e-12)


def test_weights_are_the_slopes_of_the_value() -> None:
    """Central differences of step 1e-6 on 60 batches; a third without a window, a third with lines that rise too."""
    rng = np.random.default_rng(30)
    for case in range(60):
        margins, epsilon = rng.normal(0.5, 1.5, rng.integers(1, 12)), 10.0 ** rng.uniform(-3, 0)
        window = (margins.min() - rng.uniform(0.1, 2.0), margins.max() + rng.uniform(0.1, 2.0))
        keywords = {"window": window if case % 3 else None, "epsilon": epsilon, "flip_cost": rng.uniform(0.2, 3.0)}
        if case % 3 == 2:
            keywords["loss"] = PiecewiseLinear(rng.uniform(-2, 2, 5), rng.uniform(-1, 1, 5))
        found = adversary(margins, **keywords)
        for i in range(margins.size):
            step = 1e-6 * (np.arange(margins.size) == i)
            up, down = (adversary(margins + sign * step, **keywords).value for sign in (1, -1))
            assert found.weights[i] == pytest.approx((down - up) / 2e-6, abs=1e-6)


def test_flips_alone_take_the_largest_margins() -> None:
    """A guard against over-confidence: ε / c is the share of labels that may be wrong."""
    margins = np.array([3.0, -2.0, 1.0, 0.5, 2.0, -0.1, 0.2, 0.3, 0.4, 0.6])
    found = adversary(margins, window=None, epsilon=0.25, flip_cost=1.0)
    np.testing.assert_allclose(found.flipped, [1, 0, 0.5, 0, 1, 0, 0, 0, 0, 0], atol=1e-15)
    np.testing.assert_array_equal(found.flipped, found.moved)
    assert found.multiplier == pytest.approx(1.0, rel=1e-14)
    assert found.value == pytest.approx((logistic(margins).sum() + 3.0 + 2.0 + 0.5) / 10, rel=1e-14)
    np.testing.assert_allclose(found.weights[:2] * 10, [-expit(3.0), expit(2.0)], rtol=1e-14)


def test_flips_stop_at_margin_zero_where_they_no_longer_hurt() -> None:
    margins = np.array([1.0, -1.0, -2.0])
    found = adversary(margins, window=None, epsilon=100.0, flip_cost=1.0)
    np.testing.assert_array_equal(found.flipped, [1.0, 0.0, 0.0])
    assert found.multiplier == 0.0


@pytest.mark.parametrize(("low", "high", "cost"), [(-np.inf, np.inf, 2.0), (-3.0, np.inf, 1.0), (-np.inf, 3.0, 0.5)])
def test_with_an_endless_window_flips_come_first_and_the_rest_is_spent_at_slope_one(
    low: float, high: float, cost: float
) -> None:
    """The supremum over windows that grow: the value is approached from below, at a rate of 1 / width."""
    margins = np.random.default_rng(40).normal(0.5, 1.0, 60).clip(-2.9, 2.9)
    found = adversary(margins, window=(low, high), epsilon=0.6, flip_cost=cost)
    gaps = []
    for width in (1e3, 1e5, 1e7):
        finite = adversary(margins, window=(max(low, -width), min(high, width)), epsilon=0.6, flip_cost=cost)
        gaps.append(found.value - finite.value)
        assert finite.attained
    assert not found.attained
    assert found.multiplier == 1.0
    assert gaps[0] > gaps[1] > gaps[2] > 0.0
    assert gaps[2] < 1e-6


def test_a_flipped_margin_on_the_edge_weighs_what_its_neighbours_inside_weigh() -> None:
    ball = {"window": (-3.0, 2.0), "epsilon": 0.9, "flip_cost": 1.0}
    inside = adversary([2.0 - 1e-9, 0.0, 1.0], **ball)
    on = adversary([2.0, 0.0, 1.0], **ball)
    assert on.flipped[0] == inside.flipped[0] == 1.0
    np.testing.assert_allclose(on.weights, inside.weights, rtol=1e-8)
