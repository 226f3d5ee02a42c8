"""The Nash equilibrium against closed forms, other solvers, brute force and its own theorems."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from nash_games import CYCLE, games, matrix
from slhf.errors import InputError
from slhf.games.nash import exploitability, nash_equilibrium
from slhf.games.simplex import Array


def smith_set(p: Array) -> set[int]:
    """The smallest set whose members all beat all others, found by trying every set."""
    actions = range(len(p))
    sets = ([y for y in actions if chosen >> y & 1] for chosen in range(1, 1 << len(p)))
    dominant = [s for s in sets if all(p[y, z] > 0.5 for y in s for z in actions if z not in s)]
    return set(min(dominant, key=len))


def entropy(policy: Array) -> float:
    played = policy[policy > 0.0]
    return float(-(played * np.log(played)).sum())


# closed forms


@pytest.mark.parametrize("shares", [(0.4, 0.35, 0.25), (1 / 3, 1 / 3, 1 / 3), (0.49, 0.3, 0.21)])
def test_the_papers_example_has_the_equilibrium_of_the_table(shares: tuple[float, float, float]) -> None:
    a, b, c = shares
    p = matrix(np.array([[0, 1 - b, a], [0, 0, 1 - c], [0, 0, 0]]))
    found = nash_equilibrium(p)
    np.testing.assert_allclose(found.policy, [1 - 2 * c, 1 - 2 * a, 1 - 2 * b], atol=1e-14)
    assert found.unique is True
    assert found.exploitability <= 1e-15
    assert found.value == pytest.approx(0.5, abs=1e-15)


def test_two_actions_with_a_tau_solve_one_equation_found_by_bisection() -> None:
    p, tau, ref = np.array([[0.5, 0.8], [0.2, 0.5]]), 0.3, np.array([0.1, 0.9])
    # log odds = log ref odds + (.3 π₂ + .3 π₁) / τ: what the first wins over the second against anyone is .3
    odds = np.exp(np.log(ref[0] / ref[1]) + 0.3 / tau)
    found = nash_equilibrium(p, tau=tau, ref=ref)
    np.testing.assert_allclose(found.policy, [odds / (1 + odds), 1 / (1 + odds)], rtol=1e-14)


# other solvers


@pytest.mark.slow  # half a minute of compilation, the first time in an environment
def test_quantecons_solver_finds_the_same_equilibria() -> None:
    minmax = pytest.importorskip("quantecon.optimize").minmax
    for seed in range(50):
        rng = np.random.default_rng(seed)
        p = matrix(rng.random((rng.integers(2, 41),) * 2))
        value, policy, _ = minmax(p - 0.5)
        found = nash_equilibrium(p)
        assert found.unique
        assert value == pytest.approx(0.0, abs=1e-12)
        np.testing.assert_allclose(found.policy, policy, atol=1e-10)


@pytest.mark.parametrize("seed", range(20))
def test_scipys_linear_programme_finds_the_same_equilibrium_and_uniqueness(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 7))
    p = matrix(rng.integers(0, 5, (n, n)) / 4 if seed % 2 else rng.random((n, n)))
    found = nash_equilibrium(p)
    ends = []
    for direction in (*np.eye(n), *-np.eye(n)):  # the range of each action's probability over all equilibria
        solved = linprog(direction, A_ub=p - 0.5, b_ub=np.zeros(n), A_eq=np.ones((1, n)), b_eq=[1.0])
        ends.append(solved.x @ np.abs(direction))
    low, high = np.array(ends[:n]), np.array(ends[n:])
    assert (found.policy >= low - 1e-6).all()
    assert (found.policy <= high + 1e-6).all()
    assert found.unique == bool((high - low).max() < 1e-6)


def test_a_brute_force_grid_finds_no_better_policy() -> None:
    steps = 60
    grid = np.array([(i, j, steps - i - j) for i in range(steps + 1) for j in range(steps + 1 - i)]) / steps
    for seed in range(5):
        p = matrix(np.random.default_rng(seed).random((3, 3)))
        sure = (grid @ p).min(axis=1)  # max_π min_y P(π ≻ y)
        found = nash_equilibrium(p)
        assert found.value >= sure.max() - 1e-12
        assert (found.policy @ p).min() == pytest.approx(found.value, abs=1e-12)
        assert sure.max() >= 0.5 - 3 / steps  # a grid point near the equilibrium is nearly as good


def test_a_brute_force_grid_finds_the_regularised_equilibrium() -> None:
    tau, ref, steps = 0.2, np.array([0.5, 0.3, 0.2]), 120
    grid = np.array([(i, j, steps - i - j) for i in range(1, steps) for j in range(1, steps - i)]) / steps
    replies = ref * np.exp((grid @ CYCLE.T) / tau)
    replies /= replies.sum(axis=1, keepdims=True)
    nearest = grid[(grid * np.log(grid / replies)).sum(axis=1).argmin()]
    found = nash_equilibrium(CYCLE, tau=tau, ref=ref)
    np.testing.assert_allclose(found.policy, nearest, atol=1.5 / steps)


# more than one equilibrium


def largest_entropy(p: Array) -> float:
    """The entropy SciPy's optimiser reaches over all equilibria, from several starts."""
    n, rng = len(p), np.random.default_rng(0)
    best = -np.inf
    for start in (np.full(n, 1 / n), *rng.dirichlet(np.full(n, 5.0), 4)):  # near a corner it stops too soon
        solved = minimize(
            lambda x: (x * np.log(np.maximum(x, 1e-12))).sum(),
            start,
            jac=lambda x: np.log(np.maximum(x, 1e-12)) + 1.0,
            bounds=[(0.0, 1.0)] * n,
            constraints=[
                {"type": "eq", "fun": lambda x: x.sum() - 1.0, "jac": np.ones_like},
                {"type": "ineq", "fun": lambda x: (0.5 - p) @ x, "jac": lambda x: 0.5 - p},
            ],
            method="SLSQP",
            options={"maxiter": 300, "ftol": 1e-13},
        )
        if ((p - 0.5) @ solved.x).max() < 1e-9:
            best = max(best, entropy(np.maximum(solved.x, 0.0)))
    return best


