"""What the adversary refuses, and whether the message says where and what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from slhf.errors import InputError
from slhf.robust import adversary, dual_value

GOOD: dict[str, Any] = {"margins": [0.0, 1.0], "window": (-2.0, 2.0), "epsilon": 0.1}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"margins": [0.0, np.nan, 1.0, np.inf]}, r"margins\[1\] is nan, and so are 1 more; leave"),
        ({"margins": [0.0, -np.inf]}, r"margins\[1\] is -inf; leave"),
        ({"margins": []}, "no margins"),
        ({"margins": 1.0}, r"shape \(\)"),
        ({"margins": [[0.0]]}, r"shape \(1, 1\); give one number a pair"),
        ({"margins": ["far"]}, "not a list of numbers"),
        ({"epsilon": -0.1}, "epsilon is -0.1; .* 0 or more"),
        ({"epsilon": np.nan}, "epsilon is nan"),
        ({"epsilon": np.inf}, "epsilon is inf"),
        ({"window": (2.0, -2.0)}, r"window is \(2, -2\); its lower edge comes first"),
        ({"window": (1.0, 1.0)}, "lower edge comes first"),
        ({"window": (np.nan, 1.0)}, "lower edge comes first"),
        ({"window": (np.inf, np.inf)}, "lower edge comes first"),
        ({"window": 3.0}, "give two numbers"),
        ({"window": (1.0, 2.0, 3.0)}, "give two numbers"),
        ({"window": None}, "neither a window nor a flip_cost"),
        ({"flip_cost": 0.0}, "flip_cost is 0.0; .* None forbids flips"),
        ({"flip_cost": -1.0}, "flip_cost is -1"),
        ({"flip_cost": np.nan}, "flip_cost is nan"),
        ({"method": "sorted"}, "no method 'sorted'; there are sort, select. Did you mean 'sort'?"),
    ],
)
def test_wrong_input_is_named_with_its_remedy(wrong: dict[str, Any], words: str) -> None:
    keywords = GOOD | wrong
    with pytest.raises(InputError, match=words):
        adversary(keywords.pop("margins"), **keywords)


def test_margins_outside_the_window_are_projected_and_counted() -> None:
    found = adversary([-9.0, -1.0, 0.0, 9.0], window=(-2.0, 2.0), epsilon=0.3)
    same = adversary([-2.0, -1.0, 0.0, 2.0], window=(-2.0, 2.0), epsilon=0.3)
    assert (found.projected, same.projected) == (2, 0)
    assert found.value == same.value


@pytest.mark.parametrize("multiplier", [-0.1, np.nan, np.inf])
def test_a_multiplier_is_a_finite_price(multiplier: float) -> None:
    with pytest.raises(InputError, match="multiplier is"):
        dual_value([0.0], multiplier, window=(-1, 1), epsilon=0.1)


def test_margins_given_are_left_alone() -> None:
    margins = np.array([-9.0, 1.0, 9.0])
    adversary(margins, window=(-2.0, 2.0), epsilon=0.3, flip_cost=1.0)
    np.testing.assert_array_equal(margins, [-9.0, 1.0, 9.0])
