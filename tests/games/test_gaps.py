"""Certificates against their definitions: what each player could still gain, found by other means."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax

from exact_games import equation_5, exact_gaps, preferences
from slhf.errors import InputError
from slhf.games import gaps, stackelberg_equilibrium

TAUS = [1e-8, 1e-4, 0.1, 1.0, 1e3, 1e8]


def policies(rng, actions):
    """A Leader, a Follower, and both references."""
    return (
        rng.dirichlet(np.ones(actions)),
        rng.dirichlet(np.ones(actions), size=actions),
        rng.dirichlet(np.ones(actions)),
        rng.dirichlet(np.ones(actions), size=actions),
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_gaps_are_what_a_numerical_optimiser_can_still_gain(seed):
    rng = np.random.default_rng(seed)
    p = preferences(rng, 3)
    pi, omega, ref_l, ref_f = policies(rng, 3)
    rest = (0.25, 0.2, ref_l, ref_f)

    def best_leader(follower):
        found = minimize(lambda z: -equation_5(p, softmax(z), follower, *rest), np.zeros(3), options={"gtol": 1e-9})
        return -found.fun

    with np.errstate(all="ignore"):
        found = minimize(
            lambda z: equation_5(p, np.full(3, 1 / 3), softmax(z.reshape(3, 3), axis=1), *rest),
            np.zeros(9),
            options={"gtol": 1e-9},
        )
        reply = softmax(found.x.reshape(3, 3), axis=1)
        worst = equation_5(p, pi, reply, *rest)
        expected = (
            equation_5(p, pi, omega, *rest) - worst,
            best_leader(reply) - worst,
            best_leader(omega) - worst,
        )
    got = gaps(p, pi, omega, tau_leader=0.25, tau_follower=0.2, ref_leader=ref_l, ref_follower=ref_f)
    np.testing.assert_allclose((got.follower, got.leader, got.duality), expected, atol=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_without_prices_the_gaps_are_what_the_best_of_all_pure_answers_gains(seed):
    rng = np.random.default_rng(seed)
    p = preferences(rng, 3, grid=4 * (seed % 2))
    pi, omega, ref_l, ref_f = policies(rng, 3)

    def f(leader, follower):
        return equation_5(p, leader, follower, 0.0, 0.0, ref_l, ref_f)

    pure = np.eye(3)
    maps = [pure[list(reply)] for reply in itertools.product(range(3), repeat=3)]
    worst = min(f(pi, reply) for reply in maps)
    expected = (
        f(pi, omega) - worst,
        max(min(f(leader, reply) for reply in maps) for leader in pure) - worst,
        max(f(leader, omega) for leader in pure) - worst,
    )
    got = gaps(p, pi, omega)
    np.testing.assert_allclose((got.follower, got.leader, got.duality), expected, atol=1e-14)


@pytest.mark.parametrize("tau_leader", TAUS)
@pytest.mark.parametrize("tau_follower", TAUS)
def test_the_gaps_of_any_policies_are_their_definition_at_every_tau_because_fifty_digits_agree(
    tau_leader, tau_follower
):
    rng = np.random.default_rng(4)
    p = preferences(rng, 4)
    pi, omega, ref_l, ref_f = policies(rng, 4)
    pi[1], omega[2, 0] = 0.0, 0.0
    pi, omega = pi / pi.sum(), omega / omega.sum(axis=1, keepdims=True)
    taus = {"tau_leader": tau_leader, "tau_follower": tau_follower}
    got = gaps(p, pi, omega, **taus, ref_leader=ref_l, ref_follower=ref_f)
    expected = exact_gaps(p, pi, omega, tau_leader, tau_follower, ref_l, ref_f)
    np.testing.assert_allclose((got.follower, got.leader, got.duality), expected, rtol=1e-11)


@pytest.mark.parametrize("tau", [1e-8, 0.1, 1e8])
@pytest.mark.parametrize("step", [1e-3, 1e-6, 1e-9])
def test_the_gaps_of_nearly_best_policies_keep_their_digits(tau, step):
    rng = np.random.default_rng(6)
    p = preferences(rng, 3)
    best = stackelberg_equilibrium(p, tau_leader=tau, tau_follower=tau)
    pi = (1 - step) * best.leader + step * rng.dirichlet(np.ones(3))
    omega = (1 - step) * best.follower + step * rng.dirichlet(np.ones(3), size=3)
    uniform = np.full(3, 1 / 3)
    got = gaps(p, pi, omega, tau_leader=tau, tau_follower=tau)
    expected = exact_gaps(p, pi, omega, tau, tau, uniform, np.tile(uniform, (3, 1)))
    # the policies' own last bits move log-ratios of size `step` by 1e-16
    np.testing.assert_allclose((got.follower, got.leader, got.duality), expected, rtol=1e-8 + 1e-14 / step)


def test_the_gaps_of_a_batch_are_the_weighted_ones_of_its_prompts():
    rng = np.random.default_rng(7)
    p, rho = preferences(rng, 3, prompts=5), rng.dirichlet(np.ones(5))
    pi, omega = rng.dirichlet(np.ones(3), size=5), rng.dirichlet(np.ones(3), size=(5, 3))
    for tau in (0.0, 0.2):
        together = gaps(p, pi, omega, tau_leader=tau, tau_follower=tau, rho=rho)
        alone = [gaps(q, a, b, tau_leader=tau, tau_follower=tau) for q, a, b in zip(p, pi, omega, strict=True)]
        for name in ("follower", "leader", "duality"):
            assert getattr(together, name) == pytest.approx(rho @ [getattr(g, name) for g in alone], rel=1e-13)


def test_the_solvers_own_certificate_is_the_one_anybody_gets():
    for actions, prompts in ((3, 4000), (90, 2)):
        p = preferences(np.random.default_rng(8), actions, prompts=prompts)
        for tau in (0.0, 1e-6, 0.1, 10.0):
            taus = {"tau_leader": tau, "tau_follower": tau}
            solved = stackelberg_equilibrium(p, **taus)
            assert gaps(p, solved.leader, solved.follower, **taus) == solved.gaps


def test_one_policy_for_all_prompts_is_certified_as_if_written_out():
    rng = np.random.default_rng(9)
    p, pi, omega = preferences(rng, 3, prompts=4), rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(3), size=3)
    short, long = gaps(p, pi, omega), gaps(p, np.tile(pi, (4, 1)), np.tile(omega, (4, 1, 1)))
    assert short == long


@pytest.mark.parametrize(
    ("leader", "follower", "message"),
    [
        ([0.5, 0.6], np.eye(2), r"leader: row \[0\] sums to 1\.1"),
        ([0.5, 0.5], [[0.5, 0.5], [1.5, -0.5]], "follower has an entry of -0.5"),
        ([1.0, 0.0, 0.0], np.eye(2), "leader has shape"),
        ([0.5, 0.5], np.eye(3), "follower has shape"),
        ([0.5, np.nan], np.eye(2), "leader has an entry of nan"),
    ],
)
def test_policies_that_are_no_distributions_are_refused_by_name(leader, follower, message):
    with pytest.raises(InputError, match=message):
        gaps([[0.5, 0.7], [0.3, 0.5]], leader, follower)
