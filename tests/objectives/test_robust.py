"""The adversary on tensors: that of NumPy, differentiable; the dual loss against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import softplus

from robust_oracles import logistic
from slhf.errors import InputError
from slhf.objectives import dual_loss, exact_multiplier, torch_adversary
from slhf.robust import adversary, dual_value

BALLS: list[dict[str, Any]] = [
    {"window": (-3.0, 3.0)},
    {"window": (-3.0, 3.0), "flip_cost": 2.0},
    {"window": None, "flip_cost": 0.5},
    {"window": (-np.inf, np.inf)},
    {"window": (-np.inf, 2.0), "flip_cost": 1.0},
    {"window": (-2.0, np.inf)},
]
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


def drawn(seed: int, size: int, dtype: torch.dtype = torch.float64, device: str = "cpu") -> torch.Tensor:
    """Draw margins, some equal and some outside the windows above."""
    margins = np.random.default_rng(seed).normal(0.5, 1.5, size).round(2)
    return torch.tensor(margins, dtype=dtype, device=device, requires_grad=True)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("ball", BALLS, ids=str)
@pytest.mark.parametrize(("dtype", "rel"), [(torch.float64, 1e-13), (torch.float32, 3e-6)])
def test_it_is_the_adversary_of_numpy(ball: dict[str, Any], dtype: torch.dtype, rel: float, device: str) -> None:
    for seed, epsilon in enumerate((0.0, 1e-3, 0.1, 0.7, 30.0)):
        margins = drawn(seed, 300, dtype, device)
        found = torch_adversary(margins, epsilon=epsilon, **ball)
        found.value.backward()
        exact = adversary(margins.detach().cpu().double().numpy(), epsilon=epsilon, **ball)
        assert found.value.dtype == found.weights.dtype == dtype
        assert found.value.item() == pytest.approx(exact.value, rel=rel)
        assert found.multiplier == pytest.approx(exact.multiplier, rel=1e-13)
        assert exact_multiplier(margins, epsilon=epsilon, **ball) == found.multiplier
        for given, oracle in ((-margins.grad, exact.weights), (found.weights, exact.weights)):
            np.testing.assert_allclose(given.cpu().numpy() * 300, oracle * 300, atol=rel)
        np.testing.assert_allclose(found.moved.cpu().numpy(), exact.moved, atol=rel)
        np.testing.assert_allclose(found.flipped.cpu().numpy(), exact.flipped, atol=rel)
        assert (found.projected, found.attained) == (exact.projected, exact.attained)


def test_arrays_of_several_blocks_are_one_pool() -> None:
    """NumPy takes 16,384 pairs at a time, tensors all at once: 40,000 pairs, the worst of them at the end."""
    margins = drawn(7, 40_000).detach().sort(descending=True).values
    ball = {"window": (-3.0, 3.0), "flip_cost": 2.0, "epsilon": 0.9}
    found, exact = torch_adversary(margins, **ball), adversary(margins.numpy(), **ball)
    assert found.value.item() == pytest.approx(exact.value, rel=1e-13)
    np.testing.assert_allclose(found.weights * 40_000, exact.weights * 40_000, atol=1e-12)
    np.testing.assert_allclose(found.flipped, exact.flipped, atol=1e-12)
    assert 0.0 < exact.flipped.mean() < exact.moved.mean() < 1.0


@pytest.mark.parametrize("ball", BALLS[:4], ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_with_epsilon_0_value_and_gradient_are_dpos_bit_for_bit(ball: dict[str, Any], dtype: torch.dtype) -> None:
    inside = drawn(0, 4097, dtype).detach().clamp(-3.0, 3.0)
    margins, plain = inside.clone().requires_grad_(), inside.clone().requires_grad_()
    found = torch_adversary(margins, epsilon=0.0, **ball)
    found.value.backward()
    dpo = softplus(-plain).mean()
    dpo.backward()
    assert torch.equal(found.value, dpo)
    assert torch.equal(margins.grad, plain.grad)


def test_half_precision_margins_have_a_value_in_single_precision() -> None:
    margins = drawn(1, 64).detach().to(torch.bfloat16).requires_grad_()
    found = torch_adversary(margins, window=(-2.0, 2.0), epsilon=0.1)
    exact = adversary(margins.detach().double().numpy(), window=(-2.0, 2.0), epsilon=0.1)
    assert found.value.dtype == torch.float32
    assert found.value.item() == pytest.approx(exact.value, rel=1e-6)
    found.value.backward()
    assert margins.grad.dtype == torch.bfloat16


def test_a_policys_gradient_is_that_of_the_worst_case() -> None:
    """Through ξ = Xθ: autograd against central differences of NumPy's value."""
    rng = np.random.default_rng(2)
    features, theta = rng.normal(size=(30, 3)), np.array([0.5, -0.3, 0.8])
    for ball in BALLS[:3]:
        parameters = torch.tensor(theta, requires_grad=True)
        torch_adversary(torch.tensor(features) @ parameters, epsilon=0.2, **ball).value.backward()
        if ball["window"] is None:
            assert adversary(features @ theta, epsilon=0.2, **ball).projected == 0
        for i in range(3):
            step = 1e-6 * (np.arange(3) == i)
            up, down = (adversary(features @ (theta + s * step), epsilon=0.2, **ball).value for s in (1, -1))
            assert parameters.grad[i].item() == pytest.approx((up - down) / 2e-6, abs=1e-7)


