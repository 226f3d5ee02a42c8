"""One answer that is to be sampled, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from slhf.policies.decoding import Sampling
from slhf.policies.ragged_cache import RaggedCache
from slhf.serving.steps import TokenChoice

Hear = Callable[[int, TokenChoice | None], bool]
"""Called with each token; returns True if that is enough."""


@dataclass(frozen=True)
class Held:
    """Keys and values of a row that has left, for a context that begins with the same tokens.

    Attributes:
        tokens: one for each slot.
        cache: one row.
    """

    tokens: list[int]
    cache: RaggedCache


@dataclass(frozen=True)
class Decoded:
    """What came of a job.

    Attributes:
        tokens: as sampled, the end token included where there is one.
        choices: their log-probabilities, where asked for.
        held: the row's keys and values, where asked for.
    """

    tokens: list[int]
    choices: tuple[TokenChoice, ...]
    held: Held | None


@dataclass(eq=False)
class Job:
    """One answer to be sampled.

    Attributes:
        context: the tokens it continues, at least one.
        noise: (max_new_tokens,) uniforms, its own.
        sampling: how.
        top_logprobs: see ``Asked``.
        held: keys and values that may be used again.
        keep: hand the row's keys and values back.
        hear: told each token but an end token; whatever it raises is this job's failure alone.
        done: what came of it; cancelling it takes the row out at the next token.
    """

    context: list[int]
    noise: np.ndarray
    sampling: Sampling
    top_logprobs: int | None = None
    held: Held | None = None
    keep: bool = False
    hear: Hear | None = None
    done: Future[Decoded] = field(default_factory=Future)
