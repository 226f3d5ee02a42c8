"""The Stackelberg equilibrium against enumeration, numerical optimisers and fifty digits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from exact_games import equation_5, exact_equilibrium, exact_gaps, paradox, preferences
from slhf.errors import InputError
from slhf.games import stackelberg_equilibrium

TAUS = [1e-8, 1e-5, 1e-2, 0.3, 1.0, 10.0, 1e4, 1e8]


def optimum(p, tau_leader, tau_follower, ref_l, ref_f):
    """Solve max min of Eq. (5) numerically: each row of the Follower by itself, then the Leader."""
    n = len(p)

    def reply(y):
        def paid(z):
            omega = softmax(z)
            return float(omega @ p[y] + tau_follower * omega @ (log_softmax(z) - np.log(ref_f[y])))

        return softmax(minimize(paid, np.log(ref_f[y]), options={"gtol": 1e-9}).x)

    follower = np.stack([reply(y) for y in range(n)])
    found = minimize(
        lambda z: -equation_5(p, softmax(z), follower, tau_leader, tau_follower, ref_l, ref_f),
        np.log(ref_l),
        options={"gtol": 1e-9},
    )
    return softmax(found.x), follower, -found.fun


@pytest.mark.parametrize("actions", [2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_the_closed_form_solves_equation_5_because_a_numerical_optimiser_ends_there(actions, seed):
    rng = np.random.default_rng(seed)
    p, ref_l, ref_f = (
        preferences(rng, actions),
        rng.dirichlet(np.ones(actions)),
        rng.dirichlet(np.ones(actions), actions),
    )
    solved = stackelberg_equilibrium(p, tau_leader=0.2, tau_follower=0.15, ref_leader=ref_l, ref_follower=ref_f)
    with np.errstate(all="ignore"):  # a line search may step into the far tails
        leader, follower, value = optimum(p, 0.2, 0.15, ref_l, ref_f)
    np.testing.assert_allclose(solved.leader, leader, atol=1e-5)
    np.testing.assert_allclose(solved.follower, follower, atol=1e-5)
    assert solved.value == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("tau_leader", TAUS)
@pytest.mark.parametrize("tau_follower", TAUS)
def test_the_closed_form_is_exact_at_every_tau_because_fifty_digits_agree(tau_leader, tau_follower):
    rng = np.random.default_rng(5)
    p, ref_l, ref_f = preferences(rng, 4), rng.dirichlet(np.ones(4)), rng.dirichlet(np.ones(4), size=4)
    taus = {"tau_leader": tau_leader, "tau_follower": tau_follower}
    solved = stackelberg_equilibrium(p, **taus, ref_leader=ref_l, ref_follower=ref_f)
    leader, follower, values, value = exact_equilibrium(p, tau_leader, tau_follower, ref_l, ref_f)
    np.testing.assert_allclose(solved.follower, follower, rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(solved.leader_values, values, atol=3e-16)
    # v carries half a unit in its last place, 5e-17, and the Leader's policy that much divided by its τ
    np.testing.assert_allclose(solved.leader, leader, rtol=1e-12 + 3e-16 / tau_leader, atol=1e-300)
    assert solved.value == pytest.approx(value, abs=3e-16)
    assert max(exact_gaps(p, solved.leader, solved.follower, tau_leader, tau_follower, ref_l, ref_f)) <= 1e-10
    assert max(solved.gaps.follower, solved.gaps.leader, solved.gaps.duality) <= 1e-10


@pytest.mark.parametrize("grid", [0, 4])
@pytest.mark.parametrize("seed", range(10))
def test_without_prices_no_pair_of_pure_answers_does_better_because_all_were_tried(grid, seed):
    p = preferences(np.random.default_rng(seed), 3, grid=grid)
    maps = list(itertools.product(range(3), repeat=3))
    best = max(min(p[y, reply[y]] for reply in maps) for y in range(3))
    solved = stackelberg_equilibrium(p)
    assert solved.value == pytest.approx(best, abs=1e-15)
    for y in range(3):
        np.testing.assert_allclose(solved.leader_values[y], p[y].min(), atol=1e-15)
        answered = np.isclose(p[y], p[y].min(), rtol=0, atol=1e-12)
        np.testing.assert_allclose(solved.follower[y], answered / answered.sum())
        assert solved.follower_ties[y] == answered.sum()
    played = np.isclose(p.min(axis=1), best, rtol=0, atol=1e-12)
    np.testing.assert_allclose(solved.leader, played / played.sum())
    assert solved.leader_ties == played.sum()


@pytest.mark.parametrize("seed", range(3))
def test_mixing_helps_neither_player_without_prices_because_a_fine_grid_of_policies_gains_nothing(seed):
    p = preferences(np.random.default_rng(seed), 3)
    grid = np.array([(a, b, 20 - a - b) for a in range(21) for b in range(21 - a)]) / 20
    # for every action the best of all mixed replies, then the best of all mixed Leaders against it
    kept = (p @ grid.T).min(axis=1)
    assert stackelberg_equilibrium(p).value == pytest.approx((grid @ kept).max(), abs=1e-15)


@pytest.mark.parametrize("taus", [(0.0, 0.2), (0.2, 0.0)])
@pytest.mark.parametrize("seed", range(3))
def test_one_player_may_pay_and_the_other_not(taus, seed):
    rng = np.random.default_rng(seed)
    p, ref = preferences(rng, 3), rng.dirichlet(np.ones(3))
    tau_leader, tau_follower = taus
    solved = stackelberg_equilibrium(
        p, tau_leader=tau_leader, tau_follower=tau_follower, ref_leader=ref, ref_follower=ref
    )
    if tau_follower:
        kept = -tau_follower * np.log((ref * np.exp(-p / tau_follower)).sum(axis=1))
        np.testing.assert_array_equal(solved.leader, np.eye(3)[kept.argmax()])
        assert solved.value == pytest.approx(kept.max(), abs=1e-15)
    else:
        np.testing.assert_allclose(solved.leader, softmax(np.log(ref) + p.min(axis=1) / tau_leader), rtol=1e-13)
        assert solved.value == pytest.approx(tau_leader * np.log(ref @ np.exp(p.min(axis=1) / tau_leader)), abs=1e-15)


def test_towards_tau_0_the_policies_become_the_pure_ones_where_nothing_ties():
    p = paradox(0.4, 0.35, 0.25)
    pure = stackelberg_equilibrium(p)
    for tau in (1e-3, 1e-5, 1e-8):
        near = stackelberg_equilibrium(p, tau_leader=tau, tau_follower=tau)
        np.testing.assert_allclose(near.leader, pure.leader, atol=1e-12)
        np.testing.assert_allclose(near.follower, pure.follower, atol=1e-12)
        assert near.value == pytest.approx(pure.value, abs=4 * tau)  # at most τ log 3 a player


def test_towards_infinite_prices_both_play_their_references():
    rng = np.random.default_rng(8)
    p, ref_l, ref_f = preferences(rng, 4), rng.dirichlet(np.ones(4)), rng.dirichlet(np.ones(4), size=4)
    far = stackelberg_equilibrium(p, tau_leader=1e8, tau_follower=1e8, ref_leader=ref_l, ref_follower=ref_f)
    np.testing.assert_allclose(far.leader, ref_l, rtol=2e-8)
    np.testing.assert_allclose(far.follower, ref_f, rtol=2e-8)
    assert far.value == pytest.approx(ref_l @ (ref_f * p).sum(axis=1), abs=2e-8)


def test_ties_are_shared_and_counted():
    solved = stackelberg_equilibrium(
        [[0.5, 0.5, 0.2, 0.2], [0.5, 0.5, 0.2, 0.9], [0.8, 0.8, 0.5, 0.5], [0.8, 0.1, 0.5, 0.5]]
    )
    np.testing.assert_array_equal(solved.follower_ties, [2, 1, 2, 1])
    np.testing.assert_array_equal(solved.follower[0], [0, 0, 0.5, 0.5])
    assert solved.leader_ties == 1
    indifferent = stackelberg_equilibrium(np.full((4, 4), 0.5))
    np.testing.assert_array_equal(indifferent.leader, np.full(4, 0.25))
    assert indifferent.leader_ties == 4
    np.testing.assert_array_equal(indifferent.follower_ties, np.full(4, 4))
    priced = stackelberg_equilibrium(np.full((4, 4), 0.5), tau_leader=0.1, tau_follower=0.1)
    assert priced.leader_ties == 1
    np.testing.assert_array_equal(priced.follower_ties, np.ones(4))


@pytest.mark.parametrize("tau", [0.0, 0.1, 2.0])
@pytest.mark.parametrize("actions", [3, 70])
def test_a_batch_is_its_prompts_solved_one_by_one(tau, actions):
    rng = np.random.default_rng(10)
    p, rho = preferences(rng, actions, prompts=6), rng.dirichlet(np.ones(6))
    ref_l, ref_f = rng.dirichlet(np.ones(actions), size=6), rng.dirichlet(np.ones(actions), size=(6, actions))
    together = stackelberg_equilibrium(
        p, tau_leader=tau, tau_follower=tau, ref_leader=ref_l, ref_follower=ref_f, rho=rho
    )
    alone = [
        stackelberg_equilibrium(q, tau_leader=tau, tau_follower=tau, ref_leader=a, ref_follower=b)
        for q, a, b in zip(p, ref_l, ref_f, strict=True)
    ]
    for name in ("leader", "follower", "leader_values", "leader_ties", "follower_ties"):
        np.testing.assert_allclose(getattr(together, name), [getattr(s, name) for s in alone], rtol=1e-12)
    assert together.value == pytest.approx(rho @ [s.value for s in alone], abs=1e-15)


@pytest.mark.parametrize("tau", [0.1, 2.0])
def test_references_that_broadcast_are_the_ones_written_out(tau):
    rng = np.random.default_rng(11)
    p, one, rows = preferences(rng, 3, prompts=5), rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(3), size=3)
    for short, long in [
        (one, np.tile(one, (5, 3, 1))),
        (rows, np.tile(rows, (5, 1, 1))),
        (None, np.full((5, 3, 3), 1 / 3)),
    ]:
        a, b = (
            stackelberg_equilibrium(p, tau_leader=tau, tau_follower=tau, ref_leader=leader, ref_follower=given)
            for leader, given in ((one, short), (np.tile(one, (5, 1)), long))
        )
        np.testing.assert_allclose(a.leader, b.leader, rtol=1e-14)
        np.testing.assert_allclose(a.follower, b.follower, rtol=1e-14)
        assert a.value == pytest.approx(b.value, abs=1e-15)


def test_a_batch_longer_than_a_block_is_solved_to_its_end():
    p = preferences(np.random.default_rng(12), 3, prompts=4001)
    solved = stackelberg_equilibrium(p, tau_leader=0.1, tau_follower=0.1)
    kept = -0.1 * np.log(np.exp(-p / 0.1).mean(axis=2))
    np.testing.assert_allclose(solved.leader_values, kept, atol=1e-14)
    np.testing.assert_allclose(solved.leader, softmax(kept / 0.1, axis=1), rtol=1e-12)


def test_a_game_of_one_action_is_already_over():
    for tau in (0.0, 0.1):
        solved = stackelberg_equilibrium([[0.5]], tau_leader=tau, tau_follower=tau)
        assert (solved.leader, solved.follower, solved.value) == (1.0, 1.0, 0.5)


def test_the_input_is_left_as_it_was():
    for actions in (3, 80):
        p = preferences(np.random.default_rng(13), actions)
        before = p.copy()
        stackelberg_equilibrium(p, tau_leader=0.1, tau_follower=0.1)
        np.testing.assert_array_equal(p, before)


def test_bad_games_are_refused():
    with pytest.raises(InputError, match="tau_follower is -1"):
        stackelberg_equilibrium([[0.5]], tau_follower=-1.0)
    with pytest.raises(InputError, match="from 1"):
        stackelberg_equilibrium([[0.5, 0.9], [0.9, 0.5]])