def two_cycles() -> Array:
    """Two cycles of three that tie with one another."""
    p = np.full((6, 6), 0.5)
    p[:3, :3] = CYCLE
    p[3:, 3:] = matrix(np.array([[0, 0.6, 0.1], [0, 0, 0.8], [0, 0, 0]]))
    return p


def outsider() -> Array:
    """Three actions that tie, and a fourth, never played, that forbids the even mixture of them."""
    p = np.full((4, 4), 0.5)
    p[3, :3], p[:3, 3] = [0.9, 0.4, 0.45], [0.1, 0.6, 0.55]
    return p


MANY = {
    "all tie": np.full((4, 4), 0.5),
    "a copy": CYCLE[np.ix_([0, 1, 1, 2], [0, 1, 1, 2])],
    "two cycles": two_cycles(),
    "an outsider": outsider(),
}


@pytest.mark.parametrize("p", MANY.values(), ids=MANY.keys())
def test_of_several_equilibria_the_one_of_largest_entropy(p: Array) -> None:
    found = nash_equilibrium(p)
    assert found.unique is False
    assert found.exploitability <= 1e-12
    assert entropy(found.policy) == pytest.approx(largest_entropy(p), abs=2e-6)


@pytest.mark.parametrize("p", MANY.values(), ids=MANY.keys())
def test_the_largest_entropy_is_the_limit_of_small_tau_since_saddle_points_bound_the_entropy_below(p: Array) -> None:
    near, exact = nash_equilibrium(p, tau=1e-6), nash_equilibrium(p)
    np.testing.assert_allclose(near.policy, exact.policy, atol=1e-4)
    assert entropy(near.policy) >= entropy(exact.policy) - 1e-6


def test_copies_of_an_action_share_evenly() -> None:
    found = nash_equilibrium(MANY["a copy"])
    np.testing.assert_allclose(found.policy, [0.5, 0.1, 0.1, 0.3], atol=1e-10)


# theorems


@settings(deadline=None, max_examples=60)
@given(games())
def test_exploitability_is_at_most_rounding_and_never_negative_being_a_sum_of_non_negative_terms(p: Array) -> None:
    found = nash_equilibrium(p)
    assert 0.0 <= found.exploitability <= 1e-12
    assert found.policy.sum() == pytest.approx(1.0, abs=1e-14)
    assert found.policy.min() >= 0.0
    np.testing.assert_array_equal(found.support, found.policy > 0.0)


