"""Matrix products with the weight in oneDNN's own order, through operators of torch that are not public."""

from __future__ import annotations

import logging
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

log = logging.getLogger(__name__)


@cache
def packing_works(dtype: torch.dtype) -> bool:
    """Say whether packed products are there and right on this machine; tried once a type, and if not, said once.

    A plain product of 8 rows with a large matrix reads the weights two to four times slower than memory allows,
    because their layout suits many rows; and from 64 rows on a packed one computes twice as fast in float32 (measured:
    240 against 100 GFLOP/s a core). torch's compiler uses these operators, but promises them to nobody: so they are
    tried before they are trusted.
    """
    if dtype not in (torch.float32, torch.bfloat16):
        return False
    if not torch.backends.mkldnn.is_available():
        log.warning("plain matrix products are used, which are slower; this torch was built without oneDNN")
        return False
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(48, 32, generator=generator).to(dtype)
    few, many = (torch.randn(rows, 32, generator=generator).to(dtype) for rows in (3, 64))
    try:
        with torch.inference_mode():
            right = all(
                _close(packed_linear(x, pack(weight, len(x)), None), F.linear(x.float(), weight.float()))
                for x in (few, many)
            )
    except (AttributeError, RuntimeError) as error:
        log.warning("plain matrix products are used, which are slower; packed ones are not available here (%s)", error)
        return False
    if not right:
        log.warning("plain matrix products are used, which are slower; packed ones give wrong results here")
    return right


def _close(found: Tensor, expected: Tensor) -> bool:
    return torch.allclose(found.float(), expected, atol=0.2, rtol=0.02)


def pack(weight: Tensor, rows: int) -> Tensor:
    """Return a copy of a weight (R, C) in the order that suits products with about so many rows."""
    return torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), rows)


def packed_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return x Wᵀ + b, (…, R), for x (…, C) and W (R, C), packed or as it lies; ask ``packing_works`` first."""
    # the overload by its name: finding it anew costs as much as a small product
    return torch.ops.mkldnn._linear_pointwise.default(x, weight, bias, "none", [], "")
