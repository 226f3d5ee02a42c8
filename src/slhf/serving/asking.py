"""How an answer is sampled, and what a conversation may look like."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slhf.errors import InputError
from slhf.types import Prompt

SPEAKERS = ("system", "developer", "user", "assistant")
_TURN = {"role", "content"}


@dataclass(frozen=True)
class Asked:
    """How the answers of one chain are sampled.

    Attributes:
        temperature: 0 takes the likeliest token; None is the model's own, stored beside its weights.
        top_p: keep the smallest set of tokens whose probability reaches it; 1 keeps all.
        max_new_tokens: an answer is cut after so many tokens; None is the model's own number.
        stop_texts: an answer ends before the first of these.
        top_logprobs: also tell each token's log-probability, and those of so many of the likeliest; None: neither.
        seed: with the step and the number of the sample, fixes every answer.
        sample: tells several answers to one prompt with one seed apart.

    Raises:
        InputError: a value out of range.
    """

    temperature: float | None = None
    top_p: float = 1.0
    max_new_tokens: int | None = None
    stop_texts: tuple[str, ...] = ()
    top_logprobs: int | None = None
    seed: int = 0
    sample: int = 0

    def __post_init__(self) -> None:
        if self.temperature is not None and not (math.isfinite(self.temperature) and self.temperature >= 0.0):
            raise InputError(f"temperature={self.temperature}: a temperature is 0 or more")
        if not 0.0 < self.top_p <= 1.0:
            raise InputError(f"top_p={self.top_p}: it is more than 0 and at most 1")
        if self.max_new_tokens is not None and self.max_new_tokens < 1:
            raise InputError(f"max_new_tokens={self.max_new_tokens}: an answer needs at least one token")
        if isinstance(self.stop_texts, str):
            raise InputError(f"stop_texts={self.stop_texts!r}: give a tuple of texts, even where there is one")
        if any(not text for text in self.stop_texts):
            raise InputError("stop_texts: an empty text would end every answer at once; leave it out")
        if self.top_logprobs is not None and self.top_logprobs < 0:
            raise InputError(f"top_logprobs={self.top_logprobs}: it is 0 or more")
        if self.seed < 0 or self.sample < 0:
            raise InputError(f"seed={self.seed} and sample={self.sample}: both are 0 or more")


def checked_prompt(messages: Any, where: str = "messages") -> Prompt:
    """Check a conversation; one user turn is the same as its text alone.

    Args:
        messages: a text, or turns ``{"role": …, "content": …}`` of which the last is the user's.
        where: the start of an error message.

    Raises:
        InputError: something else; the message names the turn.
    """
    if isinstance(messages, str):
        if not messages.strip():
            raise InputError(f"{where}: the prompt is empty; give the text to answer")
        return _text(messages, where)
    if not isinstance(messages, Sequence) or not messages:
        raise InputError(f"{where}: give a text, or at least one turn {{'role': 'user', 'content': '…'}}")
    turns = [_turn(one, f"{where}[{number}]") for number, one in enumerate(messages)]
    if turns[-1]["role"] != "user":
        raise InputError(f"{where}[{len(turns) - 1}]: the last turn is by {turns[-1]['role']!r}; it must be the user's")
    if not turns[-1]["content"].strip():
        raise InputError(f"{where}[{len(turns) - 1}].content is empty; give the text to answer")
    return turns[0]["content"] if len(turns) == 1 else tuple(turns)


def _turn(one: Any, where: str) -> dict[str, str]:
    if not isinstance(one, Mapping):
        raise InputError(f"{where}: a turn is {{'role': …, 'content': …}}, not a {type(one).__name__}")
    more = sorted(map(str, set(one) - _TURN))
    if more:
        raise InputError(f"{where}.{more[0]}: a turn has a role and a content, nothing else")
    role, content = one.get("role"), one.get("content")
    if role not in SPEAKERS:
        raise InputError(f"{where}.role: {role!r} is not one of {', '.join(SPEAKERS)}")
    if not isinstance(content, str):
        raise InputError(f"{where}.content: a text is needed, not a {type(content).__name__}")
    return {"role": role, "content": _text(content, f"{where}.content")}


def _text(text: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{where}: half a character (a lone surrogate) at place {error.start}; remove it") from error
    return text


def is_one_prompt(messages: Any) -> bool:
    """Tell one conversation (a text, or a list of turns) from a list of conversations."""
    return isinstance(messages, str) or (
        isinstance(messages, Sequence) and bool(messages) and isinstance(messages[0], Mapping)
    )
