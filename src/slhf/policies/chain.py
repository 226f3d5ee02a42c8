"""Refine an answer again and again: the only refinement loop there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from slhf.errors import InputError
from slhf.policies.causal_lm import CausalPolicy
from slhf.policies.decoding import Sampling, row_noise, sample
from slhf.policies.rollouts import make_answers
from slhf.types import Answer, Prompt

OnChainToken = Callable[[int, int, int], None]
"""Called with (prompt number, step, token) as each token is sampled; step 0 is the Leader's answer."""


def chain(
    policy: CausalPolicy,
    prompts: Sequence[Prompt],
    *,
    steps: int = 1,
    answers: Sequence[str] | None = None,
    sampling: Sampling,
    seed: int = 0,
    on_token: OnChainToken | None = None,
) -> list[list[Answer]]:
    """Answer each prompt as the Leader, then refine the last answer ``steps`` times as the Follower.

        y₁ ~ π(·|x),   y_{i+1} ~ ω(·|x, y_i)

    Args:
        policy: the model and its roles.
        prompts: x, text or conversations.
        steps: refinements an answer, ≥ 0.
        answers: someone else's first answers; the Leader is not asked then.
        sampling: how to sample; its end tokens are replaced by the roles'.
        seed: fixes every answer.
        on_token: called as tokens come.

    Returns:
        Per prompt ``steps + 1`` answers, the first one the Leader's (or the given one).

    Raises:
        InputError: no prompt, a negative number of steps, too few answers, a context too long.
    """
    if steps < 0:
        raise InputError(f"steps={steps}: the number of refinements cannot be negative")
    if not prompts:
        raise InputError("no prompt given")
    if answers is not None and len(answers) != len(prompts):
        raise InputError(f"{len(answers)} answers for {len(prompts)} prompts; give one answer a prompt")
    sampling = replace(sampling, end_tokens=policy.roles.end_tokens)
    roles = policy.roles
    contexts = [roles.leader_context(prompt) for prompt in prompts]
    policy.model.eval()
    if answers is None:
        current = _one(policy, "leader", contexts, sampling, (seed, 0), on_token, 0)
    else:
        current = [Answer(roles.answer_tokens(text), text, True) for text in answers]
    chains = [[answer] for answer in current]
    for step in range(1, steps + 1):
        longer = [
            roles.follower_context(prompt, context, answer.tokens, answer.text)
            for prompt, context, answer in zip(prompts, contexts, current, strict=True)
        ]
        current = _one(policy, "follower", longer, sampling, (seed, step), on_token, step)
        for sequence, answer in zip(chains, current, strict=True):
            sequence.append(answer)
    return chains


def _one(
    policy: CausalPolicy,
    role: str,
    contexts: list[list[int]],
    sampling: Sampling,
    key: tuple[int, int],
    on_token: OnChainToken | None,
    step: int,
) -> list[Answer]:
    capacity = max(map(len, contexts)) + sampling.max_new_tokens
    if policy.max_length is not None and capacity > policy.max_length:
        raise InputError(
            f"step {step}: context and answer need {capacity} tokens, the model holds {policy.max_length}; "
            "shorten the prompt or lower max_new_tokens"
        )
    engine = policy.engine(role)
    cache = engine.new_cache(len(contexts), capacity)
    noise = np.stack([row_noise((*key, i), sampling.max_new_tokens) for i in range(len(contexts))])
    listen = None if on_token is None else (lambda row, token: on_token(row, step, token))
    sampled, _ = sample(engine, cache, contexts, noise, sampling, listen)
    return make_answers(policy, sampled.tokens, sampled.logprobs)
