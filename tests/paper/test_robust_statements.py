"""SGPO (arXiv 2502.18099): which of its statements hold for the adversary, and which do not as printed.

Policies are a line of numbers θ, margins ξ_i = θ x_i. Minima over θ are taken on a grid, which both sides share.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from robust_oracles import affine_programme, logistic
from slhf.robust import adversary, tangents

Array = NDArray[np.float64]
ENDLESS = (-np.inf, np.inf)
THETAS = np.linspace(-3.0, 3.0, 601)


def data(seed: int, size: int = 60) -> Array:
    """Differences of features, mostly in favour of the chosen response."""
    return np.random.default_rng(seed).normal(0.4, 0.6, size)


def mean_losses(x: Array) -> Array:
    """DPO's objective at every policy of the grid."""
    return np.array([logistic(theta * x).mean() for theta in THETAS])


def worst_losses(x: Array, window: tuple[float, float], epsilon: float) -> Array:
    """SGPO's objective at every policy of the grid."""
    return np.array([adversary(theta * x, window=window, epsilon=epsilon).value for theta in THETAS])


@pytest.mark.parametrize("epsilon", [0.01, 0.5, 3.0])
def test_without_a_window_the_adversary_adds_epsilon_and_the_gradient_is_dpos(epsilon: float) -> None:
    for seed in range(5):
        x = data(seed)
        found = adversary(x, window=ENDLESS, epsilon=epsilon)
        assert found.value == pytest.approx(logistic(x).mean() + epsilon, rel=1e-14)
        np.testing.assert_array_equal(found.weights, adversary(x, window=ENDLESS, epsilon=0.0).weights)
        assert not found.attained
        assert np.argmin(worst_losses(x, ENDLESS, epsilon)) == np.argmin(mean_losses(x))


def test_no_law_attains_the_value_without_a_window() -> None:
    """Windows that end at −10ᵏ come closer from below, the gap shrinking as 1 / width, and never arrive."""
    x = data(0)
    limit = logistic(x).mean() + 0.1
    gaps = [limit - adversary(x, window=(-(10.0**k), 5.0), epsilon=0.1).value for k in range(1, 8)]
    assert all(0.0 < later < 0.2 * earlier for earlier, later in pairwise(gaps))


def test_algorithm_1s_weights_are_one_a_pair_so_that_its_leader_step_is_plain_dpo() -> None:
    """Σ_k s_ik of the programme's own solution, whatever ε: the constraint says 1."""
    x, loss = data(1), tangents(np.linspace(-2.0, 2.0, 6))
    inside = x.clip(-2.0, 2.0)
    for epsilon in (0.0, 0.01, 0.3, 2.0):
        solved = affine_programme(inside, np.asarray(loss.slopes), np.asarray(loss.intercepts), (-2.0, 2.0), epsilon)
        np.testing.assert_allclose(solved.pieces.sum(axis=1), 1.0, atol=1e-9)
    exact = adversary(inside, window=(-2.0, 2.0), epsilon=0.3).weights
    plain = adversary(inside, window=(-2.0, 2.0), epsilon=0.0).weights
    assert np.abs(exact / plain - 1.0).max() > 0.2  # the weights that the worst case does have


@pytest.mark.parametrize("flips", [None, 1.0])
def test_every_law_of_the_ball_has_at_most_the_value(flips: float | None) -> None:
    """400 random plans that spend ε or less, within the window: E ℓ ≤ V_ε(π*) ≤ min_π mean ℓ + ε (no flips)."""
    rng, x, epsilon, window = np.random.default_rng(2), data(2), 0.2, (-2.0, 4.0)
    values = [adversary(t * x, window=window, epsilon=epsilon, flip_cost=flips).value for t in THETAS]
    inside = [(t * x >= window[0]).all() and (t * x <= window[1]).all() for t in THETAS]
    best = int(np.argmin(np.where(inside, values, np.inf)))
    margins = THETAS[best] * x
    for _ in range(400):
        places = rng.uniform(*window, x.size)
        turned = np.zeros(x.size) if flips is None else rng.random(x.size) < 0.3
        costs = np.abs(places - margins) + (flips or 0.0) * turned
        share = min(1.0, epsilon * x.size / costs.sum()) * rng.random(x.size)
        reached = logistic(np.where(turned, -places, places))
        assert (share @ costs) / x.size <= epsilon * (1 + 1e-12)
        assert ((1 - share) * logistic(margins) + share * reached).mean() <= values[best] + 1e-14
    if flips is None:
        assert values[best] <= mean_losses(x)[inside].min() + epsilon


