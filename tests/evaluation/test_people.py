"""People against each other and a judge against people: brute force, one rule for both."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest

from slhf.errors import InputError
from slhf.evaluation.bootstrap import Bootstrap, clustered_stderr, clusters_of
from slhf.evaluation.people import agreed, each_person, judge_agreement, people_agreement, verdicts

QUICK = Bootstrap(resamples=200)


def word(p: float) -> str:
    return "tie" if p == 0.5 else "first" if p > 0.5 else "second"


def alike(one: str, other: str) -> float:
    """The rule in words: the same is 1, a tie against a side is ½, opposite sides are 0."""
    return 1.0 if one == other else 0.5 if "tie" in (one, other) else 0.0


def most(said: list[str]) -> str:
    first, second = said.count("first"), said.count("second")
    return "first" if first > second else "second" if second > first else "tie"


def some(seed: int, people: int | None = 3, pairs: int = 120) -> tuple[list[list[float]], list[str], np.ndarray]:
    rng = np.random.default_rng(seed)
    counts = [people if people is not None else int(rng.integers(0, 5)) for _ in range(pairs)]
    votes = [rng.choice([0.0, 0.5, 1.0], count, p=[0.45, 0.15, 0.4]).tolist() for count in counts]
    return votes, [f"x{i % 40}" for i in range(pairs)], rng.choice([0.1, 0.5, 0.8], pairs)


@pytest.mark.parametrize("people", [2, 3, 5, None])
def test_people_and_judge_against_brute_force(people):
    votes, prompts, p = some(seed=1, people=people)
    asked = [i for i, v in enumerate(votes) if len(v) >= 2]
    said = {i: [word(v) for v in votes[i]] for i in asked}
    pairwise = {i: np.mean([alike(a, b) for a, b in permutations(said[i], 2)]) for i in asked}
    left_out = {
        i: np.mean([alike(one, most([*said[i][:k], *said[i][k + 1 :]])) for k, one in enumerate(said[i])])
        for i in asked
    }
    among = people_agreement(votes, prompts, QUICK)
    assert among.pairs == len(asked)
    assert among.person is not None
    assert among.others is not None
    assert among.person.mean == pytest.approx(np.mean(list(pairwise.values())))
    assert among.others.mean == pytest.approx(np.mean(list(left_out.values())))
    groups = clusters_of([prompts[i] for i in asked])
    assert among.person.stderr == pytest.approx(float(clustered_stderr(list(pairwise.values()), groups)))
    assert among.person.low < among.person.mean < among.person.high

    judge = judge_agreement(p, votes, prompts, QUICK).as_dict()
    with_one = [np.mean([alike(word(p[i]), other) for other in said[i]]) for i in asked]
    with_rest = [
        np.mean([alike(word(p[i]), most([*said[i][:k], *said[i][k + 1 :]])) for k in range(len(said[i]))])
        for i in asked
    ]
    assert judge["person"]["mean"] == pytest.approx(np.mean(with_one))
    assert judge["others"]["mean"] == pytest.approx(np.mean(with_rest))
    assert judge["majority"]["mean"] == pytest.approx(np.mean([alike(word(p[i]), most(said[i])) for i in asked]))
    assert judge["beside"]["mean"] == pytest.approx(np.mean(with_one) - among.person.mean)
    assert judge["ties"]["mean"] == pytest.approx(np.mean([p[i] == 0.5 for i in asked]))


def test_each_person_and_their_mean():
    votes, prompts, _ = some(seed=2)
    each = each_person(votes, prompts, QUICK)
    among = people_agreement(votes, prompts, QUICK)
    assert len(each) == 3
    for name in ("person", "others", "ties"):
        means = [getattr(one, name).mean for one in each]
        assert np.mean(means) == pytest.approx(getattr(among, name).mean)
        assert len(set(means)) == 3
    assert each_person(some(seed=2, people=None)[0], prompts, QUICK) == []


def test_a_judge_that_is_a_person_agrees_as_that_person_does():
    """A judge that copies the first of three is measured against three, one of them itself."""
    votes, prompts, _ = some(seed=3)
    copy = judge_agreement([v[0] for v in votes], votes, prompts, QUICK)
    first = each_person(votes, prompts, QUICK)[0]
    assert copy.person is not None
    assert first.person is not None
    assert copy.person.mean == pytest.approx((1.0 + 2.0 * first.person.mean) / 3.0)


def test_people_who_always_agree_and_people_who_toss_coins():
    prompts = [f"x{i}" for i in range(400)]
    same = people_agreement([[1.0] * 3 if i % 2 else [0.5] * 3 for i in range(400)], prompts, QUICK)
    assert same.person is not None
    assert (same.person.mean, same.person.low, same.person.high) == (1.0, 1.0, 1.0)
    rng = np.random.default_rng(0)
    coins = people_agreement(rng.integers(0, 2, (400, 3)).astype(float).tolist(), prompts, QUICK)
    assert coins.person is not None
    assert abs(coins.person.mean - 0.5) < 4 * coins.person.stderr, "fair coins, four standard errors"


def test_no_verdict_is_left_out_and_few_prompts_say_nothing():
    votes, prompts, p = some(seed=4)
    p[:20] = math.nan
    assert judge_agreement(p, votes, prompts, QUICK).pairs == 100
    few = judge_agreement(p[20:25], votes[20:25], prompts[20:25], QUICK)
    assert (few.pairs, few.person, few.beside) == (5, None, None)
    none = people_agreement([[1.0]] * 20, prompts[:20], QUICK)
    assert (none.pairs, none.person) == (0, None)


def test_the_rule_is_symmetric_and_knows_rounding():
    u = np.array([1.0, 0.0, -1.0])
    table = agreed(u[:, None], u[None])
    assert table.tolist() == [[1.0, 0.5, 0.0], [0.5, 1.0, 0.5], [0.0, 0.5, 1.0]]
    assert verdicts([0.5 + 1e-12, 0.3, 0.7]).tolist() == [0.0, -1.0, 1.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.5], [[1.0, 0.0]] * 2, ["x"] * 2), "1 preferences for 2 pairs"),
        (([0.5] * 2, [[1.0, 0.0]] * 2, ["x"]), "1 prompts for the votes on 2 pairs"),
        (([0.5] * 2, [[1.0, 0.0], [1.0, 2.0]], ["x"] * 2), r"pair 1: a vote is 2\.0"),
        (([0.5] * 2, [[1.0, math.nan], [1.0]], ["x"] * 2), r"pair 0: a vote is nan"),
    ],
)
def test_what_does_not_fit_together(arguments, message):
    with pytest.raises(InputError, match=message):
        judge_agreement(*arguments)
