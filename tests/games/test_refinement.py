"""Chains and samples, exactly; the oracle writes out every sequence of answers there can be."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from slhf.errors import InputError
from slhf.games.refinement import (
    best_of_n,
    chain_distributions,
    expected_best_rank,
    expected_best_rank_iid,
    pass_at_n,
    pass_at_n_average,
    pass_at_n_iid,
)

ACTIONS, N = 3, 4


def policies(seed):
    rng = np.random.default_rng(seed)
    omega = rng.dirichlet(np.ones(ACTIONS), size=ACTIONS)
    omega[seed % ACTIONS] = np.eye(ACTIONS)[rng.integers(ACTIONS)]  # one row that always says the same
    return rng.dirichlet(np.ones(ACTIONS)), omega


def every_chain(pi, omega, length):
    """Every sequence of answers with its probability."""
    for ys in itertools.product(range(len(pi)), repeat=length):
        yield ys, pi[ys[0]] * np.prod([omega[y, z] for y, z in itertools.pairwise(ys)])


def every_sample(pi, length):
    return every_chain(pi, np.tile(pi, (len(pi), 1)), length)


def ranks(u):
    return [1 + sum(v > w for v in u) for w in u]


@pytest.mark.parametrize("seed", range(4))
def test_each_answers_distribution_is_the_sum_over_all_chains(seed):
    pi, omega = policies(seed)
    expected = np.zeros((N, ACTIONS))
    for ys, probability in every_chain(pi, omega, N):
        for i, y in enumerate(ys):
            expected[i, y] += probability
    np.testing.assert_allclose(chain_distributions(pi, omega, N), expected, atol=1e-15)


@pytest.mark.parametrize("targets", [{0}, {1, 2}, set(), {0, 1, 2}])
@pytest.mark.parametrize("seed", range(4))
def test_pass_at_n_is_the_sum_over_all_chains_that_hit(seed, targets):
    pi, omega = policies(seed)
    for length in range(1, N + 1):
        chain = sum(q for ys, q in every_chain(pi, omega, length) if targets & set(ys))
        iid = sum(q for ys, q in every_sample(pi, length) if targets & set(ys))
        assert pass_at_n(pi, omega, targets, N)[length - 1] == pytest.approx(chain, abs=1e-15)
        assert pass_at_n_iid(pi, targets, N)[length - 1] == pytest.approx(iid, abs=1e-15)


def test_targets_may_be_a_number_several_a_mask_or_a_mask_a_type():
    pi, omega = policies(1)
    masks = np.array([[True, False, False], [False, True, True]])
    for count in (lambda t: pass_at_n(pi, omega, t, N), lambda t: pass_at_n_iid(pi, t, N)):
        by_type = count(masks)
        assert by_type.shape == (2, N)
        for same in (0, np.int64(0), [0], (0,), {0}, frozenset([0]), np.array([0]), masks[0]):
            np.testing.assert_array_equal(count(same), by_type[0])
        for same in ([1, 2], {2, 1}, masks[1], [False, True, True]):
            np.testing.assert_array_equal(count(same), by_type[1])


def test_a_chain_that_ignores_what_it_sees_is_sampling():
    pi, _ = policies(2)
    np.testing.assert_allclose(pass_at_n(pi, np.tile(pi, (3, 1)), {1}, 9), pass_at_n_iid(pi, {1}, 9), atol=1e-15)


def test_pass_at_n_never_falls_and_stays_a_probability():
    for seed in range(20):
        pi, omega = policies(seed)
        for curve in (pass_at_n(pi, omega, 0, 200), pass_at_n_iid(pi, 0, 200)):
            assert (np.diff(curve) >= 0).all()
            assert 0 <= curve[0] <= curve[-1] <= 1


def test_the_average_weighs_the_types():
    values = np.array([[0.0, 1.0], [0.5, 0.5]])
    np.testing.assert_allclose(pass_at_n_average(values, [0.25, 0.75]), [0.375, 0.625])
    with pytest.raises(InputError, match=r"weights: row .* sums to 0\.5"):
        pass_at_n_average(values, [0.25, 0.25])
    with pytest.raises(InputError, match="weights has shape"):
        pass_at_n_average(values, [1.0])
    with pytest.raises(InputError, match="a row a type"):
        pass_at_n_average([0.5, 0.5], [1.0])


@pytest.mark.parametrize("utilities", [[0.3, -1.0, 2.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
@pytest.mark.parametrize("seed", range(3))
def test_the_best_of_n_is_the_first_of_the_best_in_every_sample(utilities, seed):
    pi, _ = policies(seed)
    got = best_of_n(pi, utilities, N)
    for length in range(1, N + 1):
        expected = np.zeros(ACTIONS)
        for ys, probability in every_sample(pi, length):
            expected[max(ys, key=lambda y: utilities[y])] += probability  # max keeps the first of equals
        np.testing.assert_allclose(got[length - 1], expected, atol=1e-15)
        assert got[length - 1] @ utilities == pytest.approx(
            sum(q * max(utilities[y] for y in ys) for ys, q in every_sample(pi, length)), abs=1e-14
        )


def test_the_best_of_n_never_chooses_what_is_never_said():
    np.testing.assert_array_equal(best_of_n([0.0, 1.0, 0.0], [2.0, 1.0, 2.0], 3), [[0, 1, 0]] * 3)


@pytest.mark.parametrize("utilities", [[0.3, -1.0, 2.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
@pytest.mark.parametrize("seed", range(3))
def test_the_expected_best_rank_is_the_mean_over_every_sequence(utilities, seed):
    pi, omega = policies(seed)
    rank = ranks(utilities)
    for length in range(1, N + 1):
        chain = sum(q * min(rank[y] for y in ys) for ys, q in every_chain(pi, omega, length))
        iid = sum(q * min(rank[y] for y in ys) for ys, q in every_sample(pi, length))
        assert expected_best_rank(pi, omega, utilities, N)[length - 1] == pytest.approx(chain, abs=1e-14)
        assert expected_best_rank_iid(pi, utilities, N)[length - 1] == pytest.approx(iid, abs=1e-14)


def test_ranks_of_several_types_stand_in_rows():
    pi, omega = policies(0)
    utilities = np.array([[2, 1, 0], [0, 2, 1]])
    got = expected_best_rank(pi, omega, utilities, N)
    np.testing.assert_array_equal(got, [expected_best_rank(pi, omega, u, N) for u in utilities])
    got = expected_best_rank_iid(pi, utilities, N)
    np.testing.assert_array_equal(got, [expected_best_rank_iid(pi, u, N) for u in utilities])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pass_at_n([0.5, 0.6], np.eye(2), 0, 1), "leader: row"),
        (lambda: pass_at_n([0.5, 0.5], np.eye(3), 0, 1), "follower has shape"),
        (lambda: pass_at_n([[0.5, 0.5]], np.eye(2), 0, 1), "a prompt at a time"),
        (lambda: pass_at_n([0.5, 0.5], np.eye(2), 2, 1), r"targets \[2\] do not all name one of the 2 actions"),
        (lambda: pass_at_n([0.5, 0.5], np.eye(2), -1, 1), r"targets \[-1\]"),
        (lambda: pass_at_n([0.5, 0.5], np.eye(2), [True], 1), "mask of targets has shape"),
        (lambda: pass_at_n([0.5, 0.5], np.eye(2), [0.5], 1), "targets are an action's number"),
        (lambda: pass_at_n([0.5, 0.5], np.eye(2), 0, 0), "n is 0"),
        (lambda: pass_at_n_iid([0.5, 0.5], 0, -1), "n is -1"),
        (lambda: chain_distributions([0.5, 0.5], np.eye(2), 0), "n is 0"),
        (lambda: best_of_n([0.5, 0.5], [1.0], 1), "utilities are finite"),
        (lambda: best_of_n([0.5, 0.5], [[1.0, 0.0]], 1), "one utility an action"),
        (lambda: expected_best_rank_iid([0.5, 0.5], [np.nan, 0.0], 1), "utilities are finite"),
    ],
)
def test_questions_that_make_no_sense_are_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
