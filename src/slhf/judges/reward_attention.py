"""Attention of texts that lie as rows of a table, those of like size together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from slhf.judges.reward_rows import Block


@dataclass(frozen=True)
class _Part:
    """A block as tensors.

    Attributes:
        shape: texts, queries each, keys each.
        queries: rows, (N·m,).
        keys: rows, (N·l,).
        mask: what is added to the scores, (N, 1, m, l); None where texts are there from their beginning.
    """

    shape: tuple[int, int, int]
    queries: Tensor
    keys: Tensor
    mask: Tensor | None


class Attention:
    """Causal attention of a table's texts.

    Args:
        blocks: of the table.
        rows: how many rows the queries have; some may be in no block, and then get what another one does.
        dtype: type of the queries.
    """

    def __init__(self, blocks: Sequence[Block], rows: int, dtype: torch.dtype):
        self._parts = [_part(block, dtype) for block in blocks]
        queries = np.concatenate([block.queries.reshape(-1) for block in blocks])
        place = np.zeros(rows, dtype=np.int64)
        # from the back: where padding repeats a row, the first is the row itself
        place[queries[::-1]] = np.arange(len(queries))[::-1]
        self._place = torch.from_numpy(place)

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return what each row's query reads, (rows, H·D), for q (rows, H, D) and k, v (T, G, D); H is n·G."""
        return torch.cat([_read(part, q, k, v) for part in self._parts]).index_select(0, self._place)


def _part(block: Block, dtype: torch.dtype) -> _Part:
    (n, m), length = block.queries.shape, block.keys.shape[1]
    mask = None
    if block.starts[0] > 0:
        places = torch.from_numpy(block.starts)[:, None] + torch.arange(m)
        unseen = torch.arange(length) > places.unsqueeze(-1)
        mask = torch.zeros(unseen.shape, dtype=dtype).masked_fill_(unseen, float("-inf")).unsqueeze(1)
    queries, keys = (torch.from_numpy(rows.reshape(-1)) for rows in (block.queries, block.keys))
    return _Part((n, m, length), queries, keys, mask)


def _read(part: _Part, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    n, m, length = part.shape
    q = q.index_select(0, part.queries).unflatten(0, (n, m)).transpose(1, 2)
    k, v = (rows.index_select(0, part.keys).unflatten(0, (n, length)).transpose(1, 2) for rows in (k, v))
    fewer = k.shape[1] < q.shape[1]
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=part.mask, is_causal=part.mask is None, enable_gqa=fewer)
    return out.transpose(1, 2).reshape(n * m, -1)
