"""Laws of finite games, on random ones; the reason stands in each name."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from exact_games import equation_5, nash_value, preferences
from slhf.games import game, gaps, leader_values, preference_matrix, stackelberg_equilibrium, symmetrise

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 6)
grids = st.sampled_from([0, 0, 2, 10])
prices = st.one_of(st.just(0.0), st.floats(-8, 8).map(lambda e: 10.0**e))
lawful = settings(derandomize=True, deadline=None, max_examples=60)


def drawn(seed, actions, grid=0):
    """A game with references that are nowhere tiny, and two policies that may be zero in places."""
    rng = np.random.default_rng(seed)
    ref_l, ref_f = rng.dirichlet(np.ones(actions)) + 0.01, rng.dirichlet(np.ones(actions), size=actions) + 0.01
    pi, omega = rng.dirichlet(np.ones(actions)), rng.dirichlet(0.2 * np.ones(actions), size=actions)
    refs = {"ref_leader": ref_l / ref_l.sum(), "ref_follower": ref_f / ref_f.sum(axis=1, keepdims=True)}
    return preferences(rng, actions, grid=grid), refs, pi, omega


@lawful
@given(seeds, sizes)
def test_symmetrising_leaves_p_plus_p_transposed_at_1_because_what_one_side_gains_the_other_loses(seed, actions):
    raw = np.random.default_rng(seed).random((actions, actions))
    p = preference_matrix(symmetrise(raw))
    np.testing.assert_allclose(p + p.T, 1.0, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(p.diagonal(), 0.5)


@lawful
@given(seeds, sizes, grids, prices, prices)
def test_gaps_are_never_negative_because_a_best_reply_is_at_least_as_good(seed, actions, grid, tau_l, tau_f):
    p, refs, pi, omega = drawn(seed, actions, grid)
    got = gaps(p, pi, omega, tau_leader=tau_l, tau_follower=tau_f, **refs)
    assert min(got.follower, got.leader, got.duality) >= 0.0


@lawful
@given(seeds, sizes, grids, prices, prices)
def test_the_closed_forms_gaps_vanish_because_both_replies_are_best(seed, actions, grid, tau_l, tau_f):
    p, refs, _, _ = drawn(seed, actions, grid)
    found = stackelberg_equilibrium(p, tau_leader=tau_l, tau_follower=tau_f, **refs).gaps
    assert min(found.follower, found.leader, found.duality) >= 0.0
    assert max(found.follower, found.leader, found.duality) <= 1e-10


@lawful
@given(seeds, sizes, prices, prices)
def test_the_duality_gap_is_at_least_the_leaders_because_a_follower_that_errs_can_only_be_exploited_more(
    seed, actions, tau_l, tau_f
):
    p, refs, pi, omega = drawn(seed, actions)
    got = gaps(p, pi, omega, tau_leader=tau_l, tau_follower=tau_f, **refs)
    # max_π′ f(π′, ω) ≥ max_π′ min_ω′ f(π′, ω′), and f(π, ω) ≤ max_π′ f(π′, ω)
    assert got.duality >= max(got.leader, got.follower) * (1 - 1e-9) - 1e-14


@lawful
@given(seeds, sizes, st.floats(-3, 1), st.floats(-3, 1))
def test_no_drawn_policy_beats_the_equilibrium_because_it_is_a_saddle_point(seed, actions, log_l, log_f):
    p, refs, pi, omega = drawn(seed, actions)
    tau_l, tau_f = 10.0**log_l, 10.0**log_f
    solved = stackelberg_equilibrium(p, tau_leader=tau_l, tau_follower=tau_f, **refs)
    rest = (tau_l, tau_f, refs["ref_leader"], refs["ref_follower"])
    value = equation_5(p, solved.leader, solved.follower, *rest)
    assert abs(value - solved.value) <= 1e-14 * max(1.0, tau_l, tau_f) * 10
    assert equation_5(p, pi, solved.follower, *rest) <= value + 1e-13
    assert equation_5(p, solved.leader, omega, *rest) >= value - 1e-13


@lawful
@given(seeds, sizes, grids, prices, prices)
def test_permuting_actions_permutes_answers_because_nothing_depends_on_names(seed, actions, grid, tau_l, tau_f):
    p, refs, _, _ = drawn(seed, actions, grid)
    order = np.random.default_rng(seed).permutation(actions)
    turned_refs = {"ref_leader": refs["ref_leader"][order], "ref_follower": refs["ref_follower"][np.ix_(order, order)]}
    here = stackelberg_equilibrium(p, tau_leader=tau_l, tau_follower=tau_f, **refs)
    there = stackelberg_equilibrium(p[np.ix_(order, order)], tau_leader=tau_l, tau_follower=tau_f, **turned_refs)
    # sums in another order differ in their last bit, which the Leader's τ divides
    slack = 1e-12 + (1e-15 / tau_l if tau_l else 0.0)
    np.testing.assert_allclose(there.leader, here.leader[order], rtol=slack, atol=1e-200)
    np.testing.assert_allclose(there.follower, here.follower[np.ix_(order, order)], rtol=1e-10, atol=1e-200)
    np.testing.assert_allclose(there.leader_values, here.leader_values[order], rtol=1e-14)
    np.testing.assert_array_equal(there.follower_ties, here.follower_ties[order])
    np.testing.assert_allclose(there.value, here.value, rtol=1e-14)


@lawful
@given(seeds, sizes, prices, prices, prices)
def test_the_leaders_value_rises_with_tau_follower_because_every_reply_then_pays_the_leader_no_less(
    seed, actions, tau_l, one, other
):
    p, refs, _, omega = drawn(seed, actions)
    low, high = sorted((one, other))
    cheap, dear = (stackelberg_equilibrium(p, tau_leader=tau_l, tau_follower=t, **refs) for t in (low, high))
    assert (dear.leader_values >= cheap.leader_values - 1e-15).all()
    assert dear.value >= cheap.value - 1e-15
    # the reason: KL ≥ 0, so E p + τ KL rises with τ for every reply, and so does the least of them
    worth = [leader_values(game(p, tau_follower=t, ref_follower=refs["ref_follower"]), omega) for t in (low, high)]
    assert (worth[1] >= worth[0] * (1 - 1e-15)).all()


@lawful
@given(seeds, sizes, prices, prices, prices)
def test_the_value_falls_with_tau_leader_because_every_policy_then_costs_no_less(seed, actions, tau_f, one, other):
    p, refs, _, _ = drawn(seed, actions)
    low, high = sorted((one, other))
    cheap, dear = (stackelberg_equilibrium(p, tau_leader=t, tau_follower=tau_f, **refs) for t in (low, high))
    assert dear.value <= cheap.value + 1e-15


@lawful
@given(seeds, sizes, grids)
def test_without_prices_stackelberg_is_at_most_nash_at_most_a_half_because_the_follower_sees_more(seed, actions, grid):
    p, _, _, _ = drawn(seed, actions, grid)
    nash = nash_value(p)
    assert stackelberg_equilibrium(p).value <= nash + 1e-9
    assert abs(nash - 0.5) <= 1e-9  # p is symmetric between the players, so the value is ½ itself


@lawful
@given(seeds, sizes, prices)
def test_the_leader_keeps_between_the_worst_and_the_mean_preference_because_the_reference_is_a_reply(
    seed, actions, tau_f
):
    p, refs, _, _ = drawn(seed, actions)
    kept = stackelberg_equilibrium(p, tau_follower=tau_f, **refs).leader_values
    assert (kept >= p.min(axis=1) - 1e-15).all()
    assert (kept <= (refs["ref_follower"] * p).sum(axis=1) + 1e-15).all()


@lawful
@given(seeds, sizes, prices, prices)
def test_doubling_p_minus_a_half_and_both_prices_doubles_what_is_kept_because_the_policies_are_the_same(
    seed, actions, tau_l, tau_f
):
    p, refs, _, _ = drawn(seed, actions)
    half = 0.5 + (p - 0.5) / 2  # exact: a shift of p by a constant and a power of two
    full = stackelberg_equilibrium(p, tau_leader=tau_l, tau_follower=tau_f, **refs)
    small = stackelberg_equilibrium(half, tau_leader=tau_l / 2, tau_follower=tau_f / 2, **refs)
    slack = 1e-12 + (1e-15 / tau_l if tau_l else 0.0)
    np.testing.assert_allclose(small.leader, full.leader, rtol=slack, atol=1e-200)
    np.testing.assert_allclose(2 * (small.leader_values - 0.5), full.leader_values - 0.5, rtol=0, atol=1e-15)
