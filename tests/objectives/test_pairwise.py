"""Losses of preference pairs against their published formulas, written out again, and finite differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from slhf.objectives.pairwise import adversary_loss, cdpo_loss, dpo_loss, ipo_loss, rdpo_loss, spa_loss
from slhf.robust import adversary

BETA = 0.3
DOUBTFUL = torch.tensor([True, False, True, True, False, False, True])

LOSSES: dict[str, Callable[..., Any]] = {
    "dpo": dpo_loss,
    "cdpo": partial(cdpo_loss, smoothing=0.15),
    "rdpo": partial(rdpo_loss, smoothing=0.15),
    "ipo": partial(ipo_loss, beta=BETA),
    "spa": partial(lambda margins, **more: spa_loss(margins, DOUBTFUL[: len(margins)], smoothing=0.2, **more)),
}


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x))


def written_out(name: str, xi: float, place: int) -> float:
    """One pair's loss for the label as it stands, by the formula on its page."""
    there, back = log_sigmoid(xi), log_sigmoid(-xi)
    if name == "dpo":
        return -there
    if name == "cdpo":
        return -0.85 * there - 0.15 * back
    if name == "rdpo":
        return (-0.85 * there + 0.15 * back) / 0.7
    if name == "ipo":
        return (xi / BETA - 1.0 / (2.0 * BETA)) ** 2
    s = 0.2 if DOUBTFUL[place] else 0.0
    return -(1 - s) * there - s * back


