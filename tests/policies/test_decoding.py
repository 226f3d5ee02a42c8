"""Inverting the cumulative distribution, truncation, and the ragged cache's own book-keeping."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from slhf.policies.decoding import Sampling, next_tokens, row_noise
from slhf.policies.ragged_cache import RaggedCache


def test_next_token_inverts_the_cumulative_distribution() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(200, 50)).astype(np.float32)
    noise = rng.random(200).astype(np.float32)
    sampling = Sampling((0,), 1, temperature=0.7, logprobs=True)
    chosen, logprobs = next_tokens(torch.from_numpy(logits.copy()), torch.from_numpy(noise), sampling)
    scaled = logits.astype(np.float64) / 0.7
    p = np.exp(scaled - scaled.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    want = (p.cumsum(1) <= noise[:, None]).sum(1)
    assert (chosen.numpy() == want).mean() > 0.99  # float32 and float64 may differ at a boundary
    assert logprobs is not None
    np.testing.assert_allclose(logprobs.numpy(), np.log(p[np.arange(200), chosen.numpy()]), atol=1e-4)


def test_frequencies_follow_the_distribution() -> None:
    """20,000 draws with seed 1: each frequency within 4 standard errors of its probability."""
    p = torch.tensor([0.5, 0.25, 0.15, 0.1])
    noise = torch.from_numpy(np.random.default_rng(1).random(20_000).astype(np.float32))
    chosen, _ = next_tokens(p.log().repeat(20_000, 1), noise, Sampling((0,), 1))
    seen = torch.bincount(chosen, minlength=4) / 20_000
    assert ((seen - p).abs() < 4 * (p * (1 - p) / 20_000).sqrt()).all()


@pytest.mark.parametrize("u", [0.0, 0.5, 1.0 - 2**-24, 1.0])
def test_impossible_tokens_are_never_sampled(u: float) -> None:
    logits = torch.tensor([[float("-inf"), 1.0, float("-inf"), 2.0, float("-inf")]])
    chosen, _ = next_tokens(logits, torch.tensor([u]), Sampling((0,), 1))
    assert chosen.item() in (1, 3)


def test_temperature_zero_takes_the_likeliest() -> None:
    chosen, _ = next_tokens(torch.tensor([[0.0, 3.0, 1.0]]), torch.tensor([0.999]), Sampling((0,), 1, temperature=0.0))
    assert chosen.item() == 1


@pytest.mark.parametrize(("settings", "allowed"), [({"top_k": 2}, {0, 1}), ({"top_p": 0.7}, {0, 1})])
def test_truncation_keeps_the_likeliest(settings: dict, allowed: set[int]) -> None:
    p = torch.tensor([0.5, 0.3, 0.15, 0.05])
    noise = torch.linspace(0, 0.999, 101)
    chosen, _ = next_tokens(p.log().repeat(101, 1), noise, Sampling((0,), 1, **settings))
    assert set(chosen.tolist()) == allowed


@pytest.mark.parametrize("settings", [{name: tiny} for name in ("top_p", "temperature") for tiny in (5e-324, 1e-38)])
@pytest.mark.parametrize("u", [0.0, 0.5, 0.99999994])
def test_the_smallest_numbers_there_are_leave_the_likeliest(settings: dict, u: float) -> None:
    logits = torch.tensor([[-3.0, 4.0, 1.0], [2.0, -1e4, 1.999]])
    chosen, _ = next_tokens(logits, torch.tensor([u, u]), Sampling((0,), 1, **settings))
    assert chosen.tolist() == [1, 0]


def test_noise_belongs_to_its_key() -> None:
    assert (row_noise((1, 2, 3), 4) == row_noise((1, 2, 3), 4)).all()
    assert (row_noise((1, 2, 3), 8)[:4] == row_noise((1, 2, 3), 4)).all()
    assert (row_noise((1, 2, 3), 4) != row_noise((1, 3, 2), 4)).all()


def test_a_part_of_a_cache_shares_its_storage() -> None:
    cache = RaggedCache(2, 5, 1, 4, 3, torch.float32, "cpu")
    part = cache.part(1, 3)
    part.data[:, :, 0, :, :2] = 7.0
    part.lengths[:] = [2, 1]
    assert (part.capacity, part.data.shape) == (3, (2, 2, 2, 1, 3, 4))
    assert cache.lengths.tolist() == [0, 2, 1, 0, 0]
    assert cache.data.sum() == cache.data[:, :, 1, :, :2].sum() == 7.0 * 2 * 2 * 2 * 4


def test_cache_rows_swap_and_select() -> None:
    cache = RaggedCache(2, 3, 1, 2, 5, torch.float32, "cpu")
    cache.data[:] = torch.arange(cache.data.numel()).view(cache.data.shape).float()
    cache.lengths[:] = [1, 4, 2]
    before = cache.data.clone()
    cache.swap([0], [2])
    assert cache.lengths.tolist() == [2, 4, 1]
    # only the filled slots of the two rows are moved
    assert torch.equal(cache.data[:, :, 0, :, :2], before[:, :, 2, :, :2])
    assert torch.equal(cache.data[:, :, 2, :, :1], before[:, :, 0, :, :1])
    assert torch.equal(cache.data[:, :, 1], before[:, :, 1])
    chosen = cache.select([1, 1, 0], 6)
    assert chosen.lengths.tolist() == [4, 4, 2]
    assert torch.equal(chosen.data[:, :, 1, :, :4], before[:, :, 1, :, :4])
    assert not chosen.data[..., 4:, :].any()  # nothing unknown behind what was copied
    with pytest.raises(ValueError, match="do not fit"):
        cache.select([1], 3)
