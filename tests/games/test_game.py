"""The parts of a game: what is refused, what broadcasts, and the objective from its definition."""

from __future__ import annotations

import numpy as np
import pytest

from exact_games import equation_5, preferences
from slhf.errors import InputError
from slhf.games import game, leader_values, objective
from slhf.games.game import tau

P = preferences(np.random.default_rng(0), 3)


@pytest.mark.parametrize("value", [-0.1, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["tau_leader", "tau_follower"])
def test_a_price_that_is_none_is_refused_by_name(name, value):
    with pytest.raises(InputError, match=f"{name} is {value}.*0 or more"):
        game(P, **{name: value})


def test_a_price_too_small_to_divide_by_is_refused():
    with pytest.raises(InputError, match="too small"):
        tau(1e-310)
    assert tau(0.0) == 0.0
    assert tau(1e-8) == 1e-8


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("ref_leader", [0.5, 0.6, -0.1], r"ref_leader has an entry of -0\.1"),
        ("ref_leader", [0.5, np.nan, 0.5], "ref_leader has an entry of nan"),
        ("ref_leader", [0.5, 0.2, 0.2], r"ref_leader: row \[0\] sums to 0\.9, not to 1; divide it by its sum"),
        ("ref_leader", [0.5, 0.5], r"ref_leader has shape \(2,\), which does not fit.*\(1, 3\)"),
        ("ref_leader", np.full((2, 3), 1 / 3), "does not fit"),
        ("ref_leader", np.full((1, 1, 3), 1 / 3), "does not fit"),
        ("ref_leader", 1.0, r"ref_leader has shape \(\), which does not fit \(1, 3\)"),
        ("ref_leader", [[0.5, 0.5], [1.0]], "ref_leader is not a table of numbers"),
        ("ref_leader", ["a", "b", "c"], "ref_leader is not a table of numbers"),
        ("ref_follower", [[0.5, 0.5, 0], [1, 0, 0], [0.3, 0.3, 0.3]], r"ref_follower: row \[0, 2\] sums to 0\.9"),
        ("ref_follower", np.full((2, 3), 1 / 3), "does not fit"),
        ("rho", [0.5, 0.5], "rho has shape"),
        ("rho", [0.9], "rho: row"),
    ],
)
def test_references_and_weights_that_are_no_distributions_are_refused_by_name(name, given, message):
    with pytest.raises(InputError, match=message):
        game(P, **{name: given})


def test_weights_of_prompts_are_one_a_prompt():
    p = preferences(np.random.default_rng(1), 3, prompts=4)
    with pytest.raises(InputError, match="rho"):
        game(p, rho=[1.0])
    np.testing.assert_array_equal(game(p, rho=[0.1, 0.2, 0.3, 0.4]).rho, [0.1, 0.2, 0.3, 0.4])


def test_a_zero_in_a_reference_is_refused_where_it_costs_infinitely_much_and_only_there():
    zero = [0.5, 0.5, 0.0]
    with pytest.raises(InputError, match=r"ref_leader\[0, 2\] is 0 while its tau is 0\.1.*infinitely many nats"):
        game(P, tau_leader=0.1, ref_leader=zero)
    with pytest.raises(InputError, match=r"ref_follower\[0, 1, 2\] is 0"):
        game(P, tau_follower=0.1, ref_follower=[[0.2, 0.2, 0.6], zero, zero])
    assert game(P, ref_leader=zero, ref_follower=zero).actions == 3
    assert game(P, tau_leader=0.1, ref_follower=zero).tau_leader == 0.1


def test_a_reference_is_normalised_because_its_rounding_would_be_multiplied_by_tau():
    ref = np.array([0.2, 0.3, 0.5]) * (1 + 5e-10)
    assert abs(game(P, ref_leader=ref).ref_leader.sum() - 1.0) < 2e-16


@pytest.mark.parametrize("seed", range(4))
def test_the_objective_is_equation_5_summed_term_by_term(seed):
    rng = np.random.default_rng(seed)
    p = preferences(rng, 3, prompts=4)
    rl, rf = rng.dirichlet(np.ones(3), size=4), rng.dirichlet(np.ones(3), size=(4, 3))
    pi, omega, rho = (
        rng.dirichlet(np.ones(3), size=4),
        rng.dirichlet(np.ones(3), size=(4, 3)),
        rng.dirichlet(np.ones(4)),
    )
    played = game(p, tau_leader=0.3, tau_follower=0.2, ref_leader=rl, ref_follower=rf, rho=rho)
    expected = sum(rho[x] * equation_5(p[x], pi[x], omega[x], 0.3, 0.2, rl[x], rf[x]) for x in range(4))
    assert objective(played, pi, omega) == pytest.approx(expected, abs=1e-14)
    pure = np.eye(3)
    for x, y in np.ndindex(4, 3):
        worth = equation_5(p[x], pure[y], omega[x], 0.0, 0.2, rl[x], rf[x])
        assert leader_values(played, omega)[x, y] == pytest.approx(worth, abs=1e-14)


def test_one_policy_for_all_prompts_is_scored_as_if_written_out():
    rng = np.random.default_rng(9)
    p, rl = preferences(rng, 3, prompts=4), rng.dirichlet(np.ones(3), size=4)
    pi, omega = rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(3), size=3)
    played = game(p, tau_leader=0.3, tau_follower=0.2, ref_leader=rl)
    written_out = objective(played, np.tile(pi, (4, 1)), np.tile(omega, (4, 1, 1)))
    assert objective(played, pi, omega) == pytest.approx(written_out, abs=1e-15)
