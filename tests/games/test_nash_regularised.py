"""The regularised Nash equilibrium over all of τ = 1e-8 … 1e8, and the two solvers beneath it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import root

from nash_games import CYCLE, games, matrix
from slhf.games.nash import nash_equilibrium
from slhf.games.nash_interior import interior, tangent_solver
from slhf.games.simplex import Array, normalise_logs

TAUS = [10.0**k for k in range(-8, 9)]


def reference(actions: int, seed: int) -> Array:
    ref = np.random.default_rng(seed).dirichlet(np.full(actions, 0.3)) + 1e-9
    return ref / ref.sum()


@settings(deadline=None)
@given(games(), st.sampled_from(TAUS), st.integers(0, 2**32 - 1))
def test_the_policy_is_its_own_best_reply_in_log_space(p: Array, tau: float, seed: int) -> None:
    ref = reference(len(p), seed)
    found = nash_equilibrium(p, tau=tau, ref=ref)
    reply = normalise_logs(np.log(ref) + (p - 0.5) @ found.policy / tau)
    # p − ½ is right to 1e-16 an entry, and 1/τ magnifies that; nothing else may be lost
    np.testing.assert_allclose(found.policy, np.exp(reply), atol=max(1e-12, 3e-13 / tau))
    assert found.exploitability <= 1e-8 * min(1.0, tau)
    assert found.unique is True


@pytest.mark.parametrize("tau", [0.3, 1.0, 10.0])
def test_scipys_root_finder_finds_the_same_policy(tau: float) -> None:
    p, ref = matrix(np.random.default_rng(4).random((7, 7))), reference(7, 4)
    solved = root(lambda x: x - np.exp(normalise_logs(np.log(ref) + p @ x / tau)), ref, tol=1e-14)
    np.testing.assert_allclose(nash_equilibrium(p, tau=tau, ref=ref).policy, solved.x, atol=1e-11)


def test_no_policy_nearby_is_a_better_answer_to_its_own_best_reply() -> None:
    # max_π min_π′: the inner minimum has the closed form −τ log Σ ref exp(−…/τ); try many π
    tau, rng = 0.05, np.random.default_rng(5)
    p, ref = matrix(rng.random((5, 5))), reference(5, 5)

    def sure(policy: Array) -> float:
        kept = -tau * np.log((ref * np.exp(-(policy @ p) / tau)).sum())
        return kept - tau * (policy * np.log(policy / ref)).sum()

    found = nash_equilibrium(p, tau=tau, ref=ref).policy
    assert sure(found) == pytest.approx(0.5, abs=1e-13)
    for size in (1e-3, 1e-1, 1.0):
        for other in rng.dirichlet(np.ones(5), 200):
            assert sure((1 - size) * found + size * other) <= 0.5 + 1e-13


def test_a_large_tau_leaves_the_reference_and_goes_there_like_one_over_tau() -> None:
    ref = reference(3, 6)
    far = [np.abs(nash_equilibrium(CYCLE, tau=tau, ref=ref).policy - ref).max() for tau in (1e2, 1e4, 1e8)]
    first = np.abs(ref * ((CYCLE - 0.5) @ ref)).max()  # ref (S ref) / τ, to first order; its mean is zero
    np.testing.assert_allclose(far, [first / 1e2, first / 1e4, first / 1e8], rtol=1e-1, atol=1e-15)


def test_a_small_tau_goes_to_the_equilibrium_without() -> None:
    exact = nash_equilibrium(CYCLE).policy
    for tau in (1e-4, 1e-6, 1e-8):
        found = nash_equilibrium(CYCLE, tau=tau, ref=[0.8, 0.1, 0.1])
        assert np.abs(found.policy - exact).max() <= 20 * tau


@pytest.mark.parametrize("kind", ["even", "sign", "votes", "smooth"])
@pytest.mark.parametrize("tau", [1e-8, 1e-5, 1e-3, 0.05, 1.0])
def test_eighty_actions_of_any_kind_are_solved(kind: str, tau: float) -> None:
    rng = np.random.default_rng(7)
    scores, place = rng.random((7, 80)), rng.normal(size=(80, 2))
    turn = np.outer(place[:, 0], place[:, 1])
    p = {
        "even": matrix(rng.random((80, 80))),
        "sign": matrix(rng.integers(0, 2, (80, 80)).astype(float)),
        "votes": matrix((scores[:, :, None] > scores[:, None, :]).mean(axis=0)),
        "smooth": matrix(1.0 / (1.0 + np.exp(turn.T - turn))),
    }[kind]
    found = nash_equilibrium(p, tau=tau, ref=reference(80, 8))
    assert found.exploitability <= 1e-6 * tau
    assert found.steps <= 200


@pytest.mark.parametrize("seed", range(5))
def test_the_tangent_system_is_solved_as_written(seed: int) -> None:
    rng = np.random.default_rng(seed)
    skew = matrix(rng.random((6, 6))) - 0.5
    weights, rhs = 10.0 ** rng.uniform(-3, 3, 6), rng.normal(size=6)
    found = tangent_solver(skew, weights)(rhs)
    system = np.block([[np.diag(1 / weights) - skew, np.ones((6, 1))], [np.ones((1, 6)), np.zeros((1, 1))]])
    np.testing.assert_allclose(found, np.linalg.solve(system, np.append(rhs, 0.0))[:6], rtol=1e-7, atol=1e-9)


def test_the_interior_path_ends_where_every_action_is_played_or_has_slack() -> None:
    skew = matrix(np.random.default_rng(9).random((30, 30))) - 0.5
    point = interior(skew, 0.0, np.full(30, -np.log(30)), 1e-12)
    assert point.gap <= 1e-12
    assert np.maximum(point.policy, point.slack).min() >= 1e-5
    assert np.minimum(point.policy, point.slack).max() <= 1e-8
    assert (skew @ point.policy).max() <= point.gap  # the gap bounds the exploitability
