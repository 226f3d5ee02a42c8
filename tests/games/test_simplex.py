"""Best replies, divergences and projections against fifty digits and numerical optimisers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import rel_entr, softmax

from exact_games import Decimal, decimals, divergence, fifty_digits, soft_reply
from slhf.games.simplex import kl_divergence, normalise_logs, project, reply

TAUS = [1e-8, 1e-6, 1e-4, 1e-2, 0.3, 0.999, 1.0, 3.0, 1e2, 1e4, 1e8]


@pytest.mark.parametrize("seed", range(5))
def test_the_reply_maximises_what_it_says_because_a_numerical_maximiser_finds_it_too(seed):
    rng = np.random.default_rng(seed)
    values, ref, tau = rng.random(4), rng.dirichlet(np.ones(4)), 0.2
    q, worth = reply(values, ref, np.log(ref), tau)

    def lost(z):
        return tau * rel_entr(softmax(z), ref).sum() - softmax(z) @ values

    found = minimize(lost, np.zeros(4), options={"gtol": 1e-9})
    np.testing.assert_allclose(q, softmax(found.x), atol=1e-6)
    assert worth == pytest.approx(-found.fun, abs=1e-12)


@pytest.mark.parametrize("tau", TAUS)
@pytest.mark.parametrize("seed", range(3))
def test_the_reply_is_exact_at_every_tau_because_fifty_digits_agree(tau, seed):
    rng = np.random.default_rng(seed)
    values, ref = rng.random(5), rng.dirichlet(0.3 * np.ones(5)) + 1e-12
    values[1] = values[0] + 3e-9  # tells at τ = 1e-8 and nowhere else
    ref /= ref.sum()
    q, worth = reply(values, ref, np.log(ref), tau)
    with fifty_digits():
        exact, exact_worth = soft_reply(decimals(values), decimals(ref, True), Decimal(tau))
        # an exponent of 700 carries its own rounding error into the result
        np.testing.assert_allclose(q, [float(x) for x in exact], rtol=1e-12, atol=1e-300)
        assert worth == pytest.approx(float(exact_worth), abs=3e-16)


def test_a_batch_is_replied_to_in_one_stretch_whatever_the_axis():
    rng = np.random.default_rng(0)
    values, ref = rng.random((7, 5)), rng.dirichlet(np.ones(5), size=7)
    for tau in (0.0, 0.1, 5.0):
        q, worth = reply(values, ref, np.log(ref), tau)
        turned, same = reply(values.T.copy(), ref.T.copy(), np.log(ref.T), tau, axis=0)
        np.testing.assert_allclose(turned.T, q, rtol=1e-14)
        np.testing.assert_allclose(same, worth, rtol=1e-14)


def test_without_a_price_the_best_share_the_reply_though_rounding_parts_them():
    values = np.array([0.65, 0.35, 1.0 - 0.35, 0.1])
    assert values[0] == 0.65
    q, worth = reply(values - np.array([0, 0, 1e-16, 0]), np.full(4, 0.25), np.log(np.full(4, 0.25)), 0.0)
    np.testing.assert_array_equal(q, [0.5, 0.0, 0.5, 0.0])
    assert worth == 0.65


def test_a_reference_of_hardly_anything_still_wins_where_the_price_is_low():
    ref = np.array([1e-300, 1.0])
    q, worth = reply(np.array([1.0, 0.0]), ref, np.log(ref), 1e-4)  # e^10000 against 10^300
    np.testing.assert_array_equal(q, [1.0, 0.0])
    assert worth == pytest.approx(1.0 - 300 * np.log(10) * 1e-4, abs=1e-15)


@pytest.mark.parametrize("size", [1e-12, 1e-9, 1e-6, 1e-3, 9e-3, 1.1e-2, 0.1, 1.0, 30.0])
def test_the_divergence_keeps_its_digits_near_zero_because_fifty_digits_agree(size):
    rng = np.random.default_rng(1)
    ref = rng.dirichlet(np.ones(6))
    q = ref * np.exp(size * rng.uniform(-1, 1, 6))
    q /= q.sum()
    with fifty_digits():
        exact = divergence(decimals(q, True), decimals(ref, True))
    # the inputs' own last bit moves log(q / ref) by 1e-16
    assert kl_divergence(q, ref, np.log(ref)) == pytest.approx(float(exact), rel=1e-11 + 4e-16 / size)


def test_the_divergence_of_a_distribution_with_zeros_counts_them_as_nothing():
    ref = np.array([0.2, 0.3, 0.5])
    q = np.array([0.0, 1.0, 0.0])
    assert kl_divergence(q, ref, np.log(ref)) == pytest.approx(-np.log(0.3), rel=1e-15)
    assert kl_divergence(ref, ref, np.log(ref)) == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_the_projection_is_the_nearest_distribution_because_slsqp_finds_none_nearer(seed):
    rng = np.random.default_rng(seed)
    point = rng.normal(size=5)
    found = minimize(
        lambda q: ((q - point) ** 2).sum(),
        np.full(5, 0.2),
        jac=lambda q: 2 * (q - point),
        method="SLSQP",
        bounds=[(0, 1)] * 5,
        constraints={"type": "eq", "fun": lambda q: q.sum() - 1, "jac": lambda q: np.ones(5)},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert found.success
    np.testing.assert_allclose(project(point), found.x, atol=1e-6)


def test_the_projection_leaves_distributions_alone_and_takes_rows_one_by_one():
    rng = np.random.default_rng(3)
    rows = rng.dirichlet(np.ones(4), size=6)
    np.testing.assert_allclose(project(rows), rows, atol=1e-15)
    points = rng.normal(size=(2, 3, 4)) * 10
    for index in np.ndindex(2, 3):
        np.testing.assert_array_equal(project(points)[index], project(points[index]))
    np.testing.assert_array_equal(project(np.array([1e9, 0.0, -1e9])), [1.0, 0.0, 0.0])


def test_normalised_logs_sum_to_one_however_large():
    logs = np.array([[1e8, 1e8 - 1.0, -1e8], [-1e4, -1e4, -1e4]])
    np.testing.assert_allclose(np.exp(normalise_logs(logs)), softmax(logs, axis=1), rtol=1e-14)
