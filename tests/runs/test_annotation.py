"""Answers become pairs: who is chosen, what is left out, against brute force."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pytest

from slhf.evaluation import Store, remembered
from slhf.runs.annotation import (
    ALIKE,
    EMPTY,
    FEW,
    SKIPPED,
    TIED,
    WORSE,
    Verdict,
    annotated,
    by_preferences,
    by_rewards,
    distinct,
    label_by_follower,
    label_by_judge,
    label_by_reward,
)
from slhf.types import Comparison


def test_distinct_answers_and_what_is_left_out() -> None:
    kept, counts = distinct([["a", "b"], ["a", "a"], ["", "a", "b", "a"], ["", " "], ["a", ""]])
    assert kept == [["a", "b"], [], ["a", "b"], [], []]
    assert dict(counts) == {EMPTY: 4, FEW: 2, ALIKE: 1}


def test_by_rewards() -> None:
    assert by_rewards([1.0, 1.0]) is None
    assert by_rewards([0.0, 3.0, -2.0]) == Verdict(1, 2, 1.0, 5.0)


@pytest.mark.parametrize("seed", range(30))
def test_best_and_worst_by_mean_preference(seed: int) -> None:
    """Brute force: of all ordered pairs, the one whose mean preferences are furthest apart."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 6))
    upper = np.triu(rng.uniform(size=(size, size)), 1)
    p = upper + np.tril(1.0 - upper.T, -1) + 0.5 * np.eye(size)
    mean = [np.mean([p[i, j] for j in range(size) if j != i]) for i in range(size)]
    best, worst = max(permutations(range(size), 2), key=lambda ij: mean[ij[0]] - mean[ij[1]])
    found = by_preferences(p)
    if p[best, worst] <= 0.5:
        assert found is None
    else:
        assert found is not None
        assert (found.chosen, found.rejected, found.preference) == (best, worst, p[best, worst])
        assert found.margin == pytest.approx(mean[best] - mean[worst])


def test_a_circle_of_majorities_has_no_pair() -> None:
    assert by_preferences(np.array([[0.5, 1.0, 0.0], [0.0, 0.5, 1.0], [1.0, 0.0, 0.5]])) is None
    assert by_preferences(np.full((2, 2), 0.5)) is None


class Longer:
    """Prefers the longer text by .9, and skips what has a question mark."""

    name, identity = "longer", "longer-1"

    def prefer(self, comparisons: Sequence[Comparison]) -> np.ndarray:
        return self.prefer_or_skip(comparisons)

    def prefer_or_skip(self, comparisons: Sequence[Comparison]) -> np.ndarray:
        sign = np.array([np.sign(len(c.first) - len(c.second)) for c in comparisons])
        skip = [any("?" in text for text in (c.first, c.second)) for c in comparisons]
        return np.where(skip, np.nan, 0.5 + 0.4 * sign)


def test_labels_by_a_judge() -> None:
    answers = [["aa", "b", "ccc"], ["x?", "yy"], ["p", "q"], ["same", "same"]]
    prompts = ["one", "two", "three", "four"]
    with Store(":memory:") as store:
        found = label_by_judge(remembered(Longer(), store), prompts, answers, [{}] * 4)
    assert found.rows == [
        {"prompt": "one", "chosen": "ccc", "rejected": "b", "preference": 0.9, "margin": pytest.approx(0.8)}
    ]
    assert found.left_out == {EMPTY: 0, FEW: 0, ALIKE: 1, SKIPPED: 1, TIED: 1}
    assert found.words() == (
        "1 pairs; left out: 1 prompts with identical answers, 1 prompts the judge skipped, 1 prompts with a tie"
    )


def test_labels_by_the_follower() -> None:
    """The refinement is chosen; a judge takes away what it does not prefer."""
    answers = [["a", "bbb"], ["ccc", "d"], ["same", "same"], ["e", ""], ["f", "gg?"], ["hh", "ii"]]
    prompts = [f"prompt {number}" for number in range(6)]
    found = label_by_follower(None, prompts, answers, [{}] * 6)
    assert [(row["chosen"], row["rejected"]) for row in found.rows] == [
        ("bbb", "a"), ("d", "ccc"), ("gg?", "f"), ("ii", "hh")
    ]  # fmt: skip
    assert {(row["preference"], row["margin"]) for row in found.rows} == {(1.0, 1.0)}
    assert {k: v for k, v in found.left_out.items() if v} == {EMPTY: 1, FEW: 1, ALIKE: 1}
    with Store(":memory:") as store:
        found = label_by_follower(remembered(Longer(), store), prompts, answers, [{}] * 6)
    assert found.rows == [
        {"prompt": "prompt 0", "chosen": "bbb", "rejected": "a", "preference": 0.9, "margin": pytest.approx(0.8)}
    ]
    assert {k: v for k, v in found.left_out.items() if v} == {EMPTY: 1, FEW: 1, ALIKE: 1, SKIPPED: 1, WORSE: 2}
    assert len(found.rows) + sum(v for k, v in found.left_out.items() if "prompts" in k) == 6


def test_labels_by_reward() -> None:
    talk = [{"role": "user", "content": "Hi"}]
    kept, counts = distinct([["a", "b"], ["c", "c"], ["d", "e"]])
    found = label_by_reward([[0.5, -1.0], [], [2.0, 2.0]], [talk, talk, talk], kept, counts)
    assert found.rows == [{"prompt": talk, "chosen": "a", "rejected": "b", "preference": 1.0, "margin": 1.5}]
    assert found.as_dict() == {"pairs": 1, "left_out": {EMPTY: 0, FEW: 0, ALIKE: 1, TIED: 1}}
    assert annotated([], [], [], counts).rows == []
