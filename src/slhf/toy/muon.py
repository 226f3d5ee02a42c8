"""Muon, the optimiser of the embedded model's matrices, in float32.

``torch.optim.Muon`` computes in bfloat16, which takes most of a step on a processor without
bfloat16 arithmetic; matrices of one shape go through together here.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of Keller Jordan's quintic, which pulls singular values from (0, 1] towards 1 in five steps."""


def orthogonalised(matrices: Tensor, steps: int = 5) -> Tensor:
    """Bring every singular value near 1 and leave the singular vectors as they are.

        X ← X / ‖X‖_F, then `steps` times  X ← a X + (b XXᵀ + c (XXᵀ)²) X

    Args:
        matrices: shape (M, rows, columns).
        steps: number of iterations.

    Returns:
        Matrices of the same shape, singular values within about [0.7, 1.2]; zero stays zero.
    """
    a, b, c = _COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(steps):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Steepest descent in the spectral norm, with Nesterov momentum.

        B ← μ B + (1 − μ) G,  W ← W − η √max(1, rows / columns) · orthogonalised(μ B + (1 − μ) G)

    Args:
        parameters: matrices.
        lr: learning rate η.
        momentum: μ in [0, 1).
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.95):
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take one step along the gradients that are there."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[Tensor]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    shapes.setdefault(weight.shape, []).append(weight)
            for shape, weights in shapes.items():
                update = orthogonalised(torch.stack([self._nesterov(w, group["momentum"]) for w in weights]))
                scale = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                for weight, direction in zip(weights, update, strict=True):
                    weight.add_(direction, alpha=-scale)

    def _nesterov(self, weight: Tensor, momentum: float) -> Tensor:
        state = self.state[weight]
        if not state:
            state["buffer"] = torch.zeros_like(weight)
        assert weight.grad is not None  # those without were left out
        state["buffer"].lerp_(weight.grad, 1 - momentum)
        return weight.grad.lerp(state["buffer"], momentum)
