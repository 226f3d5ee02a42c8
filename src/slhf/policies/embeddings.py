"""Where a model sees a prompt: the mean of its last hidden states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from slhf.errors import InputError
from slhf.policies.causal_lm import CausalPolicy
from slhf.types import Prompt

BATCH = 32
"""Prompts of one forward."""


@torch.inference_mode()
def prompt_embeddings(policy: CausalPolicy, prompts: Sequence[Prompt], *, batch: int = BATCH) -> NDArray[np.float32]:
    """Return the mean over its tokens of the last hidden states of each prompt, in the Leader's position.

        e(x) = (1/T) Σ_t h_t(x)

    Args:
        policy: the model, its adapters as they are.
        prompts: X prompts, text or conversations.
        batch: prompts of one forward; they are sorted by length, so it changes nothing beyond rounding.

    Returns:
        Shape (X, H), float32.

    Raises:
        InputError: a prompt without tokens, or longer than the model holds.
    """
    contexts = [policy.roles.leader_context(prompt) for prompt in prompts]
    for prompt, context in zip(prompts, contexts, strict=True):
        if not context:
            raise InputError(f"the prompt {prompt!r} has no tokens")
        if policy.max_length is not None and len(context) > policy.max_length:
            raise InputError(f"the prompt {prompt!r} has {len(context)} tokens, the model holds {policy.max_length}")
    policy.model.eval()
    decoder: Any = policy.plain.base_model
    order = sorted(range(len(contexts)), key=lambda i: len(contexts[i]))
    found: dict[int, NDArray[np.float32]] = {}
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        longest = max(len(contexts[i]) for i in part)
        tokens = torch.tensor([contexts[i] + [0] * (longest - len(contexts[i])) for i in part])
        mask = torch.tensor([[1] * len(contexts[i]) + [0] * (longest - len(contexts[i])) for i in part])
        inputs = {"input_ids": tokens.to(policy.device), "attention_mask": mask.to(policy.device)}
        hidden = decoder(**inputs, use_cache=False).last_hidden_state.float()
        weight = inputs["attention_mask"].unsqueeze(-1)
        means = (hidden * weight).sum(dim=1) / weight.sum(dim=1)
        found |= dict(zip(part, means.cpu().numpy(), strict=True))
    return np.stack([found[i] for i in range(len(contexts))])
