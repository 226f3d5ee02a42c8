"""From rounds to a ``GameBatch``: the policy's and the reference's log-probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from slhf.objectives import GameBatch, ResponseBatch
from slhf.policies.causal_lm import CausalPolicy
from slhf.policies.logprobs import Head, last_hidden, token_log_probs
from slhf.training.sequences import Pass, Span, one_pass, two_passes
from slhf.types import Round


@dataclass(frozen=True)
class Scoring:
    """How log-probabilities are taken.

    Attributes:
        temperature: the sampling temperature.
        chunk_mib: bound on a chunk of logits, MiB; 0 is ``automatic_chunk``.
        exact_kl: also the full-vocabulary KL at each token.
        importance_cap: truncate sampler-to-policy weights here; None where both are the same.
    """

    temperature: float
    chunk_mib: float
    exact_kl: bool = False
    importance_cap: float | None = None


def automatic_chunk(device: torch.device, vocabulary: int) -> float:
    """Return how many MiB of float32 logits to hold at a time.

    On a CPU 128 positions, but 8 MiB at least and 30 at most: fewer positions read the head too often, smaller
    blocks stay in the processor's cache, and larger ones are mapped from the system afresh each time.
    """
    return min(max(8.0, 128 * 4 * vocabulary / 2**20), 30.0) if device.type == "cpu" else 256.0


def automatic_tokens(device: torch.device, dtype: torch.dtype) -> int:
    """Return how many tokens one forward and backward may hold, padding included.

    On a CPU 1,024, and twice as many where a state takes two bytes: with fewer the calls cost more than their work,
    and more take memory and gained nothing in float32 (measured; beyond 2,048 in bfloat16 it was not).

    Args:
        device: where it runs.
        dtype: type of the states, under autocast the narrower one.
    """
    if device.type != "cpu":
        return 16384
    return 2048 if dtype.itemsize <= 2 else 1024


def game_batch(policy: CausalPolicy, model: Any, rounds: Sequence[Round], scoring: Scoring) -> GameBatch:
    """Score rounds: one forward of policy and reference where one pass serves all roles that play, else two.

    Args:
        policy: roles, adapters, reference.
        model: the policy's model as the trainer wrapped it; called with gradient as the caller set it.
        rounds: B prompts of the same match.
        scoring: temperature, chunks, exact KL, importance weights.
    """
    pad = policy.roles.end_tokens[0]
    refined = any(rounds[0].rollout.followers)
    joint = refined and policy.shared and policy.roles.extends
    roles: dict[str, ResponseBatch] = {}
    for item in one_pass(rounds, pad) if joint else two_passes(rounds, pad):
        roles |= _score(policy, model, item, scoring)

    def stacked(rows: list[Any]) -> Tensor:
        return torch.from_numpy(np.stack(rows)).to(policy.device, roles["leader"].log_probs.dtype)

    scored = rounds[0].rewards is not None
    return GameBatch(
        roles,
        stacked([r.preferences for r in rounds]),
        rewards=stacked([r.rewards for r in rounds]) if scored else None,
        opponents_truncated=stacked([np.array([not y.ended for y in r.rollout.opponents]) for r in rounds]),
    )


def _score(policy: CausalPolicy, model: Any, item: Pass, scoring: Scoring) -> dict[str, ResponseBatch]:
    device = policy.device
    tokens = torch.from_numpy(item.tokens).to(device)
    places = [_places(span) for span in item.spans.values()]
    rows = torch.from_numpy(np.concatenate([p[0] for p in places])).to(device)
    columns = torch.from_numpy(np.concatenate([p[1] for p in places])).to(device)
    targets = tokens[rows, columns]
    chunk = scoring.chunk_mib or automatic_chunk(device, policy.plain.config.get_text_config().vocab_size)

    def head(reference: bool) -> Head:
        return policy.head(temperature=scoring.temperature, chunk_mib=chunk, reference=reference)

    with torch.no_grad(), policy.reference() as reference:
        # the token in column c is predicted by the hidden state in column c − 1
        ref_hidden = last_hidden(reference, tokens)[rows, columns - 1]
        ref_head = head(True)
        ref_log_probs, _ = token_log_probs(ref_hidden, targets, ref_head)
    with policy.playing(item.role):
        hidden = last_hidden(model, tokens)[rows, columns - 1]
        held = (ref_hidden, ref_head) if scoring.exact_kl else None
        log_probs, kl = token_log_probs(hidden, targets, head(False), reference=held)
    out: dict[str, ResponseBatch] = {}
    at = 0
    for (role, span), place in zip(item.spans.items(), places, strict=True):
        part = slice(at, at + len(place[0]))
        out[role] = _responses(span, log_probs[part], ref_log_probs[part], None if kl is None else kl[part], scoring)
        at = part.stop
    return out


def _places(span: Span) -> tuple[np.ndarray, np.ndarray]:
    lengths = np.array([len(answer.tokens) for answer in span.answers])
    within = np.concatenate([np.arange(n) for n in lengths])
    return np.repeat(span.rows, lengths), np.repeat(span.starts, lengths) + within


def _responses(
    span: Span, log_probs: Tensor, ref_log_probs: Tensor, kl: Tensor | None, scoring: Scoring
) -> ResponseBatch:
    device = log_probs.device
    lengths = torch.tensor([len(answer.tokens) for answer in span.answers], device=device)
    mask = torch.arange(int(lengths.max()), device=device) < lengths.unsqueeze(1)

    def padded(flat: Tensor) -> Tensor:
        return torch.zeros(mask.shape, dtype=flat.dtype, device=device).masked_scatter(mask, flat)

    importance = ratio = None
    if scoring.importance_cap is not None:
        sampled = np.concatenate([answer.logprobs for answer in span.answers])  # type: ignore[arg-type]
        flat = log_probs.detach() - torch.from_numpy(sampled).to(device, log_probs.dtype)
        ratio, importance = padded(flat), padded(flat.exp().clamp(max=scoring.importance_cap))
    truncated = torch.tensor([not answer.ended for answer in span.answers], device=device)
    return ResponseBatch(
        log_probs=padded(log_probs),
        ref_log_probs=padded(ref_log_probs),
        mask=mask.to(log_probs.dtype),
        truncated=truncated.to(log_probs.dtype),
        kl=None if kl is None else padded(kl),
        importance=importance,
        sampler_log_ratio=ratio,
    )
