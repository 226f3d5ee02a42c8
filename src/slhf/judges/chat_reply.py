"""A server's answer to a chat completion, reduced to what a judge needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slhf.judges.chat_verdict import Token


class MalformedReplyError(ValueError):
    """What the server sent is no chat completion; it may be one when asked again."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One chat completion.

    Attributes:
        text: what the model said; empty if it said nothing.
        tokens: the tokens of the reply with their log-probabilities; None if the server gives none.
        prompt_tokens: tokens the server counted in the question; None if it does not tell.
        completion_tokens: tokens the server counted in the reply; None if it does not tell.
        cut: True if the reply reached the largest number of tokens.
        model: who the server says has answered; None if it does not tell.
    """

    text: str
    tokens: tuple[Token, ...] | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cut: bool = False
    model: str | None = None


def parse_reply(content: bytes) -> Reply:
    """Read the body of a chat completion.

    Raises:
        MalformedReplyError: it is not JSON, or lacks what every chat completion has.
    """
    try:
        data = json.loads(content)
        choice = data["choices"][0]
        text = choice["message"].get("content") or ""
        if not isinstance(text, str):
            raise TypeError(f"the content is a {type(text).__name__}")
        usage, model = data.get("usage") or {}, data.get("model")
        return Reply(
            text,
            _tokens(choice.get("logprobs")),
            _whole(usage.get("prompt_tokens")),
            _whole(usage.get("completion_tokens")),
            choice.get("finish_reason") == "length",
            model if isinstance(model, str) and model else None,
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        shown = content[:200].decode("utf-8", "replace")
        raise MalformedReplyError(f"{type(error).__name__}: {error} in {shown!r}") from None


def _tokens(logprobs: Any) -> tuple[Token, ...] | None:
    listed = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not listed:
        return None
    return tuple(
        Token(
            entry["token"],
            float(entry["logprob"]),
            tuple((other["token"], float(other["logprob"])) for other in entry.get("top_logprobs") or ()),
        )
        for entry in listed
    )


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
