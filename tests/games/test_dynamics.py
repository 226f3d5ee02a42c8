"""The dynamics of the sequential game against finite differences, the closed form, and their proven rates."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from slhf.errors import InputError
from slhf.games.dynamics import Iterate, extragradient, gradients, mirror_descent, optimistic, projected_gradient
from slhf.games.game import Game, game
from slhf.games.objective import objective
from slhf.games.simplex import Array
from slhf.games.stackelberg import stackelberg_equilibrium
from slhf.games.stopping import last_gap, run, trajectory

Dynamics = Callable[..., Iterator[Iterate]]
EVERY: list[Dynamics] = [projected_gradient, extragradient, optimistic, mirror_descent]


def random_preferences(rng: np.random.Generator, actions: int) -> Array:
    upper = np.triu(rng.random((actions, actions)), 1)
    return upper + np.tril(1.0 - upper.T, -1) + 0.5 * np.eye(actions)


def random_game(seed: int, prompts: int, actions: int, tau_leader: float, tau_follower: float) -> Game:
    rng = np.random.default_rng(seed)
    return game(
        np.stack([random_preferences(rng, actions) for _ in range(prompts)]),
        tau_leader=tau_leader,
        tau_follower=tau_follower,
        ref_leader=rng.dirichlet(np.full(actions, 5.0), prompts),
        ref_follower=rng.dirichlet(np.full(actions, 5.0), (prompts, actions)),
        rho=rng.dirichlet(np.full(prompts, 5.0)),
    )


def solution(played: Game) -> tuple[Array, Array]:
    solved = stackelberg_equilibrium(
        played.p,
        tau_leader=played.tau_leader,
        tau_follower=played.tau_follower,
        ref_leader=played.ref_leader,
        ref_follower=played.ref_follower,
        rho=played.rho,
    )
    return solved.leader, solved.follower


def span(logs: Array) -> Array:
    """The size of a vector of logarithms up to a constant."""
    return np.ptp(logs, axis=-1)


def test_gradients_are_the_slopes_of_the_objective() -> None:
    played = random_game(0, 3, 4, tau_leader=0.2, tau_follower=0.3)
    rng = np.random.default_rng(1)
    leader, follower = rng.dirichlet(np.ones(4), 3), rng.dirichlet(np.ones(4), (3, 4))
    upwards, downwards = gradients(played, leader, follower)
    h = 1e-6
    for _ in range(20):
        along, across = rng.normal(size=leader.shape), rng.normal(size=follower.shape)
        along, across = (d - d.mean(axis=-1, keepdims=True) for d in (along, across))
        along, across = along * leader.min(), across * follower.min()
        slope = (
            (objective(played, leader + h * along, follower) - objective(played, leader - h * along, follower)) / 2 / h
        )
        assert (played.rho * (upwards * along).sum(axis=-1)).sum() == pytest.approx(slope, rel=1e-6, abs=1e-9)
        slope = (
            (objective(played, leader, follower + h * across) - objective(played, leader, follower - h * across))
            / 2
            / h
        )
        expected = (played.rho * (downwards * across).sum(axis=(-1, -2))).sum()
        assert expected == pytest.approx(slope, rel=1e-6, abs=1e-9)


def test_gradients_stay_finite_where_a_policy_is_zero() -> None:
    played = game([[0.5, 0.8], [0.2, 0.5]], tau_leader=0.1, tau_follower=0.1)
    upwards, downwards = gradients(played, np.array([[1.0, 0.0]]), np.array([[[1.0, 0.0], [0.0, 1.0]]]))
    assert np.isfinite(upwards).all()
    assert np.isfinite(downwards).all()
    assert upwards[0, 1] - upwards[0, 0] > 2.0  # 0.1 nats' worth of log 10¹²: back into the interior


@pytest.mark.parametrize("dynamics", EVERY)
@pytest.mark.parametrize("taus", [(0.0, 0.0), (0.3, 0.2)])
def test_iterates_are_numbered_distributions_that_start_at_the_references(
    dynamics: Dynamics, taus: tuple[float, float]
) -> None:
    played = random_game(2, 2, 3, *taus)
    points = trajectory(dynamics(played), steps=40)
    assert [point.step for point in points] == list(range(41))
    np.testing.assert_allclose(points[0].leader, played.ref_leader)
    np.testing.assert_allclose(points[0].follower, played.ref_follower)
    for point in points:
        for policy in (point.leader, point.follower, point.average_leader, point.average_follower):
            assert policy.min() >= 0.0
            np.testing.assert_allclose(policy.sum(axis=-1), 1.0, atol=1e-12)


@pytest.mark.parametrize("dynamics", [projected_gradient, mirror_descent])
def test_averages_are_the_plain_means(dynamics: Dynamics) -> None:
    points = trajectory(dynamics(random_game(3, 2, 3, 0.1, 0.1)), steps=25)
    np.testing.assert_allclose(points[-1].average_leader, np.mean([z.leader for z in points], axis=0), atol=1e-14)
    np.testing.assert_allclose(points[-1].average_follower, np.mean([z.follower for z in points], axis=0), atol=1e-14)


@pytest.mark.parametrize("dynamics", EVERY)
def test_the_last_iterate_reaches_the_closed_form(dynamics: Dynamics) -> None:
    played = random_game(4, 3, 4, tau_leader=0.5, tau_follower=0.4)
    found = run(dynamics(played, eta=0.1, kappa=3.0), steps=1000, tolerance=1e-15, gap=last_gap(played), every=50)
    leader, follower = solution(played)
    assert found.converged
    np.testing.assert_allclose(found.last.leader, leader, atol=1e-6)
    np.testing.assert_allclose(found.last.follower, follower, atol=1e-6)


@pytest.mark.parametrize("dynamics", EVERY)
def test_a_batch_is_its_prompts_played_one_by_one(dynamics: Dynamics) -> None:
    batch = random_game(5, 3, 3, 0.2, 0.1)
    together = run(dynamics(batch), steps=30).last
    for x in range(3):
        alone = game(
            batch.p[x],
            tau_leader=0.2,
            tau_follower=0.1,
            ref_leader=batch.ref_leader[x],
            ref_follower=batch.ref_follower[x],
        )
        point = run(dynamics(alone), steps=30).last
        np.testing.assert_allclose(point.leader, together.leader[x], atol=1e-14)
        np.testing.assert_allclose(point.average_follower, together.average_follower[x], atol=1e-14)


def test_mirror_descent_shrinks_the_followers_error_by_the_predicted_factor() -> None:
    played = random_game(6, 2, 4, tau_leader=0.3, tau_follower=0.2)
    eta, kappa = 0.1, 3.0
    _, best = solution(played)
    errors = [
        span(np.log(point.follower) - np.log(best))
        for point in trajectory(mirror_descent(played, eta=eta, kappa=kappa), steps=150)
    ]
    measured = (errors[150] / errors[0]) ** (1 / 150)
    np.testing.assert_allclose(1.0 - measured, kappa * eta * 0.2, rtol=0.01)
    np.testing.assert_allclose(np.array(errors[1:]) / errors[:-1], 1.0 - kappa * eta * 0.2, rtol=1e-6)


@pytest.mark.parametrize(
    ("tau_leader", "kappa", "follower_is_slower"),
    [pytest.param(0.1, 2.0, False, id="leader-slower"), pytest.param(0.5, 0.2, True, id="follower-slower")],
)
def test_mirror_descent_shrinks_the_leaders_error_by_the_predicted_factor(
    tau_leader: float, kappa: float, follower_is_slower: bool
) -> None:
    played = random_game(7, 2, 4, tau_leader=tau_leader, tau_follower=0.5)
    eta = 0.5
    own, followers = 1.0 - eta * tau_leader, 1.0 - kappa * eta * 0.5
    predicted = max(own, followers**2)
    assert (followers**2 > own) == follower_is_slower
    best, _ = solution(played)
    points = trajectory(mirror_descent(played, eta=eta, kappa=kappa), steps=180)
    errors = np.array([span(np.log(point.leader) - np.log(best)) for point in points])
    measured = (errors[180] / errors[80]) ** (1 / 100)
    np.testing.assert_allclose(1.0 - measured, 1.0 - predicted, rtol=0.01)


def test_mirror_descent_keeps_to_the_proven_bounds() -> None:
    played = random_game(8, 1, 5, tau_leader=0.2, tau_follower=0.1)
    eta, kappa = 0.3, 4.0
    a, b = kappa * eta * 0.1, eta * 0.2
    best_leader, best_follower = solution(played)
    first_leader = first_follower = 0.0
    for point in trajectory(mirror_descent(played, eta=eta, kappa=kappa), steps=60):
        own = span(np.log(point.leader) - np.log(best_leader)).max()
        other = span(np.log(point.follower) - np.log(best_follower)).max()
        if point.step == 0:
            first_leader, first_follower = own, other
        t = point.step
        carried = sum((1 - b) ** (t - 1 - s) * (1 - a) ** (2 * s) for s in range(t))
        assert other <= first_follower * (1 - a) ** t * (1 + 1e-9)
        assert own <= (1 - b) ** t * first_leader + eta * 0.1 * first_follower**2 / 8 * carried + 1e-12
        regret = (point.follower * np.log(point.follower / best_follower)).sum(axis=-1)
        assert regret.max() <= first_follower**2 / 8 * (1 - a) ** (2 * t) + 1e-12


def test_mirror_descent_at_tau_zero_finds_the_best_reply_in_the_last_iterate() -> None:
    played = random_game(9, 2, 4, 0.0, 0.0)
    gaps = run(mirror_descent(played, eta=0.5), steps=4000, gap=last_gap(played), every=1000).gaps
    assert gaps[-1] < 1e-6
    assert gaps[0] > 0.1


@pytest.mark.parametrize("dynamics", EVERY)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eta": 0.0}, "eta is 0.0"),
        ({"eta": float("nan")}, "eta is nan"),
        ({"kappa": -1.0}, "kappa is -1.0"),
        ({"start": ([0.5, 0.6], np.eye(2))}, "start of the leader"),
        ({"start": ([0.5, 0.5], np.eye(3))}, "start of the follower"),
    ],
)
def test_bad_settings_are_refused_before_the_first_step(dynamics: Dynamics, settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        dynamics(game([[0.5, 0.8], [0.2, 0.5]]), **settings)


def test_mirror_descent_refuses_what_it_cannot_play() -> None:
    p = [[0.5, 0.8], [0.2, 0.5]]
    with pytest.raises(InputError, match="start of the follower has a zero"):
        mirror_descent(game(p), start=([0.5, 0.5], np.eye(2)))
    too_fast = mirror_descent(game(p, tau_follower=1.0), eta=0.5, kappa=5.0)
    with pytest.raises(InputError, match=r"step size times tau is 2.5"):
        run(too_fast, steps=1)


def test_a_step_size_may_depend_on_the_step() -> None:
    played = random_game(10, 1, 3, 0.1, 0.1)
    sizes = [0.4, 0.2, 0.1]
    point = run(projected_gradient(played, eta=lambda t: sizes[t], kappa=2.0), steps=3).last
    here = (played.ref_leader, played.ref_follower)
    for size in sizes:
        here = run(projected_gradient(played, eta=size, kappa=2.0, start=here), steps=1).last
        here = here.leader, here.follower
    np.testing.assert_allclose(point.leader, here[0], atol=1e-15)
    with pytest.raises(InputError, match="eta at step 1 is 0"):
        run(projected_gradient(played, eta=lambda t: 1.0 - t), steps=5)
