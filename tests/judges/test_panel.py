from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from slhf.errors import InputError, JudgeError
from slhf.judges import Annotator, PanelJudge, RuleJudge
from slhf.types import Comparison


def table(rewards, name="a", lower=False):
    return Annotator(name, lambda prompt, response, columns: rewards[response], lower)


def test_panel_is_equation_11_with_ties_a_half():
    """Oracle: the sum over annotators, written out by cases with exact fractions."""
    rewards = [{"u": 1, "v": 2, "w": 2}, {"u": 3, "v": 0, "w": 1}, {"u": 5, "v": 5, "w": 5}]
    lower = [False, True, False]
    panel = PanelJudge([table(r, f"a{i}", low) for i, (r, low) in enumerate(zip(rewards, lower, strict=True))])
    for y, z in product("uvw", repeat=2):
        votes = 0.0
        for r, low in zip(rewards, lower, strict=True):
            if r[y] == r[z]:
                votes += 0.5
            elif (r[y] < r[z]) == low:
                votes += 1.0
        assert panel.prefer([Comparison("x", y, z)])[0] == pytest.approx(votes / 3, abs=1e-15)


def test_printed_equation_11_would_not_be_antisymmetric():
    """The printed ≥ pays a tie to both: p + p′ = 2 for equal rewards. Ours is 1."""
    panel = PanelJudge([table({"u": 1, "v": 1})])
    c = Comparison("x", "u", "v")
    printed = float(1 >= 1) + float(1 >= 1)
    ours = panel.prefer([c, c.swap()])
    assert printed == 2.0
    assert ours.sum() == 1.0
    assert ours[0] == 0.5


def test_weights_are_shares():
    panel = PanelJudge([table({"u": 1, "v": 0}, "a"), table({"u": 0, "v": 1}, "b")], weights=[3, 1])
    assert panel.prefer([Comparison("x", "u", "v")])[0] == pytest.approx(0.75)


def test_soft_panel_is_the_mean_of_sigmoids():
    panel = PanelJudge([table({"u": 1.5, "v": 0.0}, "a"), table({"u": 0.0, "v": 4.0}, "b", True)], soft=True)
    expected = 0.5 * (1 / (1 + math.exp(-1.5)) + 1 / (1 + math.exp(-4.0)))
    assert panel.prefer([Comparison("x", "u", "v")])[0] == pytest.approx(expected, rel=1e-12)


def test_per_annotator_rows_average_to_the_vote():
    panel = PanelJudge([table({"u": 1, "v": 0, "w": 7}, "a"), table({"u": 0, "v": 0, "w": 1}, "b", True)])
    comparisons = [Comparison("x", y, z) for y, z in product("uvw", repeat=2)]
    matrix = panel.per_annotator(comparisons)
    assert matrix.shape == (2, 9)
    np.testing.assert_allclose(matrix.mean(axis=0), panel.prefer(comparisons))
    assert matrix[1].tolist() == [0.5, 0.5, 1.0, 0.5, 0.5, 1.0, 0.0, 0.0, 0.5]


def test_each_distinct_response_is_scored_once():
    calls = []

    def score(prompt, response, columns):
        calls.append((prompt, response, columns.get("answer")))
        return float(len(response))

    comparisons = [
        Comparison("x", "a", "bb"),
        Comparison("x", "bb", "ccc"),
        Comparison("x", "ccc", "a"),
        Comparison("z", "a", "bb"),
        Comparison("x", "a", "bb", {"answer": 1}),
        Comparison("x", "a", "bb", {"answer": 2}),
    ]
    p = PanelJudge([Annotator("n", score)]).prefer(comparisons)
    assert p.tolist() == [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    assert len(calls) == len(set(calls)) == 3 + 2 + 2 + 2


def test_columns_that_hold_arrays_are_scored_apart():
    columns = [{"v": np.arange(3)}, {"v": np.arange(3) + 1}]
    panel = PanelJudge([Annotator("n", lambda prompt, response, c: len(response) * float(c["v"].sum()))])
    p = panel.prefer([Comparison("x", "a", "bb", c) for c in columns])
    assert p.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("value", [math.nan, math.inf, "high", None])
def test_a_reward_that_is_no_number_names_annotator_prompt_and_response(value):
    def taste(prompt, response, columns):
        return value if response == "bad" else 0.0

    panel = PanelJudge([Annotator("taste", taste)])
    with pytest.raises(JudgeError, match=r"'taste' gave .* to response 'bad' for prompt 'what\?'"):
        panel.prefer([Comparison("what?", "good", "bad")])


@pytest.mark.parametrize(
    ("annotators", "weights", "message"),
    [
        ([], None, "at least one"),
        ([table({}, "a"), table({}, "a")], None, "distinct names"),
        ([table({}, "a")], [1, 2], "as many weights"),
        ([table({}, "a"), table({}, "b")], [1, -1], "not negative"),
        ([table({}, "a")], [math.nan], "finite"),
        ([table({}, "a")], [0.0], "not all zero"),
    ],
)
def test_panels_that_make_no_sense_are_refused(annotators, weights, message):
    with pytest.raises(InputError, match=message):
        PanelJudge(annotators, weights)


def test_weights_never_push_a_preference_out_of_range():
    rng = np.random.default_rng(3)
    for n in range(1, 40):
        panel = PanelJudge([table({"u": 1, "v": 0}, f"a{i}") for i in range(n)], weights=rng.random(n) + 0.01)
        p = panel.prefer([Comparison("x", "u", "v"), Comparison("x", "v", "u")])
        assert p[0] <= 1.0
        assert p[1] >= 0.0
        np.testing.assert_allclose(p, [1.0, 0.0], atol=1e-12)


def test_rule_judge_hard_soft_and_bad_temperature():
    def size(prompt, response, columns):
        return len(response) + columns.get("bonus", 0)

    c = [Comparison("x", "aaa", "b"), Comparison("x", "b", "c"), Comparison("x", "b", "aaa")]
    assert RuleJudge(size).prefer(c).tolist() == [1.0, 0.5, 0.0]
    assert RuleJudge(size).name == "size"
    soft = RuleJudge(size, temperature=2.0).prefer(c)
    np.testing.assert_allclose(soft, [1 / (1 + math.exp(-1)), 0.5, 1 / (1 + math.exp(1))], rtol=1e-12)
    for temperature in (0.0, -1.0, math.nan):
        with pytest.raises(InputError, match="temperature must be positive"):
            RuleJudge(size, temperature=temperature)
