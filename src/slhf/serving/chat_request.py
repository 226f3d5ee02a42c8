"""The body of a chat completion request: every field known and checked, none ignored."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slhf.errors import InputError, suggestion
from slhf.serving.asking import Asked, checked_prompt
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

RETURNS = ("last", "best", "all")
_STOPS, _TOP = 4, 20  # as many stop texts and log-probabilities as OpenAI's own


class RequestError(Exception):
    """A request that is refused.

    Attributes:
        status: HTTP status.
        message: what was wrong, and the remedy.
        param: the field it is about.
        code: a word for programs.
        retry_after: seconds after which it may go better; None where it never will.
    """

    def __init__(
        self,
        message: str,
        param: str | None = None,
        *,
        status: int = 400,
        code: str | None = None,
        retry_after: int | None = None,
    ):
        super().__init__(message)
        self.status, self.message, self.param = status, message, param
        self.code, self.retry_after = code, retry_after


@dataclass(frozen=True)
class Limits:
    """What one request may ask for.

    Attributes:
        steps: refinements where a request names no number.
        max_steps: refinements at most.
        max_tokens: new tokens an answer, at most; None leaves it to the model's length.
        max_choices: answers at most (``n``).
        judged: there is a judge, so that ``best`` means something.
    """

    steps: int = 1
    max_steps: int = 8
    max_tokens: int | None = None
    max_choices: int = 8
    judged: bool = False


@dataclass(frozen=True)
class ChatRequest:
    """A request that can be carried out.

    Attributes:
        model: as it was named.
        prompt: the conversation.
        steps: refinements.
        gives: which answer is returned: the ``last``, the ``best``, or ``all``.
        count: n, how many chains.
        asked: how their answers are sampled; the first chain's.
        stream: send pieces as they come.
        include_usage: end a stream with the number of tokens.
    """

    model: str
    prompt: Prompt
    steps: int
    gives: str
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
        if field in ASKS_NOTHING and value != ASKS_NOTHING[field]:
            raise RequestError(f"{field} is not supported here; leave it out", field, code="unsupported_parameter")
        if field not in FIELDS and field not in ASKS_NOTHING:
            raise RequestError(
                f"there is no field {field!r} here.{suggestion(field, FIELDS)} Known are {', '.join(FIELDS)}",
                field,
                code="unknown_parameter",
            )
    steps, gives = _refinement(given, name, limits)
    stream, include_usage = _streaming(given)
    try:
        prompt = checked_prompt(_plain(given.get("messages")))
    except InputError as error:
        raise RequestError(str(error), "messages") from error
    return ChatRequest(
        given["model"],
        prompt,
        steps,
        gives,
        _whole(given, "n", 1, 1, limits.max_choices),
        _asked(given, limits),
        stream,
        include_usage,
    )


def model_names(name: str, limits: Limits) -> list[str]:
    """Return the names a model goes by: itself, the Leader alone, and so many refinements."""
    return [name, f"{name}:leader", *(f"{name}:refine-{steps}" for steps in range(1, limits.max_steps + 1))]


def _refinement(given: Mapping[str, Any], name: str, limits: Limits) -> tuple[int, str]:
    model = _of_type(given, "model", str, "a text")
    if model is None:
        raise RequestError(f"model is missing; it is one of {', '.join(model_names(name, limits))}", "model")
    names = model_names(name, limits)
    if model not in names:
        raise RequestError(
            f"there is no model {model!r} here.{suggestion(model, names)} The models are {', '.join(names)}",
            "model",
            status=404,
            code="model_not_found",
        )
    refine = _of_type(given, "refine", Mapping, 'an object such as {"steps": 2, "return": "last"}') or {}
    for key in refine:
        if key not in ("steps", "return"):
            raise RequestError(
                f"refine.{key}: there is no such field.{suggestion(str(key), ('steps', 'return'))} "
                "Known are steps, return",
                f"refine.{key}",
                code="unknown_parameter",
            )
    named = names.index(model)  # 0 the model itself, 1 the Leader, 2 one refinement, and so on
    if named and "steps" in refine:
        raise RequestError(
            f"refine.steps: the model name {model!r} says that already; give one of them", "refine.steps"
        )
    steps = named - 1 if named else _whole(refine, "steps", limits.steps, 0, limits.max_steps, "refine.")
    gives = refine.get("return", "last")
    if gives not in RETURNS:
        raise RequestError(f"refine.return: {gives!r} is not one of {', '.join(RETURNS)}", "refine.return")
    if gives == "best" and not limits.judged:
        raise RequestError("refine.return: 'best' needs a judge, and the server has none", "refine.return")
    return steps, gives


def _streaming(given: Mapping[str, Any]) -> tuple[bool, bool]:
    stream = bool(_of_type(given, "stream", bool, "true or false"))
    options = _of_type(given, "stream_options", Mapping, "an object")
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
    return stream, bool(_of_type(options, "include_usage", bool, "true or false", "stream_options."))


def _asked(given: Mapping[str, Any], limits: Limits) -> Asked:
    most = limits.max_tokens or 2**31
    tokens = {name: _whole(given, name, 0, 1, most) for name in ("max_tokens", "max_completion_tokens")}
    if all(tokens.values()) and len(set(tokens.values())) > 1:
        raise RequestError("max_tokens and max_completion_tokens differ; give one of them", "max_completion_tokens")
    logprobs = bool(_of_type(given, "logprobs", bool, "true or false"))
    if "top_logprobs" in given and not logprobs:
        raise RequestError("top_logprobs needs logprobs=true", "top_logprobs")
    top = _whole(given, "top_logprobs", 0, 0, _TOP)
    seed = _whole(given, "seed", secrets.randbits(63), -(2**63), 2**63 - 1)
    top_p = _real(given, "top_p", 1.0)
    if top_p == 0.0:
        raise RequestError("top_p must be more than 0; for the likeliest tokens, set temperature to 0", "top_p")
    return Asked(
        temperature=None if "temperature" not in given else _real(given, "temperature", 2.0),
        top_p=1.0 if top_p is None else top_p,
        max_new_tokens=max(tokens.values()) or None,
        stop_texts=_stops(given),
        top_logprobs=top if logprobs else None,
        seed=seed % 2**64,
    )


def _stops(given: Mapping[str, Any]) -> tuple[str, ...]:
    stop = given.get("stop", [])
    stops = [stop] if isinstance(stop, str) else stop
    if not isinstance(stops, list) or not all(isinstance(one, str) and one for one in stops) or len(stops) > _STOPS:
        raise RequestError(f"stop: a text, or a list of at most {_STOPS} texts, none of them empty", "stop")
    return tuple(stops)


def _plain(messages: Any) -> Any:
    """Return messages with parts of text joined to one text, and without keys that say nothing."""
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


def _of_type(given: Mapping[str, Any], field: str, kind: Any, words: str, where: str = "") -> Any:
    value = given.get(field)
    if value is not None and not isinstance(value, kind):
        raise RequestError(f"{where}{field}: {words} is needed, not {value!r}", f"{where}{field}")
    return value


def _whole(given: Mapping[str, Any], field: str, default: int, least: int, most: int, where: str = "") -> int:
    value = given.get(field)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise RequestError(
            f"{where}{field}: a whole number from {least} to {most} is needed, not {value!r}", f"{where}{field}"
        )
    return value


def _real(given: Mapping[str, Any], field: str, most: float) -> float | None:
    value = given.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= most:
        raise RequestError(f"{field}: a number from 0 to {most:g} is needed, not {value!r}", field)
    return float(value)
