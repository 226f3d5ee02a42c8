"""Run a causal model over a ragged cache, a few tokens a row at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from slhf.policies.ragged_cache import RaggedCache


class Engine(Protocol):
    """A causal language model that continues rows held in a ragged cache."""

    @property
    def device(self) -> torch.device:
        """Where tokens must live."""
        ...

    @property
    def head_mark(self) -> object | None:
        """Equal marks mean the same output head; None where that is not known."""
        ...

    def new_cache(self, rows: int, capacity: int) -> RaggedCache:
        """Return an empty cache of this model's shape."""
        ...

    def hidden(self, parts: Sequence[Part]) -> list[Tensor]:
        """Run the decoder and return the last hidden states of each part, (n, m, H), after the final norm."""
        ...

    def logits(self, hidden: Tensor) -> Tensor:
        """Apply the output head to (n, H) hidden states: (n, V)."""
        ...


class Step:
    """Where one chunk of tokens goes and what each of them may attend to.

    Args:
        starts: (n,) slots already filled, a row.
        chunk: m, tokens a row in this chunk (short rows are padded at the end).
        device: where the tensors are made.

    Attributes:
        slots: (n, m) slot, and position, of each new token.
        width: number of slots looked at.
        mask: (n, 1, m, width), True where a token may look; None when plain causal
            attention (an empty cache) or full attention (one token, equal rows) is meant.
        causal: True if attention is plain causal over the chunk itself.
    """

    def __init__(self, starts: np.ndarray, chunk: int, device: torch.device):
        first = torch.as_tensor(starts, device=device)
        self.slots = first.unsqueeze(1) + torch.arange(chunk, device=device)
        self.width = int(starts.max()) + chunk
        self.causal = chunk > 1 and not starts.any()
        equal = bool((starts == starts[0]).all())
        if self.causal or (chunk == 1 and equal):
            self.mask = None
        else:
            looked_at = torch.arange(self.width, device=device)
            self.mask = (looked_at <= self.slots.unsqueeze(-1)).unsqueeze(1)


@dataclass(frozen=True)
class Part:
    """Rows that go through the decoder, beside others or alone.

    Attributes:
        tokens: (n, m) new tokens.
        step: where they go.
        cache: what they continue.
    """

    tokens: Tensor
    step: Step
    cache: RaggedCache


@dataclass(frozen=True)
class Growth:
    """What is to be fed to the rows of a cache.

    Attributes:
        cache: its first rows are continued; their lengths grow.
        tokens: a non-empty list of new tokens a row.
    """

    cache: RaggedCache
    tokens: list[list[int]]


def extend(engine: Engine, cache: RaggedCache, tokens: list[list[int]]) -> Tensor:
    """Feed the first rows of one cache; see :func:`extend_all`."""
    return extend_all(engine, [Growth(cache, tokens)])


def extend_all(engine: Engine, growths: Sequence[Growth]) -> Tensor:
    """Feed each row's new tokens, all in one pass, and return the hidden state of its last one, (rows, H).

    Args:
        engine: the model.
        growths: caches and what they are fed; rows of one cache are padded to its longest.
    """
    parts = [_part(engine, growth) for growth in growths]
    hidden = engine.hidden(parts)
    last = []
    for growth, states in zip(growths, hidden, strict=True):
        counts = np.array([len(row) for row in growth.tokens])
        growth.cache.lengths[: len(counts)] += counts
        if states.shape[1] == 1:
            last.append(states[:, 0])
        else:
            at = torch.as_tensor(counts - 1, device=engine.device)
            last.append(states[torch.arange(len(counts), device=engine.device), at])
    return torch.cat(last) if len(last) > 1 else last[0]


def _part(engine: Engine, growth: Growth) -> Part:
    counts = [len(row) for row in growth.tokens]
    if min(counts) < 1:
        raise ValueError("every row needs at least one new token")
    n, m = len(counts), max(counts)
    starts, cache = growth.cache.lengths[:n], growth.cache
    if int(starts.max()) + m > cache.capacity:
        raise ValueError(f"{int(starts.max()) + m} slots needed, the cache has {cache.capacity}")
    padded = np.zeros((n, m), dtype=np.int64)
    for i, row in enumerate(growth.tokens):
        padded[i, : len(row)] = row
    return Part(torch.from_numpy(padded).to(engine.device), Step(starts, m, engine.device), cache)
