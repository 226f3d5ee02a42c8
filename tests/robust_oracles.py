"""Oracles of the adversary that share nothing with it: two linear programmes and an enumeration."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array, diags_array, hstack, kron, vstack
from scipy.sparse import eye_array as eye

Array = NDArray[np.float64]
TIGHT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


@dataclass(frozen=True, eq=False)
class AffineSolution:
    """The finite programme's maximum, and s[i, k], how much of pair i stands on piece k."""

    value: float
    pieces: Array


def affine_programme(
    margins: Array,
    slopes: Array,
    intercepts: Array,
    window: tuple[float, float],
    epsilon: float,
    flip_cost: float | None = None,
    **solver: Any,
) -> AffineSolution:
    """Theorem 3.3 of SGPO, which is Theorem 4.4 of Esfahani and Kuhn 2018, for the largest of K lines.

        max  (1/N) Σ_ik s_ik ℓ_k(ξ_i − q_ik / s_ik)        in s ≥ 0 and q = q⁺ − q⁻
        s.t. Σ_k s_ik = 1,   (1/N) Σ_ik |q_ik| ≤ ε,   a s_ik ≤ s_ik ξ_i − q_ik ≤ b s_ik

    Flipped labels double the pieces: the lines of ℓ(−ξ), of which each unit of s costs c as well.
    """
    extra = np.zeros(slopes.size)
    if flip_cost is not None:
        slopes, intercepts = np.concatenate([slopes, -slopes]), np.concatenate([intercepts, intercepts])
        extra = np.concatenate([extra, np.full(extra.size, flip_cost)])
    n, k = margins.size, slopes.size
    gain = np.outer(margins, slopes) + intercepts
    down, up = np.repeat(margins - window[0], k), np.repeat(window[1] - margins, k)
    one = eye(n * k)
    inside = vstack([hstack([-diags_array(down), one, -one]), hstack([-diags_array(up), -one, one])])
    spent = csr_array(np.concatenate([np.tile(extra, n), np.ones(2 * n * k)])[None] / n)
    found = linprog(
        -np.concatenate([gain.ravel(), np.tile(-slopes, n), np.tile(slopes, n)]) / n,
        A_ub=vstack([inside, spent]).tocsr(),
        b_ub=np.concatenate([np.zeros(2 * n * k), [epsilon]]),
        A_eq=hstack([kron(eye(n), np.ones((1, k))), csr_array((n, 2 * n * k))]).tocsr(),
        b_eq=np.ones(n),
        **({"method": "highs", "options": TIGHT} | solver),
    )
    assert found.status == 0, found.message
    return AffineSolution(-float(found.fun), found.x[: n * k].reshape(n, k))


def transport_programme(
    margins: Array,
    loss: Callable[[Array], Array],
    places: Array,
    epsilon: float,
    flip_cost: float | None = None,
) -> float:
    """The worst law that lives on given places, by a transport plan from every margin to every place.

    With flips, every place is there twice, and the second costs c more and has the loss at −place.
    """
    costs, losses = np.abs(np.subtract.outer(margins, places)), loss(places)
    if flip_cost is not None:
        costs, losses = np.hstack([costs, costs + flip_cost]), np.concatenate([losses, loss(-places)])
    n, m = costs.shape
    found = linprog(
        -np.tile(losses, n) / n,
        A_ub=costs.reshape(1, -1) / n,
        b_ub=[epsilon],
        A_eq=kron(eye(n), np.ones((1, m))).tocsr(),
        b_eq=np.ones(n),
        method="highs",
        options=TIGHT,
    )
    assert found.status == 0, found.message
    return -float(found.fun)


def enumeration(costs: Array, losses: Array, budget: float) -> float:
    """The largest Σ of losses within a budget, over all plans in which at most one pair is mixed of two options.

    A vertex of the programme has no more mixed pairs than that: one constraint couples the pairs.

    Args:
        costs: costs[i, o] of each of a few options, shape (N, O); one of them free.
        losses: likewise.
        budget: N ε.
    """
    n, options = costs.shape
    best = -np.inf
    for plan in itertools.product(range(options), repeat=n):
        cost = sum(costs[i, o] for i, o in enumerate(plan))
        value = sum(losses[i, o] for i, o in enumerate(plan))
        if cost <= budget:
            best = max(best, value)
        for i, o in enumerate(plan):
            for other in range(options):
                there, here = cost - costs[i, o] + costs[i, other], cost
                if there < budget < here:
                    share = (budget - there) / (here - there)
                    best = max(best, value + (1.0 - share) * (losses[i, other] - losses[i, o]))
    return float(best)


def logistic(margins: Array) -> Array:
    """DPO's loss, as NumPy writes it."""
    return np.logaddexp(0.0, -np.asarray(margins))
