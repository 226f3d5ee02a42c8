"""The RLHF policy against a numerical optimiser of its objective, at every price."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import rel_entr, softmax

from exact_games import Decimal, decimals, fifty_digits, soft_reply
from slhf.errors import InputError
from slhf.games.rlhf import rlhf_policy


@pytest.mark.parametrize("seed", range(5))
def test_the_policy_maximises_reward_less_kl_because_a_numerical_optimiser_ends_there(seed):
    rng = np.random.default_rng(seed)
    r, ref, tau = rng.normal(size=4), rng.dirichlet(np.ones(4)), 0.5
    found = minimize(
        lambda z: tau * rel_entr(softmax(z), ref).sum() - softmax(z) @ r, np.log(ref), options={"gtol": 1e-9}
    )
    np.testing.assert_allclose(rlhf_policy(r, tau=tau, ref=ref), softmax(found.x), atol=1e-6)


@pytest.mark.parametrize("tau", [1e-8, 1e-3, 1.0, 50.0, 1e8])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_the_policy_is_exact_at_every_price_because_fifty_digits_agree(tau, scale):
    rng = np.random.default_rng(3)
    r, ref = scale * rng.normal(size=(3, 4)), rng.dirichlet(np.ones(4), size=3)
    got = rlhf_policy(r, tau=tau, ref=ref)
    with fifty_digits():
        for row, values, given in zip(got, r, ref, strict=True):
            exact, _ = soft_reply(decimals(values), decimals(given, True), Decimal(tau))
            np.testing.assert_allclose(row, [float(x) for x in exact], rtol=1e-12, atol=1e-300)


def test_without_a_price_the_largest_reward_takes_all_and_ties_share():
    got = rlhf_policy([[1.0, 3.0, 2.0], [5.0, 5.0, 4.0]], tau=0.0)
    np.testing.assert_array_equal(got, [[0, 1, 0], [0.5, 0.5, 0]])


def test_one_reference_serves_all_prompts():
    r, ref = np.random.default_rng(4).normal(size=(3, 2)), np.array([0.2, 0.8])
    np.testing.assert_array_equal(rlhf_policy(r, tau=1.0, ref=ref), rlhf_policy(r, tau=1.0, ref=np.tile(ref, (3, 1))))


@pytest.mark.parametrize(
    ("rewards", "settings", "message"),
    [
        ([1.0, np.nan], {"tau": 1.0}, r"rewards\[1\] is nan"),
        ([[1.0, np.inf]], {"tau": 1.0}, r"rewards\[0, 1\] is inf"),
        (1.0, {"tau": 1.0}, "shape"),
        ([[1.0], [1.0, 2.0]], {"tau": 1.0}, "all rows equally long"),
        ([1.0, 2.0], {"tau": -1.0}, "tau is -1"),
        ([1.0, 2.0], {"tau": 1.0, "ref": [0.5, 0.4]}, "ref: row"),
        ([1.0, 2.0], {"tau": 1.0, "ref": [0.0, 1.0]}, "ref.*is 0 while its tau"),
        ([1.0, 2.0], {"tau": 1.0, "ref": [0.2, 0.3, 0.5]}, "ref has shape"),
    ],
)
def test_what_makes_no_policy_is_refused(rewards, settings, message):
    with pytest.raises(InputError, match=message):
        rlhf_policy(rewards, **settings)