def test_two_epsilon_of_excess_where_the_ball_holds_for_every_policy_and_dpo_has_it_too() -> None:
    """200 true laws whose margins are within ε of the observed ones for every θ in [−3, 3]."""
    rng, x, epsilon, window = np.random.default_rng(3), data(3), 0.15, (-12.0, 12.0)
    dpo, sgpo = int(np.argmin(mean_losses(x))), int(np.argmin(worst_losses(x, window, epsilon)))
    worst = 0.0
    for _ in range(200):
        shift = rng.normal(size=x.size) * rng.random(x.size) ** 4
        true = mean_losses(x + shift * epsilon / (3.0 * np.abs(shift).mean()))
        for policy in (dpo, sgpo):
            excess = true[policy] - true.min()
            worst = max(worst, excess)
            assert excess <= 2 * epsilon
    assert worst > 0.0


def test_regret_is_not_bounded_by_epsilon_where_the_ball_holds_at_the_policy_found() -> None:
    """Half the labels point each way, so both methods stay at θ = 0, where every margin is 0.

    There the true law of margins, all labels one way, is at distance 0 from the observed one; its regret is
    log 2 − ℓ(3), whatever ε.
    """
    observed, true = np.tile([1.0, -1.0], 50), np.ones(100)
    for epsilon in (1e-4, 1e-2, 0.1):
        for objective in (mean_losses(observed), worst_losses(observed, (-4.0, 4.0), epsilon)):
            found = THETAS[np.argmin(objective)]
            assert found == pytest.approx(0.0, abs=1e-12)
            assert np.abs(np.sort(found * observed) - np.sort(found * true)).mean() <= 1e-12
            regret = logistic(found * true).mean() - mean_losses(true).min()
            assert regret == pytest.approx(np.log(2.0) - logistic(3.0), rel=1e-12)
            assert regret > 6 * epsilon


def test_no_bound_can_set_sgpo_without_a_window_apart_from_dpo() -> None:
    """Same policy, so the same regret under any true law, and both grow with the mismatch alike."""
    x = data(4)
    dpo, sgpo = (int(np.argmin(losses)) for losses in (mean_losses(x), worst_losses(x, ENDLESS, 0.1)))
    regrets = []
    for mismatch in (0.0, 0.5, 1.0, 2.0):
        true = mean_losses(x - mismatch)
        regrets.append([true[policy] - true.min() for policy in (dpo, sgpo)])
    assert all(of_dpo == of_sgpo for of_dpo, of_sgpo in regrets)
    assert regrets[-1][0] > regrets[1][0] + 0.5


@pytest.mark.parametrize(
    ("edge", "effect", "replacing", "largest"),
    [(2.0, 0.0085, 0.0050, 0.0196), (3.0, 0.0092, 0.0115, 0.0431), (4.0, 0.0095, 0.0201, 0.0740)],
)
def test_six_tangents_err_more_than_the_adversary_does_at_the_published_epsilon(
    edge: float, effect: float, replacing: float, largest: float
) -> None:
    """1,000 margins at the quantiles of N(½, 1), six tangents spread evenly over (−edge, edge), ε = .01.

    From ±3 on, what replacing the loss costs is more than the adversary's whole effect; over ±2 that holds of
    the largest error only, and not of the mean.
    """
    margins = 0.5 + norm.ppf((np.arange(1000) + 0.5) / 1000)
    window, pieces = (-edge, edge), tangents(np.linspace(-edge, edge, 6))
    exact, plain = (adversary(margins, window=window, epsilon=e).value for e in (0.01, 0.0))
    replaced = adversary(margins, window=window, epsilon=0.01, loss=pieces).value
    places = np.linspace(*window, 4001)
    assert exact - plain == pytest.approx(effect, abs=5e-5)
    assert exact - replaced == pytest.approx(replacing, abs=5e-5)
    assert (logistic(places) - pieces.value(places)).max() == pytest.approx(largest, abs=5e-5)
    assert (exact - replaced > exact - plain) == (edge > 2.0)


def test_groups_of_a_hundred_are_another_adversary() -> None:
    """Each group has its own budget, so the worst pairs of the whole are not reached: ten groups, three windows."""
    margins = np.random.default_rng(5).normal(0.5, 1.0, 1000)
    whole = adversary(margins, window=(-4.0, 4.0), epsilon=0.05)
    groups = [adversary(group, window=(-4.0, 4.0), epsilon=0.05) for group in margins.reshape(10, 100)]
    assert np.mean([one.value for one in groups]) < whole.value - 1e-5
    multipliers = [one.multiplier for one in groups]
    assert max(multipliers) - min(multipliers) > 0.02
    own = [adversary(g, window=(g.min(), g.max()), epsilon=0.05).multiplier for g in margins.reshape(10, 100)]
    assert max(own) - min(own) > 2 * (max(multipliers) - min(multipliers))
