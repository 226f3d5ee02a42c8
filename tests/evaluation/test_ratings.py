from __future__ import annotations

import logging
import math

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import kstest

from slhf.errors import InputError
from slhf.evaluation import Bootstrap, Tournament, ratings, resampled_means
from slhf.evaluation.ratings import ELO
from slhf.games import bradley_terry


def votes(p, prompts, rng, shared=0.0):
    """A tournament of single votes: one a pair and prompt, prompts somewhat alike."""
    a = len(p)
    table = np.full((a, a, prompts), 0.5)
    mood = rng.normal(0, shared, (a, prompts))
    for i in range(a):
        for j in range(i):
            won = rng.random(prompts) < expit(logit(p[i][j]) + mood[i] - mood[j])
            table[i, j], table[j, i] = won, 1.0 - won
    return Tournament(tuple("abcdefg"[:a]), table)


def from_rewards(rewards):
    r = np.asarray(rewards, dtype=float)
    return expit(r[:, None] - r)


CIRCLE = [[0.5, 0.8, 0.2], [0.2, 0.5, 0.8], [0.8, 0.2, 0.5]]


def test_two_contenders_by_hand():
    table = np.full((2, 2, 40), 0.5)
    table[0, 1, :30], table[1, 0, :30], table[0, 1, 30:], table[1, 0, 30:] = 1, 0, 0, 1
    found = ratings(Tournament(("a", "b"), table))
    assert found.rewards[0] - found.rewards[1] == pytest.approx(math.log(3), abs=1e-9)
    assert found.elo[0] - found.elo[1] == pytest.approx(400 * math.log10(3))
    assert found.elo.mean() == pytest.approx(1000)
    assert math.isnan(found.misfit)
    assert found.warning is None
    # the logit's standard error by the delta method, half of it a contender
    assert found.stderr[0] == pytest.approx(0.5 * math.sqrt(0.75 * 0.25 / 40) / (0.75 * 0.25), rel=0.2)


def test_every_resample_is_fitted_as_by_bradley_terry():
    """The 100 refits that make the intervals, against one fit each by slhf.games.bradley_terry."""
    played = votes(from_rewards([1.0, 0.2, -0.4, -0.8]), 60, np.random.default_rng(1))
    settings = Bootstrap(seed=5, resamples=100)
    found = ratings(played, settings)
    fits = [
        bradley_terry(60 * t, regularisation=0.0).rewards for t in resampled_means(played.per_prompt, None, settings)
    ]
    np.testing.assert_allclose(found.stderr, np.std(fits, axis=0, ddof=1), rtol=1e-6)
    np.testing.assert_allclose(found.rewards, bradley_terry(played.mean, regularisation=0.0).rewards, atol=1e-7)
    assert (found.low < found.rewards).all()
    assert (found.high > found.rewards).all()


def test_intervals_hold_the_truth():
    """Of 4 rewards in each of 150 seeded tournaments, about 95 % lie in their intervals."""
    rng = np.random.default_rng(2)
    rewards = np.array([0.6, 0.1, -0.2, -0.5])
    held = []
    for _ in range(150):
        found = ratings(votes(from_rewards(rewards), 80, rng), Bootstrap(resamples=400))
        held += ((found.low <= rewards) & (found.high >= rewards)).tolist()
    assert np.mean(held) == pytest.approx(0.95, abs=0.03)


def test_misfit_is_a_probability_where_bradley_terry_holds():
    """Over 200 seeded tournaments with prompts that are alike, p-values are uniform."""
    rng = np.random.default_rng(3)
    values = [
        ratings(votes(np.full((4, 4), 0.5), 80, rng, shared=1.0), Bootstrap(resamples=400)).misfit for _ in range(200)
    ]
    assert kstest(values, "uniform").pvalue > 0.01


def test_a_circle_is_warned_of():
    found = ratings(votes(CIRCLE, 100, np.random.default_rng(4)))
    assert found.cycle
    assert found.cycle_share > 0.99
    assert found.misfit < 1e-6
    assert found.warning is not None
    assert "in a circle (a ≻ b ≻ c ≻ a), in 100% of the resamples" in found.warning
    assert "does not fit" in found.warning
    assert np.abs(found.elo - 1000).max() < 100


def test_a_line_is_not_warned_of():
    found = ratings(votes(from_rewards([1.5, 0, -1.5]), 200, np.random.default_rng(5)))
    assert not found.cycle
    assert found.cycle_share < 0.01
    assert found.warning is None
    told = found.as_dict()
    assert [row["name"] for row in told["ratings"]] == ["a", "b", "c"]
    assert told["ratings"][0]["elo"] == pytest.approx(1000 + ELO * found.rewards[0])
    assert told["warning"] is None


def test_who_never_lost_is_held_finite_and_said(caplog):
    table = np.full((3, 3, 20), 0.5)
    table[0, 1:], table[1:, 0] = 1.0, 0.0
    with caplog.at_level(logging.WARNING):
        found = ratings(Tournament(("a", "b", "c"), table), Bootstrap(resamples=100))
    assert not caplog.records
    assert not found.connected
    assert math.isnan(found.misfit)
    assert np.isfinite(found.rewards).all()
    assert found.rewards.argmax() == 0
    assert "never lost" in str(found.warning)
    np.testing.assert_allclose(found.low, found.rewards, atol=1e-6)


def test_a_resample_without_a_win_is_held_finite():
    """Only one prompt lets b win: resamples without it have no maximum of their own."""
    table = np.full((2, 2, 12), 0.5)
    table[0, 1], table[1, 0] = 1.0, 0.0
    table[0, 1, 0], table[1, 0, 0] = 0.0, 1.0
    found = ratings(Tournament(("a", "b"), table), Bootstrap(resamples=200))
    assert found.connected
    assert np.isfinite(found.high).all()
    assert found.high[0] > found.rewards[0]


def test_few_prompts():
    with pytest.raises(InputError, match="at least 10 different prompts"):
        ratings(votes(CIRCLE, 5, np.random.default_rng(6)))
