"""The losses: against NumPy and finite differences, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from robust_oracles import logistic
from slhf.errors import InputError
from slhf.robust import Logistic, PiecewiseLinear, tangents


def test_the_logistic_loss_is_softplus_and_its_slope_the_difference_quotient() -> None:
    margins = np.linspace(-40.0, 40.0, 401)
    np.testing.assert_allclose(Logistic().value(margins), logistic(margins), rtol=1e-14)
    step = 1e-6
    np.testing.assert_allclose(
        Logistic().slope(margins), (logistic(margins + step) - logistic(margins - step)) / (2 * step), atol=1e-8
    )
    assert Logistic().value(np.array([-1e308, 1e308])).tolist() == [1e308, 0.0]


@pytest.mark.parametrize("loss", [Logistic(), PiecewiseLinear([-1.0, 0.5], [0.0, 1.0])], ids=["logistic", "lines"])
def test_rise_is_the_difference_of_losses(loss: Logistic | PiecewiseLinear) -> None:
    rng = np.random.default_rng(0)
    to, start = rng.normal(0, 5, 1000), rng.normal(0, 5, 1000)
    np.testing.assert_allclose(loss.rise(to, start), loss.value(to) - loss.value(start), rtol=1e-9, atol=1e-13)


def test_rise_of_the_logistic_loss_keeps_its_digits_where_losses_are_nearly_equal() -> None:
    """To first order it is −σ(−ξ) times the way, for a way of 1e-13."""
    start = np.linspace(-5, 5, 11)
    to = start - 2.0**-43
    np.testing.assert_allclose(Logistic().rise(to, start), -Logistic().slope(start) * (start - to), rtol=1e-10)


def test_rise_of_lines_keeps_its_digits_too() -> None:
    start = np.linspace(-5, 5, 11)
    to = start - 2.0**-43
    np.testing.assert_array_equal(PiecewiseLinear([-1.5, 0.5], [0.0, 0.25]).rise(to, start)[:5], 1.5 * 2.0**-43)


def test_lines_take_the_largest() -> None:
    loss = PiecewiseLinear([-1.0, 0.0, 2.0], [0.0, 0.5, -3.0])
    np.testing.assert_array_equal(loss.value(np.array([-2.0, 0.0, 1.0, 3.0])), [2.0, 0.5, 0.5, 3.0])
    np.testing.assert_array_equal(loss.slope(np.array([-2.0, 0.0, 1.0, 3.0])), [-1.0, 0.0, 0.0, 2.0])
    assert loss.limits == (-1.0, 2.0)


def test_tangents_touch_the_loss_at_their_points_and_stay_below() -> None:
    points = np.array([-3.0, -0.5, 1.0, 4.0])
    margins = np.linspace(-8, 8, 1001)
    np.testing.assert_allclose(tangents(points).value(points), logistic(points), rtol=1e-14)
    assert (tangents(points).value(margins) <= logistic(margins) + 1e-15).all()


@pytest.mark.parametrize(
    ("slopes", "intercepts", "words"),
    [
        ([1.0, 2.0], [0.0], "2 slopes and 1 intercepts"),
        ([], [], "slopes have shape"),
        ([[1.0]], [[1.0]], "slopes have shape"),
        ([1.0, np.nan], [0.0, 0.0], r"slopes\[1\] is nan"),
        ([1.0], [np.inf], r"intercepts\[0\] is inf"),
        (["steep"], [0.0], "not a list of numbers"),
    ],
)
def test_what_is_no_set_of_lines_is_refused(slopes: list, intercepts: list, words: str) -> None:
    with pytest.raises(InputError, match=words):
        PiecewiseLinear(slopes, intercepts)
