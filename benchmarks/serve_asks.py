"""Chat completions sent as they are and through OpenAI's client, whole and streamed, folded to one shape."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from openai import APIError, APIStatusError, OpenAI

_OWN = ("refine", "temprature")  # what the client's own signature does not know goes in extra_body


@dataclass
class Choice:
    """One answer.

    Attributes:
        text: its content.
        finish: why it ended.
        logprobs: of its tokens, as they were sent.
    """

    text: str = ""
    finish: str | None = None
    logprobs: list[Any] = field(default_factory=list)


@dataclass
class Seen:
    """What came back.

    Attributes:
        status: of HTTP.
        choices: the answers, in order.
        usage: tokens, if told.
        pieces: with content; 1 where the answer came whole.
        error: what a refusal said.
    """

    status: int
    choices: list[Choice] = field(default_factory=list)
    usage: dict[str, Any] | None = None
    pieces: int = 0
    error: str = ""

    @property
    def text(self) -> str:
        """The first answer."""
        return self.choices[0].text if self.choices else ""


def folded(bodies: Iterable[dict[str, Any]]) -> Seen:
    """Put the chunks of a stream together; a whole reply is a stream of one."""
    seen, found = Seen(200), {}
    for body in bodies:
        if body.get("error"):
            seen.error = json.dumps(body["error"])
        seen.usage = body.get("usage") or seen.usage
        for one in body.get("choices") or []:
            choice = found.setdefault(one.get("index", 0), Choice())
            piece = one.get("delta") or one.get("message") or {}
            choice.text += piece.get("content") or ""
            seen.pieces += bool(piece.get("content"))
            choice.finish = one.get("finish_reason") or choice.finish
            choice.logprobs += (one.get("logprobs") or {}).get("content") or []
    seen.choices = [found[index] for index in sorted(found)]
    return seen


def sent(port: int, body: bytes, kind: str = "application/json") -> tuple[int, bytes]:
    """Send bytes; return the status and what came back."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request("POST", "/v1/chat/completions", body, {"Content-Type": kind})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def raw(port: int, fields: dict[str, Any]) -> Seen:
    """Ask without a client."""
    status, content = sent(port, json.dumps(fields).encode())
    if status >= 400:
        return Seen(status, error=content.decode(errors="replace"))
    if not fields.get("stream"):
        return folded([json.loads(content)])
    events = [event.removeprefix("data:").strip() for event in content.decode().split("\n\n")]
    return folded(json.loads(event) for event in events if event.startswith("{"))


def through_client(port: int, fields: dict[str, Any]) -> Seen:
    """Ask with OpenAI's client."""
    known = {name: value for name, value in fields.items() if name not in _OWN}
    more = {name: value for name, value in fields.items() if name in _OWN}
    with OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0, timeout=120) as client:
        try:
            found = client.chat.completions.create(**known, extra_body=more)
            return folded([chunk.model_dump() for chunk in (found if fields.get("stream") else [found])])
        except APIStatusError as error:
            return Seen(error.status_code, error=json.dumps(error.body) + error.message)
        except APIError as error:  # said inside a stream
            return Seen(200, error=error.message)
