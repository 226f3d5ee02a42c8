"""Decode from the geometric mixture of two models, each with a key–value cache of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from slhf.policies.engine import Engine, Part, Step
from slhf.policies.fused_engine import FusedEngine
from slhf.policies.low_rank import LowRank
from slhf.policies.ragged_cache import RaggedCache


class PairedCache:
    """The policy's ragged cache, and one of the reference for those rows that the mixture answers.

    Args:
        policy: its rows are the pair's.
        reference: rows 0..k-1 belong to the k rows of the mixture that still go on.
        places: (rows,) each row's place in ``reference``, −1 where the policy answers alone.
        alone: of the copies made of a row, so many are the policy's own answers.
    """

    def __init__(self, policy: RaggedCache, reference: RaggedCache, places: np.ndarray, alone: int):
        self.policy, self.reference = policy, reference
        self._places, self._alone = places, alone

    @property
    def lengths(self) -> np.ndarray:
        """Slots filled, a row; changed in place as rows grow."""
        return self.policy.lengths

    @property
    def capacity(self) -> int:
        """Slots a row can hold."""
        return self.policy.capacity

    def mixed(self, count: int) -> np.ndarray:
        """Return which of the first ``count`` rows the mixture answers, in the order of the reference's rows."""
        found = np.flatnonzero(self._places[:count] >= 0)
        found = found[np.argsort(self._places[found])]
        places = self._places[found]
        self.reference.lengths[places] = self.lengths[found]
        late = places >= len(found)
        if late.any():  # rows that ended have left holes before them
            holes = np.setdiff1d(np.arange(len(found)), places)
            self.reference.swap(list(holes), list(places[late]))
            self._places[np.isin(self._places, holes)] = -1
            self._places[found[late]] = holes
            return self.mixed(count)
        return found

    def swap(self, first: Sequence[int], second: Sequence[int]) -> None:
        """Exchange rows pairwise; the reference's stay where they are."""
        self.policy.swap(first, second)
        a, b = list(first), list(second)
        self._places[a + b] = self._places[b + a]

    def copied(self, hidden: Tensor, copies: int) -> tuple[PairedCache, Tensor]:
        """Return a pair that holds each row ``copies`` times, and the hidden states that belong to it."""
        rows = len(hidden)
        policy, spread = self.policy.copied(hidden, copies)
        number = np.tile(np.arange(copies), rows)  # of the copy, within its row
        mixture = number >= self._alone
        spread[:, -1] = torch.as_tensor(mixture, device=hidden.device)
        places = np.where(mixture, np.cumsum(mixture) - 1, -1)
        self.mixed(rows)
        reference = self.reference.select(np.repeat(np.arange(rows), copies)[mixture], self.capacity)
        return PairedCache(policy, reference, places, self._alone), spread


class Pair(Protocol):
    """A policy and its reference, run on rows of their own."""

    @property
    def device(self) -> torch.device:
        """Where tokens must live."""
        ...

    @property
    def one_head(self) -> bool:
        """True if both are known to have the same output head."""
        ...

    def new_caches(self, rows: int, capacity: int) -> tuple[RaggedCache, RaggedCache]:
        """Return empty caches of the policy and of the reference."""
        ...

    def hidden(self, mine: Part, theirs: Part | None) -> tuple[Tensor, Tensor | None]:
        """Return the last hidden states of the policy's rows, (n, m, H), and of the reference's where there are."""
        ...

    def logits(self, hidden: Tensor) -> Tensor:
        """Apply the policy's head to (n, H)."""
        ...

    def reference_logits(self, hidden: Tensor) -> Tensor:
        """Apply the reference's head to (n, H)."""
        ...


class TwoModels:
    """A pair whose weights have nothing to do with each other.

    Args:
        policy: engine of π.
        reference: engine of π_ref; same vocabulary, same hidden size.
    """

    def __init__(self, policy: Engine, reference: Engine):
        self._policy, self._reference = policy, reference
        self.device = policy.device
        self.one_head = policy.head_mark is not None and policy.head_mark == reference.head_mark
        self.logits, self.reference_logits = policy.logits, reference.logits

    def new_caches(self, rows: int, capacity: int) -> tuple[RaggedCache, RaggedCache]:
        """Return empty caches of the policy and of the reference."""
        return self._policy.new_cache(rows, capacity), self._reference.new_cache(rows, capacity)

    def hidden(self, mine: Part, theirs: Part | None) -> tuple[Tensor, Tensor | None]:
        """Run one after the other."""
        (found,) = self._policy.hidden([mine])
        if theirs is None:
            return found, None
        return found, self._reference.hidden([theirs])[0]


