"""Which two candidates to ask about; the oracles write the joint law out, and the rule out pair by pair."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from tests.taste.test_belief import NAMES, hard, soft

from slhf.errors import InputError
from slhf.taste import Taste, information, max_min, most_informative, prior


def belief(seed: int, lapse: float = 0.1) -> Taste:
    return prior(NAMES, np.random.default_rng(seed).dirichlet(np.ones(3)), lapse)


def joint_information(taste: Taste, p: np.ndarray, i: int, j: int) -> float:
    """Mutual information as Σ P(k, c) ln P(k, c) / (P(k) P(c)) over annotators and clicks."""
    told = 0.0
    law = {}
    for k, w in enumerate(taste.weights):
        for c, d in ((i, j), (j, i)):
            law[k, c] = w * ((1 - 2 * taste.lapse) * p[k, c, d] + taste.lapse)
    for (k, c), q in law.items():
        clicked = sum(v for (_, e), v in law.items() if e == c)
        told += q * math.log(q / (taste.weights[k] * clicked)) if q > 0 else 0.0
    return told


@pytest.mark.parametrize("lapse", [0.0, 0.1])
@pytest.mark.parametrize("seed", range(4))
def test_information_is_that_of_the_joint_law(seed: int, lapse: float) -> None:
    taste, p = belief(seed, lapse), soft(seed)
    told = information(taste, p)
    for i, j in itertools.permutations(range(4), 2):
        assert told[i, j] == pytest.approx(joint_information(taste, p, i, j), abs=1e-14)
    assert (np.diag(told) == 0).all()
    np.testing.assert_allclose(told, told.T, atol=1e-15)


@pytest.mark.parametrize("seed", range(4))
def test_information_is_what_the_entropy_of_the_belief_is_expected_to_lose(seed: int) -> None:
    taste, p = belief(seed), soft(seed, n=2)

    def entropy(t: Taste) -> float:
        return -sum(w * math.log(w) for w in t.weights)

    clicked = taste.weights @ taste.clicks(p)
    after = sum(clicked[c] * entropy(taste.picked(p, c)) for c in (0, 1))
    assert information(taste, p)[0, 1] == pytest.approx(entropy(taste) - after, abs=1e-13)


def test_information_in_the_limits() -> None:
    split = hard([[1, 0], [0, 1]])
    two = ("a", "b")
    assert information(prior(two, lapse=0.0), split)[0, 1] == pytest.approx(math.log(2))  # one click tells all
    assert information(prior(two, lapse=0.5), split)[0, 1] == pytest.approx(0.0, abs=1e-15)
    assert information(prior(two, [1, 0]), split)[0, 1] == pytest.approx(0.0, abs=1e-15)  # known already
    assert information(prior(two), hard([[1, 0], [1, 0]]))[0, 1] == pytest.approx(0.0, abs=1e-15)  # all agree


def test_the_most_informative_pair_splits_the_belief() -> None:
    """Annotators a and b, equally likely, agree on all but the last two candidates."""
    p = hard([[3, 2, 1, 0], [3, 2, 0, 1], [0, 1, 2, 3]])
    assert most_informative(prior(NAMES, [1, 1, 0]), p) == (2, 3)
    assert most_informative(prior(NAMES, [1, 0, 1]), p) == (0, 1)  # every pair tells as much: the first
    for seed in range(5):
        taste, q = belief(seed), soft(seed)
        told = {pair: joint_information(taste, q, *pair) for pair in itertools.combinations(range(4), 2)}
        assert most_informative(taste, q) == max(told, key=lambda pair: told[pair])


def by_the_rule(taste: Taste, p: np.ndarray, level: float) -> tuple[int, int]:
    """The max-min choice, written out with loops."""
    n = p.shape[1]
    order = sorted(range(len(p)), key=lambda k: -taste.weights[k])
    credible, held = [], 0.0
    for k in order:
        if held < level:
            credible.append(k)
            held += taste.weights[k]
    plausible = [i for i in range(n) if all(max(p[k, i, j] for k in credible) >= 0.5 for j in range(n) if j != i)]

    def hardest(i: int) -> tuple[float, int]:
        rivals = [j for j in (plausible or range(n)) if j != i] or [j for j in range(n) if j != i]
        return min((min(p[k, i, j] for k in credible), j) for j in rivals)

    leader = max(plausible or range(n), key=lambda i: hardest(i)[0])
    return leader, hardest(leader)[1]


@pytest.mark.parametrize("level", [0.3, 0.8, 1.0])
@pytest.mark.parametrize("seed", range(10))
def test_max_min_is_the_rule_written_out(seed: int, level: float) -> None:
    taste, p = belief(seed), soft(seed, n=5)
    assert max_min(taste, p, level) == by_the_rule(taste, p, level)


def test_max_min_asks_about_what_may_be_best() -> None:
    """Candidate 3 is everybody's worst: it is never asked about, however much its comparison might tell."""
    p = hard([[3, 2, 1, 0], [1, 3, 2, 0], [2, 1, 3, 0]])
    assert 3 not in max_min(prior(NAMES), p)
    # who is known is asked about their favourite and what comes nearest to it among all
    known = prior(NAMES, [0, 1, 0])
    assert max_min(known, p)[0] == 1


def test_equally_likely_annotators_are_believed_or_not_together() -> None:
    """Half of the belief is reached by either of two; both count, so that their order says nothing."""
    p = hard([[2, 1, 0], [0, 1, 2], [1, 2, 0]])
    a, b = prior(NAMES, [0.5, 0.5, 0.0]), prior(NAMES, [0.5, 0.5, 0.0])
    flipped = p[[1, 0, 2]]
    assert max_min(a, p, 0.5) == max_min(b, flipped, 0.5)


def test_soft_circles_leave_every_candidate_in() -> None:
    circle = np.array([[[0.5, 0.9, 0.2], [0.1, 0.5, 0.6], [0.8, 0.4, 0.5]]])
    assert max_min(prior(["a"]), circle) == (2, 1)  # worst cases: .2, .1, .4


@pytest.mark.parametrize("ask", [most_informative, max_min])
def test_one_candidate_makes_no_question(ask) -> None:
    with pytest.raises(InputError, match="needs two candidates"):
        ask(prior(["a"]), [[[0.5]]])


@pytest.mark.parametrize("level", [0.0, 1.1])
def test_a_level_is_a_share(level: float) -> None:
    with pytest.raises(InputError, match="level="):
        max_min(prior(["a"]), [[[0.5, 0.6], [0.4, 0.5]]], level)
