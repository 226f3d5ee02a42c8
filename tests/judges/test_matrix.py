from __future__ import annotations

import numpy as np
import pytest

from slhf.errors import InputError, JudgeError
from slhf.judges import MatrixJudge
from slhf.types import Comparison

CYCLE = [[0.5, 0.6, 0.4], [0.4, 0.5, 0.75], [0.6, 0.25, 0.5]]


def test_unknown_response_is_named_with_a_suggestion():
    judge = MatrixJudge(["alpha", "beta", "gamma"], CYCLE)
    with pytest.raises(JudgeError, match=r"'betta' to prompt 'x'.*Did you mean 'beta'"):
        judge.prefer([Comparison("x", "alpha", "betta")])


@pytest.mark.parametrize(
    ("actions", "p", "message"),
    [
        (["a", "a"], np.full((2, 2), 0.5), "'a' is listed more than once"),
        (["a", "b"], np.full((3, 3), 0.5), r"shape \(2, 2\), got \(3, 3\)"),
        (
            ["a", "b"],
            [[0.5, 0.7], [0.4, 0.5]],
            r"p\[0, 1\] = 0.7 \('a' against 'b'\) and its mirror image 0.4 add up to 1.1",
        ),
        (["a", "b"], [[0.5, 1.2], [-0.2, 0.5]], r"p\[0, 1\] = 1.2.*probability"),
        (["a", "b"], [[0.5, np.nan], [0.5, 0.5]], r"p\[0, 1\] = nan"),
        (["a"], [[0.4]], r"p\[0, 0\] = 0.4"),
        ([], np.zeros((0, 0)), "at least one action"),
    ],
)
def test_matrices_that_are_no_preferences_are_refused(actions, p, message):
    with pytest.raises(InputError, match=message):
        MatrixJudge(actions, p)


def test_tolerance_is_removed_so_that_answers_are_antisymmetric():
    judge = MatrixJudge(["a", "b"], [[0.5, 0.3 + 4e-10], [0.7 + 4e-10, 0.5]])
    p, q = judge.prefer([Comparison("", "a", "b"), Comparison("", "b", "a")])
    assert p + q == pytest.approx(1.0, abs=1e-15)


def test_more_than_the_tolerance_is_refused():
    with pytest.raises(InputError, match=r"add up to 1\.000000004"):
        MatrixJudge(["a", "b"], [[0.5, 0.3 + 4e-9], [0.7, 0.5]])
