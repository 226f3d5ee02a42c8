"""The Bradley–Terry fit against SciPy's optimiser on the likelihood, and where there is no maximum."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from scipy.optimize import minimize

from exact_games import paradox, preferences
from slhf.errors import InputError
from slhf.games.bradley_terry import REGULARISATION, bradley_terry, bradley_terry_rewards


def lost(r, wins, penalty=0.0):
    """The negative logarithm of the likelihood, comparison by comparison."""
    n = len(wins)
    nats = sum(wins[i, j] * np.log1p(np.exp(r[j] - r[i])) for i in range(n) for j in range(n) if i != j)
    return nats + 0.5 * penalty * (r @ r)


@pytest.mark.parametrize("actions", [2, 3, 6])
@pytest.mark.parametrize("seed", range(4))
def test_the_rewards_maximise_the_likelihood_because_a_numerical_optimiser_ends_there(actions, seed):
    wins = np.random.default_rng(seed).integers(1, 9, (actions, actions)).astype(float)
    fit = bradley_terry(wins)
    found = minimize(lost, np.zeros(actions), args=(wins,), options={"gtol": 1e-7})
    np.testing.assert_allclose(fit.rewards, found.x - found.x.mean(), atol=1e-5)
    assert fit.log_likelihood == pytest.approx(-found.fun, abs=1e-8)
    assert fit.log_likelihood == pytest.approx(-lost(fit.rewards, wins), rel=1e-13)
    assert fit.connected
    assert fit.regularisation == 0.0
    assert fit.gradient < 1e-12
    assert abs(fit.rewards.sum()) < 1e-12


def test_expected_wins_equal_wins_because_that_is_where_the_gradient_vanishes():
    wins = np.random.default_rng(9).random((8, 8))
    r = bradley_terry(wins).rewards
    met, beaten = wins + wins.T, 1 / (1 + np.exp(r - r[:, None]))
    np.fill_diagonal(met, 0.0)
    np.fill_diagonal(wins, 0.0)
    np.testing.assert_allclose((met * beaten).sum(axis=1), wins.sum(axis=1), atol=1e-12)


def test_rewards_that_made_the_preferences_come_back():
    r = np.random.default_rng(1).normal(size=7)
    r -= r.mean()
    fit = bradley_terry_rewards(1 / (1 + np.exp(r - r[:, None])))
    np.testing.assert_allclose(fit.rewards, r, atol=1e-12)


def test_on_a_tree_of_comparisons_each_pair_is_fitted_exactly():
    fit = bradley_terry([[0, 3, 0, 0], [1, 0, 5, 0], [0, 2, 0, 1], [0, 0, 7, 0]])
    differences = -np.diff(fit.rewards)
    np.testing.assert_allclose(differences, np.log([3, 5 / 2, 1 / 7]), atol=1e-12)


def test_far_apart_rewards_are_found_in_full():
    fit = bradley_terry([[0, 1e12], [1e-3, 0]])
    assert fit.rewards[0] - fit.rewards[1] == pytest.approx(15 * np.log(10), abs=1e-9)


@pytest.mark.parametrize(
    "wins",
    [
        [[0, 3], [0, 0]],  # 2 never won
        [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 2], [0, 0, 1, 0]],  # two islands
        [[0, 1, 1], [1, 0, 1], [0, 0, 0]],  # the third lost to everybody
        np.zeros((3, 3)),
    ],
)
def test_without_a_maximum_the_fit_is_regularised_and_says_so(wins, caplog):
    with caplog.at_level(logging.WARNING, logger="slhf.games.bradley_terry"):
        fit = bradley_terry(wins)
    assert not fit.connected
    assert fit.regularisation == REGULARISATION
    assert len(caplog.records) == 1
    assert "no maximum" in caplog.text
    wins = np.asarray(wins, dtype=float)
    found = minimize(lost, np.zeros(len(wins)), args=(wins, REGULARISATION), options={"gtol": 1e-8})
    np.testing.assert_allclose(fit.rewards, found.x, atol=1e-5)
    assert fit.log_likelihood == pytest.approx(-lost(fit.rewards, wins), rel=1e-13)
    assert fit.gradient < 1e-12


def test_a_connected_fit_logs_nothing_and_a_prior_may_be_asked_for(caplog):
    wins = np.array([[0, 3.0], [1, 0]])
    plain, prior = bradley_terry(wins), bradley_terry(wins, regularisation=0.5)
    assert not caplog.records
    found = minimize(lost, np.zeros(2), args=(wins, 0.5), options={"gtol": 1e-9})
    np.testing.assert_allclose(prior.rewards, found.x, atol=1e-6)
    assert prior.connected
    assert prior.regularisation == 0.5
    assert np.ptp(prior.rewards) < np.ptp(plain.rewards)


@pytest.mark.parametrize("shares", [(0.4, 0.35, 0.25), (1 / 3, 1 / 3, 1 / 3), (0.3, 0.45, 0.25)])
def test_the_pairs_that_were_compared_decide_who_leads_a_cycle(shares):
    p = paradox(*shares)
    pairs = {0: [(0, 1), (1, 2)], 1: [(1, 2), (2, 0)], 2: [(2, 0), (0, 1)]}
    for first, compared in pairs.items():
        r = bradley_terry_rewards(p, compared).rewards
        assert list(np.argsort(-r)) == [first, (first + 1) % 3, (first + 2) % 3]
        for y, z in compared:
            assert r[y] - r[z] == pytest.approx(np.log(p[y, z] / p[z, y]), abs=1e-12)


def test_a_preference_matrix_is_one_comparison_of_each_pair():
    p = preferences(np.random.default_rng(3), 5)
    fit = bradley_terry_rewards(p)
    found = minimize(lost, np.zeros(5), args=(p,), options={"gtol": 1e-8})
    np.testing.assert_allclose(fit.rewards, found.x - found.x.mean(), atol=1e-5)
    every = [(i, j) for i in range(5) for j in range(i)]
    np.testing.assert_allclose(bradley_terry_rewards(p, every).rewards, fit.rewards, atol=1e-14)


def test_actions_nobody_compared_are_said_to_be_unconnected():
    fit = bradley_terry_rewards(paradox(0.4, 0.35, 0.25), [(0, 1)])
    assert not fit.connected
    assert fit.rewards[2] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("wins", "settings", "message"),
    [
        ([[0, 1, 2], [1, 0, 1]], {}, r"square.*\(2, 3\)"),
        ([[0, -1], [1, 0]], {}, r"wins\[0, 1\] is -1"),
        ([[0, 1], [np.nan, 0]], {}, r"wins\[1, 0\] is nan"),
        ([[0, 1], [1]], {}, "all rows equally long"),
        ([[0, 1], [1, 0]], {"regularisation": -1.0}, "regularisation is -1"),
        ([[0, 1], [0, 0]], {"regularisation": 0.0}, "no maximum.*positive regularisation"),
    ],
)
def test_what_cannot_be_fitted_is_refused(wins, settings, message):
    with pytest.raises(InputError, match=message):
        bradley_terry(wins, **settings)


@pytest.mark.parametrize("pair", [(0, 3), (-1, 0), (1, 1)])
def test_pairs_that_do_not_exist_are_refused(pair):
    with pytest.raises(InputError, match="does not name two of the 3 actions"):
        bradley_terry_rewards(paradox(0.4, 0.35, 0.25), [pair])
    with pytest.raises(InputError, match="a prompt at a time"):
        bradley_terry_rewards(np.full((2, 3, 3), 0.5))
