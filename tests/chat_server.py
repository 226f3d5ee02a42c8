"""A small server that speaks chat completions, on this machine, for tests of whoever asks one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TEMPLATE = """---
read: whole
max_tokens: 4
verdicts: {"A": 1, "B": 0}
---
[user]
{prompt}|{first}|{second}
"""

Answered = dict[str, Any] | tuple[int, dict[str, str], bytes] | Iterable[bytes]
"""A body, or (status, headers, body), or the pieces of a stream of events."""


class ChatServer:
    """What the server was asked, and how many asked at once.

    Args:
        answer: takes a request's body, and returns what to answer.
    """

    def __init__(self, answer: Callable[[dict[str, Any]], Answered]):
        self.answer = answer
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.most_at_once = 0
        self.left = 0  # streams whose reader has gone before their end
        self.models = ["m"]  # what is listed
        self.listed = 200  # the status of the list
        self.url = ""
        self._now = 0
        self._lock = threading.Lock()

    def asked(self) -> list[tuple[str, str, str]]:
        """Return (prompt, first, second) of each request made with ``TEMPLATE``."""
        return [shown(request) for request in self.requests]

    def answered(self, body: dict[str, Any], key: str) -> tuple[int, dict[str, str], bytes | Iterable[bytes]]:
        """Answer one request."""
        with self._lock:
            self.requests.append(body)
            self.keys.append(key)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            found = self.answer(body)
        finally:
            with self._lock:
                self._now -= 1
        if isinstance(found, dict):
            return 200, {}, json.dumps(found).encode()
        return found if isinstance(found, tuple) else (200, {"Content-Type": "text/event-stream"}, found)


@contextmanager
def serving(answer: Callable[[dict[str, Any]], Answered], port: int = 0) -> Iterator[ChatServer]:
    """Serve on a free port of this machine while the block lasts."""
    state = ChatServer(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            listed = {"object": "list", "data": [{"id": name, "object": "model"} for name in state.models]}
            content = json.dumps(listed).encode() if self.path.endswith("/models") else b"{}"
            self.send_response(state.listed if self.path.endswith("/models") else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = json.loads(self.rfile.read(length))
            status, headers, content = state.answered(body, self.headers.get("Authorization", ""))
            try:
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                if isinstance(content, bytes):
                    self.send_header("Content-Length", str(len(content)))
                    content = [content]
                else:
                    self.close_connection = True  # the end of the stream is the end of the connection
                self.end_headers()
                for piece in content:
                    self.wfile.write(piece)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # who asked has gone
                state.left += 1

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

    with Server(("127.0.0.1", port), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


def shown(request: dict[str, Any]) -> tuple[str, str, str]:
    """Return (prompt, first, second) of a request made with ``TEMPLATE``."""
    prompt, first, second = request["messages"][-1]["content"].split("|")
    return prompt, first, second


def says(text: str | None, tokens: list[Any] | None = None, usage: tuple[int, int] | None = (10, 1)) -> dict[str, Any]:
    """Return the body of a reply.

    Args:
        text: what is said.
        tokens: of the reply, each (text, log-probability, {other: log-probability}).
        usage: tokens of the question and of the reply.
    """
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    if tokens is not None:
        choice["logprobs"] = {
            "content": [
                {
                    "token": token,
                    "logprob": logprob,
                    "top_logprobs": [{"token": other, "logprob": value} for other, value in others.items()],
                }
                for token, logprob, others in tokens
            ]
        }
    body: dict[str, Any] = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    if usage is not None:
        body["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    return body


def streams(
    *texts: str, usage: tuple[int, int] | None = (10, 1), ended: str | None = "stop", model: str = "m", end: bool = True
) -> list[bytes]:
    """Return the pieces of a streamed reply.

    Args:
        texts: what is said, piece by piece.
        usage: tokens of the question and of the reply.
        ended: why; None leaves the answer without an end.
        model: who answers.
        end: send the last word.
    """

    def chunk(choices: list[Any], **more: Any) -> bytes:
        head = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": model}
        return b"data: " + json.dumps({**head, "choices": choices, **more}).encode() + b"\n\n"

    def told(delta: dict[str, Any], reason: str | None = None) -> bytes:
        return chunk([{"index": 0, "delta": delta, "finish_reason": reason}])

    found = [told({"role": "assistant"}), *(told({"content": text}) for text in texts)]
    if ended is not None:
        found.append(told({}, ended))
    if usage is not None:
        counts = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
        found.append(chunk([], usage=counts))
    return [*found, b"data: [DONE]\n\n"] if end else found


def fails(status: int, message: str = "no", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Return an error as servers send it; ``retry_after="2"`` becomes the header ``retry-after``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, named, json.dumps({"error": {"message": message, "type": "t", "code": None}}).encode()


def slowly(answer: Callable[[dict[str, Any]], Answered], seconds: float) -> Callable[[dict[str, Any]], Answered]:
    """Return the same answers, later."""

    def late(body: dict[str, Any]) -> Answered:
        time.sleep(seconds)
        return answer(body)

    return late
