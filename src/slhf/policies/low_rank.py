"""An adapter applied beside the weights it belongs to, so that rows with it and rows without share one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor

from slhf.policies.matrices import Matrix

Groups = Mapping[str, Sequence[Any]]
"""Name of a stacked projection → its modules, in the order of their rows."""


class LowRank:
    """The low-rank part (α/r) B A of every stacked projection of a model, for decoding.

    Of k projections that read the same input, the A's are stacked by rows and the B's lie on a diagonal of blocks,
    so that each group costs two small products.

    It is a copy of today's weights; after a training step a new one is made.

    Args:
        layers: the stacked projections of each layer.
        adapter: its name.
        dtype: type of the copy.
        device: where it lives.
    """

    def __init__(self, layers: Sequence[Groups], adapter: str, dtype: torch.dtype, device: torch.device):
        self._dtype, self._device = dtype, device
        self._held: list[dict[str, tuple[Matrix, Matrix]]] = []
        for groups in layers:
            held = {}
            for name, modules in groups.items():
                if any(_rank(module, adapter) for module in modules):
                    held[name] = self._matrices([_factors(module, adapter) for module in modules])
            self._held.append(held)

    def _matrices(self, factors: Sequence[tuple[Tensor, Tensor]]) -> tuple[Matrix, Matrix]:
        down, up = Matrix(self._dtype, self._device), Matrix(self._dtype, self._device)
        stacked, diagonal = torch.cat([a for a, _ in factors]), torch.block_diag(*[b for _, b in factors])
        down.fill([stacked])
        up.fill([diagonal])
        return down, up

    def add(self, layer: int, name: str, x: Tensor, y: Tensor) -> None:
        """Add (α/r) B A x to y, in place.

        Args:
            layer: which layer.
            name: which stacked projection.
            x: (T, C), its input.
            y: (T, R), what the weights alone made of it.
        """
        found = self._held[layer].get(name)
        if found is not None:
            down, up = found
            y += up(down(x))


def size(layers: Sequence[Groups], adapter: str) -> int:
    """Return how many numbers a ``LowRank`` of this adapter holds, the zeros between its blocks included."""
    found = 0
    for modules in (modules for groups in layers for modules in groups.values()):
        rank = sum(_rank(module, adapter) for module in modules)
        found += rank * (modules[0].in_features + sum(module.out_features for module in modules))
    return found


def _rank(module: Any, adapter: str) -> int:
    layer: Any = module  # the checker would narrow ``module`` to a base class without these attributes
    return layer.r[adapter] if isinstance(module, LoraLayer) and adapter in layer.lora_A else 0


@torch.no_grad()
def _factors(module: Any, adapter: str) -> tuple[Tensor, Tensor]:
    """Return A (r, C) and (α/r) B (R, r); r is 0 where the module does not carry the adapter."""
    layer: Any = module
    if not _rank(module, adapter):
        like = layer.get_base_layer().weight if isinstance(module, LoraLayer) else layer.weight
        return like.new_empty(0, like.shape[1]), like.new_empty(like.shape[0], 0)
    return layer.lora_A[adapter].weight, layer.lora_B[adapter].weight * layer.scaling[adapter]