@pytest.mark.parametrize("ball", BALLS[:3], ids=str)
def test_the_dual_loss_is_the_dual_value_and_least_at_the_multiplier(ball: dict[str, Any]) -> None:
    margins = drawn(3, 200).detach()
    best = torch_adversary(margins, epsilon=0.15, **ball)
    at = exact_multiplier(margins, epsilon=0.15, **ball)
    assert dual_loss(margins, at, epsilon=0.15, **ball).item() == pytest.approx(best.value.item(), rel=1e-14)
    for multiplier in np.linspace(0.0, 4.0, 17):
        loss = dual_loss(margins, float(multiplier), epsilon=0.15, **ball).item()
        assert loss == pytest.approx(dual_value(margins.numpy(), multiplier, epsilon=0.15, **ball), rel=1e-13)
        assert loss >= best.value.item() - 1e-14


@pytest.mark.parametrize("ball", BALLS[:3], ids=str)
def test_the_dual_losss_gradients_are_difference_quotients(ball: dict[str, Any]) -> None:
    rng = np.random.default_rng(4)
    for multiplier in rng.uniform(0.1, 1.5, 10):
        margins = rng.uniform(-2.9, 2.9, 12)
        xi = torch.tensor(margins, requires_grad=True)
        price = torch.tensor(multiplier, requires_grad=True)
        dual_loss(xi, price, epsilon=0.2, **ball).backward()
        up, down = (dual_value(margins, multiplier + s, epsilon=0.2, **ball) for s in (1e-6, -1e-6))
        assert price.grad.item() == pytest.approx((up - down) / 2e-6, abs=1e-8)
        for i in range(12):
            step = 1e-6 * (np.arange(12) == i)
            up, down = (dual_value(margins + s * step, multiplier, epsilon=0.2, **ball) for s in (1, -1))
            assert xi.grad[i].item() == pytest.approx((up - down) / 2e-6, abs=1e-8)


def test_minibatches_of_the_dual_loss_are_unbiased() -> None:
    """For a fixed λ the mean of the gradients of eight parts is the gradient of the whole."""
    ball = {"window": (-2.0, 2.0), "epsilon": 0.3, "flip_cost": 1.0}
    margins = drawn(5, 512)
    dual_loss(margins, 0.6, **ball).backward()
    parts = margins.detach().clone().requires_grad_()
    for part in parts.split(64):
        (dual_loss(part, 0.6, **ball) / 8).backward()
    torch.testing.assert_close(parts.grad, margins.grad, rtol=1e-13, atol=1e-16)


def test_a_learned_multiplier_ends_at_the_exact_one() -> None:
    """200 projected steps of subgradient descent with falling step sizes, from both sides."""
    ball: dict[str, Any] = {"window": (-3.0, 3.0), "epsilon": 0.2}
    margins = drawn(6, 2000).detach()
    exact = exact_multiplier(margins, **ball)
    for start in (0.0, 2.0):
        price = torch.tensor(start, dtype=torch.float64, requires_grad=True)
        for step in range(200):
            (slope,) = torch.autograd.grad(dual_loss(margins, price, **ball), price)
            price = (price - slope / (1 + 0.1 * step)).clamp_min(0.0).detach().requires_grad_()
        assert price.item() == pytest.approx(exact, abs=1e-2)


def test_margins_beyond_the_window_keep_the_gradient_of_its_edge() -> None:
    ball = {"window": (-2.0, 2.0), "epsilon": 0.3}
    margins = torch.tensor([-9.0, 0.0, 0.5, 9.0], dtype=torch.float64, requires_grad=True)
    found = torch_adversary(margins, **ball)
    found.value.backward()
    assert found.projected == 2
    assert -margins.grad[0].item() * 4 == pytest.approx(found.multiplier, rel=1e-14)
    assert -margins.grad[3].item() * 4 == pytest.approx(1 / (1 + np.exp(2.0)), rel=1e-14)
    assert found.value.item() == pytest.approx(adversary([-2.0, 0.0, 0.5, 2.0], **ball).value, rel=1e-14)
    assert logistic(-2.0) > found.value.item()


@pytest.mark.parametrize(
    ("margins", "keywords", "words"),
    [
        ([0.0, float("nan")], {}, r"margins\[1\] is nan"),
        ([], {}, r"shape \(0,\)"),
        ([[1.0]], {}, r"shape \(1, 1\)"),
        ([0.0], {"epsilon": -1.0}, "epsilon is -1"),
        ([0.0], {"window": (1.0, 0.0)}, "lower edge comes first"),
        ([0.0], {"flip_cost": 0.0}, "flip_cost is 0"),
        ([0.0], {"window": None}, "neither a window nor a flip_cost"),
    ],
)
def test_wrong_input_is_refused(margins: list, keywords: dict[str, Any], words: str) -> None:
    ball = {"window": (-1.0, 1.0), "epsilon": 0.1} | keywords
    with pytest.raises(InputError, match=words):
        torch_adversary(torch.tensor(margins), **ball)
    with pytest.raises(InputError, match=words):
        dual_loss(torch.tensor(margins), 0.5, **ball)


def test_a_multiplier_that_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="multiplier is -1"):
        dual_loss(torch.zeros(2), -1.0, window=(-1, 1), epsilon=0.1)
    with pytest.raises(InputError, match=r"multiplier is 0.5 and the window .* has no end"):
        dual_loss(torch.zeros(2), 0.5, window=(-np.inf, 1), epsilon=0.1)
