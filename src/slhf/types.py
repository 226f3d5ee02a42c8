"""What flows between the rooms: prompts, answers, comparisons, matches, rollouts, rounds."""

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


@dataclass(frozen=True, slots=True)
class Refined:
    """Each answer meets refinements of itself, by the Follower.

    Attributes:
        count: F, refinements an answer.
    """

    count: int = 1


@dataclass(frozen=True, slots=True)
class Group:
    """Each answer meets the Leader's other answers to the same prompt."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """Each answer meets answers of a policy that lies between the Leader and the reference.

        μ(y_t | y_<t) ∝ π(y_t | y_<t)^{1−β} π_ref(y_t | y_<t)^β

    Attributes:
        coefficient: β in [0, 1], the reference's share: 0 is the Leader itself, 1 the reference.
        count: M, answers a prompt; each of the Leader's answers meets all of them.
    """

    coefficient: float
    count: int = 1


@dataclass(frozen=True, slots=True)
class Scored:
    """Each answer gets a reward of its own; nothing is compared."""


Opponent = Refined | Group | Mixture | Scored
"""What the Leader's answers are measured against."""


@dataclass(frozen=True, slots=True)
class Match:
    """Who plays: how often the Leader answers, and whom its answers meet.

    Attributes:
        leaders: G, Leader answers a prompt.
        opponent: whom they meet.
    """

    leaders: int = 1
    opponent: Opponent = Refined()


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
        followers: per Leader answer, F refinements; ``followers[g][f]`` answers ``leaders[g]``. Empty
            lists where no Follower plays.
        opponents: M answers of the mixture; empty where none plays.
    """

    row: int
    prompt: str
    columns: Mapping[str, Any]
    leader_context: list[int]
    leaders: list[Answer]
    follower_contexts: list[list[int]]
    followers: list[list[Answer]]
    opponents: list[Answer] = field(default_factory=list)


@dataclass(slots=True)
class Round:
    """A rollout after judging.

    Attributes:
        rollout: what was sampled.
        preferences: p[g, k] = P(leaders[g] ≻ the k-th of what it meets), float64, shape (G, F) against
            refinements, (G, M) against a mixture, (G, G) in a group (½ on the diagonal), (G, 0) where scored.
        rewards: (G,) rewards of the Leader's answers, float64; None where they were compared.
    """

    rollout: Rollout
    preferences: np.ndarray
    rewards: np.ndarray | None = None
