"""§4.1's example: three types of annotators who together prefer in a circle; every number it states."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from exact_games import paradox
from slhf.games.bradley_terry import bradley_terry_rewards
from slhf.games.refinement import expected_best_rank, pass_at_n, pass_at_n_average, pass_at_n_iid
from slhf.games.rlhf import rlhf_policy
from slhf.games.stackelberg import stackelberg_equilibrium

THIRD = 1 / 3
SHARES = [(0.4, 0.35, 0.25), (0.25, 0.45, 0.3), (0.26, 0.3, 0.44), (THIRD, THIRD, THIRD)]
TASTES = np.array([[2, 1, 0], [0, 2, 1], [1, 0, 2]])
"""Types a₁: A ≻ B ≻ C, a₂: B ≻ C ≻ A, a₃: C ≻ A ≻ B."""

FAVOURITES = TASTES == 2


@pytest.mark.parametrize("shares", SHARES)
def test_the_preferences_are_the_majorities_of_the_three_types(shares):
    p = paradox(*shares)
    for y, z in itertools.permutations(range(3), 2):
        assert p[y, z] == pytest.approx(sum(s for s, u in zip(shares, TASTES, strict=True) if u[y] > u[z]), abs=1e-15)
    assert p[0, 1] == 1 - shares[1]
    assert p[0, 2] == shares[0]
    assert p[1, 2] == 1 - shares[2]


@pytest.mark.parametrize("shares", SHARES)
def test_the_follower_answers_a_with_c_b_with_a_and_c_with_b(shares):
    follower = stackelberg_equilibrium(paradox(*shares)).follower
    np.testing.assert_array_equal(follower, [[0, 0, 1], [1, 0, 0], [0, 1, 0]])


@pytest.mark.parametrize("shares", SHARES[:3])
def test_the_leader_plays_the_favourite_of_the_largest_type_and_keeps_its_share(shares):
    solved = stackelberg_equilibrium(paradox(*shares))
    np.testing.assert_array_equal(solved.leader, np.eye(3)[np.argmax(shares)])
    assert solved.value == pytest.approx(max(shares), abs=1e-15)
    np.testing.assert_allclose(solved.leader_values, shares, atol=1e-15)
    assert solved.leader_ties == 1


def test_with_equal_shares_the_leader_ties_between_all_three():
    solved = stackelberg_equilibrium(paradox(THIRD, THIRD, THIRD))
    np.testing.assert_allclose(solved.leader, THIRD)
    assert solved.leader_ties == 3


@pytest.mark.parametrize("shares", SHARES)
def test_bradley_terry_answers_with_whatever_the_compared_pairs_make_first(shares):
    p = paradox(*shares)
    answers = {}
    for compared in ([(0, 1), (1, 2)], [(1, 2), (2, 0)], [(2, 0), (0, 1)]):
        rewards = bradley_terry_rewards(p, compared).rewards
        answers[compared[0][0]] = rlhf_policy(rewards, tau=0.0)
    for first, policy in answers.items():
        np.testing.assert_array_equal(policy, np.eye(3)[first])
    a, b, c = bradley_terry_rewards(p, [(0, 1), (1, 2)]).rewards
    assert a > b > c


def test_pass_at_n_for_a_user_of_the_first_type():
    p = paradox(THIRD, THIRD, THIRD)
    for compared, always in (([(0, 1), (1, 2)], 1.0), ([(1, 2), (2, 0)], 0.0)):
        rlhf = rlhf_policy(bradley_terry_rewards(p, compared).rewards, tau=0.0)
        np.testing.assert_array_equal(pass_at_n_iid(rlhf, FAVOURITES[0], 3), [always] * 3)
    nash = np.full(3, THIRD)  # the matrix game's only solution, (1 − 2α₃, 1 − 2α₁, 1 − 2α₂)
    np.testing.assert_allclose((p.T @ nash), 0.5, atol=1e-15)
    np.testing.assert_allclose(pass_at_n_iid(nash, FAVOURITES[0], 3), [1 / 3, 5 / 9, 19 / 27], atol=1e-15)
    solved = stackelberg_equilibrium(p)
    np.testing.assert_allclose(
        pass_at_n(solved.leader, solved.follower, FAVOURITES[0], 3), [1 / 3, 2 / 3, 1], atol=1e-15
    )


@pytest.mark.parametrize("shares", SHARES)
def test_three_stackelberg_answers_please_everybody_whatever_the_shares(shares):
    solved = stackelberg_equilibrium(paradox(*shares))
    by_type = pass_at_n(solved.leader, solved.follower, FAVOURITES, 4)
    np.testing.assert_allclose(by_type[:, 2:], 1.0, atol=1e-15)
    # with a single best action the first answer pleases one type, the largest; the next two follow in the circle
    ordered = np.sort(shares) if max(shares) == THIRD else np.roll(shares[::-1], 1 + np.argmax(shares))
    reached = pass_at_n_average(by_type, shares)
    np.testing.assert_allclose(reached[:3], np.cumsum(ordered), atol=1e-15)
    ranks = expected_best_rank(solved.leader, solved.follower, TASTES, 3)
    np.testing.assert_allclose(ranks[:, 2], 1.0, atol=1e-15)
