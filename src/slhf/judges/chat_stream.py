"""A chat completion that comes in pieces, told as they come and put together to one reply."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Callable
from typing import Any

from slhf.judges.chat_reply import MalformedReplyError, Reply

Hear = Callable[[str], None]
"""Told each piece of text; never an empty one."""


async def read_stream(chunks: AsyncIterable[Any], check_model: Callable[[str | None], None], hear: Hear) -> Reply:
    """Read a stream of one answer to its end; tell its text on the way.

    Args:
        chunks: decoded from JSON, as the server sends them.
        check_model: refuses a model that was not asked; called before anything is told.
        hear: told each piece.

    Raises:
        MalformedReplyError: they are no chat completion, or end before the answer has.
    """
    said: list[str] = []
    ended: str | None = None
    model: str | None = None
    usage: dict[str, Any] = {}
    try:
        async for chunk in chunks:
            piece, reason, name, counts = _parts(chunk)
            if model is None and name:
                model = name
                check_model(model)
            ended, usage = reason or ended, counts or usage
            if piece:
                said.append(piece)
                hear(piece)
    except json.JSONDecodeError as error:
        raise MalformedReplyError(f"a piece is not JSON: {error}") from None
    if ended is None:
        raise MalformedReplyError("the stream ends before the answer does")
    counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    prompt, completion = (count if isinstance(count, int) else None for count in counts)
    return Reply("".join(said), None, prompt, completion, ended == "length", model)


def _parts(chunk: Any) -> tuple[str, str | None, str | None, dict[str, Any] | None]:
    """Return a chunk's text, why the answer ended, who answers, and usage, each where it is there."""
    try:
        choices = chunk.get("choices") or [{}]
        piece = (choices[0].get("delta") or {}).get("content") or ""
        name = chunk.get("model")
        return "" + piece, choices[0].get("finish_reason"), name if isinstance(name, str) else None, chunk.get("usage")
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise MalformedReplyError(f"{type(error).__name__}: {error} in {str(chunk)[:200]!r}") from None
