"""JSON schemas of what is sent to the server, made from what its parsers know."""

from __future__ import annotations

from typing import Any

from slhf.serving.asking import SPEAKERS
from slhf.serving.chat_request import ASKS_NOTHING, HOTTEST, MOST_STOPS, MOST_TOKENS, MOST_TOP, SEEDS
from slhf.serving.pick import MOST_REJECTED, SESSION
from slhf.serving.pick_paths import FIELDS as PICK_FIELDS
from slhf.serving.refine_field import RETURNS, model_names
from slhf.serving.request_fields import Limits

Schema = dict[str, Any]
"""A JSON schema."""

_SESSION = f"^{SESSION.pattern}$"
_TEXT: Schema = {"type": "string", "pattern": r"\S"}  # not empty


def _or_null(schema: Schema) -> Schema:
    """Return a schema that null fits too: a field that is null is one that is not given."""
    return {"anyOf": [schema, {"type": "null"}]}


def message(role: str | None = None) -> Schema:
    """Return the schema of one turn; of one speaker's, where he is named."""
    part = {
        "type": "object",
        "properties": {"type": {"const": "text"}, "text": {"type": "string"}},
        "required": ["type", "text"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "role": {"enum": list(SPEAKERS) if role is None else [role]},
            "content": {"anyOf": [_TEXT if role else {"type": "string"}, {"type": "array", "items": part}]},
        },
        "required": ["role", "content"],
        "additionalProperties": False,
    }


def messages() -> Schema:
    """Return the schema of a conversation."""
    return {
        "type": "array",
        "items": message(),
        "minItems": 1,
        "description": "The conversation; the last turn is the user's, and not empty.",
    }


def refine(limits: Limits) -> Schema:
    """Return the schema of the object ``refine``; what this server cannot do is not in it."""
    returns = [one for one in RETURNS if one != "best" or limits.judged]
    properties: Schema = {
        "steps": _or_null({"type": "integer", "minimum": 0, "maximum": limits.max_steps}),
        "return": {"enum": returns, "default": "last", "description": "Which answer comes back; `best` by the judge."},
        "answer": _or_null(
            _TEXT | {"description": "Refine this text instead of the Leader's answer; at least one step."}
        ),
    }
    if limits.taste:
        told = "Choose for the user whose picks have this session's name; the server needs annotators."
        properties["taste"] = _or_null({"type": "string", "pattern": _SESSION, "description": told})
    return {"type": "object", "properties": properties, "additionalProperties": False}


def chat(name: str, limits: Limits) -> Schema:
    """Return the schema of a chat completion's body.

    Args:
        name: of the model that is served.
        limits: what may be asked for.
    """
    tokens = {"type": "integer", "minimum": 1, "maximum": limits.max_tokens or MOST_TOKENS}
    least, most = SEEDS
    stop = {"type": "string", "minLength": 1}
    optional: Schema = {
        "refine": refine(limits) | {"description": "How often to refine; not together with a model that says so."},
        "stream": {"type": "boolean", "description": "Send chunks as they come."},
        "stream_options": {
            "type": "object",
            "properties": {"include_usage": _or_null({"type": "boolean"})},
            "additionalProperties": False,
            "description": "Only with stream=true.",
        },
        "n": {"type": "integer", "minimum": 1, "maximum": limits.max_choices},
        "stop": {"anyOf": [stop, {"type": "array", "items": stop, "maxItems": MOST_STOPS}]},
        "max_tokens": tokens,
        "max_completion_tokens": tokens | {"description": "The same as max_tokens; both must not differ."},
        "temperature": {"type": "number", "minimum": 0, "maximum": HOTTEST},
        "top_p": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "seed": {"type": "integer", "minimum": least, "maximum": most},
        "logprobs": {"type": "boolean"} if limits.logprobs else {"const": False},
        "top_logprobs": {"type": "integer", "minimum": 0, "maximum": MOST_TOP, "description": "Needs logprobs=true."},
    }
    nothing = {field: {"const": value, "description": "Asks for nothing."} for field, value in ASKS_NOTHING.items()}
    properties = {field: _or_null(schema) for field, schema in (optional | nothing).items()}
    names = {"enum": model_names(name, limits), "description": "NAME:leader and NAME:refine-N say how often to refine."}
    return {
        "type": "object",
        "properties": {"model": names, "messages": messages(), **properties},
        "required": ["model", "messages"],
        "additionalProperties": {"type": "null"},
        "description": "Fields that are not named here are refused by name, never ignored; null asks for nothing.",
    }


def pick() -> Schema:
    """Return the schema of a pick's body."""
    return {
        "type": "object",
        "properties": {
            "session": {"type": "string", "pattern": _SESSION},
            "messages": messages(),
            "chosen": _TEXT,
            "rejected": {
                "type": "array",
                "items": _TEXT,
                "minItems": 1,
                "maxItems": MOST_REJECTED,
                "description": "What else was to be seen; the chosen answer is not among them.",
            },
            "model": _TEXT | {"maxLength": 200},
        },
        "required": list(PICK_FIELDS),
        "additionalProperties": False,
    }


EXAMPLES: tuple[dict[str, Any], ...] = (
    {"messages": [{"role": "user", "content": "What is 2 plus 3?"}]},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "What is 2 plus 3?"}]}], "max_tokens": 4},
    {
        "messages": [
            {"role": "user", "content": "What is 2 plus 3?"},
            {"role": "assistant", "content": "Five."},
            {"role": "user", "content": "Name three colours."},
        ],
        "refine": {"steps": 2, "return": "all"},
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 7,
        "n": 2,
        "stop": ["."],
        "logprobs": True,
        "top_logprobs": 2,
        "max_completion_tokens": 4,
    },
    {
        "messages": [{"role": "user", "content": "What is 2 plus 3?"}],
        "refine": {"answer": "It is 6.", "steps": 1},
        "stream": True,
        "stream_options": {"include_usage": True},
        "frequency_penalty": 0,
        "presence_penalty": None,
        "max_tokens": 4,
    },
)
"""Bodies of chat completions, but for the model's name."""
