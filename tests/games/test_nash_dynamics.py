"""The dynamics of the simultaneous game: their steps against SciPy, their rates against the published bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from slhf.errors import InputError
from slhf.games.nash import nash_equilibrium
from slhf.games.nash_dynamics import NashIterate, magnetic_mirror_descent, mirror_prox, nash_md, self_play
from slhf.games.simplex import Array
from slhf.games.stopping import run, trajectory

Dynamics = Callable[..., Iterator[NashIterate]]
EVERY: list[Dynamics] = [self_play, mirror_prox, magnetic_mirror_descent, nash_md]
PARADOX = np.array([[0.5, 0.65, 0.4], [0.35, 0.5, 0.75], [0.6, 0.25, 0.5]])
NASH = np.array([0.5, 0.2, 0.3])
TAU = 0.2


def random_preferences(seed: int, actions: int) -> Array:
    upper = np.triu(np.random.default_rng(seed).random((actions, actions)), 1)
    return upper + np.tril(1.0 - upper.T, -1) + 0.5 * np.eye(actions)


def kl(q: Array, ref: Array) -> float:
    return float((q * np.log(q / ref)).sum())


def exploitability(p: Array, policy: Array, tau: float, ref: Array) -> float:
    """max_q [P(q ≻ π) − τ KL(q ‖ ref)] + τ KL(π ‖ ref) − ½, zero at the regularised equilibrium only."""
    return float(tau * logsumexp(np.log(ref) + p @ policy / tau) + tau * kl(policy, ref) - 0.5)


def unregularised(p: Array, policy: Array) -> float:
    return float((p @ policy).max() - 0.5)


def setting(seed: int = 0) -> tuple[Array, Array]:
    return random_preferences(seed, 4), np.random.default_rng(seed + 100).dirichlet(np.full(4, 3.0))


def equilibrium(p: Array, ref: Array, tau: float = TAU) -> Array:
    """A certified solution to measure distances from."""
    policy = run(mirror_prox(p, tau=tau, ref=ref), steps=1000).last.policy
    assert exploitability(p, policy, tau, ref) < 1e-14
    return policy


def test_the_equilibrium_is_the_saddle_point_that_scipy_finds() -> None:
    p, ref = setting()
    found = minimize(lambda z: exploitability(p, softmax(z), TAU, ref), np.log(ref), options={"gtol": 1e-9})
    np.testing.assert_allclose(softmax(found.x), equilibrium(p, ref), atol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_the_equilibrium_is_the_one_the_solver_finds(seed: int) -> None:
    p, ref = setting(seed)
    np.testing.assert_allclose(equilibrium(p, ref), nash_equilibrium(p, tau=TAU, ref=ref).policy, atol=1e-7)


@pytest.mark.parametrize("dynamics", [self_play, mirror_prox, magnetic_mirror_descent])
def test_the_last_iterate_reaches_the_regularised_equilibrium(dynamics: Dynamics) -> None:
    p, ref = setting()
    found = run(
        dynamics(p, tau=TAU, ref=ref),
        steps=2000,
        tolerance=1e-12,
        gap=lambda point: exploitability(p, point.policy, TAU, ref),
        every=50,
    )
    assert found.converged
    np.testing.assert_allclose(found.last.policy, equilibrium(p, ref), atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_mirror_prox_and_the_magnet_keep_to_their_linear_rates(seed: int) -> None:
    p, ref = setting(seed)
    best = equilibrium(p, ref)
    start = np.full(4, 0.25)
    for dynamics, rate in ((mirror_prox, 1 - 0.5 * TAU), (magnetic_mirror_descent, 1 / (1 + 4 * TAU**2))):
        points = trajectory(dynamics(p, tau=TAU, ref=ref, start=start), steps=80)
        distances = np.array([kl(best, point.policy) for point in points])
        assert distances[0] > 1e-3
        assert (distances <= distances[0] * rate ** np.arange(81) + 1e-14).all()


@pytest.mark.parametrize("seed", range(3))
def test_nash_md_with_the_published_steps_keeps_to_the_published_bound(seed: int) -> None:
    p, ref = setting(seed)
    best = equilibrium(p, ref)
    points = trajectory(nash_md(p, tau=TAU, ref=ref), steps=3000, every=10)
    for point in points:
        assert kl(best, point.policy) <= 8 / (TAU**2 * (point.step + 1))
    assert kl(best, points[-1].policy) < 1e-5


def test_nash_md_with_constant_steps_settles_beside_the_equilibrium_since_its_opponent_is_a_mixture() -> None:
    p, ref = setting()
    best = equilibrium(p, ref)
    left = []
    for eta in (0.8, 0.4, 0.2):
        earlier, last = trajectory(nash_md(p, tau=TAU, ref=ref, eta=eta), steps=2000, every=1000)[1:]
        np.testing.assert_allclose(earlier.policy, last.policy, atol=1e-12)
        left.append(np.abs(last.policy - best).max())
    assert left[0] > left[1] > left[2] > 1e-3
    np.testing.assert_allclose(left[1] / left[2], 2.0, atol=0.2)  # proportional to η


def test_a_step_of_nash_md_is_the_maximum_it_is_defined_by() -> None:
    p, ref = setting()
    start, eta = np.array([0.1, 0.2, 0.3, 0.4]), 0.7
    mixture = start ** (1 - eta * TAU) * ref ** (eta * TAU)
    mixture /= mixture.sum()
    found = minimize(
        lambda z: kl(softmax(z), mixture) - eta * softmax(z) @ p @ mixture, np.log(start), options={"gtol": 1e-9}
    )
    point = run(nash_md(p, tau=TAU, ref=ref, eta=eta, start=start), steps=1).last
    np.testing.assert_allclose(point.policy, softmax(found.x), atol=1e-6)


def test_a_step_of_the_magnet_is_the_maximum_it_is_defined_by() -> None:
    p, ref = setting()
    start, eta = np.array([0.1, 0.2, 0.3, 0.4]), 0.7

    def cost(z: Array) -> float:
        q = softmax(z)
        return float(kl(q, start) + eta * TAU * kl(q, ref) - eta * q @ p @ start)

    found = minimize(cost, np.log(start), options={"gtol": 1e-9})
    point = run(magnetic_mirror_descent(p, tau=TAU, ref=ref, eta=eta, start=start), steps=1).last
    np.testing.assert_allclose(point.policy, softmax(found.x), atol=1e-6)


def test_both_halves_of_mirror_prox_are_the_maxima_they_are_defined_by() -> None:
    p, ref = setting()
    start, eta = np.array([0.1, 0.2, 0.3, 0.4]), 0.7
    slope = TAU * np.log(start / ref)

    def step(opponent: Array) -> Array:
        return softmax(
            minimize(
                lambda z: kl(softmax(z), start) - eta * softmax(z) @ (p @ opponent - slope),
                np.log(start),
                options={"gtol": 1e-9},
            ).x
        )

    halfway = step(start)
    point = run(mirror_prox(p, tau=TAU, ref=ref, eta=eta, start=start), steps=1).last
    np.testing.assert_allclose(point.policy, step(halfway), atol=1e-6)
    np.testing.assert_allclose(point.average_policy, (start + halfway) / 2, atol=1e-6)


def test_a_step_of_self_play_is_the_projected_slope() -> None:
    p, ref = setting()
    start, eta = np.array([0.05, 0.15, 0.3, 0.5]), 0.3

    def payoff(q: Array) -> float:
        return float(q @ p @ start - TAU * kl(q / q.sum(), ref))

    h, corners = 1e-6, np.eye(4)
    tangents = np.array([(payoff(start + h * (c - start)) - payoff(start - h * (c - start))) / 2 / h for c in corners])
    found = minimize(
        lambda q: ((q - start - eta * tangents) ** 2).sum(),
        start,
        bounds=[(0, 1)] * 4,
        constraints={"type": "eq", "fun": lambda q: q.sum() - 1},
        options={"ftol": 1e-14},
    )
    point = run(self_play(p, tau=TAU, ref=ref, eta=eta, start=start), steps=1).last
    np.testing.assert_allclose(point.policy, found.x, atol=1e-5)


def test_mirror_prox_finds_the_nash_equilibrium_of_the_paradox_without_a_magnet() -> None:
    points = trajectory(mirror_prox(PARADOX), steps=4000, every=100)
    for point in points[1:]:
        # the regret of mirror-prox from the uniform start, log Y / η, over the number of steps
        assert unregularised(PARADOX, point.average_policy) <= np.log(3) / 0.5 / point.step
    distances = [kl(NASH, point.policy) for point in points]
    assert np.diff(distances).max() < 0.0
    assert distances[-1] < distances[0] / 1000


@pytest.mark.parametrize("dynamics", [magnetic_mirror_descent, nash_md])
def test_one_step_methods_drift_outwards_without_a_magnet_since_exponential_weights_do(dynamics: Dynamics) -> None:
    points = trajectory(dynamics(PARADOX, eta=0.5), steps=1000, every=10)
    distances = [kl(NASH, point.policy) for point in points]
    assert np.diff(distances).min() > 0.0
    assert unregularised(PARADOX, points[-1].policy) > 2 * unregularised(PARADOX, points[0].policy)


@pytest.mark.parametrize("dynamics", EVERY)
def test_iterates_are_numbered_distributions_that_start_at_the_reference(dynamics: Dynamics) -> None:
    p, ref = setting()
    points = trajectory(dynamics(p, tau=TAU, ref=ref), steps=30)
    assert [point.step for point in points] == list(range(31))
    np.testing.assert_allclose(points[0].policy, ref, atol=1e-15)
    for point in points:
        for policy in (point.policy, point.average_policy):
            assert policy.shape == (4,)
            assert policy.min() >= 0.0
            assert policy.sum() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("dynamics", [self_play, magnetic_mirror_descent, nash_md])
def test_averages_are_the_plain_means(dynamics: Dynamics) -> None:
    p, ref = setting()
    points = trajectory(dynamics(p, tau=TAU, ref=ref), steps=20)
    np.testing.assert_allclose(points[-1].average_policy, np.mean([z.policy for z in points], axis=0), atol=1e-14)


@pytest.mark.parametrize("dynamics", EVERY)
def test_a_batch_is_its_prompts_played_one_by_one(dynamics: Dynamics) -> None:
    batch = np.stack([random_preferences(seed, 4) for seed in range(3)])
    refs = np.random.default_rng(9).dirichlet(np.full(4, 3.0), 3)
    together = run(dynamics(batch, tau=TAU, ref=refs), steps=20).last
    for x in range(3):
        alone = run(dynamics(batch[x], tau=TAU, ref=refs[x]), steps=20).last
        np.testing.assert_allclose(alone.policy, together.policy[x], atol=1e-14)
        np.testing.assert_allclose(alone.average_policy, together.average_policy[x], atol=1e-14)


@pytest.mark.parametrize("dynamics", EVERY)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tau": -0.1}, "tau is -0.1"),
        ({"tau": 0.1, "eta": 0.0}, "eta is 0.0"),
        ({"tau": 0.1, "ref": [1.0, 0.0, 0.0]}, "ref"),
        ({"tau": 0.1, "start": [0.5, 0.6, 0.0]}, "start: row"),
    ],
)
def test_bad_settings_are_refused_before_the_first_step(dynamics: Dynamics, settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        dynamics(PARADOX, **settings)


def test_what_a_method_cannot_do_is_refused() -> None:
    for dynamics in (magnetic_mirror_descent, nash_md):
        with pytest.raises(InputError, match="needs tau > 0; pass eta"):
            dynamics(PARADOX)
    for dynamics in (mirror_prox, magnetic_mirror_descent, nash_md):
        with pytest.raises(InputError, match=r"start has a zero at \[0, 1\]"):
            dynamics(PARADOX, tau=0.1, start=[0.5, 0.0, 0.5])
    with pytest.raises(InputError, match=r"eta ≤ 1/tau = 2"):
        run(nash_md(PARADOX, tau=0.5, eta=2.1), steps=1)