class BaseAndAdapter:
    """A pair that is one base, with and without an adapter: every weight is read once for both.

    Args:
        base: engine of π_ref, the base.
        adapter: what π adds to it.
    """

    one_head = True

    def __init__(self, base: FusedEngine, adapter: LowRank):
        self._base, self._adapter = base, adapter
        self.device = base.device
        self.logits = self.reference_logits = base.logits

    def new_caches(self, rows: int, capacity: int) -> tuple[RaggedCache, RaggedCache]:
        """Return empty caches of the policy and of the reference."""
        return self._base.new_cache(rows, capacity), self._base.new_cache(rows, capacity)

    def hidden(self, mine: Part, theirs: Part | None) -> tuple[Tensor, Tensor | None]:
        """Run both in one pass."""
        found = self._base.hidden([mine] if theirs is None else [mine, theirs], self._adapter)
        return found[0], found[1] if len(found) > 1 else None


class MixtureEngine:
    """The geometric mixture of a policy and its reference, token by token.

        μ(v | y_<t) ∝ π(v | y_<t)^{1−β} π_ref(v | y_<t)^β

    Its logits are the same combination of the two models' logits: normalisers cancel, and dividing by a
    temperature afterwards gives the mixture of the two tempered distributions. Each token is normalised by
    itself, so the probability of a whole answer is not π(y)^{1−β} π_ref(y)^β up to one constant.

    The policy's own answers can be sampled in the same batch: its weights are then read once for both, and each
    prompt is computed once.

    Paper: Munos et al. 2024 (Nash-MD-PG), the mixture of two language models.

    Args:
        pair: π and π_ref.
        coefficient: β in [0, 1], the reference's share.
        alone: where rows are copied, the first ``alone`` copies of each are answers of π.
    """

    def __init__(self, pair: Pair, coefficient: float, alone: int = 0):
        self._pair = pair
        self._coefficient, self._alone = coefficient, alone

    @property
    def device(self) -> torch.device:
        """Where tokens must live."""
        return self._pair.device

    @property
    def head_mark(self) -> None:
        """Not known: it may be two heads."""

    def new_cache(self, rows: int, capacity: int) -> Any:
        """Return an empty pair of caches."""
        return PairedCache(*self._pair.new_caches(rows, capacity), np.arange(rows), self._alone)

    def hidden(self, parts: Sequence[Part]) -> list[Tensor]:
        """Run the policy on all rows and the reference on the mixture's, (n, m, 2H + 1) a part.

        Side by side: the policy's state, the reference's, and 1 where the mixture answers; the last two are zero
        where the policy answers alone.
        """
        return [self._hidden(part.tokens, part.step, part.cache) for part in parts]

    def _hidden(self, tokens: Tensor, step: Step, cache: Any) -> Tensor:
        rows, chunk = tokens.shape
        mixed = cache.mixed(rows)
        at = torch.as_tensor(mixed, device=tokens.device)
        theirs = (
            Part(tokens[at], Step(cache.lengths[mixed], chunk, self.device), cache.reference) if len(mixed) else None
        )
        mine, reference = self._pair.hidden(Part(tokens, step, cache.policy), theirs)
        size = mine.shape[-1]
        joined = mine.new_zeros(rows, chunk, 2 * size + 1)
        joined[..., :size] = mine
        if reference is not None:
            joined[at, :, size:-1] = reference
            joined[at, :, -1] = 1.0
        return joined

    def logits(self, hidden: Tensor) -> Tensor:
        """Return z, or (1 − β) z + β z_ref for the mixture, of (n, 2H + 1) hidden states: (n, V), float32 at least.

        A head is linear: where both models have the same one, the states are mixed and it is applied once.
        """
        size = hidden.shape[-1] // 2
        mine, theirs = hidden[:, :size].contiguous(), hidden[:, size:-1]
        if self._pair.one_head:
            return _wide(self._pair.logits(torch.lerp(mine, theirs, self._coefficient * hidden[:, -1:])))
        logits = _wide(self._pair.logits(mine))
        mixed = hidden[:, -1].nonzero().squeeze(1)
        if len(mixed):
            other = self._pair.reference_logits(theirs[mixed]).to(logits.dtype)
            logits[mixed] = torch.lerp(logits[mixed], other, self._coefficient)
        return logits


def _wide(logits: Tensor) -> Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
