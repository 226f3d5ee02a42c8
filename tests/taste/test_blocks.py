"""Weights of a skew-symmetric judge's blocks, against the judge's score, numerical integrals, and known users."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.stats import chi2, norm

from slhf.errors import InputError
from slhf.objectives.skew import skew_score
from slhf.taste.blocks import BlockTaste, block_prior, block_scores


def scores(seed: int, n: int = 4, blocks: int = 2) -> np.ndarray:
    return block_scores(np.random.default_rng(seed).normal(size=(n, 2 * blocks)))


def sigma(z):
    return 1.0 / (1.0 + np.exp(-z))


def picks(theta, count: int, seed: int) -> BlockTaste:
    """The belief after so many comparisons of two answers by a user of weights θ."""
    rng = np.random.default_rng(seed)
    told = np.array([block_scores(rng.normal(size=(2, 2 * len(theta))))[:, 0, 1] for _ in range(count)])
    chosen = rng.random(count) < sigma(told @ theta)
    return BlockTaste(np.where(chosen[:, None], told, -told), spread=1.0)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_blocks_add_up_to_the_judges_log_odds(temperature: float) -> None:
    v = np.random.default_rng(0).normal(size=(5, 6))
    whole = skew_score(torch.from_numpy(v)[:, None], torch.from_numpy(v)[None]).numpy() / temperature
    np.testing.assert_allclose(block_scores(v, temperature).sum(axis=0), whole, atol=1e-14)


@pytest.mark.parametrize("seed", range(4))
def test_the_mode_and_the_hessian_are_those_of_the_posterior(seed: int) -> None:
    belief = picks(np.array([1.5, -0.5]), 12, seed)

    def cost(theta):
        return -np.log(sigma(belief.told @ theta)).sum() + 0.5 * ((theta - 1) ** 2).sum()

    found = minimize(cost, np.zeros(2), tol=1e-12)
    np.testing.assert_allclose(belief.mean, found.x, atol=1e-5)
    step = 1e-4
    hessian = np.array(
        [
            [
                sum(a * b * cost(belief.mean + step * (a * e + b * f)) for a in (1, -1) for b in (1, -1)) / 4 / step**2
                for e in np.eye(2)
            ]
            for f in np.eye(2)
        ]
    )
    np.testing.assert_allclose(np.linalg.inv(belief.covariance), hessian, rtol=1e-5)


def test_before_any_pick_it_is_the_judge_give_or_take() -> None:
    belief = block_prior(2, spread=1e-6)
    s = scores(0)
    np.testing.assert_allclose(belief.preference(s), sigma(s.sum(axis=0)), atol=1e-9)
    np.testing.assert_allclose(belief.information(s), 0.0, atol=1e-9)
    np.testing.assert_array_equal(block_prior(3, 0.5).covariance, 0.25 * np.eye(3))


@pytest.mark.parametrize("seed", range(3))
def test_preferences_and_information_are_integrals_over_the_posterior(seed: int) -> None:
    belief, s = picks(np.array([2.0, 0.5]), 6, seed), scores(seed)
    p, told = belief.preference(s), belief.information(s)
    for i, j in ((0, 1), (2, 3), (3, 0)):
        x = s[:, i, j]
        law = norm(x @ belief.mean, math.sqrt(x @ belief.covariance @ x))

        def expected(of, law=law):
            return quad(lambda z: law.pdf(z) * of(sigma(z)), *law.interval(1 - 1e-15), epsabs=1e-12, limit=200)[0]

        def coin(q):
            return -q * math.log(q) - (1 - q) * math.log(1 - q)

        assert p[i, j] == pytest.approx(expected(lambda q: q), abs=1e-7)
        assert told[i, j] == pytest.approx(coin(p[i, j]) - expected(coin), abs=1e-7)
    np.testing.assert_allclose(p + p.T, 1.0, atol=1e-12)
    np.testing.assert_allclose(told, told.T, atol=1e-12)


def test_the_posterior_holds_the_users_weights() -> None:
    """100 users (seeds 0 … 99) whose weights are drawn from the prior, 60 comparisons each.

    (θ − mean)ᵀ Σ⁻¹ (θ − mean) is near χ² with two degrees of freedom; the mean of 100 lies within four standard
    errors of 2, with a tenth to spare for what Laplace's law leaves out.
    """
    found = []
    for seed in range(100):
        theta = 1.0 + np.random.default_rng([7, seed]).normal(size=2)
        belief = picks(theta, 60, seed)
        off = theta - belief.mean
        found.append(off @ np.linalg.solve(belief.covariance, off))
    assert abs(np.mean(found) - 2.0) < 4 * chi2(2).std() / 10 + 0.2
    assert np.trace(belief.covariance) < 0.5  # the prior's is 2


def test_who_prefers_the_other_way_round_is_served_the_other_way_round() -> None:
    """Rock, paper, scissors: three answers in a circle, and a user for whom it turns backwards."""
    angles = 2 * np.pi * np.arange(3) / 3
    s = block_scores(2 * np.column_stack([np.cos(angles), np.sin(angles)]))
    ahead = int(np.argmax(s[0, :, 0]))  # what beats answer 0, for the judge
    behind = 3 - ahead
    belief = block_prior(1)
    rng = np.random.default_rng(0)
    pair = [0, ahead]
    assert belief.best(s[:, pair][:, :, pair], rng) == 1
    for _ in range(6):
        belief = belief.picked(s[:, pair][:, :, pair], 0)
    assert belief.mean[0] < 0
    assert belief.best(s[:, pair][:, :, pair], rng) == 0
    assert belief.preference(s)[behind, 0] > 0.5


def test_tops_are_the_mean_over_draws_and_sum_to_one() -> None:
    belief, s = picks(np.array([1.0, 1.0]), 5, 0), scores(1)
    tops = belief.tops(s, np.random.default_rng(3))
    np.testing.assert_array_equal(tops, belief.tops(s, np.random.default_rng(3)))
    assert tops.sum() == pytest.approx(1.0)
    # of two candidates the top is the preferred one: the integral, within four standard errors of 512 draws
    two = s[:, :2, :2]
    top = belief.tops(two, np.random.default_rng(0))[0]
    assert top == pytest.approx(belief.preference(two)[0, 1], abs=4 * 0.5 / np.sqrt(512))


def test_a_pick_among_several_is_the_comparisons_it_won() -> None:
    s = scores(2)
    belief = block_prior(2).picked(s, 2)
    np.testing.assert_array_equal(belief.told, [s[:, 2, j] for j in (0, 1, 3)])
    alone = block_prior(2).picked(s[:, :1, :1], 0)
    np.testing.assert_array_equal(alone.mean, [1.0, 1.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: block_prior(0), "blocks=0"),
        (lambda: block_prior(1, 0.0), "spread=0"),
        (lambda: block_scores(np.ones((2, 3))), "2k"),
        (lambda: block_scores(np.ones((2, 2)), 0.0), "temperature=0"),
        (lambda: block_prior(2).picked(scores(0), 4), "from 0 to 3"),
        (lambda: block_prior(3).preference(scores(0)), "of 3 blocks"),
        (lambda: block_prior(1).preference(np.ones((1, 2, 2))), "skew"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
