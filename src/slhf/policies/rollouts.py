"""Sample Leader answers, and what they are compared with, for a whole optimiser batch at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from slhf.errors import InputError
from slhf.policies.causal_lm import ROLES, CausalPolicy
from slhf.policies.decoding import Sampled, Sampling, row_noise, sample
from slhf.policies.engine import Engine
from slhf.policies.mixture_engine import BaseAndAdapter, MixtureEngine, Pair, TwoModels
from slhf.policies.ragged_cache import RaggedCache
from slhf.policies.roles import as_text
from slhf.types import Answer, Match, Mixture, Refined, Rollout

REFINED_ONCE = Match()
"""One answer a prompt, refined once: what an evaluation plays."""

_LEADER, _FOLLOWER, _REFERENCE, _MIXTURE = range(4)  # who draws the noise


@dataclass(frozen=True)
class PromptRow:
    """One row of a data set on its way to the policy.

    Attributes:
        row: index in the data set.
        prompt: text or conversation.
        columns: the row's other columns.
    """

    row: int
    prompt: Any
    columns: Mapping[str, Any]


class Roller:
    """Samples rollouts from a policy: one engine a role, refreshed when the weights change.

    Args:
        policy: the model, roles and adapters.
        sampling: how answers are sampled; its end tokens are replaced by the roles'.
        seed: with the step, the row, the role and the sample's number, fixes every answer.
        dtype: sampling precision; the model's own if None.
        max_rows: answers decoded at the same time.
    """

    def __init__(
        self,
        policy: CausalPolicy,
        sampling: Sampling,
        *,
        seed: int,
        dtype: torch.dtype | None = None,
        max_rows: int = 256,
    ):
        self._policy = policy
        self._sampling = replace(sampling, end_tokens=policy.roles.end_tokens)
        self._seed, self._dtype, self._max_rows = seed, dtype, max_rows
        self._engines: dict[str | None, Engine] = {}

    def refresh(self, role: str | None) -> Engine:
        """Return ``role``'s engine with today's weights; None is the reference."""
        self._engines[role] = self._policy.engine(role, dtype=self._dtype, held=self._engines.get(role))
        return self._engines[role]

    def forget(self, role: str | None) -> None:
        """Free an engine's buffers (the reference's, after an evaluation)."""
        self._engines.pop(role, None)

    def rest(self) -> None:
        """Free both roles' copies of the weights: the next rollouts need new ones, and training their memory."""
        for role in ROLES:
            self.forget(role)

    def context(self, row: PromptRow) -> list[int]:
        """Return the Leader's context, checked against the model's length."""
        context = self._policy.roles.leader_context(row.prompt)
        if not context:
            raise InputError(f"row {row.row}: the prompt {row.prompt!r} has no tokens")
        return context

    def reference_answers(self, rows: Sequence[PromptRow], step: int) -> list[Answer]:
        """Sample one answer a prompt from the reference, in the Leader's position."""
        engine = self.refresh(None)
        answers: list[Answer] = []
        for at in range(0, len(rows), self._max_rows):
            part = rows[at : at + self._max_rows]
            contexts = [self.context(row) for row in part]
            noise = np.stack([self._noise(step, row, _REFERENCE, 0, 0) for row in part])
            capacity = max(map(len, contexts)) + self._sampling.max_new_tokens
            cache = engine.new_cache(len(part), capacity)
            sampled, _ = sample(engine, cache, contexts, noise, self._sampling)
            answers += self._answers(sampled)
        return answers

    def rollouts(self, rows: Sequence[PromptRow], step: int, match: Match = REFINED_ONCE) -> list[Rollout]:
        """Sample G Leader answers a prompt, and what they are to be compared with.

        The Follower continues from the Leader's key–value cache when both roles are the same
        weights and the template extends; otherwise its context is computed afresh from tokens
        (or, where the template does not extend, from text).

        Args:
            rows: the prompts of one optimiser step.
            step: the optimiser step; part of the noise key.
            match: who plays.
        """
        opponent, leaders = match.opponent, match.leaders
        followers = opponent.count if isinstance(opponent, Refined) else 0
        mixed = opponent.count if isinstance(opponent, Mixture) else 0
        a_part = max(1, self._max_rows // (leaders * max(1, followers) + mixed))
        parts = [rows[at : at + a_part] for at in range(0, len(rows), a_part)]
        if isinstance(opponent, Mixture):
            engine = MixtureEngine(self._pair(), opponent.coefficient, alone=leaders)
            return [one for part in parts for one in self._opposed(engine, part, step, leaders, mixed)]
        roles = ROLES[: 2 if followers else 1]
        engines = self._policy.engines(roles, dtype=self._dtype, held=self._engines)
        self._engines |= engines
        return [one for part in parts for one in self._part(engines, part, step, leaders, followers)]

    def _pair(self) -> Pair:
        """Return the Leader and the reference, in one pass over the base's weights where they share them."""
        if None not in self._engines:  # its weights never change, so it is made once
            self.refresh(None)
        base = self._engines[None]
        adapted = self._policy.low_rank("leader", base)
        if adapted is not None:
            return BaseAndAdapter(*adapted)
        return TwoModels(self.refresh("leader"), base)

    def _part(
        self, engines: dict[str, Engine], rows: Sequence[PromptRow], step: int, leaders: int, followers: int
    ) -> list[Rollout]:
        limit = self._sampling.max_new_tokens
        contexts = [self.context(row) for row in rows]
        reuse = self._policy.shared and self._policy.roles.extends and followers > 0
        noise = np.stack([self._noise(step, row, _LEADER, g, 0) for row in rows for g in range(leaders)])
        room = limit + self._longest_suffix(rows, contexts) if reuse else 0
        cache = engines["leader"].new_cache(len(rows), max(map(len, contexts)) + limit + room)
        sampled, cache = sample(engines["leader"], cache, contexts, noise, self._sampling, copies=leaders)
        first = self._answers(sampled)
        rollouts: list[Rollout] = []
        for i, row in enumerate(rows):
            rollouts.append(_answered(row, contexts[i], first[i * leaders : (i + 1) * leaders]))
        if followers:
            held = (cache, sampled.slots) if reuse else None
            self._refine(engines["follower"], rows, rollouts, step, followers, held)
        return rollouts

    def _opposed(self, engine: Engine, rows: Sequence[PromptRow], step: int, leaders: int, mixed: int) -> list[Rollout]:
        """Sample G answers of the Leader and M from between it and the reference a prompt, in one batch."""
        contexts = [self.context(row) for row in rows]
        drawn = [(_LEADER, g, 0) for g in range(leaders)] + [(_MIXTURE, 0, m) for m in range(mixed)]
        noise = np.stack([self._noise(step, row, *who) for row in rows for who in drawn])
        cache = engine.new_cache(len(rows), max(map(len, contexts)) + self._sampling.max_new_tokens)
        sampled, _ = sample(engine, cache, contexts, noise, self._sampling, copies=len(drawn))
        answers = self._answers(sampled)
        rollouts: list[Rollout] = []
        for i, (row, context) in enumerate(zip(rows, contexts, strict=True)):
            mine = answers[i * len(drawn) : (i + 1) * len(drawn)]
            rollout = _answered(row, context, mine[:leaders])
            rollout.opponents = mine[leaders:]
            rollouts.append(rollout)
        return rollouts

    def _refine(
        self,
        engine: Engine,
        rows: Sequence[PromptRow],
        rollouts: list[Rollout],
        step: int,
        followers: int,
        held: tuple[RaggedCache, np.ndarray] | None,
    ) -> None:
        pairs = [
            (row, rollout, g) for row, rollout in zip(rows, rollouts, strict=True) for g in range(len(rollout.leaders))
        ]
        for row, rollout, g in pairs:
            answer = rollout.leaders[g]
            rollout.follower_contexts[g] = self._policy.roles.follower_context(
                row.prompt, rollout.leader_context, answer.tokens, answer.text
            )
        full = [rollout.follower_contexts[g] for _, rollout, g in pairs]
        keys = [(row, g, f) for row, _, g in pairs for f in range(followers)]
        noise = np.stack([self._noise(step, row, _FOLLOWER, g, f) for row, g, f in keys])
        capacity = max(map(len, full)) + self._sampling.max_new_tokens
        if held is None:
            cache = engine.new_cache(len(full), capacity)
            sampled, _ = sample(engine, cache, full, noise, self._sampling, copies=followers)
        else:
            sampled = self._continue(engine, held, full, noise, followers)
        refined = self._answers(sampled)
        for i, (_, rollout, g) in enumerate(pairs):
            rollout.followers[g] = refined[i * followers : (i + 1) * followers]

    def _continue(
        self,
        engine: Engine,
        held: tuple[RaggedCache, np.ndarray],
        full: list[list[int]],
        noise: np.ndarray,
        copies: int,
    ) -> Sampled:
        """Append to the Leader's cache what it has not seen: its last token, and the instruction."""
        cache, slots = held
        # rows lie where the Leader's decoding left them; feed and sample in that order
        order = np.argsort(slots)
        unseen = [full[row][cache.lengths[slot] :] for slot, row in enumerate(order)]
        by_slot = noise.reshape(len(full), copies, -1)[order].reshape(noise.shape)
        sampled, _ = sample(engine, cache, unseen, by_slot, self._sampling, copies=copies)
        back = (slots[:, None] * copies + np.arange(copies)).ravel()
        logprobs = None if sampled.logprobs is None else [sampled.logprobs[i] for i in back]
        return Sampled([sampled.tokens[i] for i in back], logprobs, sampled.slots[back])

    def _longest_suffix(self, rows: Sequence[PromptRow], contexts: list[list[int]]) -> int:
        """Return how many tokens stand between an answer and its refinement, at most."""
        roles = self._policy.roles
        after = [
            roles.follower_context(row.prompt, context, [], "") for row, context in zip(rows, contexts, strict=True)
        ]
        return max(len(long) - len(short) for long, short in zip(after, contexts, strict=True))

    def _noise(self, step: int, row: PromptRow, role: int, leader: int, follower: int) -> np.ndarray:
        return row_noise((self._seed, step, row.row, role, leader, follower), self._sampling.max_new_tokens)

    def _answers(self, sampled: Sampled) -> list[Answer]:
        return make_answers(self._policy, sampled.tokens, sampled.logprobs)


def _answered(row: PromptRow, context: list[int], answers: list[Answer]) -> Rollout:
    """Return a rollout in which the Leader has answered and nobody else."""
    nobody: tuple[list[Any], list[Any]] = ([[] for _ in answers], [[] for _ in answers])
    return Rollout(row.row, as_text(row.prompt), row.columns, context, answers, *nobody)


def make_answers(
    policy: CausalPolicy, tokens: list[list[int]], logprobs: list[np.ndarray] | None = None
) -> list[Answer]:
    """Turn sampled tokens into answers; the text is for judges and people, never tokenised again."""
    ends = policy.roles.end_tokens
    texts = policy.tokenizer.batch_decode(
        [row[:-1] if row[-1] in ends else row for row in tokens], skip_special_tokens=True
    )
    return [
        Answer(row, text.strip(), row[-1] in ends, None if logprobs is None else logprobs[i])
        for i, (row, text) in enumerate(zip(tokens, texts, strict=True))
    ]
