"""The forward of a classifier of the Llama family over rows, on packed weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from slhf.cpu import keep_freed_memory
from slhf.judges.reward_attention import Attention
from slhf.judges.reward_fits import plain_of, projections
from slhf.judges.reward_packed import Layer, Room, in_pairs, packed_layer, sources
from slhf.judges.reward_rows import Rows, Table


class PackedClassifier:
    """A classifier with a work copy of its projections, in which one adapter at a time is merged.

    The copy is as large as the projections of the base; embedding, norms and head are the model's own. It is made
    anew when another adapter is active or a weight was written to (but for writes to a parameter's ``.data``, which
    leave no trace).

    Args:
        model: a classifier that fits, see ``why_not``; a PEFT model's active adapter counts.
    """

    def __init__(self, model: Any):
        self._plain = plain_of(model)
        self._decoder = self._plain.model
        config = self._plain.config
        self._eps = config.rms_norm_eps
        self._size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        self._layers: list[Layer] = []
        self._made_of: Any = None
        self._sources: list[Tensor] = []

    @torch.inference_mode()
    def scores(self, tables: Sequence[Table]) -> NDArray[np.float64]:
        """Return what the head says at the end of every text, (N, labels), by the texts' numbers."""
        keep_freed_memory(mib=64)
        self._refresh()
        turns = self._turns(1 + max(int(table.places.max()) for table in tables))
        found = np.concatenate([self._read(table, turns).double().numpy() for table in tables])
        out = np.empty_like(found)
        out[np.concatenate([table.texts for table in tables])] = found
        return out

    def _refresh(self) -> None:
        """Copy the weights as they are, unless the copy holds them already."""
        found = [sources(module) for layer in self._decoder.layers for module in projections(layer)]
        weights = [weight for some, _ in found for weight in some]
        marks = [(id(w), w.data_ptr(), w._version) for w in weights], [scales for _, scales in found]
        if marks == self._made_of:
            return
        self._made_of, room = None, Room()
        # all of the old copy before any of the new one: so there are not two, and no gaps are left between layers
        self._layers = []
        self._layers = [packed_layer(layer, self._size, room) for layer in self._decoder.layers]
        # kept too, so that no other weight can come to lie where one of these lay, and be taken for it
        self._made_of, self._sources = marks, weights

    def _turns(self, longest: int) -> Tensor:
        """Return the rotation of every place and pair of channels as a complex number, (longest, size / 2)."""
        cos, sin = self._decoder.rotary_emb(self._decoder.norm.weight, torch.arange(longest).unsqueeze(0))
        half = self._size // 2
        return torch.complex(cos[0, :, :half].float(), sin[0, :, :half].float())

    def _read(self, table: Table, turns: Tensor) -> Tensor:
        """Return what the head says at the end of a table's texts, (N, labels)."""
        tokens, places, ends = (_rounded(rows) for rows in (table.tokens, table.places, table.ends))
        x = F.embedding(tokens, self._decoder.embed_tokens.weight)
        turns = turns[places].unsqueeze(1)
        attention = Attention(table.blocks, len(tokens), x.dtype)
        *inside, (layer, w) = zip(self._decoder.layers, self._layers, strict=True)
        for one, its in inside:
            x = self._layer(one, its, x, turns, attention, None)
        x = self._layer(layer, w, x, turns, Attention(table.last, len(ends), x.dtype), ends)
        return self._plain.score(self._norm(x, self._decoder.norm.weight))[: len(table.ends)]

    def _layer(self, layer: Any, w: Any, x: Tensor, turns: Tensor, attention: Attention, rows: Tensor | None) -> Tensor:
        """Return the states after a layer: of all rows, or of some, where the others are keys and values only."""
        y = self._norm(x, layer.input_layernorm.weight)
        k, v = w.kv(y).unflatten(-1, (-1, self._size)).chunk(2, dim=1)
        k = self._turned(k, getattr(layer.self_attn, "k_norm", None), turns)
        if rows is not None:
            x, y, turns = x[rows], y[rows], turns[rows]
        q = self._turned(w.q(y).unflatten(-1, (-1, self._size)), getattr(layer.self_attn, "q_norm", None), turns)
        x = w.out(attention(q, k, v)).add_(x)
        y = self._norm(x, layer.post_attention_layernorm.weight)
        return w.down(F.silu(w.gate(y), inplace=True).mul_(w.up(y))).add_(x)

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return x / √(mean x² + ε) times a weight; in steps of its own, which take half the time of torch's."""
        mean = x.float().square().mean(-1, keepdim=True)
        return (x * mean.add_(self._eps).rsqrt_()).to(x.dtype).mul_(weight)

    def _turned(self, x: Tensor, norm: Any, turns: Tensor) -> Tensor:
        """Return queries or keys (T, H, D), normed if the model does so, rotated to their places."""
        if norm is not None:
            x = self._norm(x, in_pairs(norm.weight, self._size))
        pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
        return torch.view_as_real(pairs * turns).flatten(-2).to(x.dtype)


def _rounded(rows: Rows) -> Tensor:
    """Return row numbers with zeros after them, whose products are thrown away.

    A packed product of a new number of rows has to be prepared, which takes as long as a thousand rows: so there are
    few such numbers.
    """
    step = max(16, 1 << max(len(rows).bit_length() - 5, 0))
    return torch.from_numpy(np.pad(rows, (0, -len(rows) % step)))
