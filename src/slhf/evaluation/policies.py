"""Language models as players of an evaluation: who they are, and how they are asked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from slhf.errors import InputError
from slhf.evaluation.answers import BATCH, Model, Request
from slhf.evaluation.identity import fingerprint

if TYPE_CHECKING:
    from slhf.policies import CausalPolicy, Sampling

_PROBE = ("Which colour is the sky?", "Blue.")


def policy_model(
    name: str, policy: CausalPolicy, sampling: Sampling, *, seed: int = 0, max_rows: int = BATCH, identity: str = ""
) -> Model:
    """Return a language model as a player of both roles.

    Each answer's noise belongs to its prompt, sample and step, so that an answer does not depend on what else
    is asked. The Follower's context is made from the text of the answer it refines, whoever wrote it; in
    :func:`slhf.policies.chain` it is made from the tokens, which differ for the rare answer that is not tokenised
    again the way it was sampled.

    Args:
        name: shown in tables.
        policy: the model and its roles.
        sampling: how to sample; its end tokens are replaced by the roles'.
        seed: of all its answers.
        max_rows: answers decoded at the same time.
        identity: what tells the model from all others; a hash of its weights and roles if not given.

    Raises:
        InputError: later, from ``answer``: a conversation for a model without a chat template, or a context
            that is longer than the model holds.
    """
    from slhf.policies.decoding import row_noise  # here, so that importing this room does not load torch

    settings = replace(sampling, end_tokens=policy.roles.end_tokens, logprobs=False)
    kept: dict[str, Any] = {}

    def answer(requests: Sequence[Request]) -> list[str]:
        contexts = [_context(policy, request) for request in requests]
        _check_lengths(policy, settings, requests, contexts)
        policy.model.eval()
        texts = [""] * len(requests)
        engines = policy.engines(sorted({request.role for request in requests}), held=kept)
        kept.update(engines)
        for role in engines:
            mine = [i for i, request in enumerate(requests) if request.role == role]
            for start in range(0, len(mine), max_rows):
                part = mine[start : start + max_rows]
                noise = np.stack([row_noise(requests[i].noise_key(seed), settings.max_new_tokens) for i in part])
                found = _sampled(policy, engines[role], [contexts[i] for i in part], noise, settings)
                for i, text in zip(part, found, strict=True):
                    texts[i] = text
        return texts

    return Model(name, answer, identity or policy_identity(policy), repr(settings), seed)


def policy_identity(policy: CausalPolicy) -> str:
    """Return the hash of everything a policy's answers depend on besides the sampling: weights, roles, tokenizer.

    Args:
        policy: the model and its roles.

    Returns:
        64 hexadecimal digits; the same for the same weights under another path.
    """
    content = hashlib.sha256()
    for key, tensor in sorted(policy.model.state_dict().items()):
        content.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        content.update(_bytes(tensor))
    context = policy.roles.leader_context(_PROBE[0])
    answer = policy.roles.answer_tokens(_PROBE[1])
    longer = policy.roles.follower_context(_PROBE[0], context, answer, _PROBE[1])
    config = policy.plain.config.to_dict()
    # where it was loaded from, and by which version, is not what it is
    told = {k: repr(v) for k, v in config.items() if k not in ("_name_or_path", "transformers_version", "dtype")}
    return fingerprint(content.hexdigest(), told, context, longer, list(policy.roles.end_tokens), policy.adapters)


def _bytes(tensor: Any) -> Any:
    import torch

    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data


def _sampled(
    policy: CausalPolicy, engine: Any, contexts: list[list[int]], noise: np.ndarray, sampling: Sampling
) -> list[str]:
    from slhf.policies.decoding import sample
    from slhf.policies.rollouts import make_answers

    cache = engine.new_cache(len(contexts), max(map(len, contexts)) + sampling.max_new_tokens)
    sampled, _ = sample(engine, cache, contexts, noise, sampling)
    return [answer.text for answer in make_answers(policy, sampled.tokens)]


def _context(policy: CausalPolicy, request: Request) -> list[int]:
    context = policy.roles.leader_context(request.prompt)
    if not context:
        raise InputError(f"the prompt {request.prompt!r} has no tokens")
    if request.previous is None:
        return context
    tokens = policy.roles.answer_tokens(request.previous)
    return policy.roles.follower_context(request.prompt, context, tokens, request.previous)


def _check_lengths(
    policy: CausalPolicy, sampling: Sampling, requests: Sequence[Request], contexts: list[list[int]]
) -> None:
    limit = policy.max_length
    longest = max(range(len(contexts)), key=lambda i: len(contexts[i]), default=None)
    if limit is None or longest is None:
        return
    needed = len(contexts[longest]) + sampling.max_new_tokens
    if needed > limit:
        raise InputError(
            f"the prompt {requests[longest].prompt!r}, as the {requests[longest].role} sees it, and its answer need "
            f"{needed} tokens, the model holds {limit}; leave the prompt out or lower max_new_tokens"
        )
