"""A copy of weights for decoding: made again when they change, left alone while they are frozen."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from slhf.policies.matrices import Matrix


def parts(count: int, *, trains: bool) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(16, 8, generator=generator), requires_grad=trains) for _ in range(count)]


@pytest.mark.parametrize("count", [1, 3])
def test_frozen_weights_are_copied_once(count: int) -> None:
    weights, made = parts(count, trains=False), Matrix(torch.float32, torch.device("cpu"))
    made.fill(weights)
    first, x = made._weight, torch.ones(2, 8)
    made.fill(weights)
    assert made._weight is first
    weights[-1].mul_(0.0)
    made.fill(weights)
    with torch.inference_mode():
        torch.testing.assert_close(made(x), x @ torch.cat([w.detach() for w in weights]).T)


@pytest.mark.parametrize("count", [1, 3])
def test_weights_that_train_are_copied_each_time(count: int) -> None:
    weights, made = parts(count, trains=True), Matrix(torch.float32, torch.device("cpu"))
    made.fill(weights)
    assert made.source is None
    with torch.no_grad():
        weights[0].data[:] = 1.0  # even past the version that autograd counts
    made.fill(weights)
    x = torch.ones(2, 8)
    with torch.inference_mode():
        torch.testing.assert_close(made(x), x @ torch.cat([w.detach() for w in weights]).T)
