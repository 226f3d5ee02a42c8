"""Sample tokens from an engine: one loop, finished rows leave it, noise belongs to the row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from slhf.policies.engine import Engine, extend
from slhf.policies.ragged_cache import RaggedCache

COLDEST = 1e-30
"""Below this temperature the likeliest token is taken: single precision cannot divide by so little."""

OnToken = Callable[[int, int], None]
"""Called with (row, token) as each token is sampled."""


@dataclass(frozen=True)
class Sampling:
    """How answers are sampled.

    Attributes:
        end_tokens: any of these ends an answer.
        max_new_tokens: an answer is cut after so many tokens.
        min_new_tokens: no end token before so many tokens.
        temperature: T > 0 samples from softmax(logits / T); 0 takes the likeliest token.
        top_k: keep only the k likeliest tokens; 0 keeps all.
        top_p: keep the smallest set of tokens whose probability reaches p; 1 keeps all.
        logprobs: also return each token's log-probability under the sampler.
    """

    end_tokens: tuple[int, ...]
    max_new_tokens: int
    min_new_tokens: int = 0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    logprobs: bool = False


@dataclass
class Sampled:
    """What one call of ``sample`` produced, in the order of the rows given.

    Attributes:
        tokens: sampled tokens a row; the last one is not in the cache yet.
        logprobs: (tokens,) nats a row, or None.
        slots: where in the cache each row lies now.
    """

    tokens: list[list[int]]
    logprobs: list[np.ndarray] | None
    slots: np.ndarray


def row_noise(key: Sequence[int], length: int) -> np.ndarray:
    """Return the uniform numbers that sample one answer, (length,), fixed by its key alone.

    Because the noise belongs to the answer (seed, step, prompt, role, sample) and not to the
    batch, the same answer is sampled whatever batch, micro-batch or process it is in.
    """
    return np.random.default_rng([int(k) for k in key]).random(length)


def next_tokens(logits: Tensor, noise: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor | None]:
    """Sample one token a row by inverting the cumulative distribution.

        token = min { v : Σ_{w ≤ v} softmax(logits / T)[w] > u }

    Args:
        logits: (n, V), float32; overwritten.
        noise: (n,) uniform in [0, 1), float32.
        sampling: temperature, truncation, whether log-probabilities are wanted.

    Returns:
        Tokens (n,) and their log-probabilities (n,) or None.
    """
    if sampling.temperature < COLDEST:
        chosen = logits.argmax(dim=-1)
        return chosen, torch.zeros_like(noise) if sampling.logprobs else None
    chosen, mass = drawn(logits.div_(sampling.temperature), noise, sampling.top_k, sampling.top_p)
    if not sampling.logprobs:
        return chosen, None
    return chosen, mass.gather(1, chosen.unsqueeze(1)).squeeze(1).log()


def drawn(logits: Tensor, noise: Tensor, top_k: int, top_p: float) -> tuple[Tensor, Tensor]:
    """Sample one token a row from logits that were divided by their temperatures; see :func:`next_tokens`.

    Returns:
        Tokens (n,) and the distribution they come from, (n, V).
    """
    _truncate(logits, top_k, top_p)
    mass = torch.softmax(logits, dim=-1)
    cumulative = mass.cumsum(dim=-1)
    total = cumulative[:, -1:]
    # stay below the total, or a token of zero probability could follow the last real one
    target = torch.minimum(noise.unsqueeze(1) * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, target, right=True).squeeze(1), mass


def _truncate(logits: Tensor, top_k: int, top_p: float) -> None:
    if top_k > 0:
        kept = min(top_k, logits.shape[-1])
        threshold = logits.topk(kept, dim=-1).values[:, -1:]
        logits.masked_fill_(logits < threshold, float("-inf"))
    if top_p < 1.0:
        ordered, index = logits.sort(dim=-1, descending=True)
        before = ordered.softmax(dim=-1).cumsum(dim=-1) - ordered.softmax(dim=-1)
        over = before >= top_p
        over[:, 0] = False  # the likeliest stays, however small p is
        dropped = torch.zeros_like(logits, dtype=torch.bool).scatter_(1, index, over)
        logits.masked_fill_(dropped, float("-inf"))


@torch.inference_mode()
def sample(
    engine: Engine,
    cache: RaggedCache,
    contexts: list[list[int]],
    noise: np.ndarray,
    sampling: Sampling,
    on_token: OnToken | None = None,
    copies: int = 1,
) -> tuple[Sampled, RaggedCache]:
    """Continue each row of the cache by ``contexts`` and then by sampled tokens.

    Args:
        engine: the model.
        cache: rows 0..P-1 are continued (they may be empty).
        contexts: P lists of tokens to feed first, each non-empty.
        noise: (P·copies, max_new_tokens) uniforms, one row an answer.
        sampling: how.
        on_token: called for each sampled token.
        copies: answers sampled a row; the row is computed once and its cache copied.

    Returns:
        What was sampled, and the cache that holds it (a new one if ``copies`` > 1).
    """
    hidden = extend(engine, cache, contexts)
    if copies > 1:
        cache, hidden = cache.copied(hidden, copies)
    rows = len(contexts) * copies
    order = np.arange(rows)  # order[slot] is the row that lies there
    tokens: list[list[int]] = [[] for _ in range(rows)]
    logprobs: list[list[float]] = [[] for _ in range(rows)]
    uniforms = torch.from_numpy(noise.astype(np.float32)).to(engine.device)
    ends = torch.tensor(sampling.end_tokens, dtype=torch.long, device=engine.device)
    active = rows
    for t in range(sampling.max_new_tokens):
        logits = engine.logits(hidden).float()
        if t < sampling.min_new_tokens:
            logits.index_fill_(1, ends, float("-inf"))
        here = torch.as_tensor(order[:active], device=engine.device)
        chosen, chosen_logprobs = next_tokens(logits, uniforms[here, t], sampling)
        new = chosen.tolist()
        for slot, token in enumerate(new):
            tokens[order[slot]].append(token)
            if on_token is not None:
                on_token(int(order[slot]), token)
        if chosen_logprobs is not None:
            for slot, value in enumerate(chosen_logprobs.tolist()):
                logprobs[order[slot]].append(value)
        if t + 1 == sampling.max_new_tokens:
            break
        active, new = _compact(cache, order, new, active, sampling.end_tokens)
        if active == 0:
            break
        hidden = extend(engine, cache, [[token] for token in new])
    slots = np.empty(rows, dtype=np.int64)
    slots[order] = np.arange(rows)
    listed = [np.array(row) for row in logprobs] if sampling.logprobs else None
    return Sampled(tokens, listed, slots), cache


def _compact(
    cache: RaggedCache, order: np.ndarray, new: list[int], active: int, end_tokens: tuple[int, ...]
) -> tuple[int, list[int]]:
    """Move rows that ended behind those that go on; their cache stays for whoever continues them."""
    ended = [token in end_tokens for token in new]
    kept = active - sum(ended)
    if kept == active:
        return active, new
    holes = [slot for slot in range(kept) if ended[slot]]
    movers = [slot for slot in range(kept, active) if not ended[slot]]
    cache.swap(holes, movers)
    order[holes + movers] = order[movers + holes]
    for hole, mover in zip(holes, movers, strict=True):
        new[hole] = new[mover]
    return kept, new[:kept]
