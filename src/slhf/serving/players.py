"""Who answers a turn of a chain, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from slhf.policies.chain import Turn
from slhf.serving.asking import Asked
from slhf.serving.batch import Held
from slhf.serving.steps import Step, TokenEvent
from slhf.types import Answer

Tell = Callable[[TokenEvent], None]
"""Told what is said as it is said, on the event loop."""

Memory = dict[Any, Held]
"""Keys and values one chain leaves for its next step."""


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
    def at_once(self) -> int | None:
        """Turns to ask for at once; None sets no limit."""
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
