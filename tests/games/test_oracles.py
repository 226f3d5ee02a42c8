"""Noisy oracles: right on average, and learnt from. Every prompt of a batch is an independent repetition."""

from __future__ import annotations

import numpy as np
import pytest

from slhf.errors import InputError
from slhf.games.dynamics import extragradient, mirror_descent, optimistic, projected_gradient
from slhf.games.game import Game, game
from slhf.games.gaps import gaps
from slhf.games.nash_dynamics import magnetic_mirror_descent, mirror_prox, nash_md
from slhf.games.oracles import bounded_noise, exact_oracle, sampled_oracle, vote
from slhf.games.simplex import Array
from slhf.games.stopping import run

PARADOX = np.array([[0.5, 0.65, 0.4], [0.35, 0.5, 0.75], [0.6, 0.25, 0.5]])


def repeated(repetitions: int, tau: float) -> Game:
    return game(np.broadcast_to(PARADOX, (repetitions, 3, 3)), tau_leader=tau, tau_follower=tau)


def centred(logs: Array) -> Array:
    return logs - logs.mean(axis=-1, keepdims=True)


def standard_error(values: Array) -> Array:
    return values.std(axis=0, ddof=1) / np.sqrt(len(values))


def decreasing(t: int) -> float:
    return 2.0 / (t + 20)


@pytest.mark.parametrize("verdict", [vote, bounded_noise(0.3)], ids=["vote", "bounded-noise"])
@pytest.mark.parametrize("samples", [1, 4])
def test_the_estimate_is_unbiased_even_where_a_policy_is_zero(verdict, samples: int) -> None:
    repetitions = 40_000
    leader = np.broadcast_to([0.7, 0.3, 0.0], (repetitions, 3))
    follower = np.broadcast_to([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0], [0.2, 0.2, 0.6]], (repetitions, 3, 3))
    true = np.broadcast_to(PARADOX, (repetitions, 3, 3))
    ask = sampled_oracle(true, np.random.default_rng(0), samples=samples, exploration=0.5, verdict=verdict)
    told = ask(leader, follower)
    assert (np.abs(told.mean(axis=0) - PARADOX) <= 4 * standard_error(told)).all()
    assert (standard_error(told) > 0).all()


def test_without_exploration_pairs_that_are_never_played_are_believed_to_be_ties() -> None:
    ask = sampled_oracle(PARADOX, np.random.default_rng(0), samples=50, exploration=0.0)
    told = ask(np.array([[1.0, 0.0, 0.0]]), np.array([[[0.0, 1.0, 0.0]] * 3]))[0]
    expected = np.full((3, 3), 0.5)
    expected[0, 1] = told[0, 1]
    np.testing.assert_array_equal(told, expected)
    assert told[0, 1] != 0.5


def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    played = repeated(2, 0.2)

    def play(seed: int) -> Array:
        oracle = sampled_oracle(played.p, np.random.default_rng(seed))
        return run(mirror_descent(played, oracle=oracle), steps=20).last.leader

    np.testing.assert_array_equal(play(1), play(1))
    assert not np.array_equal(play(1), play(2))


def test_the_mean_of_noisy_mirror_descent_is_the_exact_path_since_the_recursion_is_linear() -> None:
    repetitions, steps = 4000, 25
    played = repeated(repetitions, 0.2)
    oracle = sampled_oracle(played.p, np.random.default_rng(3), exploration=0.5)
    noisy = centred(np.log(run(mirror_descent(played, kappa=2.0, oracle=oracle), steps=steps).last.follower))
    exact = centred(np.log(run(mirror_descent(repeated(1, 0.2), kappa=2.0), steps=steps).last.follower))[0]
    off = np.abs(noisy.mean(axis=0) - exact)
    assert (off <= 4 * standard_error(noisy)).all()
    assert standard_error(noisy).max() < 0.02


@pytest.mark.parametrize("dynamics", [projected_gradient, extragradient, optimistic, mirror_descent])
def test_noisy_learning_closes_the_gap_in_the_mean(dynamics) -> None:
    repetitions, steps = 60, 1000
    played = repeated(repetitions, 0.4)
    oracle = sampled_oracle(played.p, np.random.default_rng(4), samples=8, exploration=0.3, verdict=bounded_noise(0.2))
    last = run(dynamics(played, eta=decreasing, kappa=1.0, oracle=oracle), steps=steps).last

    def gap(leader: Array, follower: Array) -> float:
        return gaps(PARADOX, leader, follower, tau_leader=0.4, tau_follower=0.4).duality

    left = np.array([gap(*pair) for pair in zip(last.leader, last.follower, strict=True)])
    upper = left.mean() + 2.58 * standard_error(left)  # 99 % interval over the repetitions
    assert upper < 0.15 * gap(played.ref_leader[0], np.broadcast_to(played.ref_follower[0], (3, 3)))


@pytest.mark.parametrize("dynamics", [mirror_prox, magnetic_mirror_descent, nash_md])
def test_noisy_self_play_finds_the_regularised_equilibrium_in_the_mean(dynamics) -> None:
    repetitions, tau = 200, 0.2
    true = np.broadcast_to(PARADOX, (repetitions, 3, 3))
    best = run(mirror_prox(PARADOX, tau=tau), steps=1000).last.policy
    oracle = sampled_oracle(true, np.random.default_rng(5), samples=4, exploration=0.3)
    last = run(dynamics(true, tau=tau, eta=lambda t: 2 / (tau * (t + 40)), oracle=oracle), steps=1000).last.policy
    interval = 2.58 * standard_error(last)
    assert np.abs(best - 1 / 3).max() > 0.02
    assert (np.abs(last.mean(axis=0) - best) <= interval).all()  # 99 % over the repetitions
    assert interval.max() < 0.01


def test_the_exact_oracle_is_the_default() -> None:
    played = repeated(1, 0.1)
    told = run(projected_gradient(played, oracle=exact_oracle(PARADOX)), steps=10).last
    np.testing.assert_array_equal(told.leader, run(projected_gradient(played), steps=10).last.leader)


def test_bad_settings_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="samples is 0"):
        sampled_oracle(PARADOX, rng, samples=0)
    with pytest.raises(InputError, match=r"exploration is 1\.5"):
        sampled_oracle(PARADOX, rng, exploration=1.5)
    with pytest.raises(InputError, match="width is -1"):
        bounded_noise(-1.0)
    with pytest.raises(InputError, match="square"):
        sampled_oracle([[0.5, 0.5]], rng)
