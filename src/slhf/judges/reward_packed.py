"""Weights as a work copy for many rows: packed, with an adapter merged into them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor

from slhf.cpu import pack, packed_linear

_MANY = 1024
"""Rows of a product the packed order is made for."""


@dataclass(frozen=True)
class Packed:
    """A weight (R, C) in oneDNN's order, applied as x ↦ x Wᵀ + b; ask ``packing_works`` first."""

    weight: Tensor
    bias: Tensor | None

    def __call__(self, x: Tensor) -> Tensor:
        """Return x Wᵀ + b for x of shape (T, C)."""
        return packed_linear(x, self.weight, self.bias)


def packed(weight: Tensor, bias: Tensor | None = None) -> Packed:
    """Return a packed copy of a weight (R, C), with its bias (R,) if there is one."""
    return Packed(pack(weight, _MANY), bias)


@dataclass(frozen=True)
class Layer:
    """One layer's projections, packed; keys and values in one."""

    q: Packed
    kv: Packed
    out: Packed
    gate: Packed
    up: Packed
    down: Packed


class Room:
    """Memory in which weights are merged, one after another.

    Merged in memory of their own, which is freed between packed copies that stay, they would leave a gap each: that
    doubles what the copies take (measured).
    """

    def __init__(self):
        self._held: dict[torch.dtype, Tensor] = {}

    def copy(self, weight: Tensor, dtype: torch.dtype) -> Tensor:
        """Return a weight's copy, good until the next one is made."""
        held = self._held.get(dtype)
        if held is None or held.numel() < weight.numel():
            held = self._held[dtype] = torch.empty(weight.numel(), dtype=dtype)
        return held[: weight.numel()].view(weight.shape).copy_(weight)


def packed_layer(layer: Any, size: int, room: Room) -> Layer:
    """Return a decoder layer's projections as they are now, the active adapters merged.

    Args:
        layer: of a model of the Llama family.
        size: channels of an attention head; those of queries and keys come out as ``in_pairs`` orders them.
        room: where to merge.
    """
    attention, mlp = layer.self_attn, layer.mlp
    q = [in_pairs(part, size) for part in _merged(attention.q_proj, room)]
    k = [in_pairs(part, size) for part in _merged(attention.k_proj, room)]
    kv = [torch.cat(both) for both in zip(k, _merged(attention.v_proj, room), strict=True)]
    return Layer(
        q=packed(*q),
        kv=packed(*kv),
        out=packed(*_merged(attention.o_proj, room)),
        gate=packed(*_merged(mlp.gate_proj, room)),
        up=packed(*_merged(mlp.up_proj, room)),
        down=packed(*_merged(mlp.down_proj, room)),
    )


def in_pairs(rows: Tensor, size: int) -> Tensor:
    """Return rows reordered so that two channels which are rotated together lie beside each other.

    Of a head's ``size`` channels the i-th of the first half turns with the i-th of the second. As neighbours they are
    one complex number, and a rotation is one product. Queries and keys change alike, so attention does not.
    """
    return rows.unflatten(0, (-1, 2, size // 2)).transpose(1, 2).reshape(rows.shape)


def inner(module: Any) -> Any:
    """Return the linear layer that a module is, or that its adapters stand on."""
    return module.get_base_layer() if isinstance(module, LoraLayer) else module


def sources(module: Any) -> tuple[list[Tensor], list[float]]:
    """Return the weights, and the adapters' α/r, that decide what a projection computes."""
    adapters = _active(module)
    bias = inner(module).bias
    weights = [inner(module).weight, *(layer.weight for a, b, _ in adapters for layer in (a, b))]
    return weights if bias is None else [*weights, bias], [scale for _, _, scale in adapters]


def _active(module: Any) -> list[tuple[Any, Any, float]]:
    """Return A, B and α/r of each adapter that a projection adds to its own weight."""
    layer: Any = module  # the checker would narrow ``module`` to a base class without these attributes
    if not isinstance(module, LoraLayer) or layer.disable_adapters or layer.merged:
        return []
    names = [name for name in layer.active_adapters if name in layer.lora_A]
    return [(layer.lora_A[name], layer.lora_B[name], layer.scaling[name]) for name in names]


def _merged(module: Any, room: Room) -> list[Tensor]:
    """Return W + Σ (α/r) B A over the active adapters, summed in float32, and the bias if there is one.

    It may lie in the room, and then is good until the next one is made there.
    """
    weight, bias, adapters = inner(module).weight, inner(module).bias, _active(module)
    if adapters:
        merged = room.copy(weight, torch.float32)
        for a, b, scale in adapters:
            merged.addmm_(b.weight.float(), a.weight.float(), alpha=scale)
        weight = merged if weight.dtype == torch.float32 else room.copy(merged, weight.dtype)
    return [weight] if bias is None else [weight, bias]
