"""What a loss is computed from: log-probabilities of each role's responses, and the preferences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class ResponseBatch:
    """One role's responses, padded to T tokens; padding is zero everywhere.

    Attributes:
        log_probs: (R, T) log π(y_t | …) in nats, at the sampling temperature; has a gradient.
        ref_log_probs: (R, T) the same under the reference; no gradient.
        mask: (R, T) 1 where there is a response token (the end token included).
        truncated: (R,) 1 where the answer was cut before an end token.
        kl: (R, T) exact KL(π(·|prefix) ‖ π_ref(·|prefix)) at each token; has a gradient; or None.
        importance: (R, T) weight of each token where sampler and policy differ; or None.
        sampler_log_ratio: (R, T) log π − log π_sampler, before the weight is truncated; or None.
    """

    log_probs: Tensor
    ref_log_probs: Tensor
    mask: Tensor
    truncated: Tensor
    kl: Tensor | None = None
    importance: Tensor | None = None
    sampler_log_ratio: Tensor | None = None


@dataclass(frozen=True)
class GameBatch:
    """B prompts with G Leader answers each, and what came of them.

    Attributes:
        roles: ``leader`` with R = B·G rows; where a Follower plays, ``follower`` with R = B·G·F rows, in
            that order of nesting: row ((b·G) + g)·F + f.
        preferences: P(y_g ≻ the k-th of what it meets): (B, G, F) against refinements, (B, G, M) against
            a mixture, (B, G, G) in a group (½ on the diagonal), (B, G, 0) where answers are scored.
        rewards: (B, G) r(y_g) where answers are scored; else None.
        opponents_truncated: (B, M) 1 where an answer of the mixture was cut; None or M = 0 without one.
    """

    roles: Mapping[str, ResponseBatch]
    preferences: Tensor
    rewards: Tensor | None = None
    opponents_truncated: Tensor | None = None
