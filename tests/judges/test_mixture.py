"""A convex mixture of preference functions is one again, and each prompt may say who counts."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slhf.errors import InputError, JudgeError
from slhf.evaluation import judge_identity
from slhf.judges import CallableJudge, CheckJudge, MatrixJudge, MixtureJudge, RuleJudge, judge_from
from slhf.types import Comparison

TEXTS = ("rock", "paper", "scissors")
CYCLE = MatrixJudge(TEXTS, [[0.5, 0.2, 0.9], [0.8, 0.5, 0.3], [0.1, 0.7, 0.5]], name="cycle")
LONGER = RuleJudge(lambda prompt, response, columns: len(response), name="longer")
RIGHT = CheckJudge(lambda prompt, response, columns: response == columns.get("answer"), name="right")
ALL = {"cycle": CYCLE, "longer": LONGER, "right": RIGHT}
PAIRS = [Comparison("x", y, z, {"answer": "paper"}) for y, z in product(TEXTS, repeat=2)]


@given(st.lists(st.floats(0.0, 10.0), min_size=3, max_size=3).filter(lambda w: sum(w) > 1e-3))
def test_a_mixture_is_linear_antisymmetric_and_a_tie_with_itself(weights):
    """Oracle: the weighted sum of what the judges say one by one."""
    mixed = MixtureJudge(ALL, dict(zip(ALL, weights, strict=True)))
    p = mixed.prefer(PAIRS)
    shares = np.array(weights) / sum(weights)
    expected = sum(w * judge.prefer(PAIRS) for w, judge in zip(shares, ALL.values(), strict=True))
    np.testing.assert_allclose(p, expected, rtol=0, atol=1e-14)
    np.testing.assert_allclose(p + mixed.prefer([c.swap() for c in PAIRS]), 1.0, rtol=0, atol=1e-14)
    assert [float(p[i]) for i in (0, 4, 8)] == pytest.approx([0.5] * 3, abs=1e-14)
    assert ((p >= 0) & (p <= 1)).all()


def test_equal_shares_without_weights():
    mixed = MixtureJudge({"a": CYCLE, "b": RIGHT})
    assert mixed.prefer([Comparison("x", "paper", "rock", {"answer": "paper"})])[0] == pytest.approx(0.9)


def test_a_mixture_of_mixtures_is_the_mixture_of_its_parts():
    inner = MixtureJudge({"c": CYCLE, "l": LONGER}, {"c": 1, "l": 3})
    outer = MixtureJudge({"inner": inner, "right": RIGHT}, {"inner": 0.4, "right": 0.6})
    flat = MixtureJudge(ALL, {"cycle": 0.1, "longer": 0.3, "right": 0.6})
    np.testing.assert_allclose(outer.prefer(PAIRS), flat.prefer(PAIRS), rtol=0, atol=1e-14)


def test_a_column_names_the_judge_or_the_shares_of_its_prompt():
    mixed = MixtureJudge(ALL, {"cycle": 1.0}, column="who")
    said = [
        ({}, CYCLE, "weights count where nothing is said"),
        ({"who": None}, CYCLE, "nor where the column is empty"),
        ({"who": "longer"}, LONGER, "one judge"),
        ({"who": {"longer": 2.0, "cycle": None}}, LONGER, "shares; a table fills what is not there with None"),
    ]
    comparisons = [Comparison("x", "scissors", "rock", columns) for columns, _, _ in said]
    for p, comparison, (_, judge, why) in zip(mixed.prefer(comparisons), comparisons, said, strict=True):
        assert p == pytest.approx(judge.prefer([comparison])[0]), why
    half = mixed.prefer([Comparison("x", "scissors", "rock", {"who": {"longer": 1, "cycle": 3}})])[0]
    assert half == pytest.approx(0.25 * 1.0 + 0.75 * 0.1)


def test_a_judge_takes_part_only_where_its_column_is():
    """Prompts with a check use it, others use the taste alone."""
    mixed = MixtureJudge({"taste": LONGER, "right": RIGHT}, {"taste": 0.2, "right": 0.8}, needs={"right": "answer"})
    asked = [
        Comparison("x", "scissors", "rock", columns)
        for columns in ({"answer": "rock"}, {}, {"answer": None}, {"answer": ""})
    ]
    assert mixed.prefer(asked).tolist() == pytest.approx([0.2, 1.0, 1.0, 1.0])


def test_a_judge_without_a_share_is_not_asked():
    asked = []

    def spy(prompts, first, second):
        asked.extend(prompts)
        return [0.5] * len(first)

    mixed = MixtureJudge({"spy": CallableJudge(spy), "other": LONGER}, {"spy": 0.0, "other": 1.0}, column="who")
    mixed.prefer([Comparison("a", "x", "yy"), Comparison("b", "x", "yy", {"who": "spy"})])
    assert set(asked) == {"b"}
    assert mixed.prefer([]).shape == (0,)


def test_answers_that_are_no_preference_are_named_with_their_judge():
    class Broken:
        name = "broken"

        def prefer(self, comparisons):
            return np.full(len(comparisons), np.nan)

    with pytest.raises(JudgeError, match="judge 'broken' answered nan to prompt 'x'"):
        MixtureJudge({"a": LONGER, "b": Broken()}).prefer(PAIRS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"judges": {}}, "at least one judge"),
        ({"weights": {"longre": 1.0}}, r"weights: 'longre' is none of the mixture's judges.*Did you mean 'longer'"),
        ({"weights": {"longer": -1.0}}, "finite, not negative and not all zero"),
        ({"weights": {"longer": 0.0}}, "not all zero"),
        ({"weights": {"longer": float("nan")}}, "finite"),
        ({"needs": {"rigth": "answer"}}, r"needs: 'rigth' is none.*Did you mean 'right'"),
    ],
)
def test_mixtures_that_make_no_sense_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        MixtureJudge(**{"judges": ALL, **change})


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"who": "nobody"}, r"prompt 'q\?': column 'who': 'nobody' is none of the mixture's judges"),
        ({"who": 0.3}, r"prompt 'q\?': column 'who': expected the name of a judge, or shares by name; got 0\.3"),
        ({"who": {"longer": "much"}}, r"prompt 'q\?': column 'who': shares must be finite"),
        ({}, r"prompt 'q\?': no judge counts here, since it has nothing in answer"),
    ],
)
def test_columns_that_say_nothing_useful_name_the_prompt(columns, message):
    mixed = MixtureJudge(ALL, {"right": 1.0}, needs={"right": "answer"}, column="who")
    with pytest.raises(JudgeError, match=message):
        mixed.prefer([Comparison("q?", "a", "b", columns)])


def test_from_settings_and_with_an_identity_of_its_own():
    def made(right, soft=False):
        judges = {"taste": {"name": "toy", "soft": soft}, "right": "toy_correct"}
        return judge_from({"name": "mixture", "judges": judges, "weights": {"taste": 1.0, "right": right}})

    known = {judge_identity(judge) for judge in (made(1.0), made(2.0), made(1.0, soft=True), judge_from("toy"))}
    assert len(known) == 4
    assert judge_identity(made(1.0)) in known
