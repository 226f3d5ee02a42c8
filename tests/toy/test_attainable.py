"""The exact equilibrium on samples, against a direct search for it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from slhf.toy.attainable import attainable, equilibrium

P = np.array([[0.5, 0.3, 0.9], [0.7, 0.5, 0.2], [0.1, 0.8, 0.5]])


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max())
    return e / e.sum()


def kl(p: np.ndarray) -> float:
    return float((p * np.log(p * len(p))).sum())


@pytest.mark.parametrize(("tau_leader", "tau_follower"), [(0.3, 0.2), (0.1, 0.5)])
def test_equilibrium_agrees_with_numerical_optimisation(tau_leader: float, tau_follower: float) -> None:
    def inner(y: int) -> tuple[np.ndarray, float]:
        def cost(z: np.ndarray) -> float:
            return float(softmax(z) @ P[y]) + tau_follower * kl(softmax(z))

        found = minimize(cost, np.zeros(3), method="BFGS", options={"gtol": 1e-9})
        return softmax(found.x), float(found.fun)

    best = [inner(y) for y in range(3)]
    values = np.array([value for _, value in best])

    def loss(z: np.ndarray) -> float:
        return tau_leader * kl(softmax(z)) - float(softmax(z) @ values)

    leader = softmax(minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-9}).x)
    mine, follower = equilibrium(P, tau_leader, tau_follower)
    np.testing.assert_allclose(mine, leader, atol=1e-5)
    np.testing.assert_allclose(follower, np.array([row for row, _ in best]), atol=1e-5)


def test_small_tau_does_not_overflow_and_gives_the_best_reply() -> None:
    leader, follower = equilibrium(P, 1e-8, 1e-8)
    assert np.isfinite(leader).all()
    np.testing.assert_allclose(follower, np.eye(3)[P.argmin(axis=1)])
    np.testing.assert_allclose(leader, [1.0, 0.0, 0.0])


def test_attainable_figures_on_the_circle_by_hand() -> None:
    """Two samples only, "It is 7." and "7.": the second wins by .7, so both roles play it."""
    row = {"prompt": "What is 3 plus 4?"}
    found = attainable([row], [["It is 7.", "7."]])
    assert found == pytest.approx({"leader_vs_base": 0.6, "follower_vs_base": 0.6, "follower_vs_leader": 0.5})
