from __future__ import annotations

import functools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slhf.errors import InputError
from slhf.evaluation import fingerprint, judge_identity
from slhf.evaluation.identity import row_fingerprint
from slhf.judges import (
    Annotator,
    CallableJudge,
    MatrixJudge,
    PanelJudge,
    RuleJudge,
    stories_panel,
    toy_panel,
)
from slhf.types import Comparison

LIMIT = 3


def helper(text):
    return len(text)


def by_helper(prompt, response, columns):
    return float(helper(response) > LIMIT)


def by_length(prompt, response, columns):
    return float(len(response))


def by_words(prompt, response, columns):
    return float(len(response.split()))


class Asking:
    """A judge whose preferences come from elsewhere."""

    name = "asking"

    def prefer(self, comparisons):
        return np.full(len(comparisons), 0.5)


class Named(Asking):
    def __init__(self, identity):
        self.identity = identity


def closure(limit):
    return lambda prompt, response, columns: float(len(response) > limit)


def test_equal_judges_are_one_judge():
    assert judge_identity(RuleJudge(by_length)) == judge_identity(RuleJudge(by_length))
    assert judge_identity(toy_panel()) == judge_identity(toy_panel())
    p = [[0.5, 0.7], [0.3, 0.5]]
    assert judge_identity(MatrixJudge("ab", p)) == judge_identity(MatrixJudge("ab", np.array(p)))
    assert judge_identity(Named("v1")) == judge_identity(Named("v1"))


def test_judges_that_may_prefer_differently_are_different_judges_whatever_they_are_called():
    panel = [Annotator("size", by_length), Annotator("words", by_words)]
    judges = [
        RuleJudge(by_length, name="j"),
        RuleJudge(by_length, temperature=1.0, name="j"),
        RuleJudge(by_words, name="j"),
        RuleJudge(closure(2), name="j"),
        RuleJudge(closure(3), name="j"),
        RuleJudge(functools.partial(by_length, columns={}), name="j"),
        PanelJudge(panel, name="j"),
        PanelJudge(panel, soft=True, name="j"),
        PanelJudge(panel, weights=[1, 2], name="j"),
        PanelJudge([panel[0], Annotator("words", by_words, lower_is_better=True)], name="j"),
        MatrixJudge("ab", [[0.5, 0.7], [0.3, 0.5]], name="j"),
        MatrixJudge("ab", [[0.5, 0.6], [0.4, 0.5]], name="j"),
        CallableJudge(lambda x, y, z: [0.5] * len(x), name="j"),
        CallableJudge(lambda x, y, z: [0.25] * len(x), name="j"),
        toy_panel(),
        toy_panel(soft=True),
        stories_panel(),
        Named("v1"),
        Named("v2"),
    ]
    assert len({judge_identity(judge) for judge in judges}) == len(judges)


@pytest.mark.parametrize("change", [("helper", lambda text: -len(text)), ("LIMIT", 4)])
def test_code_and_constants_that_a_rule_reaches_count(monkeypatch, change):
    before = judge_identity(RuleJudge(by_helper, name="j"))
    name, value = change
    monkeypatch.setitem(by_helper.__globals__, name, value)
    assert judge_identity(RuleJudge(by_helper, name="j")) != before


def test_a_fact_of_the_embedded_world_counts(monkeypatch):
    from slhf.toy import reading

    before = judge_identity(toy_panel())
    monkeypatch.setattr(reading, "read_response", lambda question, response: None)
    from slhf.toy import annotators

    monkeypatch.setattr(annotators, "read_response", lambda question, response: None)
    assert judge_identity(toy_panel()) != before


def test_the_same_in_another_process():
    code = (
        "from slhf.judges import toy_panel; from slhf.evaluation import judge_identity, fingerprint;"
        "print(judge_identity(toy_panel()), fingerprint({'b': {3, 'x', 2.5}, 'a': None}))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True, text=True, check=True, timeout=120, env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert seen == {f"{judge_identity(toy_panel())} {fingerprint({'b': {3, 'x', 2.5}, 'a': None})}\n"}


def test_what_cannot_be_seen_is_refused_with_the_remedy():
    with pytest.raises(InputError, match=r"'asking'.*identity="):
        judge_identity(Asking())
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match=r"judge 'j': .*Generator.*identity"):
        judge_identity(RuleJudge(lambda prompt, response, columns: rng.random(), name="j"))


def test_values_that_differ_have_different_fingerprints():
    values = [None, True, 1, 1.0, "1", b"1", [1], [[1]], {"1": 1}, {1}, np.array([1]), np.array([1.0]), 0.1 + 0.2, 0.3]
    prints = [fingerprint(v) for v in values]
    assert len(set(prints)) == len(values)
    assert fingerprint(np.float64(1.5)) == fingerprint(1.5)
    assert fingerprint(Comparison("x", "y", "z", {"a": 1})) != fingerprint(Comparison("x", "y", "z", {"a": 2}))


SIMPLE = st.one_of(st.text(max_size=6), st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False))


@given(st.dictionaries(st.text(max_size=6), SIMPLE, max_size=4))
def test_a_row_has_the_same_fingerprint_quickly(row):
    """What stores hold stays valid: the quick way writes the same text as the slow one, whatever the row."""
    assert row_fingerprint(row) == fingerprint(row)
    assert row_fingerprint(dict(reversed(row.items()))) == fingerprint(row)


def test_rows_that_only_look_alike_differ():
    rows = [{"a": 1}, {"a": "1"}, {"a": True}, {"a": 1.0}, {"a": [1]}, {"b": 1}, {"a": 1, "b": ""}, {}]
    assert len({row_fingerprint(row) for row in rows}) == len(rows)
    assert row_fingerprint({"a": [1, {"b": 2}]}) == fingerprint({"a": [1, {"b": 2}]})
