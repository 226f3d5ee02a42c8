"""The body of a chat completion request: every field known and checked, none ignored."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slhf.errors import InputError, suggestion
from slhf.serving.asking import Asked, checked_prompt
from slhf.serving.refine_field import Refine, parse_refine
from slhf.serving.request_fields import Limits, RequestError, of_type, real, whole
from slhf.types import Prompt

FIELDS = (
    "model",
    "messages",
    "refine",
    "stream",
    "stream_options",
    "n",
    "stop",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "seed",
    "logprobs",
    "top_logprobs",
)
"""Fields of a request."""

ASKS_NOTHING: dict[str, Any] = {
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "logit_bias": {},
    "response_format": {"type": "text"},
    "store": False,
    "tools": [],
    "tool_choice": "none",
}
"""Fields that clients send with the value that asks for nothing; any other value is refused."""

MOST_STOPS, MOST_TOP = 4, 20
"""Stop texts and log-probabilities a token at most, as OpenAI's own."""

HOTTEST, MOST_TOKENS, SEEDS = 2.0, 2**31, (-(2**63), 2**63 - 1)
"""Highest temperature; new tokens where the server sets no limit; smallest and largest seed."""


@dataclass(frozen=True)
class ChatRequest:
    """A request that can be carried out.

    Attributes:
        model: as it was named.
        prompt: the conversation.
        refine: how often and what to refine, and which answer is returned.
        count: n, how many chains.
        asked: how their answers are sampled; the first chain's.
        stream: send pieces as they come.
        include_usage: end a stream with the number of tokens.
    """

    model: str
    prompt: Prompt
    refine: Refine
    count: int
    asked: Asked
    stream: bool
    include_usage: bool


def parse_request(body: Any, name: str, limits: Limits) -> ChatRequest:
    """Check a request's body.

    Args:
        body: as it came, decoded from JSON.
        name: of the model that is served.
        limits: what may be asked for.

    Raises:
        RequestError: an unknown or unsupported field, or a value that is wrong; the message names it.
    """
    if not isinstance(body, Mapping):
        raise RequestError("the body must be a JSON object")
    given = {field: value for field, value in body.items() if value is not None}
    for field, value in given.items():
        if field in ASKS_NOTHING and not _same(value, ASKS_NOTHING[field]):
            raise RequestError(f"{field} is not supported here; leave it out", field, code="unsupported_parameter")
        if field not in FIELDS and field not in ASKS_NOTHING:
            raise RequestError(
                f"there is no field {field!r} here.{suggestion(field, FIELDS)} Known are {', '.join(FIELDS)}",
                field,
                code="unknown_parameter",
            )
    refine = parse_refine(given, name, limits)
    stream, include_usage = _streaming(given)
    try:
        prompt = checked_prompt(plain_messages(given.get("messages")))
    except InputError as error:
        raise RequestError(str(error), "messages") from error
    return ChatRequest(
        given["model"],
        prompt,
        refine,
        whole(given, "n", 1, 1, limits.max_choices),
        _asked(given, limits),
        stream,
        include_usage,
    )


def _same(first: Any, second: Any) -> bool:
    """Tell whether two values are the same in JSON, where false is no 0."""
    return first == second and isinstance(first, bool) == isinstance(second, bool)


def _streaming(given: Mapping[str, Any]) -> tuple[bool, bool]:
    stream = bool(of_type(given, "stream", bool, "true or false"))
    options = of_type(given, "stream_options", Mapping, "an object")
    if options is None:
        return stream, False
    if not stream:
        raise RequestError("stream_options needs stream=true", "stream_options")
    for key in options:
        if key != "include_usage":
            raise RequestError(
                f"stream_options.{key}: there is no such field; known is include_usage",
                f"stream_options.{key}",
                code="unknown_parameter",
            )
    return stream, bool(of_type(options, "include_usage", bool, "true or false", "stream_options."))


def _asked(given: Mapping[str, Any], limits: Limits) -> Asked:
    most = limits.max_tokens or MOST_TOKENS
    tokens = {name: whole(given, name, 0, 1, most) for name in ("max_tokens", "max_completion_tokens")}
    if all(tokens.values()) and len(set(tokens.values())) > 1:
        raise RequestError("max_tokens and max_completion_tokens differ; give one of them", "max_completion_tokens")
    logprobs = bool(of_type(given, "logprobs", bool, "true or false"))
    if logprobs and not limits.logprobs:
        raise RequestError(
            "logprobs: the model stands behind another server, whose log-probabilities are not told; leave it out",
            "logprobs",
            code="unsupported_parameter",
        )
    if "top_logprobs" in given and not logprobs:
        raise RequestError("top_logprobs needs logprobs=true", "top_logprobs")
    top = whole(given, "top_logprobs", 0, 0, MOST_TOP)
    seed = whole(given, "seed", secrets.randbits(63), *SEEDS)
    top_p = real(given, "top_p", 1.0)
    if top_p == 0.0:
        raise RequestError("top_p must be more than 0; for the likeliest tokens, set temperature to 0", "top_p")
    return Asked(
        temperature=None if "temperature" not in given else real(given, "temperature", HOTTEST),
        top_p=1.0 if top_p is None else top_p,
        max_new_tokens=max(tokens.values()) or None,
        stop_texts=_stops(given),
        top_logprobs=top if logprobs else None,
        seed=seed % 2**64,
    )


def _stops(given: Mapping[str, Any]) -> tuple[str, ...]:
    stop = given.get("stop", [])
    stops = [stop] if isinstance(stop, str) else stop
    if not isinstance(stops, list) or not all(isinstance(one, str) and one for one in stops) or len(stops) > MOST_STOPS:
        raise RequestError(f"stop: a text, or a list of at most {MOST_STOPS} texts, none of them empty", "stop")
    return tuple(stops)


def plain_messages(messages: Any) -> Any:
    """Return messages with parts of text joined to one text, and without keys that say nothing.

    Raises:
        RequestError: no list, or a part that is no text.
    """
    if not isinstance(messages, list):
        raise RequestError("messages: a list of turns is needed", "messages")
    return [_plain_turn(turn, f"messages[{number}]") for number, turn in enumerate(messages)]


def _plain_turn(turn: Any, where: str) -> Any:
    if not isinstance(turn, Mapping):
        return turn
    kept = {key: value for key, value in turn.items() if value is not None}
    parts = kept.get("content")
    if isinstance(parts, list):
        for number, part in enumerate(parts):
            fit = isinstance(part, Mapping) and set(part) == {"type", "text"} and part["type"] == "text"
            if not fit or not isinstance(part["text"], str):
                raise RequestError(
                    f"{where}.content[{number}]: only parts of text are supported, {{'type': 'text', 'text': '…'}}",
                    "messages",
                )
        kept["content"] = "".join(part["text"] for part in parts)
    return kept
