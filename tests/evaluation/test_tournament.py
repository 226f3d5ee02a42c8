from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slhf.errors import InputError
from slhf.evaluation import Rate, rate, tournament
from slhf.judges import CallableJudge, RuleJudge


def size(prompt, response, columns):
    return float(len(response)) * columns.get("sign", 1.0)


JUDGE = RuleJudge(size)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=50))
def test_rate_is_the_textbook_standard_error(values):
    r = rate(values)
    assert r.mean == pytest.approx(statistics.fmean(values), abs=1e-12)
    assert r.stderr == pytest.approx(statistics.stdev(values) / math.sqrt(len(values)), abs=1e-9)
    assert r.count == len(values)


def test_rate_of_one_and_of_none():
    assert math.isnan(rate([0.3]).stderr)
    assert str(rate([0.3])) == "0.300 ± ?"
    assert str(Rate(0.75, 0.0123, 10)) == "0.750 ± 0.012"
    with pytest.raises(InputError, match="at least one prompt"):
        rate([])


def test_standard_error_is_that_of_repeated_experiments():
    """Over 2,000 seeded repetitions the spread of the mean is what the standard error says."""
    rng = np.random.default_rng(7)
    draws = rng.random((2000, 40)) < 0.7
    rates = [rate(d.astype(float)) for d in draws]
    assert np.std([r.mean for r in rates]) == pytest.approx(np.mean([r.stderr for r in rates]), rel=0.05)


def test_table_by_hand():
    t = tournament(JUDGE, ["x", "z"], {"short": ["a", "b"], "long": ["aaa", "b"], "mid": ["aa", "bb"]})
    assert t.names == ("short", "long", "mid")
    expected = [[0.5, 0.25, 0.0], [0.75, 0.5, 0.5], [1.0, 0.5, 0.5]]
    np.testing.assert_allclose(t.mean, expected)
    assert t.rate("long", "short") == Rate(0.75, 0.25, 2)
    assert t.as_rows()[0] == {
        "name": "short",
        "against": {"long": {"mean": 0.25, "stderr": 0.25}, "mid": {"mean": 0.0, "stderr": 0.0}},
    }


def test_several_samples_are_averaged_within_their_prompt():
    t = tournament(JUDGE, ["x"], {"a": [["1", "333"]], "b": [["22", "22", "4444"]]})
    # 1 loses to all three; 333 beats 22 twice and loses to 4444
    assert t.rate("a", "b").mean == pytest.approx(2 / 6)
    assert t.rate("a", "b").count == 1


@given(st.permutations(["a", "b", "c"]), st.integers(0, 2**31))
def test_order_of_listing_does_not_matter(order, seed):
    rng = np.random.default_rng(seed)
    texts = {name: ["y" * int(rng.integers(1, 4)) for _ in range(5)] for name in "abc"}
    reference = tournament(JUDGE, list("vwxyz"), texts)
    shuffled = tournament(JUDGE, list("vwxyz"), {name: texts[name] for name in order})
    for first in "abc":
        for second in "abc":
            assert shuffled.rate(first, second) == reference.rate(first, second)
            assert reference.rate(first, second).mean + reference.rate(second, first).mean == pytest.approx(1)


def test_columns_reach_the_judge():
    columns = [{"sign": 1.0}, {"sign": -1.0}]
    t = tournament(JUDGE, ["x", "z"], {"a": ["1", "1"], "b": ["22", "22"]}, columns)
    assert t.per_prompt[0, 1].tolist() == [0.0, 1.0]


def test_one_call_to_the_judge():
    calls = []

    def judge(prompts, first, second):
        calls.append(len(prompts))
        return [0.5] * len(prompts)

    tournament(CallableJudge(judge), ["x", "z"], {"a": ["1", "2"], "b": ["3", "4"], "c": ["5", "6"]})
    assert calls == [12]  # three pairs, two prompts, both orders


@pytest.mark.parametrize(
    ("contenders", "columns", "message"),
    [
        ({"a": ["1"]}, None, "at least two"),
        ({"a": ["1"], "b": ["1", "2"]}, None, "'b' has answers to 2 prompts, there are 1"),
        ({"a": ["1"], "b": [[]]}, None, "'b' has no answer to prompt 0"),
        ({"a": ["1"], "b": ["2"]}, [], "0 rows of columns for 1 prompts"),
    ],
)
def test_bad_input(contenders, columns, message):
    with pytest.raises(InputError, match=message):
        tournament(JUDGE, ["x"], contenders, columns)


def test_unknown_contender():
    t = tournament(JUDGE, ["x"], {"leader": ["1"], "base": ["2"]})
    with pytest.raises(InputError, match=r"no contender 'leadr'.*Did you mean 'leader'"):
        t.rate("leadr", "base")
