"""Weights laid out for products with a handful of rows, as decoding needs them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from slhf.cpu import pack, packed_linear, packing_works

_FEW = 8
"""Rows of a product the packed order is made for: about as many as are decoded at once."""


class Matrix:
    """A weight (R, C), possibly several stacked, applied as x ↦ x Wᵀ + b.

    On a CPU the weight is kept packed where that works, and only packed; elsewhere dense.

    Args:
        dtype: type of the copy.
        device: where it lives.
    """

    def __init__(self, dtype: torch.dtype, device: torch.device):
        self._dtype = dtype
        self._packs = device.type == "cpu" and packing_works(dtype)
        self._weight: Tensor | None = None
        self._source: tuple[tuple[int, int], ...] | None = None

    @property
    def source(self) -> tuple[tuple[int, int], ...] | None:
        """Which frozen parameters, in which version, were taken over; None for anything else."""
        return self._source

    @property
    def packed(self) -> bool:
        """True if the weight is kept packed."""
        return self._packs

    def fill(self, parts: Sequence[Tensor]) -> None:
        """Take over weights, stacked by rows; one that has not changed since is left as it is."""
        # only a frozen parameter can be known by its address: a merged weight is made afresh each
        # time, and often where the one before it lay
        frozen = all(isinstance(part, nn.Parameter) and not part.requires_grad for part in parts)
        source = tuple((part.data_ptr(), part._version) for part in parts) if frozen else None
        if source is not None and source == self._source and self._weight is not None:
            return
        self._source = source
        if self._packs:
            dense = torch.cat([part.to(self._dtype) for part in parts]) if len(parts) > 1 else parts[0].to(self._dtype)
            self._weight = pack(dense, _FEW)
            return
        if len(parts) == 1:
            self._weight = parts[0].detach().to(self._dtype)
            return
        if self._weight is None:
            rows = sum(part.shape[0] for part in parts)
            self._weight = torch.empty(rows, parts[0].shape[1], dtype=self._dtype, device=parts[0].device)
        at = 0
        for part in parts:
            self._weight[at : at + part.shape[0]].copy_(part)
            at += part.shape[0]

    def __call__(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return x Wᵀ + b for x of shape (…, C)."""
        assert self._weight is not None
        return packed_linear(x, self._weight, bias) if self._packs else F.linear(x, self._weight, bias)
