"""A key–value cache whose rows may all have different lengths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin


class RaggedCache:
    """Keys and values of a batch of token rows, each packed from slot 0 without padding.

    Token number t of a row lies in slot t, whatever the other rows hold, so positions are
    slots, nothing is ever shifted, and a row can be continued, moved or copied by itself.
    Slots at and beyond a row's length hold zeros or leftovers and are always masked; the
    storage starts at zero because a masked NaN is still a NaN after softmax times value.

    Args:
        layers: number of attention layers.
        rows: N, rows the cache can hold.
        heads: key–value heads.
        head_dim: size of one head.
        capacity: slots a row can hold.
        dtype: storage type.
        device: where the storage lives.
    """

    def __init__(
        self,
        layers: int,
        rows: int,
        heads: int,
        head_dim: int,
        capacity: int,
        dtype: torch.dtype,
        device: torch.device | str,
    ):
        self.data = torch.zeros(layers, 2, rows, heads, capacity, head_dim, dtype=dtype, device=device)
        self.lengths = np.zeros(rows, dtype=np.int64)

    @property
    def capacity(self) -> int:
        """Slots a row can hold."""
        return self.data.shape[4]

    def write(self, layer: int, keys: Tensor, values: Tensor, slots: Tensor, width: int) -> tuple[Tensor, Tensor]:
        """Store new keys and values of the first n rows and return all they may attend to.

        Args:
            layer: which attention layer.
            keys: (n, heads, m, head_dim), new keys.
            values: the same for values.
            slots: (n, m), where each of them goes.
            width: slots to return; at least the longest row including what is written.

        Returns:
            Keys and values of the first n rows, each (n, heads, width, head_dim), views.
        """
        n, _, m, _ = keys.shape
        stored_keys, stored_values = self.data[layer, 0, :n], self.data[layer, 1, :n]
        if (self.lengths[:n] == width - m).all():  # rows of equal length: the same slots, no index to follow
            stored_keys[:, :, width - m : width] = keys
            stored_values[:, :, width - m : width] = values
            return stored_keys[:, :, :width], stored_values[:, :, :width]
        rows = torch.arange(n, device=keys.device).unsqueeze(1)
        stored_keys.transpose(1, 2)[rows, slots] = keys.transpose(1, 2)
        stored_values.transpose(1, 2)[rows, slots] = values.transpose(1, 2)
        return stored_keys[:, :, :width], stored_values[:, :, :width]

    def swap(self, first: Sequence[int], second: Sequence[int]) -> None:
        """Exchange rows pairwise: ``first[i]`` with ``second[i]``; all of them distinct."""
        a, b = list(first), list(second)
        if not a:
            return
        width = int(self.lengths[a + b].max())
        held = self.data[..., :width, :]
        held[:, :, a + b] = held[:, :, b + a]
        self.lengths[a + b] = self.lengths[b + a]

    def move(self, first: Sequence[int], second: Sequence[int]) -> None:
        """Write each row ``first[i]`` over the row ``second[i]``; what was there is lost."""
        for a, b in zip(first, second, strict=True):
            width = int(self.lengths[a])
            self.data[:, :, b, :, :width] = self.data[:, :, a, :, :width]
            self.lengths[b] = width

    def part(self, first: int, last: int) -> RaggedCache:
        """Return rows ``first`` up to ``last`` as a cache of their own that shares the storage: a view, no copy."""
        return _holding(self.data[:, :, first:last], self.lengths[first:last])

    def row(self, number: int) -> RaggedCache:
        """Return a copy of one row, with no more slots than it fills."""
        length = int(self.lengths[number])
        return _holding(self.data[:, :, number : number + 1, :, :length].clone(), np.array([length]))

    def select(self, rows: Sequence[int] | np.ndarray, capacity: int) -> RaggedCache:
        """Return a new cache that holds the given rows, in that order and as often as named."""
        index = torch.as_tensor(np.asarray(rows), device=self.data.device)
        layers, _, _, heads, _, head_dim = self.data.shape
        chosen = RaggedCache(layers, len(index), heads, head_dim, capacity, self.data.dtype, self.data.device)
        chosen.lengths[:] = self.lengths[np.asarray(rows)]
        width = int(chosen.lengths.max()) if len(index) else 0
        if width > capacity:
            raise ValueError(f"rows of length {width} do not fit in a cache of {capacity} slots")
        chosen.data[..., :width, :] = self.data[..., :width, :].index_select(2, index)
        return chosen

    def copied(self, hidden: Tensor, copies: int) -> tuple[RaggedCache, Tensor]:
        """Return a cache that holds each of the first n rows ``copies`` times, and their (n, H) states likewise."""
        rows = np.repeat(np.arange(len(hidden)), copies)
        return self.select(rows, self.capacity), hidden.repeat_interleave(copies, dim=0)


def _holding(data: Tensor, lengths: np.ndarray) -> RaggedCache:
    made = object.__new__(RaggedCache)
    made.data, made.lengths = data, lengths
    return made


class _RaggedLayer(CacheLayerMixin):
    """One layer of a ragged cache, in the form transformers' attention modules call."""

    is_sliding = False

    def __init__(self, cache: RaggedCache, layer: int):
        super().__init__()
        self._cache, self._layer = cache, layer
        self.slots: Tensor | None = None
        self.width = 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing to do: the storage exists from the start."""

    def update(self, key_states: Tensor, value_states: Tensor, *args, **kwargs) -> tuple[Tensor, Tensor]:
        """Store the new keys and values where this call's tokens belong."""
        assert self.slots is not None
        return self._cache.write(self._layer, key_states, value_states, self.slots, self.width)

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Width of the mask, and its offset."""
        return self.width, 0

    def get_seq_length(self) -> int:
        """Longest row so far."""
        return int(self._cache.lengths.max())

    def get_max_length(self) -> int:
        """Slots a row can hold."""
        return self._cache.capacity


class TransformersCacheView(Cache):
    """A ragged cache seen as transformers' ``Cache``, for models we do not run ourselves."""

    def __init__(self, cache: RaggedCache):
        self._ragged = [_RaggedLayer(cache, layer) for layer in range(cache.data.shape[0])]
        super().__init__(layers=list(self._ragged))

    def place(self, slots: Tensor, width: int) -> None:
        """Say where the next forward's tokens go and how many slots it may look at."""
        for layer in self._ragged:
            layer.slots, layer.width = slots, width
