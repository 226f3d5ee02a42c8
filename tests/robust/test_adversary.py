"""The exact adversary against the finite programme of the paper, a transport programme and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from robust_oracles import affine_programme, logistic, transport_programme
from slhf.robust import PiecewiseLinear, adversary, dual_value, tangents

Array = NDArray[np.float64]


def draw(rng: np.random.Generator, most: int = 200) -> tuple[Array, tuple[float, float], float]:
    """Draw margins of one of four kinds, a window that holds them or not, and ε from 1e-4 to 10."""
    size = int(np.exp(rng.uniform(0.0, np.log(most))))
    kind = rng.integers(4)
    margins = rng.normal(rng.uniform(-1, 2), rng.uniform(0.1, 3.0), size)
    if kind == 1:
        margins = np.round(margins * 2) / 2  # ties
    elif kind == 2:
        margins = rng.standard_t(1.5, size)  # heavy tails
    elif kind == 3:
        margins = np.full(size, margins[0])
    width = np.abs(margins).max() * rng.uniform(0.4, 2.0) + 0.1
    return margins, (-width * rng.uniform(0.3, 1.0), width), 10.0 ** rng.uniform(-4, 1)


def lines(rng: np.random.Generator, pieces: int) -> PiecewiseLinear:
    """Draw a convex loss of straight lines: a third falling only, a third rising only, a third both."""
    low, high = [(-2.0, 0.0), (0.0, 2.0), (-2.0, 2.0)][rng.integers(3)]
    return PiecewiseLinear(rng.uniform(low, high, pieces), rng.uniform(-1, 1, pieces))


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_finite_programme_of_theorem_3_3(seed: int) -> None:
    """200 cases, N = 1 … 200, K = 3 … 10, tangents of the logistic loss and other lines, monotone or not."""
    rng = np.random.default_rng(seed)
    for case in range(40):
        margins, window, epsilon = draw(rng)
        loss = lines(rng, int(rng.integers(3, 11)))
        if case % 2:
            loss = tangents(rng.uniform(*window, size=rng.integers(3, 11)))
        found = adversary(margins, window=window, epsilon=epsilon, loss=loss)
        inside = np.clip(margins, *window)
        oracle = affine_programme(inside, np.asarray(loss.slopes), np.asarray(loss.intercepts), window, epsilon)
        assert found.value == pytest.approx(oracle.value, rel=1e-8, abs=1e-9)
        assert abs(found.certificate) <= 1e-10 * max(1.0, abs(found.value))


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_transport_programme_on_a_grid(seed: int) -> None:
    """150 cases; the grid holds all margins and both edges, and 30 places between, which never help."""
    rng = np.random.default_rng(100 + seed)
    for _ in range(30):
        margins, window, epsilon = draw(rng, most=60)
        inside = np.clip(margins, *window)
        places = np.unique(np.concatenate([inside, np.linspace(*window, 32)]))
        found = adversary(margins, window=window, epsilon=epsilon)
        assert found.value == pytest.approx(transport_programme(inside, logistic, places, epsilon), rel=1e-8)
        assert abs(found.certificate) <= 1e-10 * max(1.0, found.value)
        assert found.projected == (margins != inside).sum()


@pytest.mark.parametrize("method", ["sort", "select"])
@pytest.mark.parametrize("seed", range(4))
def test_weights_are_the_slopes_of_the_value(method: str, seed: int) -> None:
    """Central differences of step 1e-6, 25 batches a seed, for the logistic loss and for rising lines."""
    rng = np.random.default_rng(200 + seed)
    for case in range(25):
        size = int(rng.integers(1, 12))
        margins = rng.normal(0.5, 1.5, size)
        window = (margins.min() - rng.uniform(0.1, 2.0), margins.max() + rng.uniform(0.1, 2.0))
        keywords = {"window": window, "epsilon": 10.0 ** rng.uniform(-3, 0), "method": method}
        if case % 3 == 0:
            keywords["loss"] = lines(rng, 5)
        found = adversary(margins, **keywords)
        for i in range(size):
            step = 1e-6 * (np.arange(size) == i)
            up, down = (adversary(margins + sign * step, **keywords).value for sign in (1, -1))
            assert found.weights[i] == pytest.approx((down - up) / 2e-6, abs=1e-6)


@pytest.mark.parametrize("size", [1, 7, 1000, 4097])
@pytest.mark.parametrize("window", [(-3.0, 3.0), (-np.inf, np.inf), (-np.inf, 2.0), (-4.0, np.inf)])
def test_with_epsilon_0_the_weights_are_dpos_bit_for_bit(size: int, window: tuple[float, float]) -> None:
    margins = np.random.default_rng(size).uniform(-2.9, 1.9, size)
    for method in ("sort", "select"):
        found = adversary(margins, window=window, epsilon=0.0, method=method)
        np.testing.assert_array_equal(found.weights, expit(-margins) / size)
        assert not found.moved.any()
        assert found.value == pytest.approx(logistic(margins).mean(), rel=1e-14)


def test_a_case_by_hand() -> None:
    """The lowest margin is moved whole for 1 of 1.5, the next for the rest, .5 of 2.5; the third stays."""
    found = adversary([2.0, -1.0, 0.5], window=(-2.0, 3.0), epsilon=0.5)
    rate = (logistic(-2.0) - logistic(0.5)) / 2.5
    np.testing.assert_allclose(found.moved, [0.0, 1.0, 0.2], atol=1e-15)
    assert found.multiplier == pytest.approx(rate, rel=1e-14)
    assert found.value == pytest.approx((logistic(2.0) + 1.2 * logistic(-2.0) + 0.8 * logistic(0.5)) / 3, rel=1e-14)
    np.testing.assert_allclose(found.weights * 3, [expit(-2.0), rate, 0.8 * expit(-0.5) + 0.2 * rate], rtol=1e-14)


def test_equal_margins_share_the_move() -> None:
    found = adversary([1.0, 0.0, 0.0, 0.0, 0.0], window=(-1.0, 2.0), epsilon=0.5)
    np.testing.assert_allclose(found.moved, [0.0, *[0.625] * 4], rtol=1e-15)
    assert np.unique(found.weights[1:]).size == 1


def test_enough_budget_moves_everything_and_leaves_no_weight() -> None:
    margins = np.random.default_rng(0).uniform(-1.0, 1.0, 50)
    found = adversary(margins, window=(-1.5, 1.5), epsilon=3.0)
    assert found.value == pytest.approx(logistic(-1.5), rel=1e-14)
    assert found.multiplier == 0.0
    assert found.moved.min() == 1.0
    assert not found.weights.any()


def test_the_multiplier_is_what_a_little_more_epsilon_adds() -> None:
    margins = np.random.default_rng(1).normal(0.5, 1.0, 101)
    for epsilon in (0.01, 0.1, 0.5, 1.0):
        low, high = (adversary(margins, window=(-4, 4), epsilon=e).value for e in (epsilon - 1e-6, epsilon + 1e-6))
        found = adversary(margins, window=(-4, 4), epsilon=epsilon)
        assert found.multiplier == pytest.approx((high - low) / 2e-6, rel=1e-4)


def test_margins_on_the_edge_or_beyond_weigh_what_their_neighbours_inside_weigh() -> None:
    inside = adversary([-2.0 + 1e-9, 0.0, 1.0], window=(-2.0, 2.0), epsilon=0.2)
    on = adversary([-2.0, 0.0, 1.0], window=(-2.0, 2.0), epsilon=0.2)
    beyond = adversary([-7.0, 0.0, 1.0], window=(-2.0, 2.0), epsilon=0.2)
    np.testing.assert_allclose(on.weights, inside.weights, rtol=1e-8)
    np.testing.assert_array_equal(beyond.weights, on.weights)
    assert (on.projected, beyond.projected) == (0, 1)


def test_the_dual_value_is_an_upper_bound_and_meets_the_value_at_the_multiplier() -> None:
    margins = np.random.default_rng(2).normal(size=40)
    ball = {"window": (-3.0, 3.0), "epsilon": 0.3, "flip_cost": 1.5}
    found = adversary(margins, **ball)
    assert dual_value(margins, found.multiplier, **ball) == pytest.approx(found.value, rel=1e-14)
    for multiplier in np.linspace(0.0, 3.0, 31):
        assert dual_value(margins, multiplier, **ball) >= found.value - 1e-14
    assert dual_value(margins, 0.5, window=(-np.inf, np.inf), epsilon=0.3) == np.inf


def test_margins_so_close_to_the_edge_that_losses_cannot_be_subtracted_keep_their_rate() -> None:
    """The chord over a distance of 1e-12 has the slope σ(−a) to a part in 1e11, not the noise of two losses."""
    for low in (-3.0, 0.0, 2.0):
        found = adversary([low + 1e-12, low + 1.0], window=(low, low + 2.0), epsilon=1e-13)
        assert found.multiplier == pytest.approx(expit(-low), rel=1e-11)


@pytest.mark.parametrize("scale", [1e3, 1e100])
def test_enormous_margins_do_not_overflow(scale: float) -> None:
    margins = scale * np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    found = adversary(margins, window=(-2 * scale, 2 * scale), epsilon=0.1 * scale)
    assert found.value / scale == pytest.approx(0.3 + 0.1, rel=1e-3)
    assert abs(found.certificate) <= 1e-12 * scale
