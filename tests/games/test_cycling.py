"""Where learning runs in circles on §4.1's paradox, and where it does not.

With τ = 0, Algorithm 1 does *not* cycle: the Follower sees the action, so no row of it ever has a reason to
turn back (docs/theory/dynamics.md has the proof). The same steps without that sight, self-play in the
simultaneous game, do cycle, and only their average settles.
"""

from __future__ import annotations

import numpy as np
import pytest

from slhf.games.dynamics import Iterate, projected_gradient
from slhf.games.game import game
from slhf.games.gaps import gaps
from slhf.games.nash_dynamics import self_play
from slhf.games.simplex import Array
from slhf.games.stopping import average_gap, gap_curve, last_gap, trajectory

SHARES = [pytest.param((1 / 3, 1 / 3, 1 / 3), id="equal"), pytest.param((0.4, 0.35, 0.25), id="unequal")]


def paradox(shares: tuple[float, float, float]) -> Array:
    """Types A≻B≻C, B≻C≻A, C≻A≻B with these shares."""
    first, second, third = shares
    return np.array([[0.5, 1 - second, first], [second, 0.5, 1 - third], [1 - first, third, 0.5]])


def exploitability(p: Array, policy: Array) -> float:
    return float((p @ policy).max() - 0.5)


def turns(policies: Array, centre: Array) -> float:
    """How often a path in the simplex of three actions went round a point."""
    away = policies - centre
    angles = np.unwrap(np.arctan2((away[:, 2] - away[:, 1]) / np.sqrt(2), away @ np.array([2, -1, -1]) / np.sqrt(6)))
    return float(abs(angles[-1] - angles[0]) / (2 * np.pi))


@pytest.mark.parametrize("shares", SHARES)
@pytest.mark.parametrize("kappa", [1.0, 5.0])
@pytest.mark.parametrize("eta", [0.05, 0.5, 5.0])
@pytest.mark.parametrize("seed", range(2))
def test_algorithm_1_does_not_cycle_on_the_paradox_because_no_row_of_the_follower_turns_back(
    shares: tuple[float, float, float], kappa: float, eta: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    played = game(paradox(shares))
    start = rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(3), 3)
    points = trajectory(projected_gradient(played, eta=eta, kappa=kappa, start=start), steps=1000)
    kept = np.array([(point.follower * played.p[0]).sum(axis=-1) for point in points])
    assert np.diff(kept, axis=0).max() <= 1e-15
    assert last_gap(played)(points[0]) > 0.1
    assert last_gap(played)(points[-1]) <= 1e-12
    assert last_gap(played)(points[-200]) <= 1e-12
    np.testing.assert_allclose(points[-1].leader, points[-200].leader, atol=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_algorithm_1_ends_in_an_equilibrium_of_any_game_because_an_abandoned_action_is_worth_no_more(seed: int) -> None:
    rng = np.random.default_rng(seed)
    actions = 4 + seed % 3
    upper = np.triu(rng.random((actions, actions)), 1)
    played = game(upper + np.tril(1.0 - upper.T, -1) + 0.5 * np.eye(actions))
    start = rng.dirichlet(np.ones(actions)), rng.dirichlet(np.ones(actions), actions)
    points = projected_gradient(played, eta=0.5, kappa=float(1 + 4 * (seed % 2)), start=start)
    (first, *_, last) = trajectory(points, steps=2000, every=1000)
    assert last_gap(played)(first) > 0.1
    assert last_gap(played)(last) <= 1e-12


def weighted_follower(points: list[Iterate]) -> Array:
    """The mean of the Follower's rows, weighted by how often the Leader played the row."""
    weights = np.array([point.leader for point in points])[..., None]
    rows = np.array([point.follower for point in points])
    return (weights * rows).sum(axis=0) / weights.sum(axis=0)


def test_plain_averages_close_the_gap_and_weighted_rows_need_not() -> None:
    p = paradox((0.4, 0.35, 0.25))
    played = game(p)
    # The Leader begins with B, whose reply has yet to be learnt, leaves it on the way, and never comes back.
    start = np.array([0.01, 0.98, 0.01]), np.array([[0, 0, 1], [0, 0, 1], [0, 1, 0]], dtype=float)
    points = trajectory(projected_gradient(played, eta=0.5, kappa=0.2, start=start), steps=4000)
    steps, curve = gap_curve(points[1000::500], average_gap(played))
    np.testing.assert_allclose(curve * (steps + 1), curve[-1] * (steps[-1] + 1), rtol=1e-6)  # exactly like 1/t
    assert curve[-1] < 0.0015
    weighted = gaps(p, points[-1].average_leader, weighted_follower(points)).duality
    halfway = gaps(p, points[2000].average_leader, weighted_follower(points[:2001])).duality
    assert weighted > 0.05
    assert weighted == pytest.approx(halfway, abs=0.002)  # and stays there


@pytest.mark.parametrize("shares", SHARES)
def test_self_play_cycles_on_the_paradox_while_its_average_settles(shares: tuple[float, float, float]) -> None:
    p = paradox(shares)
    nash = np.array([1 - 2 * shares[2], 1 - 2 * shares[0], 1 - 2 * shares[1]])
    assert exploitability(p, nash) <= 1e-12
    points = trajectory(self_play(p, eta=0.1, start=[0.4, 0.3, 0.3]), steps=10_000)
    late = points[5000:]
    assert min(exploitability(p, point.policy) for point in late) > 0.01
    assert turns(np.array([point.policy for point in late]), nash) > 10
    slopes = np.array([point.policy for point in points]) @ p.T
    length = ((slopes - slopes.mean(axis=1, keepdims=True)) ** 2).sum(axis=1).max()
    for point in points[1::100]:  # the regret of projected gradient steps
        assert exploitability(p, point.average_policy) <= 1 / (0.1 * (point.step + 1)) + 0.1 * length / 2
    assert exploitability(p, points[-1].average_policy) < 1e-3
    np.testing.assert_allclose(points[-1].average_policy, nash, atol=0.01)


def test_the_average_of_self_play_closes_in_like_one_over_root_t_if_the_steps_shrink_so() -> None:
    p = paradox((0.4, 0.35, 0.25))
    points = trajectory(self_play(p, eta=lambda t: 2.0 / np.sqrt(t + 1)), steps=4000)
    slopes = np.array([point.policy for point in points]) @ p.T
    length = ((slopes - slopes.mean(axis=1, keepdims=True)) ** 2).sum(axis=1).max()
    for point in points[1::100]:
        count = point.step + 1
        bound = (np.sqrt(count) / 2 + length * np.sqrt(count) * 2) / count  # 1/η_T + ½ Σ η_t G², over T
        assert exploitability(p, point.average_policy) <= bound
    assert exploitability(p, points[-1].average_policy) < 0.005
    assert max(exploitability(p, point.policy) for point in points[2000:]) > 0.03
