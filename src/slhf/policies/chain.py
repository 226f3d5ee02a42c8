"""Refine an answer again and again: the only refinement loop there is."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from slhf.errors import InputError
from slhf.policies.causal_lm import ROLES, CausalPolicy
from slhf.policies.decoding import Sampling, row_noise, sample
from slhf.policies.engine import Engine
from slhf.policies.roles import Roles
from slhf.policies.rollouts import make_answers
from slhf.types import Answer, Prompt

OnChainToken = Callable[[int, int, int], None]
"""Called with (prompt number, step, token) as each token is sampled; step 0 is the Leader's answer."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer of a chain that is wanted.

    Attributes:
        step: 0 is the Leader's answer, i the i-th refinement.
        prompt: x.
        answer: y_i, what is to be refined; None asks the Leader. One without tokens came as text.
    """

    step: int
    prompt: Prompt
    answer: Answer | None = None

    @property
    def role(self) -> str:
        """Who speaks: ``leader`` or ``follower``."""
        return "leader" if self.answer is None else "follower"

    def context(self, roles: Roles, start: list[int] | None = None) -> list[int]:
        """Return the tokens this turn's answer continues.

        Args:
            roles: of the model that speaks.
            start: what the Leader's answer continues, where that is known.
        """
        start = roles.leader_context(self.prompt) if start is None else start
        if self.answer is None:
            return start
        tokens = self.answer.tokens or roles.answer_tokens(self.answer.text)
        return roles.follower_context(self.prompt, start, tokens, self.answer.text)


def turns(prompt: Prompt, steps: int, answer: Answer | None = None) -> Generator[Turn, Answer, None]:
    """Refine an answer again and again, whoever speaks: yields the answer that is wanted, and is sent it.

        y₁ ~ π(·|x),   y_{i+1} ~ ω(·|x, y_i)

    Who drives it may stop at any turn.

    Args:
        prompt: x.
        steps: refinements, ≥ 0.
        answer: somebody's first answer; the Leader is not asked then.

    Raises:
        InputError: a negative number of steps.
    """
    if steps < 0:
        raise InputError(f"steps={steps}: the number of refinements cannot be negative")
    if answer is None:
        answer = yield Turn(0, prompt)
    for step in range(1, steps + 1):
        answer = yield Turn(step, prompt, answer)


def next_turn(loop: Generator[Turn, Answer, None], answer: Answer) -> Turn | None:
    """Send a chain's newest answer, and return the turn that follows; None if there is none."""
    try:
        return loop.send(answer)
    except StopIteration:
        return None


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
    if not prompts:
        raise InputError("no prompt given")
    if answers is not None and len(answers) != len(prompts):
        raise InputError(f"{len(answers)} answers for {len(prompts)} prompts; give one answer a prompt")
    roles = policy.roles
    sampling = replace(sampling, end_tokens=roles.end_tokens)
    starts = [roles.leader_context(prompt) for prompt in prompts]
    policy.model.eval()
    given: list[Answer | None] = [None] * len(prompts)
    if answers is not None:
        given = [Answer(roles.answer_tokens(text), text, True) for text in answers]
    chains = [[] if answer is None else [answer] for answer in given]
    engines: dict[str, Engine] = {}
    loops = [turns(prompt, steps, answer) for prompt, answer in zip(prompts, given, strict=True)]
    wanted = [next(loop, None) for loop in loops]  # all of one step, or all None
    while wanted[0] is not None:
        contexts = [turn.context(roles, start) for turn, start in zip(wanted, starts, strict=True) if turn is not None]
        step, role = wanted[0].step, wanted[0].role
        said = _one(policy, role, engines, contexts, sampling, (seed, step), on_token, step)
        for sequence, answer in zip(chains, said, strict=True):
            sequence.append(answer)
        wanted = [next_turn(loop, answer) for loop, answer in zip(loops, said, strict=True)]
    return chains


def _one(
    policy: CausalPolicy,
    role: str,
    engines: dict[str, Engine],
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
    if role not in engines:  # made once a chain
        engines |= policy.engines(ROLES if policy.shared else (role,))
    engine = engines[role]
    cache = engine.new_cache(len(contexts), capacity)
    noise = np.stack([row_noise((*key, i), sampling.max_new_tokens) for i in range(len(contexts))])
    listen = None if on_token is None else (lambda row, token: on_token(row, step, token))
    sampled, _ = sample(engine, cache, contexts, noise, sampling, listen)
    return make_answers(policy, sampled.tokens, sampled.logprobs)
