"""Who answers a turn of a chain, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from slhf.policies.chain import Turn
from slhf.serving.asking import Asked
from slhf.serving.jobs import Held
from slhf.serving.steps import Step, TokenEvent
from slhf.types import Answer

Tell = Callable[[TokenEvent], None]
"""Told what is said as it is said, on the event loop."""

TokenText = Callable[[int], str]
"""Returns one token as text."""


@dataclass(frozen=True)
class Memory:
    """What the steps of one chain leave for one another.

    Attributes:
        held: keys and values, by decoder.
        starts: tokens that the Leader's answer continues, by player.
    """

    held: dict[Any, Held] = field(default_factory=dict)
    starts: dict[Any, list[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Spoken:
    """One turn's answer.

    Attributes:
        answer: for the next turn.
        step: for the record, without judgement and time.
        prompt_tokens: tokens of what it continued, where they were counted here.
    """

    answer: Answer
    step: Step
    prompt_tokens: int = 0


class Player(Protocol):
    """Answers a turn as one role or the other."""

    @property
    def waiting(self) -> int:
        """Turns that wait for their place."""
        ...

    @property
    def bounded(self) -> bool:
        """True if something on its side limits how long a text may get."""
        ...

    @property
    def token_text(self) -> TokenText | None:
        """Returns one of its tokens as text; None if it tells neither tokens nor log-probabilities."""
        ...

    async def absent(self) -> str | None:
        """Return why nobody would answer now; None if somebody would."""
        ...

    async def speak(self, turn: Turn, asked: Asked, memory: Memory, more: bool, tell: Tell | None) -> Spoken:
        """Answer a turn.

        Args:
            turn: what is wanted.
            asked: how it is sampled.
            memory: what the chain's steps leave for one another.
            more: another step may follow.
            tell: told what is said as it is said.

        Raises:
            InputError: the conversation does not fit the model or its template.
        """
        ...
