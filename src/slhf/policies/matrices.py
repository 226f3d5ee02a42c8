"""Weights laid out for products with a handful of rows, as decoding needs them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

log = logging.getLogger(__name__)


@cache
def packing_works(dtype: torch.dtype) -> bool:
    """Say whether oneDNN's packed linear layer is there and right on this machine; asked once a type.

    A plain product of 8 rows with a large matrix reads the weights two to four times slower
    than memory allows, because their layout suits many rows. The packed operators are
    torch's own (its compiler uses them) but not public, so they are tried before they are trusted.
    """
    if dtype not in (torch.float32, torch.bfloat16):
        return False
    if not torch.backends.mkldnn.is_available():
        log.warning("decoding uses plain matrix products; this torch was built without oneDNN")
        return False
    try:
        generator = torch.Generator().manual_seed(0)
        weight = torch.randn(48, 32, generator=generator).to(dtype)
        rows = torch.randn(3, 32, generator=generator).to(dtype)
        with torch.inference_mode():
            got = onednn_linear(rows, _pack(weight), None)
        right = torch.allclose(got.float(), F.linear(rows.float(), weight.float()), atol=0.2, rtol=0.02)
    except (AttributeError, RuntimeError) as error:
        log.warning("decoding uses plain matrix products; packed ones are not available here (%s)", error)
        return False
    if not right:
        log.warning("decoding uses plain matrix products; packed ones give wrong results here")
    return right


def _pack(weight: Tensor) -> Tensor:
    return torch.ops.mkldnn._reorder_linear_weight(weight, 8)


def onednn_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return x Wᵀ + b by oneDNN, for x (…, C) and W (R, C), packed or as it lies; ask ``packing_works`` first."""
    # the overload by its name: finding it anew costs as much as a small product
    return torch.ops.mkldnn._linear_pointwise.default(x, weight, bias, "none", [], "")


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
            self._weight = _pack(dense.contiguous())
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
        return onednn_linear(x, self._weight, bias) if self._packs else F.linear(x, self._weight, bias)
