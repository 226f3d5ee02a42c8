"""SGPO's adversary on tensors: its value, differentiable through the weights; the dual loss, with no inner solver."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from slhf.errors import InputError
from slhf.robust.checks import check_epsilon, check_flip_cost, check_window
from slhf.robust.hull import Step, hull_steps
from slhf.robust.losses import Logistic
from slhf.robust.options import Option, costs_and_gains, options_of, unbounded_rate
from slhf.robust.plan import edge_rates
from slhf.robust.shares import option_shares, settle_edges, step_shares
from slhf.robust.spend import best_sorted, spend

_LOSS = Logistic()
_NEAR = 1.0


@dataclass(frozen=True, eq=False)
class TensorAdversary:
    """The worst case of a batch of margins, on its device.

    Attributes:
        value: V, nats, a scalar that can be differentiated with respect to the margins: its gradient is −weights.
        multiplier: λ* ≥ 0, nats per unit of margin.
        weights: −∂V/∂ξ_i, shape (N,), without gradient.
        moved: share of each pair that is moved or flipped, in [0, 1], shape (N,).
        flipped: share of each pair whose label is flipped, in [0, 1], shape (N,).
        projected: how many margins lay outside the window.
        attained: False if no law attains the value; see :class:`slhf.robust.Adversary`.
    """

    value: Tensor
    multiplier: float
    weights: Tensor
    moved: Tensor
    flipped: Tensor
    projected: int
    attained: bool


@dataclass(frozen=True)
class _Ball:
    """What the adversary may do, checked."""

    window: tuple[float, float] | None
    epsilon: float
    flip_cost: float | None

    @property
    def options(self) -> list[Option]:
        return options_of(_LOSS.limits, self.window, self.flip_cost)

    @property
    def floor(self) -> float:
        return unbounded_rate(_LOSS.limits, self.window, self.flip_cost)


def torch_adversary(
    margins: Tensor, *, window: tuple[float, float] | None, epsilon: float, flip_cost: float | None = None
) -> TensorAdversary:
    """Find the worst law of margins in a Wasserstein ball around a batch, exactly, for DPO's loss.

        V = λ* ε + mean_i Σ_o P_o(i) · ( loss_o(ξ_i) − λ* cost_o(ξ_i) ),    λ* and P held fixed under ∂

    That fixed λ* and P give the right gradient is the envelope theorem. λ* and P are found in float64 whatever
    the margins are; the value has the margins' precision, at least float32. A margin outside the window is put
    on its edge and keeps that edge's gradient. With ε = 0, value and gradient are DPO's bit for bit.

    Paper: SGPO (arXiv 2502.18099), Theorem 3.3.
    Departs: see :func:`slhf.robust.adversary`, whose tensor form this is; tests/paper/test_robust_statements.py.

    Args:
        margins: ξ, nats, shape (N,).
        window: (a, b); see :func:`slhf.robust.adversary`.
        epsilon: ε ≥ 0, nats.
        flip_cost: c > 0, or None.

    Raises:
        InputError: as :func:`slhf.robust.adversary`.
    """
    ball = _ball(margins, window, epsilon, flip_cost)
    inside, steps = _steps(margins, ball)
    multiplier, share, left = _spend(steps, ball, len(margins))
    kept, taken = _shares(inside, steps, ball, multiplier, share)
    losses = _losses(margins, kept, taken, ball, multiplier)
    value = multiplier * ball.epsilon + losses.mean()
    with torch.no_grad():
        weights = kept * torch.sigmoid(-inside)
        flipped = torch.zeros_like(inside)
        for option, given in zip(ball.options, taken, strict=True):
            weights += given * (-option.edge * multiplier if option.edge else -torch.sigmoid(inside))
            flipped += given * option.flipped
    weights, moved, flipped = (t.to(losses.dtype) for t in (weights / len(margins), 1.0 - kept, flipped))
    outside = int((inside != margins.detach().to(inside.dtype)).sum())
    return TensorAdversary(value, multiplier, weights, moved, flipped, outside, attained=left == 0.0)


def exact_multiplier(
    margins: Tensor, *, window: tuple[float, float] | None, epsilon: float, flip_cost: float | None = None
) -> float:
    """Return λ*, the multiplier that minimises the dual loss over these margins.

    Args:
        margins: ξ, nats, shape (N,).
        window: as for :func:`torch_adversary`.
        epsilon: as for :func:`torch_adversary`.
        flip_cost: as for :func:`torch_adversary`.

    Raises:
        InputError: as :func:`torch_adversary`.
    """
    ball = _ball(margins, window, epsilon, flip_cost)
    _, steps = _steps(margins, ball)
    return _spend(steps, ball, len(margins))[0]


def dual_loss(
    margins: Tensor,
    multiplier: Tensor | float,
    *,
    window: tuple[float, float] | None,
    epsilon: float,
    flip_cost: float | None = None,
) -> Tensor:
    """Return the dual objective, to be minimised over the policy and λ together: no inner solver.

        J(θ, λ) = λ ε + mean_i max{ ℓ(ξ), ℓ(a) − λ (ξ − a), ℓ(−ξ) − λ c, ℓ(−b) − λ (c + b − ξ) }

    with ℓ(ξ) = softplus(−ξ); without ``flip_cost`` the first two only. Its minimum over λ is the adversary's
    value. For a fixed λ it is a mean over pairs, so minibatches give unbiased gradients; ∂J/∂λ is ε minus the
    mean cost of what is done. Margins outside the window are put on its edge and keep that edge's gradient.

    Paper: Esfahani and Kuhn 2018, strong duality; SGPO (arXiv 2502.18099), Theorem 3.3.

    Args:
        margins: ξ, nats, shape (N,).
        multiplier: λ ≥ 0, nats per unit of margin; a scalar tensor if it is to be learned.
        window: as for :func:`torch_adversary`.
        epsilon: as for :func:`torch_adversary`.
        flip_cost: as for :func:`torch_adversary`.

    Raises:
        InputError: as :func:`torch_adversary`; λ is negative or no number, or an edge is infinitely far and λ
            below the slope there, where J is infinite.
    """
    ball = _ball(margins, window, epsilon, flip_cost)
    at = float(multiplier.detach()) if isinstance(multiplier, Tensor) else float(multiplier)
    if not (math.isfinite(at) and at >= 0.0):
        raise InputError(f"multiplier is {at}; it is a price per unit of margin: a finite number, 0 or more")
    if at < ball.floor:
        raise InputError(
            f"multiplier is {at:g} and the window {window} has no end: the dual loss is infinite below "
            f"{ball.floor:g}; give the window an end (without one the gradient is DPO's)"
        )
    inside, steps = _steps(margins, ball)
    kept, taken = _shares(inside, steps, ball, at, 0.0)
    return multiplier * ball.epsilon + _losses(margins, kept, taken, ball, multiplier).mean()


def _ball(margins: Tensor, window: tuple[float, float] | None, epsilon: float, flip_cost: float | None) -> _Ball:
    if margins.ndim != 1 or not margins.numel():
        raise InputError(f"margins have shape {tuple(margins.shape)}; give one number a pair, shape (N,), N ≥ 1")
    finite = torch.isfinite(margins.detach())
    if not finite.all():
        where = int((~finite).nonzero()[0])
        raise InputError(
            f"margins[{where}] is {float(margins.detach()[where])}; leave such pairs out, or mend what made them"
        )
    return _Ball(check_window(window, flip_cost), check_epsilon(epsilon), check_flip_cost(flip_cost))


def _steps(margins: Tensor, ball: _Ball) -> tuple[Tensor, list[Step]]:
    inside = margins.detach().to(torch.float64)
    if ball.window is not None:
        inside = inside.clamp(*ball.window)
    costs, gains = costs_and_gains(inside, ball.options, ball.window, ball.flip_cost, _rise)
    return inside, hull_steps(costs, gains, torch.where) if costs else []


def _spend(steps: Sequence[Step], ball: _Ball, count: int) -> tuple[float, float, float]:
    budget = count * ball.epsilon
    if not steps:
        return ball.floor, 0.0, budget if ball.floor > 0.0 else 0.0
    rates, costs = torch.cat([step.rate for step in steps]), torch.cat([step.cost for step in steps])
    return spend(rates, costs, budget, ball.floor, best_sorted)


def _shares(
    inside: Tensor, steps: Sequence[Step], ball: _Ball, multiplier: float, share: float
) -> tuple[Tensor, list[Tensor]]:
    """Return what stays and what is in each option, the edges settled, without gradient."""
    kept, taken = option_shares(ball.options, steps, step_shares(steps, multiplier, share), inside)
    if ball.window is None or ball.epsilon == 0.0:
        return kept, taken
    ends = edge_rates(ball.options, ball.window, _LOSS)
    return settle_edges(kept, taken, ball.options, inside, ends, ball.window, multiplier)


def _losses(margins: Tensor, kept: Tensor, taken: Sequence[Tensor], ball: _Ball, multiplier: Tensor | float) -> Tensor:
    """Return Σ_o P_o (loss_o − λ cost_o) a pair, differentiable in margins and λ."""
    xi = margins.to(torch.promote_types(margins.dtype, torch.float32))
    if ball.window is not None:
        xi = xi + (xi.clamp(*ball.window) - xi).detach()  # on the edge, with the gradient of the edge
    losses = kept.to(xi.dtype) * softplus(-xi)
    for option, share in zip(ball.options, taken, strict=True):
        place = xi if not option.edge or ball.window is None else torch.full_like(xi, ball.window[option.edge > 0])
        cost = option.edge * (place - xi) + (ball.flip_cost or 0.0) * option.flipped
        reached = softplus(place if option.flipped else -place)
        losses = losses + share.to(xi.dtype) * (reached - multiplier * cost)
    return losses


def _rise(to: Tensor, start: Tensor) -> Tensor:
    """Return ℓ(to) − ℓ(start), exact where the two are close."""
    lower = to - start
    near = lower.abs() < _NEAR
    close = -torch.log1p(torch.sigmoid(-to) * torch.expm1(torch.where(near, lower, 0.0)))
    return torch.where(near, close, softplus(-to) - softplus(-start))
