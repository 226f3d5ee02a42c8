"""A cache whose rows have lengths of their own: what is written, moved and copied is what is read."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from slhf.policies.ragged_cache import RaggedCache


def filled(lengths: list[int], capacity: int = 9) -> RaggedCache:
    """A cache of two layers and random content; beyond a row's length there are leftovers."""
    cache = RaggedCache(2, len(lengths), 3, 4, capacity, torch.float32, "cpu")
    cache.data.normal_(generator=torch.Generator().manual_seed(0))
    cache.lengths[:] = lengths
    return cache


@pytest.mark.parametrize("starts", [[2, 2, 2], [0, 3, 1]])
@pytest.mark.parametrize("new", [1, 4])
def test_new_keys_stand_behind_the_old(starts: list[int], new: int) -> None:
    cache = filled(starts)
    before = cache.data.clone()
    keys, values = torch.randn(2, 3, 3, new, 4, generator=torch.Generator().manual_seed(1))
    slots = torch.tensor(starts).unsqueeze(1) + torch.arange(new)
    width = max(starts) + new
    seen = cache.write(1, keys, values, slots, width)
    for row, start in enumerate(starts):
        for kind, given, shown in zip((0, 1), (keys, values), seen, strict=True):
            before[1, kind, row, :, start : start + new] = given[row]
            assert torch.equal(shown[row], before[1, kind, row, :, :width])
    assert torch.equal(cache.data, before)  # and nothing else was touched


def test_rows_move_and_are_copied() -> None:
    cache = filled([2, 7, 5, 3])
    before = cache.data.clone()
    alone = cache.row(1)
    assert (alone.capacity, alone.lengths.tolist()) == (7, [7])
    assert torch.equal(alone.data[:, :, 0], before[:, :, 1, :, :7])
    cache.move([1, 3], [0, 2])
    assert cache.lengths.tolist() == [7, 7, 3, 3]
    for old, new in ((1, 0), (3, 2), (1, 1), (3, 3)):
        length = int(cache.lengths[new])
        assert torch.equal(cache.data[:, :, new, :, :length], before[:, :, old, :, :length])
    cache.data.zero_()
    assert torch.equal(alone.data[:, :, 0], before[:, :, 1, :, :7])  # a copy, not a view


def test_a_part_is_a_view() -> None:
    cache = filled([2, 7, 5, 3])
    part = cache.part(1, 3)
    part.lengths[0] += 1
    part.data[0, 0, 1] = 0.0
    assert cache.lengths.tolist() == [2, 8, 5, 3]
    assert not cache.data[0, 0, 2].any()
    assert np.shares_memory(part.lengths, cache.lengths)
