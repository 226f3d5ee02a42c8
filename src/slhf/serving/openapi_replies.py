"""JSON schemas of what the server sends back."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
"""A JSON schema."""


def _object(required: Schema, **optional: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_NULL: Schema = {"type": "null"}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, _NULL]}


_FINISH: Schema = {"enum": ["stop", "length"]}
_USAGE = _object({"prompt_tokens": _COUNT, "completion_tokens": _COUNT, "total_tokens": _COUNT})
_TOKEN: Schema = {
    "token": _TEXT,
    "logprob": {"type": "number", "maximum": 1e-6},
    "bytes": _or_null({"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 255}}),
}
_LOGPROBS = _object(
    {
        "content": {
            "type": "array",
            "items": _object({**_TOKEN, "top_logprobs": {"type": "array", "items": _object(_TOKEN)}}),
        },
        "refusal": _NULL,
    }
)
_ANSWER = _object(
    {
        "step": _COUNT,
        "content": _TEXT,
        "finish_reason": _FINISH,
        "completion_tokens": _COUNT,
        "preferred": _or_null({"type": "number", "minimum": 0, "maximum": 1}),
    }
)
_TASTE = _object(
    {
        "session": _TEXT,
        "annotators": {"type": "object", "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1}},
        "candidates": {"type": "array", "items": _TEXT, "minItems": 1},
        "kept": _COUNT,
        "compare": _or_null({"type": "array", "items": _COUNT, "minItems": 2, "maxItems": 2}),
    }
)
_REFINE = _object(
    {"step": _COUNT, "steps": _COUNT},
    best=_COUNT,
    taste=_TASTE,
    answers={"type": "array", "items": _ANSWER, "minItems": 1},
)


def _head(kind: str) -> Schema:
    return {
        "id": {"type": "string", "pattern": "^chatcmpl-"},
        "object": {"const": kind},
        "created": _COUNT,
        "model": _TEXT,
    }


def completion() -> Schema:
    """Return the schema of a whole chat completion."""
    said = _object({"role": {"const": "assistant"}, "content": _TEXT, "refusal": _NULL})
    choice = _object(
        {
            "index": _COUNT,
            "message": said,
            "logprobs": _or_null(_LOGPROBS),
            "finish_reason": _FINISH,
            "refine": _REFINE,
        }
    )
    return _object(
        {**_head("chat.completion"), "choices": {"type": "array", "items": choice, "minItems": 1}, "usage": _USAGE}
    )


def chunk() -> Schema:
    """Return the schema of what stands behind ``data:`` in a stream, but for its last word and errors."""
    earlier = _object({"step": _COUNT, "content": _TEXT})
    choice = _object(
        {
            "index": _COUNT,
            "delta": _object({}, role={"const": "assistant"}, content=_TEXT),
            "logprobs": _or_null(_LOGPROBS),
            "finish_reason": _or_null(_FINISH),
        },
        refine={"anyOf": [_REFINE, earlier]},
    )
    return _object(
        {**_head("chat.completion.chunk"), "choices": {"type": "array", "items": choice}}, usage=_or_null(_USAGE)
    )


def error() -> Schema:
    """Return the schema of every refusal."""
    kinds = ["invalid_request_error", "authentication_error", "permission_error", "rate_limit_error", "server_error"]
    told = {"message": _TEXT, "type": {"enum": kinds}, "param": _or_null(_TEXT), "code": _or_null(_TEXT)}
    return _object({"error": _object(told)})


def models() -> Schema:
    """Return the schema of the list of models."""
    one = _object({"id": _TEXT, "object": {"const": "model"}, "created": _COUNT, "owned_by": {"const": "slhf"}})
    return _object({"object": {"const": "list"}, "data": {"type": "array", "items": one, "minItems": 2}})


def health() -> Schema:
    """Return the schema of ``/health``."""
    roles = {"type": "array", "items": {"enum": ["leader", "follower"]}, "minItems": 1}
    return _object({"status": {"enum": ["ok", "degraded"]}, "model": _TEXT, "answers_inside": _COUNT}, away=roles)


def picked() -> Schema:
    """Return the schema of the reply to a pick."""
    return _object({"id": {"type": "integer", "minimum": 1}, "pairs": {"type": "integer", "minimum": 1}})


def page_settings() -> Schema:
    """Return the schema of what the page is told of the server."""
    flag: Schema = {"type": "boolean"}
    return _object({"name": _TEXT, "judged": flag, "taste": flag, "max_steps": _COUNT})
