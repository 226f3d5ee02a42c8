"""What flows between the rooms: prompts, answers, comparisons, rollouts, rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Message = Mapping[str, str]
"""One turn of a conversation: ``{"role": "user", "content": "…"}``."""

Prompt = str | Sequence[Message]
"""A prompt x: text, or a conversation that ends with a user turn."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One question to a judge: is ``first`` preferred to ``second`` for ``prompt``?

    Attributes:
        prompt: x as text; a conversation is rendered the way a person would read it.
        first: y, the response whose probability of being preferred is asked.
        second: y′, the response it is compared with.
        columns: the data set's extra columns for this prompt (a reference answer, say).
    """

    prompt: str
    first: str
    second: str
    columns: Mapping[str, Any] = field(default_factory=dict)

    def swap(self) -> Comparison:
        """Return the same question with the two responses exchanged."""
        return Comparison(self.prompt, self.second, self.first, self.columns)


@dataclass(slots=True)
class Answer:
    """One sampled response y, as tokens and as text.

    Attributes:
        tokens: response tokens as sampled, the end token included when there is one.
        text: the decoded response, without special tokens.
        ended: True if the last token is one of the model's end tokens; False if it was cut.
        logprobs: log-probability of each token under the *sampler* (nats, at the sampling
            temperature); None where the sampler was not asked for it.
    """

    tokens: list[int]
    text: str
    ended: bool
    logprobs: np.ndarray | None = None


@dataclass(slots=True)
class Rollout:
    """Everything sampled for one prompt, before judging.

    Attributes:
        row: the prompt's index in its data set; with the step it seeds the sampling noise.
        prompt: x as text, for judges and people.
        columns: the data set's extra columns.
        leader_context: tokens the Leader's answers continue.
        leaders: G Leader answers.
        follower_contexts: per Leader answer, the tokens its refinements continue.
        followers: per Leader answer, F refinements; ``followers[g][f]`` answers ``leaders[g]``.
    """

    row: int
    prompt: str
    columns: Mapping[str, Any]
    leader_context: list[int]
    leaders: list[Answer]
    follower_contexts: list[list[int]]
    followers: list[list[Answer]]


@dataclass(slots=True)
class Round:
    """A rollout after judging.

    Attributes:
        rollout: what was sampled.
        preferences: p[g, f] = P(leaders[g] ≻ followers[g][f]), float64, shape (G, F).
    """

    rollout: Rollout
    preferences: np.ndarray
