"""Decode from the geometric mixture of two models, each with a key–value cache of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from slhf.policies.engine import Engine, Step
from slhf.policies.ragged_cache import RaggedCache


class PairedCache:
    """Two ragged caches that hold the same rows, one a model.

    Args:
        policy: its lengths are the pair's.
        reference: follows.
    """

    def __init__(self, policy: RaggedCache, reference: RaggedCache):
        self._policy, self._reference = policy, reference

    @property
    def lengths(self) -> np.ndarray:
        """Slots filled, a row; changed in place as rows grow."""
        return self._policy.lengths

    @property
    def capacity(self) -> int:
        """Slots a row can hold."""
        return self._policy.capacity

    def both(self) -> tuple[RaggedCache, RaggedCache]:
        """Return the two caches, of equal lengths."""
        self._reference.lengths[:] = self._policy.lengths
        return self._policy, self._reference

    def swap(self, first: Sequence[int], second: Sequence[int]) -> None:
        """Exchange rows pairwise, in both."""
        for cache in self.both():
            cache.swap(first, second)

    def select(self, rows: Sequence[int] | np.ndarray, capacity: int) -> PairedCache:
        """Return a new pair that holds the given rows, in that order and as often as named."""
        policy, reference = self.both()
        return PairedCache(policy.select(rows, capacity), reference.select(rows, capacity))


class MixtureEngine:
    """The geometric mixture of a policy and its reference, token by token.

        μ(v | y_<t) ∝ π(v | y_<t)^{1−β} π_ref(v | y_<t)^β

    Its logits are the same combination of the two models' logits: normalisers cancel, and dividing by a
    temperature afterwards gives the mixture of the two tempered distributions. Each token is normalised by
    itself, so the probability of a whole answer is not π(y)^{1−β} π_ref(y)^β up to one constant.

    Paper: Munos et al. 2024 (Nash-MD-PG), the mixture of two language models.

    Args:
        policy: engine of π.
        reference: engine of π_ref; same vocabulary.
        coefficient: β in [0, 1], the reference's share.
    """

    def __init__(self, policy: Engine, reference: Engine, coefficient: float):
        self._policy, self._reference = policy, reference
        self._coefficient = coefficient

    @property
    def device(self) -> torch.device:
        """Where tokens must live."""
        return self._policy.device

    def new_cache(self, rows: int, capacity: int) -> Any:
        """Return an empty pair of caches."""
        return PairedCache(self._policy.new_cache(rows, capacity), self._reference.new_cache(rows, capacity))

    def hidden(self, tokens: Tensor, step: Step, cache: Any) -> Tensor:
        """Run both decoders and return their hidden states side by side, (n, m, 2H)."""
        policy, reference = cache.both()
        return torch.cat(
            [self._policy.hidden(tokens, step, policy), self._reference.hidden(tokens, step, reference)], dim=-1
        )

    def logits(self, hidden: Tensor) -> Tensor:
        """Return (1 − β) z + β z_ref for (n, 2H) hidden states: (n, V), float32 at least."""
        policy, reference = hidden.chunk(2, dim=-1)
        mine, theirs = self._policy.logits(policy.contiguous()), self._reference.logits(reference.contiguous())
        wide = torch.promote_types(mine.dtype, torch.float32)
        return torch.lerp(mine.to(wide), theirs.to(wide), self._coefficient)