def batch(seed: int, count: int = 7) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Random margins, preferences and weights, some of them 1, ½ and 0."""
    rng = np.random.default_rng(seed)
    preference = rng.choice([1.0, 0.5, rng.random(), 0.0], count)
    weight = rng.choice([1.0, 0.0, 2.5, rng.random()], count)
    return torch.tensor(rng.normal(0, 2, count)), torch.tensor(preference), torch.tensor(weight)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("seed", range(4))
def test_loss_is_the_weighted_mean_of_both_orders(name: str, seed: int) -> None:
    xi, p, w = batch(seed)
    total = 0.0
    for i, (x, share, weight) in enumerate(zip(xi.tolist(), p.tolist(), w.tolist(), strict=True)):
        total += weight * (share * written_out(name, x, i) + (1 - share) * written_out(name, -x, i))
    assert LOSSES[name](xi, preference=p, weights=w)[0].item() == pytest.approx(total / 7, abs=1e-12)
    plain = np.mean([written_out(name, x, i) for i, x in enumerate(xi.tolist())])
    assert LOSSES[name](xi)[0].item() == pytest.approx(plain, abs=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_is_that_of_finite_differences(name: str) -> None:
    xi, p, w = batch(11)
    xi.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda m: LOSSES[name](m, preference=p, weights=w)[0], (xi,), atol=1e-7)


def test_weights_multiply_and_are_not_divided_out() -> None:
    """mean w ℓ over the batch: twice the weights, twice the loss; a pair of weight 0 still counts in the mean."""
    xi, _, _ = batch(2)
    ones = torch.ones_like(xi)
    loss = dpo_loss(xi)[0].item()
    assert dpo_loss(xi, weights=ones)[0].item() == loss
    assert dpo_loss(xi, weights=2 * ones)[0].item() == pytest.approx(2 * loss)
    first = torch.zeros_like(xi).index_fill(0, torch.tensor([0]), 1.0)
    assert dpo_loss(xi, weights=first)[0].item() == pytest.approx(dpo_loss(xi[:1])[0].item() / 7)


def test_robust_dpo_is_unbiased_under_flips_and_conservative_dpo_is_not() -> None:
    """Mean over a flip of probability s of the loss at ±ξ is DPO's on the clean label; cDPO's is not."""
    xi, s = batch(3)[0], 0.15

    def over_flips(loss: Callable[..., Any]) -> torch.Tensor:
        return (1 - s) * loss(xi)[0] + s * loss(-xi)[0]

    assert over_flips(LOSSES["rdpo"]).item() == pytest.approx(dpo_loss(xi)[0].item(), abs=1e-12)
    assert abs(over_flips(LOSSES["cdpo"]).item() - dpo_loss(xi)[0].item()) > 0.05


def test_smoothing_nothing_is_dpo_bit_for_bit() -> None:
    xi, p, w = batch(4)
    want = dpo_loss(xi, preference=p, weights=w)[0]
    for same in (
        cdpo_loss(xi, smoothing=0.0, preference=p, weights=w),
        spa_loss(xi, torch.zeros(7, dtype=torch.bool), smoothing=0.3, preference=p, weights=w),
    ):
        assert torch.equal(same[0], want)


def test_each_loss_is_lowest_where_its_paper_says() -> None:
    """cDPO: σ(ξ) = 1 − s; IPO: log-ratios 1/(2β) apart; with a soft preference p, DPO: σ(ξ) = p, IPO: (2p − 1)/(2β)."""
    p = torch.tensor([0.8], dtype=torch.float64)
    cases = [
        (partial(cdpo_loss, smoothing=0.15), math.log(0.85 / 0.15)),
        (partial(ipo_loss, beta=BETA), 0.5),
        (partial(dpo_loss, preference=p), math.log(0.8 / 0.2)),
        (partial(ipo_loss, beta=BETA, preference=p), 0.6 * 0.5),
    ]
    for loss, where in cases:
        xi = torch.tensor([where], dtype=torch.float64, requires_grad=True)
        loss(xi)[0].backward()
        assert xi.grad is not None
        assert abs(xi.grad.item()) < 1e-12


def test_metrics_follow_the_label() -> None:
    xi = torch.tensor([1.0, -2.0, 0.0, 3.0])
    _, metrics = dpo_loss(xi, preference=torch.tensor([1.0, 1.0, 1.0, 0.25]))
    assert metrics["pairs/accuracy"].tolist() == [1.0, 0.0, 0.5, 0.25]
    assert metrics["pairs/margin"].tolist() == [1.0, -2.0, 0.0, -1.5]


@pytest.mark.parametrize("name", ["dpo", "cdpo", "rdpo", "spa"])
def test_extreme_margins_have_a_finite_loss_and_gradient(name: str) -> None:
    xi = torch.tensor([-1e4, 1e4], requires_grad=True)
    loss, _ = LOSSES[name](xi)
    loss.backward()
    assert loss.isfinite()
    assert xi.grad is not None
    assert xi.grad.isfinite().all()
    assert xi.grad[0].item() < -0.35


@pytest.mark.parametrize("flip_cost", [None, 0.7])
def test_the_adversarys_loss_has_its_value_and_its_gradient(flip_cost: float | None) -> None:
    """Against central differences of V, solved again at every point (NumPy); in two parts as in one."""
    rng = np.random.default_rng(5)
    xi = rng.normal(0.3, 1.0, 9)
    ball: dict[str, Any] = {"window": (-3.0, 3.0), "epsilon": 0.2, "flip_cost": flip_cost}
    worst = adversary(xi, **ball)
    slopes = torch.tensor(worst.weights * len(xi))
    margins = torch.tensor(xi, requires_grad=True)
    parts = [slice(0, 4), slice(4, 9)]
    loss = sum(adversary_loss(margins[p], slopes[p], worst.value)[0] * (p.stop - p.start) / 9 for p in parts)
    assert isinstance(loss, torch.Tensor)
    loss.backward()
    assert loss.item() == pytest.approx(worst.value, abs=1e-12)
    assert margins.grad is not None
    for i in range(len(xi)):
        step = np.zeros(9)
        step[i] = 1e-6
        rise = (adversary(xi + step, **ball).value - adversary(xi - step, **ball).value) / 2e-6
        assert margins.grad[i].item() == pytest.approx(rise, abs=1e-6)
