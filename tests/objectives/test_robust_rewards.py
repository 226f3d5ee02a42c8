"""Rewards and scores against an adversary: the NumPy adversary and finite differences are the oracles."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from slhf.errors import InputError
from slhf.objectives.reward import reward_loss
from slhf.objectives.robust_rewards import robust_reward_loss, robust_skew_loss
from slhf.objectives.skew import skew_loss
from slhf.robust import adversary
from slhf.robust.ball import Ball

BALLS = [Ball(0.05, window=(-4, 4)), Ball(0.4, flip_cost=2.0), Ball(0.3, window=(-3.5, 3.5), flip_cost=1.5)]
"""No margin drawn below lies outside: one that did would keep its edge's gradient."""


def drawn(seed: int, rows: int = 12, attributes: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rewards of two responses, and verdicts of which some are missing."""
    rng = np.random.default_rng(seed)
    first, second = (torch.tensor(rng.normal(0, 0.6, (rows, attributes)), requires_grad=True) for _ in range(2))
    verdicts = rng.integers(0, 2, (rows, attributes)).astype(float)
    verdicts[rng.random((rows, attributes)) < 0.25] = np.nan
    verdicts[:, -1] = np.nan if seed == 0 else verdicts[:, -1]  # an annotator who says nothing in this batch
    return first, second, torch.tensor(verdicts)


def by_numpy(first: np.ndarray, second: np.ndarray, verdicts: np.ndarray, ball: Ball, centring: float) -> float:
    """Column by column with the exact adversary on arrays."""
    total = 0.0
    for r, s, p in zip(first.T, second.T, verdicts.T, strict=True):
        known = ~np.isnan(p)
        if known.any():
            margins = ((2 * p - 1) * (r - s))[known]
            found = adversary(margins, window=ball.window, epsilon=ball.epsilon, flip_cost=ball.flip_cost)
            total += known.sum() * found.value + centring * ((r + s)[known] ** 2).sum()
    return total / verdicts.size


@pytest.mark.parametrize("ball", BALLS, ids=Ball.words)
@pytest.mark.parametrize("seed", range(4))
def test_value_and_gradient(ball: Ball, seed: int) -> None:
    first, second, verdicts = drawn(seed)
    loss, _ = robust_reward_loss(first, second, verdicts, ball=ball, centring=0.03)
    r, s, p = first.detach().numpy(), second.detach().numpy(), verdicts.numpy()
    assert loss.item() == pytest.approx(by_numpy(r, s, p, ball, 0.03), rel=1e-12)
    assert np.nanmax(np.abs(r - s)) < 3.5
    gradients = torch.autograd.grad(loss, (first, second))
    step = 1e-6
    for number, place in np.ndindex(2, r.size):
        sides = [r.copy(), s.copy()]
        sides[number].flat[place] += step
        up = by_numpy(*sides, p, ball, 0.03)
        sides[number].flat[place] -= 2 * step
        down = by_numpy(*sides, p, ball, 0.03)
        assert gradients[number].flatten()[place].item() == pytest.approx((up - down) / (2 * step), abs=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("ball", [Ball(0.0, window=(-50, 50)), Ball(0.0, flip_cost=1.0)], ids=Ball.words)
def test_without_a_budget_it_is_the_plain_loss(ball: Ball, dtype: torch.dtype) -> None:
    tight = 1e-6 if dtype == torch.float32 else 1e-14
    for seed in range(5):
        sides = [t.detach().to(dtype).requires_grad_() for t in drawn(seed)[:2]]
        verdicts = drawn(seed)[2].to(dtype)
        for count in (None, 50):
            plain, told = reward_loss(*sides, verdicts, centring=0.1, count=count)
            robust, also = robust_reward_loss(*sides, verdicts, ball=ball, centring=0.1, count=count)
            assert robust.item() == pytest.approx(plain.item(), rel=tight)
            for a, b in zip(torch.autograd.grad(plain, sides), torch.autograd.grad(robust, sides), strict=True):
                torch.testing.assert_close(a, b, rtol=tight, atol=tight)
            for name in told:
                torch.testing.assert_close(told[name], also[name])
            assert not also["moved"].any()


def test_each_annotator_has_a_ball_of_its_own() -> None:
    """Together, the budget of both would go where it pays most."""
    ball = Ball(0.5, flip_cost=1.0)
    first = torch.tensor([[5.0, 0.2], [4.0, 0.1]])
    _, metrics = robust_reward_loss(first, torch.zeros(2, 2), torch.ones(2, 2), ball=ball)
    assert metrics["moved"].tolist() == [1.0, 1.0, 0.0, 0.0], "the largest margin of either column is flipped"
    np.testing.assert_allclose(metrics["margin"], [5.0, 0.2, 4.0, 0.1])


def test_scores_of_a_skew_model() -> None:
    rng = np.random.default_rng(3)
    first, second = (torch.tensor(rng.normal(0, 0.6, (10, 4)), requires_grad=True) for _ in range(2))
    verdicts = torch.tensor(rng.integers(0, 2, 10).astype(float))
    plain, _ = skew_loss(first, second, verdicts, temperature=0.7)
    same, _ = robust_skew_loss(first, second, verdicts, ball=Ball(0.0, flip_cost=1.0), temperature=0.7)
    assert same.item() == pytest.approx(plain.item(), rel=1e-13)
    for ball in BALLS:
        loss, metrics = robust_skew_loss(first, second, verdicts, ball=ball, temperature=0.7)
        margins = metrics["margin"].numpy()
        found = adversary(margins, window=ball.window, epsilon=ball.epsilon, flip_cost=ball.flip_cost)
        assert loss.item() == pytest.approx(found.value, rel=1e-12)
        np.testing.assert_allclose(metrics["moved"], found.moved, rtol=0, atol=1e-12)
        assert torch.autograd.gradcheck(
            lambda a, b, ball=ball: robust_skew_loss(a, b, verdicts, ball=ball, temperature=0.7)[0], (first, second)
        )


def test_ties_are_refused() -> None:
    with pytest.raises(InputError, match="neither 0 nor 1; leave ties"):
        robust_reward_loss(torch.ones(2), torch.zeros(2), torch.tensor([1.0, 0.5]), ball=BALLS[0])


def test_an_empty_batch_is_zero_with_a_gradient() -> None:
    first = torch.ones(2, 1, requires_grad=True)
    loss, metrics = robust_reward_loss(first, torch.zeros(2, 1), torch.full((2, 1), torch.nan), ball=BALLS[0])
    loss.backward()
    assert (loss.item(), metrics["moved"].numel()) == (0.0, 0)
    assert first.grad is not None
    assert not first.grad.any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epsilon": -1.0, "window": (-1, 1)}, "epsilon is -1"),
        ({"epsilon": 0.1}, "neither a window nor a flip_cost"),
        ({"epsilon": 0.1, "window": (1, -1)}, "lower edge comes first"),
        ({"epsilon": 0.1, "flip_cost": 0.0}, "flip_cost is 0"),
    ],
)
def test_balls_that_make_no_sense(settings: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Ball(**settings)
