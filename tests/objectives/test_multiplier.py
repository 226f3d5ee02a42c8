"""The two ways to a multiplier: exact over a buffer, learned by projected steps; both resume where they stopped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from slhf.errors import InputError
from slhf.objectives import LearnedMultiplier, RecentMultiplier, dual_loss
from slhf.robust import adversary

BALL: dict[str, Any] = {"window": (-3.0, 3.0), "epsilon": 0.2}


def batches(count: int, size: int = 32) -> list[torch.Tensor]:
    return [torch.tensor(b) for b in np.random.default_rng(0).normal(0.5, 1.0, (count, size))]


@pytest.mark.parametrize("flip_cost", [None, 1.0])
def test_the_buffers_multiplier_is_exact_over_the_newest_margins(flip_cost: float | None) -> None:
    recent = RecentMultiplier(**BALL, flip_cost=flip_cost, capacity=100)
    seen = np.zeros(0)
    for batch in batches(6):
        found = recent.update(batch.float())
        seen = np.concatenate([seen, batch.float().double().numpy()])[-100:]
        assert found == pytest.approx(adversary(seen, **BALL, flip_cost=flip_cost).multiplier, rel=1e-13)
    assert len(recent.margins) == 100


def test_a_learned_step_follows_the_dual_losss_slope_and_never_goes_below_zero() -> None:
    learned = LearnedMultiplier(**BALL, step=0.5, start=0.6)
    batch = batches(1)[0]
    up, down = (dual_loss(batch, 0.6 + s, **BALL).item() for s in (1e-6, -1e-6))
    assert learned.update(batch) == pytest.approx(0.6 - 0.5 * (up - down) / 2e-6, abs=1e-8)
    plenty = LearnedMultiplier(window=(-3.0, 3.0), epsilon=50.0, step=1.0, start=0.6)
    assert plenty.update(batch) == 0.0


def test_learning_comes_to_the_exact_multiplier_of_the_stream() -> None:
    """3,000 batches of 32 with a step of .02, against λ* of all 96,000 margins together."""
    learned, stream = LearnedMultiplier(**BALL, step=0.02), batches(3000)
    path = [learned.update(batch) for batch in stream]
    exact = adversary(torch.cat(stream).numpy(), **BALL).multiplier
    assert np.mean(path[1000:]) == pytest.approx(exact, abs=0.01)


@pytest.mark.parametrize("make", [lambda: RecentMultiplier(**BALL, capacity=70), lambda: LearnedMultiplier(**BALL)])
def test_resumed_is_uninterrupted(make: Any) -> None:
    stream = batches(8)
    whole, first, second = make(), make(), make()
    path = [whole.update(batch) for batch in stream]
    for batch in stream[:4]:
        first.update(batch)
    second.load_state_dict(first.state_dict())
    assert [second.update(batch) for batch in stream[4:]] == path[4:]


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match="capacity is 0"):
        RecentMultiplier(**BALL, capacity=0)
    with pytest.raises(InputError, match="step is 0"):
        LearnedMultiplier(**BALL, step=0.0)
