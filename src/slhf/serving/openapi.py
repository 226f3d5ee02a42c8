"""The server's own description in OpenAPI 3.1, as it stands at ``/openapi.json``."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from slhf.serving import openapi_replies as replies
from slhf.serving import openapi_requests as requests
from slhf.serving.page_files import page_names
from slhf.serving.request_fields import Limits

_REFUSALS = {
    400: "Something in the request is wrong; the message names it. Plain text where it is no HTTP.",
    401: "The key is missing or wrong.",
    403: "Without a key, the server answers to localhost alone.",
    404: "There is no such path or model.",
    405: "The method is not for this path.",
    408: "The request did not arrive in time.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    429: "The server, or one behind it, is busy or has spent its budget.",
    431: "The request's head is too large.",
    500: "The server failed.",
    502: "The server behind this one failed, or refuses its key.",
    503: "The server is being stopped, a server behind it is away, or a disk refuses a pick.",
}
_EVERYWHERE = (400, 403, 405, 408, 431)
_RETRIED = (429, 502, 503)


def described(name: str, limits: Limits, keyed: bool) -> dict[str, Any]:
    """Return the description of a server.

    Args:
        name: of the model.
        limits: what requests may ask for.
        keyed: requests must bring a key.
    """
    chat = _operation(
        "Answer a conversation, and refine the answer.",
        {200: _chat_reply()},
        (404, 413, 415, 429, 500, 502, 503),
        keyed,
        body=requests.chat(name, limits),
        examples=[{"model": name, **body} for body in chat_examples(limits)],
    )
    pick = _operation(
        "Store what somebody picked.",
        {201: _json("It is on disk.", "Picked")},
        (413, 415, 500, 503),
        keyed,
        body=requests.pick(),
        examples=[{**PICK, "model": name}],
    )
    export = {200: _plain("A preference a line, as the training commands read it.", "application/jsonl")}
    figures = {200: _plain("Figures in Prometheus' format.", "text/plain")}
    paths: dict[str, Any] = {
        "/v1/chat/completions": {"post": chat},
        "/v1/picks": {"post": pick, "get": _operation("All picks.", export, (500, 503), keyed)},
        "/v1/models": {"get": _operation("The model's names.", {200: _json("The list.", "Models")}, (), keyed)},
        "/metrics": {"get": _operation("Figures.", figures, (), keyed)},
        "/health": {"get": _operation("Whether it lives.", {200: _json("It does.", "Health")}, (), False)},
        "/openapi.json": {"get": _operation("This.", {200: _json("This.", None)}, (), False)},
        "/": {"get": _operation("The page.", {200: _plain("HTML.", "text/html")}, (), False)},
        "/page/settings.json": {
            "get": _operation("What the page knows of the server.", {200: _json("It.", "PageSettings")}, (), False)
        },
    }
    for file, kind in page_names().items():
        paths[f"/page/{file}"] = {"get": _operation("A file of the page.", {200: _plain("It.", kind)}, (), False)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "slhf serve", "version": version("slhf")},
        "paths": paths,
        "components": _components(),
    }


PICK: dict[str, Any] = {
    "session": "somebody-1",
    "messages": [{"role": "user", "content": "What is 2 plus 3?"}],
    "chosen": "It is 5.",
    "rejected": ["It is 6.", "Ask somebody else."],
}
"""A pick, but for the model's name."""


def chat_examples(limits: Limits) -> list[dict[str, Any]]:
    """Return the examples of chat completions that a server with these limits accepts."""
    return [
        body
        for body in requests.EXAMPLES
        if body.get("n", 1) <= limits.max_choices
        and body.get("refine", {}).get("steps", 0) <= limits.max_steps
        and (limits.logprobs or not body.get("logprobs"))
    ]


def _components() -> dict[str, Any]:
    schemas = {
        "ChatCompletion": replies.completion(),
        "ChatChunk": replies.chunk(),
        "Error": replies.error(),
        "Models": replies.models(),
        "Health": replies.health(),
        "Picked": replies.picked(),
        "PageSettings": replies.page_settings(),
    }
    return {"schemas": schemas, "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}}


def _operation(
    summary: str,
    answers: dict[int, dict[str, Any]],
    refusals: tuple[int, ...],
    keyed: bool,
    *,
    body: dict[str, Any] | None = None,
    examples: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    statuses = sorted({*_EVERYWHERE, *refusals, *((401,) if keyed else ())})
    found: dict[str, Any] = {
        "summary": summary,
        "responses": {
            **{str(status): answer for status, answer in answers.items()},
            **{str(status): _refusal(status) for status in statuses},
        },
    }
    if keyed:
        found["security"] = [{"key": []}]
    if body is not None:
        named = {str(number): {"value": example} for number, example in enumerate(examples or [])}
        content = {"application/json": {"schema": body, "examples": named}}
        found["requestBody"] = {"required": True, "content": content}
    return found


def _refusal(status: int) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    if status in (400, 408, 431):  # before a request is one, HTTP itself is refused
        content["text/plain"] = {"schema": {"type": "string"}}
    found: dict[str, Any] = {"description": _REFUSALS[status], "content": content}
    if status in _RETRIED:
        found["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    return found


def _chat_reply() -> dict[str, Any]:
    told = "With stream=true, events: `data:` and a ChatChunk or an Error each, `data: [DONE]` at the end."
    return {
        "description": f"The answer. {told}",
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/ChatCompletion"}},
            "text/event-stream": {},  # OpenAPI 3.1 has no schema for events
        },
    }


def _json(description: str, schema: str | None) -> dict[str, Any]:
    named = {"type": "object"} if schema is None else {"$ref": f"#/components/schemas/{schema}"}
    return {"description": description, "content": {"application/json": {"schema": named}}}


def _plain(description: str, kind: str) -> dict[str, Any]:
    return {"description": description, "content": {kind: {"schema": {"type": "string"}}}}
