"""Beliefs about a user's taste; the oracle writes out the joint law of annotators and clicks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from slhf.errors import InputError
from slhf.taste import Taste, favourites, prior

NAMES = ("a", "b", "c")


def soft(seed: int, annotators: int = 3, n: int = 4) -> np.ndarray:
    """Preferences from random rewards, by a logistic; strictly between 0 and 1."""
    r = np.random.default_rng(seed).normal(size=(annotators, n))
    return 1.0 / (1.0 + np.exp(r[:, None, :] - r[:, :, None]))


def hard(utilities: list[list[int]]) -> np.ndarray:
    u = np.array(utilities)
    return 0.5 + 0.5 * np.sign(u[:, :, None] - u[:, None, :])


def product_rule(p: np.ndarray) -> np.ndarray:
    """q of the docstring, term by term."""
    n = p.shape[1]
    q = np.array([[np.prod([pk[i, j] for j in range(n) if j != i]) for i in range(n)] for pk in p])
    return q / q.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(5))
def test_favourites_are_the_product_of_all_comparisons(seed: int) -> None:
    p = soft(seed)
    np.testing.assert_allclose(favourites(p), product_rule(p), atol=1e-14)
    np.testing.assert_allclose(favourites(p[:, :2, :2])[:, 0], p[:, 0, 1], atol=1e-14)  # of two: the preference


def test_hard_favourites_are_the_top_shared_by_those_that_tie() -> None:
    p = hard([[3, 1, 2, 0], [1, 1, 0, 1], [0, 0, 0, 0]])
    np.testing.assert_allclose(favourites(p), [[1, 0, 0, 0], [1 / 3, 1 / 3, 0, 1 / 3], [0.25] * 4], atol=1e-15)
    circle = np.array([[[0.5, 1, 0], [0, 0.5, 1], [1, 0, 0.5]]])
    np.testing.assert_allclose(favourites(circle), [[1 / 3] * 3])
    np.testing.assert_array_equal(favourites([[[0.5]], [[0.5]]]), [[1.0], [1.0]])


@pytest.mark.parametrize("lapse", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("seed", range(4))
def test_the_belief_is_bayes_rule_over_every_sequence_of_clicks(seed: int, lapse: float) -> None:
    """Over all sequences of three picks among 2, 3 and 4 answers: posterior = joint / marginal, and joints sum to 1."""
    rng = np.random.default_rng(seed)
    share = rng.dirichlet(np.ones(3))
    tables = [soft(10 * seed + n, n=n) for n in (2, 3, 4)]
    model = [(1 - 2 * lapse) * product_rule(t) + 2 * lapse / t.shape[1] for t in tables]
    total = 0.0
    for picks in itertools.product(range(2), range(3), range(4)):
        joint = share * np.prod([m[:, c] for m, c in zip(model, picks, strict=True)], axis=0)
        belief = prior(NAMES, share, lapse)
        for table, chosen in zip(tables, picks, strict=True):
            belief = belief.picked(table, chosen)
        np.testing.assert_allclose(belief.weights, joint / joint.sum(), atol=1e-13)
        total += joint.sum()
    assert total == pytest.approx(1.0, abs=1e-12)


def test_a_lapse_of_one_half_says_nothing_and_one_of_zero_excludes() -> None:
    p = hard([[1, 0], [0, 1], [0, 0]])
    np.testing.assert_allclose(prior(NAMES, lapse=0.5).picked(p, 0).weights, [1 / 3] * 3)
    np.testing.assert_allclose(prior(NAMES, lapse=0.0).picked(p, 0).weights, [2 / 3, 0, 1 / 3])
    np.testing.assert_allclose(prior(NAMES, lapse=0.1).picked(p, 0).weights, np.array([0.9, 0.1, 0.5]) / 1.5)
    with pytest.raises(InputError, match="nobody on the panel"):
        prior(NAMES, [0, 1, 0], lapse=0.0).picked(p, 0)


def test_clicks_in_any_order_and_answers_under_any_number_give_the_same_belief() -> None:
    tables, picks = [soft(s) for s in range(3)], [1, 3, 0]
    forth, back = prior(NAMES), prior(NAMES)
    for table, chosen in zip(tables, picks, strict=True):
        forth = forth.picked(table, chosen)
    for table, chosen in reversed(list(zip(tables, picks, strict=True))):
        turn = np.array([2, 0, 3, 1])  # answer i now stands at place turn[i]
        back_table = np.empty_like(table)
        back_table[:, turn[:, None], turn[None, :]] = table
        back = back.picked(back_table, int(turn[chosen]))
    np.testing.assert_allclose(forth.weights, back.weights, atol=1e-13)


def test_annotators_in_another_order_are_believed_in_that_order() -> None:
    p, order = soft(3), [2, 0, 1]
    np.testing.assert_allclose(
        prior(NAMES, [0.5, 0.3, 0.2]).picked(p, 1).weights[order],
        prior([NAMES[i] for i in order], [0.2, 0.5, 0.3]).picked(p[order], 1).weights,
    )


def test_many_contrary_clicks_are_unlearned_again() -> None:
    """Kept as logarithms: what one thousand clicks say, one thousand others take back."""
    p = hard([[1, 0], [0, 1], [0, 0]])
    belief = prior(NAMES, lapse=0.01)
    for chosen in (0, 1):
        for _ in range(1000):
            belief = belief.picked(p, chosen)
    np.testing.assert_allclose(belief.weights[:2], belief.weights[1], rtol=1e-9)
    assert belief.weights[2] > 0.99  # clicks that fall half and half are those of somebody who does not care


def test_the_posterior_finds_the_user() -> None:
    """200 users (seed 0), 30 picks each of two answers with random rewards: the right annotator's share of the belief.

    A calibrated posterior: of all users, the share whose annotator weighs w is w. Here the mean weight of the truth
    must exceed .9, and the mean of (weight of truth − Σ w²), whose expectation is 0 under the model, lie within three
    of its standard errors.
    """
    rng = np.random.default_rng(0)
    of_truth, excess = [], []
    for _ in range(200):
        truth = int(rng.integers(3))
        belief = prior(NAMES, lapse=0.1)
        for _ in range(30):
            r = rng.normal(size=(3, 2)) * 2
            p = 1.0 / (1.0 + np.exp(r[:, None, :] - r[:, :, None]))
            chosen = int(rng.random() >= belief.clicks(p)[truth, 0])
            belief = belief.picked(p, chosen)
        of_truth.append(belief.weights[truth])
        excess.append(belief.weights[truth] - (belief.weights**2).sum())
    assert np.mean(of_truth) > 0.9
    assert abs(np.mean(excess)) < 3 * np.std(excess, ddof=1) / np.sqrt(len(excess))


def test_what_the_user_would_pick() -> None:
    p = hard([[2, 1, 0], [0, 2, 1], [0, 1, 2]])
    belief = prior(NAMES, [0.5, 0.2, 0.3])
    np.testing.assert_allclose(belief.tops(p), [0.5, 0.2, 0.3])
    assert belief.best(p) == 0
    np.testing.assert_allclose(belief.preference(p), 0.5 * p[0] + 0.2 * p[1] + 0.3 * p[2])
    assert prior(NAMES).best(hard([[0, 0, 0]] * 3)) == 0  # of equals the first
    # rounding does not decide: 0.1 + 0.2 and 0.3 are the same share
    assert prior(("a", "b", "c"), [0.3, 0.1, 0.2]).best(hard([[0, 1], [1, 0], [1, 0]])) in (0, 1)
    assert prior(("a", "b", "c"), [0.3, 0.1, 0.2]).best(hard([[0, 1], [1, 0], [1, 0]])) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: prior([]), "distinct names"),
        (lambda: prior(["a", "a"]), "distinct names"),
        (lambda: prior(["a", "b"], [1.0]), "one share"),
        (lambda: prior(["a", "b"], [0.0, 0.0]), "one share"),
        (lambda: prior(["a"], lapse=0.6), r"lapse=0\.6"),
        (lambda: prior(NAMES).picked(soft(0), 4), "from 0 to 3"),
        (lambda: prior(NAMES).picked(soft(0, annotators=2), 0), "each of the 3 annotators"),
        (lambda: prior(NAMES).tops(soft(0, annotators=2)), "of 2 annotators; the taste is about 3"),
        (lambda: prior(NAMES).observe([0.5, 0.5, 1.5]), "one probability"),
        (lambda: favourites(np.full((1, 2, 2), 0.6)), r"preferences\[0, 0, 0\] = 0\.6"),
        (lambda: favourites(np.full((1, 2, 2), np.nan)), "both lie in"),
        (lambda: favourites(np.full((2, 2), 0.5)), "shape"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_a_belief_is_never_changed() -> None:
    belief = prior(NAMES)
    before = belief.log_weights.copy()
    assert isinstance(belief.picked(soft(0), 1), Taste)
    np.testing.assert_array_equal(belief.log_weights, before)
