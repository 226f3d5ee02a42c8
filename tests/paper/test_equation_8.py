"""Eq. (8) as printed leaves the Follower's KL out of the Leader's value; its policy does not maximise Eq. (5).

The oracle is numerical optimisation of Eq. (5) itself, written out as a sum, with no closed form in it.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

TAU_LEADER, TAU_FOLLOWER = 0.2, 0.15
Array = NDArray[np.float64]


def game(actions: int, seed: int) -> tuple[Array, Array, Array]:
    """Draw a preference matrix with p + pᵀ = 1, and both references."""
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.random((actions, actions)), 1)
    p = upper + np.tril(1 - upper.T, -1) + 0.5 * np.eye(actions)
    return p, rng.dirichlet(np.ones(actions)), rng.dirichlet(np.ones(actions), size=actions)


def objective(leader: Array, follower: Array, p: Array, ref: Array, ref_follower: Array) -> float:
    """f(π, ω) of Eq. (5), term by term."""
    inner = (follower * p).sum(1) + TAU_FOLLOWER * (follower * np.log(follower / ref_follower)).sum(1)
    return float(leader @ inner - TAU_LEADER * (leader * np.log(leader / ref)).sum())


def optimum(p: Array, ref: Array, ref_follower: Array) -> tuple[Array, Array]:
    """Minimise over ω row by row, then maximise over π, both numerically."""

    def reply(y: int) -> Array:
        def value(z: Array) -> float:
            w = softmax(z)
            return float(w @ p[y] + TAU_FOLLOWER * w @ (log_softmax(z) - np.log(ref_follower[y])))

        return softmax(minimize(value, np.log(ref_follower[y]), method="BFGS", options={"gtol": 1e-9}).x)

    with np.errstate(all="ignore"):  # the last line search of BFGS may step into the far tails
        follower = np.stack([reply(y) for y in range(len(ref))])
        found = minimize(
            lambda z: -objective(softmax(z), follower, p, ref, ref_follower), np.log(ref), options={"gtol": 1e-9}
        )
    return softmax(found.x), follower


@pytest.mark.parametrize("actions", [3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_the_soft_minimum_maximises_equation_5_and_equation_8_does_not(actions: int, seed: int) -> None:
    p, ref, ref_follower = game(actions, seed)
    best, reply = optimum(p, ref, ref_follower)

    follower = softmax(np.log(ref_follower) - p / TAU_FOLLOWER, axis=1)
    value = -TAU_FOLLOWER * np.log((ref_follower * np.exp(-p / TAU_FOLLOWER)).sum(1))
    leader = softmax(np.log(ref) + value / TAU_LEADER)
    printed = softmax(np.log(ref) + (follower * p).sum(1) / TAU_LEADER)

    np.testing.assert_allclose(follower, reply, atol=1e-5)
    np.testing.assert_allclose(leader, best, atol=1e-5)
    here = objective(leader, follower, p, ref, ref_follower)
    assert here == pytest.approx(TAU_LEADER * np.log((ref * np.exp(value / TAU_LEADER)).sum()), abs=1e-12)
    assert 0.5 * np.abs(printed - best).sum() > 0.002
    assert objective(printed, follower, p, ref, ref_follower) < here - 1e-6
