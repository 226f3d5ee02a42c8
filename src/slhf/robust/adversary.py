"""SGPO's adversary, solved exactly: the worst law of margins in a Wasserstein ball, and what each pair weighs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slhf.robust.checks import (
    check_epsilon,
    check_flip_cost,
    check_margins,
    check_method,
    check_multiplier,
    check_window,
)
from slhf.robust.losses import Logistic, Loss
from slhf.robust.options import costs_and_gains, options_of, unbounded_rate
from slhf.robust.plan import Plan, one_way, pooled

Array = NDArray[np.float64]

METHODS = ("sort", "select")


@dataclass(frozen=True, eq=False)
class Adversary:
    """The worst case of a batch of margins, with its certificate.

    Attributes:
        value: V, nats: the expected loss under the worst law.
        multiplier: λ* ≥ 0, nats per unit of margin: what a little more ε would add to V. 0 if ε suffices to
            move everything.
        weights: −∂V/∂ξ_i, shape (N,): what multiplies the gradient of each margin. DPO's are σ(−ξ_i) / N.
        moved: share of each pair that is moved or flipped, in [0, 1], shape (N,).
        flipped: share of each pair whose label is flipped, in [0, 1], shape (N,).
        certificate: the dual value at λ* minus V, nats: V is at most this far below the true maximum. Zero up
            to rounding.
        projected: how many margins lay outside the window and were put on its nearer edge first.
        attained: False if V is approached by ever smaller shares moved ever further, and reached by no law.
        method: "sort" or "select".
    """

    value: float
    multiplier: float
    weights: Array
    moved: Array
    flipped: Array
    certificate: float
    projected: int
    attained: bool
    method: str


def adversary(
    margins: ArrayLike,
    *,
    window: tuple[float, float] | None,
    epsilon: float,
    flip_cost: float | None = None,
    method: str = "sort",
    loss: Loss | None = None,
) -> Adversary:
    """Find the worst law of margins in a Wasserstein ball, exactly.

        V = max { E_Q ℓ : W₁(Q, P̂) ≤ ε, Q lives in [a, b] }
          = min_{λ ≥ 0} λ ε + (1/N) Σ_i max over options of ( loss − λ · cost )

        stay            cost 0              loss ℓ(ξ)
        to the edge a   ξ − a               ℓ(a)
        flip            c                   ℓ(−ξ)
        flip, then b    c + b − ξ           ℓ(−b)

    (for DPO's loss; one that also rises has the other edges too). The best mixture of a pair's options lies on
    their upper concave hull; the steps of all hulls are bought in one pool, the best rate first, until N ε is
    spent. Equal margins share alike.

    Margins outside the window are first put on its nearer edge, and have the weight of that edge. With an
    infinite edge the largest slope there is on offer without end: V = mean loss + ε for DPO's loss, the
    weights are DPO's, and no law attains V.

    Paper: SGPO (arXiv 2502.18099), Theorem 3.3.
    Departs: no affine pieces, no groups and no numerical solver, a window that is fixed beforehand, and weights
        that differ from pair to pair; see tests/paper/test_robust_statements.py.

    Args:
        margins: ξ, nats, shape (N,).
        window: (a, b), between which margins may be moved; either may be infinite. None if they may not be.
        epsilon: ε ≥ 0, the mean distance margins may be moved, nats. 0 is DPO.
        flip_cost: c > 0, the distance one flipped label costs; ε / c is the share that may be flipped. None
            if labels may not be.
        method: "sort", O(N log N), or "select", O(N): the same result.
        loss: ℓ, convex; DPO's if not given.

    Raises:
        InputError: no margins, one that is no finite number, a window that is not in order, ε < 0, c ≤ 0,
            nothing that the adversary may do, or an unknown method.

    >>> worst = adversary([-1.0, 0.5, 2.0], window=(-2.0, 2.0), epsilon=0.5)
    >>> worst.moved.round(3)
    array([1. , 0.2, 0. ])
    >>> round(worst.value, 4), round(worst.multiplier, 4)
    (1.0195, 0.6611)
    """
    given = check_margins(margins)
    bounds, flip_cost = check_window(window, flip_cost), check_flip_cost(flip_cost)
    epsilon, method = check_epsilon(epsilon), check_method(method, METHODS)
    loss = Logistic() if loss is None else loss
    inside, projected = _project(given, bounds)
    plan = _plan(inside, bounds, flip_cost, given.size * epsilon, loss, method)
    count = given.size
    value = (plan.total + plan.left * plan.multiplier) / count
    return Adversary(
        value=value,
        multiplier=plan.multiplier,
        weights=plan.weights / count,
        moved=plan.moved,
        flipped=plan.flipped,
        certificate=plan.multiplier * epsilon + plan.highest / count - value,
        projected=projected,
        attained=plan.left == 0.0,
        method=method,
    )


def dual_value(
    margins: ArrayLike,
    multiplier: float,
    *,
    window: tuple[float, float] | None,
    epsilon: float,
    flip_cost: float | None = None,
    loss: Loss | None = None,
) -> float:
    """Return the dual objective at any λ: an upper bound of V, equal to it at λ*.

        J(λ) = λ ε + (1/N) Σ_i max over options of ( loss − λ · cost )

    Paper: Esfahani and Kuhn 2018, strong duality; SGPO (arXiv 2502.18099), Theorem 3.3.

    Args:
        margins: ξ, nats, shape (N,).
        multiplier: λ ≥ 0, nats per unit of margin.
        window: as for :func:`adversary`.
        epsilon: as for :func:`adversary`.
        flip_cost: as for :func:`adversary`.
        loss: as for :func:`adversary`.

    Returns:
        Nats; +∞ if the window is infinite and λ is below the slope there.

    Raises:
        InputError: as :func:`adversary`, or λ is negative or no number.
    """
    given = check_margins(margins)
    bounds, flip_cost = check_window(window, flip_cost), check_flip_cost(flip_cost)
    epsilon, multiplier = check_epsilon(epsilon), check_multiplier(multiplier)
    loss = Logistic() if loss is None else loss
    if multiplier < unbounded_rate(loss.limits, bounds, flip_cost):
        return math.inf
    inside, _ = _project(given, bounds)
    options = options_of(loss.limits, bounds, flip_cost)
    best = np.zeros(inside.shape)
    for cost, gain in zip(*costs_and_gains(inside, options, bounds, flip_cost, loss.rise), strict=True):
        np.maximum(best, gain - multiplier * cost, out=best)
    return multiplier * epsilon + float((loss.value(inside) + best).mean())


def _plan(
    margins: Array, window: tuple[float, float] | None, flip_cost: float | None, budget: float, loss: Loss, method: str
) -> Plan:
    if window is not None and flip_cost is None and loss.limits[1] <= 0.0 and math.isfinite(window[0]):
        return one_way(margins, window[0], budget, loss, method)
    return pooled(margins, window, flip_cost, budget, loss, method)


def _project(margins: Array, window: tuple[float, float] | None) -> tuple[Array, int]:
    if window is None:
        return margins, 0
    outside = int(((margins < window[0]) | (margins > window[1])).sum())
    return (np.clip(margins, *window) if outside else margins), outside
