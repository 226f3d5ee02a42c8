"""What is sent back for a chat completion, whole or in chunks, in OpenAI's shape."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from slhf.serving.chat_request import ChatRequest
from slhf.serving.request_fields import RequestError
from slhf.serving.steps import Refinement, Step, Tasted, TokenChoice

TokenText = Callable[[int, int], str]
"""Returns one token as text, given the number of the answer it stands in."""


@dataclass
class Usage:
    """Tokens of one request.

    Attributes:
        prompt: of the conversation as the Leader saw it.
        completion: sampled in all steps of all choices.
    """

    prompt: int = 0
    completion: int = 0

    def add(self, refinement: Refinement) -> None:
        """Count one chain."""
        self.prompt = refinement.prompt_tokens
        self.completion += refinement.count

    def body(self) -> dict[str, int]:
        """Return OpenAI's object."""
        total = self.prompt + self.completion
        return {"prompt_tokens": self.prompt, "completion_tokens": self.completion, "total_tokens": total}


@dataclass(frozen=True)
class Bodies:
    """Makes the objects of one reply.

    Attributes:
        id: of the reply.
        created: seconds since 1970.
        request: what was asked.
        token_text: for log-probabilities.
    """

    id: str
    created: int
    request: ChatRequest
    token_text: TokenText
    usage: Usage = field(default_factory=Usage)

    def whole(self, refinements: Sequence[Refinement]) -> dict[str, Any]:
        """Return a whole reply."""
        for refinement in refinements:
            self.usage.add(refinement)
        choices = []
        for index, refinement in enumerate(refinements):
            step = self.returned(refinement)
            choices.append(
                {
                    "index": index,
                    "message": {"role": "assistant", "content": step.text, "refusal": None},
                    "logprobs": self.logprobs(step.number, step.choices),
                    "finish_reason": finish_reason(step),
                    "refine": self.refine(refinement, step),
                }
            )
        return self._head("chat.completion") | {"choices": choices, "usage": self.usage.body()}

    def chunk(self, index: int, delta: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Return one choice's chunk.

        Args:
            index: which choice.
            delta: what is new in its message.
            more: further entries of the choice.
        """
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None, **more}
        return self._chunk([choice])

    def usage_chunk(self) -> dict[str, Any]:
        """Return the last chunk of a stream that tells usage."""
        return self._chunk([]) | {"usage": self.usage.body()}

    def _chunk(self, choices: list[Any]) -> dict[str, Any]:
        silent = {"usage": None} if self.request.include_usage else {}
        return self._head("chat.completion.chunk") | {"choices": choices} | silent

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.request.model}

    def returned(self, refinement: Refinement) -> Step:
        """Return the answer that stands in the message."""
        best = refinement.best if self.request.refine.gives == "best" else None
        return refinement.steps[-1 if best is None else best]

    def refine(self, refinement: Refinement, returned: Step) -> dict[str, Any]:
        """Return what OpenAI's shape has no place for: which answer this is, and the others if all are wanted."""
        found: dict[str, Any] = {"step": returned.number, "steps": refinement.steps[-1].number}
        if refinement.best is not None:
            found["best"] = refinement.best
        if refinement.taste is not None:
            found["taste"] = _taste(refinement.taste)
        if self.request.refine.gives == "all":
            found["answers"] = [
                {
                    "step": step.number,
                    "content": step.text,
                    "finish_reason": finish_reason(step),
                    "completion_tokens": step.count,
                    "preferred": step.preferred,
                }
                for step in refinement.steps
            ]
        return found

    def logprobs(self, step: int, choices: Sequence[TokenChoice]) -> dict[str, Any] | None:
        """Return log-probabilities of tokens of an answer, or None where nobody asked."""
        if self.request.asked.top_logprobs is None:
            return None
        content = [
            self._logprob(step, choice.token, choice.logprob)
            | {"top_logprobs": [self._logprob(step, token, value) for token, value in choice.top]}
            for choice in choices
        ]
        return {"content": content, "refusal": None}

    def _logprob(self, step: int, token: int, value: float) -> dict[str, Any]:
        text = self.token_text(step, token)
        # half a character has no text of its own, and its bytes are not known here
        return {"token": text, "logprob": value, "bytes": None if "\ufffd" in text else list(text.encode())}


def _taste(taste: Tasted) -> dict[str, Any]:
    return {
        "session": taste.session,
        "annotators": dict(taste.annotators),
        "candidates": list(taste.candidates),
        "kept": taste.kept,
        "compare": None if taste.compare is None else list(taste.compare),
    }


def finish_reason(step: Step) -> str:
    """Return why an answer ended, in OpenAI's words."""
    return "length" if step.finish_reason == "length" else "stop"


def error_body(error: RequestError) -> dict[str, Any]:
    """Return a refusal in OpenAI's shape."""
    kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    kind = kinds.get(error.status, "invalid_request_error" if error.status < 500 else "server_error")
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.code}}


def event(body: dict[str, Any]) -> bytes:
    """Return one server-sent event."""
    return b"data: " + json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


END = b"data: [DONE]\n\n"
"""The event that ends a stream."""