@settings(deadline=None, max_examples=60)
@given(games(), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1e-3, 1.0]))
def test_exploitability_of_any_policy_is_what_the_definition_says_and_not_negative(p: Array, seed: int, tau: float):
    rng = np.random.default_rng(seed)
    policy, ref = rng.dirichlet(np.ones(len(p))), rng.dirichlet(np.ones(len(p))) * 0.9 + 0.1 / len(p)
    reported = exploitability(p, policy, tau=tau, ref=ref)
    values = p @ policy
    worth = values.max()
    if tau:
        worth += tau * np.log((ref * np.exp((values - worth) / tau)).sum())
        worth += tau * (policy * np.log(policy / ref)).sum()
    assert reported >= 0.0
    assert reported == pytest.approx(worth - 0.5, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(games(2), st.randoms(use_true_random=False), st.sampled_from([0.0, 1e-2, 1.0]))
def test_permuting_actions_permutes_the_policy_since_it_is_the_only_one_of_its_kind(p: Array, random, tau: float):
    order = list(range(len(p)))
    random.shuffle(order)
    first, second = nash_equilibrium(p, tau=tau), nash_equilibrium(p[np.ix_(order, order)], tau=tau)
    np.testing.assert_allclose(second.policy, first.policy[order], atol=2e-6)
    assert first.unique == second.unique


@settings(deadline=None, max_examples=60)
@given(games())
def test_only_the_smith_set_is_played_since_leaving_it_would_lose_to_the_policy_kept_within(p: Array) -> None:
    outside = [y for y in range(len(p)) if y not in smith_set(p)]
    assert nash_equilibrium(p).policy[outside].sum() <= 1e-14


@settings(deadline=None, max_examples=60)
@given(games(2), st.integers(0, 5))
def test_a_condorcet_winner_is_played_alone_being_the_smith_set(p: Array, winner: int) -> None:
    winner %= len(p)
    p = p.copy()
    p[winner], p[:, winner] = np.maximum(p[winner], 0.51), np.minimum(p[:, winner], 0.49)
    p[winner, winner] = 0.5
    found = nash_equilibrium(p)
    np.testing.assert_array_equal(found.policy, np.eye(len(p))[winner])
    assert found.unique


def test_a_game_all_but_of_low_rank_is_certified_within_its_promise_and_says_so(caplog) -> None:
    rng = np.random.default_rng(3)
    place = rng.normal(size=(60, 2))
    turn = np.outer(place[:, 0], place[:, 1])
    found = nash_equilibrium(matrix(1.0 / (1.0 + np.exp(-(turn - turn.T)))))
    assert found.exploitability <= 1e-10
    assert not found.unique
    assert "rounding hides" in caplog.text
    caplog.clear()
    nash_equilibrium(CYCLE)
    nash_equilibrium(np.full((3, 3), 0.5))
    assert not caplog.text  # an exact answer, unique or not, needs no remark


# shapes and refusals


def test_prompts_are_solved_each_for_itself() -> None:
    batch = np.stack([CYCLE, np.full((3, 3), 0.5), CYCLE.T])
    found = nash_equilibrium(batch)
    for x, p in enumerate(batch):
        alone = nash_equilibrium(p)
        np.testing.assert_array_equal(found.policy[x], alone.policy)
        assert found.unique[x] == alone.unique
        assert found.exploitability[x] == alone.exploitability
    assert found.policy.shape == found.support.shape == (3, 3)
    assert exploitability(batch, found.policy).shape == (3,)


def test_what_a_matrix_is_off_by_within_its_tolerance_does_not_count() -> None:
    nearly = CYCLE.copy()
    nearly[0, 1] += 8e-10
    assert nash_equilibrium(nearly).exploitability <= 1e-15


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"tau": -0.1}, "tau is -0.1"),
        ({"tau": 0.1, "ref": [0.5, 0.5, 0.0]}, r"ref\[0, 2\] is 0"),
        ({"ref": [0.5, 0.5]}, "ref has"),
    ],
)
def test_bad_input_is_refused(keywords: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        nash_equilibrium(CYCLE, **keywords)


def test_a_policy_that_is_no_distribution_is_refused() -> None:
    with pytest.raises(InputError, match="sums to"):
        exploitability(CYCLE, [0.5, 0.5, 0.5])
