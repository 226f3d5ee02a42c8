"""Run a causal model over a ragged cache, a few tokens a row at a time."""

from __future__ import annotations

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

    def hidden(self, tokens: Tensor, step: Step, cache: RaggedCache) -> Tensor:
        """Run the decoder and return its last hidden states, (n, m, H), after the final norm."""
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


def extend(engine: Engine, cache: RaggedCache, tokens: list[list[int]], chunk: int = 0) -> Tensor:
    """Feed each row's new tokens and return the hidden state of its last one, (n, H).

    Args:
        engine: the model.
        cache: the first ``len(tokens)`` rows are continued; their lengths grow.
        tokens: a non-empty list of new tokens a row.
        chunk: rows are padded to so many tokens at least.
    """
    counts = np.array([len(row) for row in tokens])
    if counts.min() < 1:
        raise ValueError("every row needs at least one new token")
    n, m = len(tokens), max(int(counts.max()), chunk)
    starts = cache.lengths[:n]
    if int(starts.max()) + m > cache.capacity:
        raise ValueError(f"{int(starts.max()) + m} slots needed, the cache has {cache.capacity}")
    padded = np.zeros((n, m), dtype=np.int64)
    for i, row in enumerate(tokens):
        padded[i, : len(row)] = row
    step = Step(starts, m, engine.device)
    hidden = engine.hidden(torch.from_numpy(padded).to(engine.device), step, cache)
    cache.lengths[:n] += counts
    last = torch.as_tensor(counts - 1, device=engine.device)
    return hidden[torch.arange(n, device=engine.device), last]
