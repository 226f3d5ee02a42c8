"""What nobody well-meaning sends: a list of requests as bytes, and what a server may answer."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

CHAT = "/v1/chat/completions"
REFUSED = frozenset({400, 403, 404, 405, 408, 413, 415, 431})
ANSWERED = frozenset({200})


@dataclass(frozen=True)
class Attack:
    """One thing that is sent.

    Attributes:
        name: what it is.
        sent: the bytes.
        allowed: statuses that may come back.
        silent: the server may also close the connection without a word.
        half: the client then closes its side.
    """

    name: str
    sent: bytes
    allowed: frozenset[int] = REFUSED
    silent: bool = False
    half: bool = False


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """Return a request as bytes; ``content_type="…"`` becomes the header ``content-type``."""
    named = {"host": "localhost", "connection": "close", **headers}
    if body and "content_length" not in headers and "transfer_encoding" not in headers:
        named["content_length"] = str(len(body))
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("utf-8", "surrogateescape") + body


def posted(body: bytes | Any, path: str = CHAT, **headers: str) -> bytes:
    """Return a POST of JSON, or of bytes as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request("POST", path, content, **{"content_type": "application/json", **headers})


def asking(**fields: Any) -> dict[str, Any]:
    """Return a chat completion's body that is right but for ``fields``."""
    return {"model": "m", "messages": [{"role": "user", "content": "a b"}], "max_tokens": 2, **fields}


def attacks() -> Iterator[Attack]:
    """Yield the whole list."""
    yield from _paths()
    yield from _bodies()
    yield from _fields()
    yield from _http()


def _paths() -> Iterator[Attack]:
    up = ("../", "..%2f", "%2e%2e/", "%2e%2e%2f", "%252e%252e%252f", "..%5c", "..%c0%af", "....//", "%00/", "..;/")
    for start in ("/", "/page/", "/v1/", "/page/app.js/"):
        for one in up:
            yield Attack(f"path {start}{one}", request("GET", f"{start}{one * 6}etc/passwd"))
    for path in ("/page/index.html%00.js", "/page//etc/passwd", "//etc/passwd", "/page/%", "/page/%zz", "/.git/config"):
        yield Attack(f"path {path}", request("GET", path))
    for length in (2_000, 30_000, 60_000):
        yield Attack(f"path of {length} characters", request("GET", "/" + "a" * length))
        yield Attack(f"query of {length} characters", request("GET", "/health?" + "a" * length), ANSWERED | REFUSED)
    yield Attack("path of a million characters", request("GET", "/" + "a" * 1_000_000), silent=True)


def _bodies() -> Iterator[Attack]:
    text = json.dumps(asking())
    wrong = {
        "nothing": b"",
        "half": text[:-5].encode(),
        "twice": (text * 2).encode(),
        "not UTF-8": text.replace("a b", "a \x80").encode("latin-1"),
        "UTF-16": text.encode("utf-16"),
        "NaN": json.dumps(asking(temperature=float("nan"))).encode(),
        "Infinity": json.dumps(asking(top_p=float("inf"))).encode(),
        "1e400": text.replace('"max_tokens": 2', '"temperature": 1e400').encode(),
        "an integer of 5000 digits": text.replace(": 2", f": {'9' * 5000}").encode(),
        "an integer of 400 digits": text.replace(": 2", f": {'9' * 400}").encode(),
        "depth 100000": b"[" * 100_000,
        "closed depth 100000": b"[" * 100_000 + b"]" * 100_000,
        "objects of depth 50000": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        "depth in a field": text.replace('"a b"', "[" * 20_000 + "]" * 20_000).encode(),
        "a lone surrogate": text.replace("a b", "\\ud800").encode(),
        "a surrogate as name": b'{"\\udc00": 1}',
        "a surrogate as model": text.replace('"m"', '"\\udfff"').encode(),
        "100000 turns": json.dumps(asking(messages=[{"role": "user", "content": "a"}] * 100_000)).encode(),
        "15000 turns": json.dumps(asking(messages=[{"role": "user", "content": "a"}] * 15_000)).encode(),
        "a long text": json.dumps(asking(messages=[{"role": "user", "content": "a " * 400_000}])).encode(),
        "text, not JSON": b"hello",
        "a number": b"1",
        "null": b"null",
        "a list": b"[]",
    }
    for name, body in wrong.items():
        yield Attack(f"body: {name}", posted(body))
        yield Attack(f"pick: {name}", posted(body, "/v1/picks"))
    for name, body in {
        "a null character": text.replace("a b", "a\\u0000b"),
        "names twice": text.replace("{", '{"n": 5, "n": 1, ', 1),
        "a false key order": json.dumps(dict(reversed(asking().items()))),
    }.items():
        yield Attack(f"body: {name}", posted(body.encode()), ANSWERED | REFUSED)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        yield Attack(f"type {kind!r}", posted(asking(), content_type=kind))


def _fields() -> Iterator[Attack]:
    values: list[Any] = [[], {}, "", "a", -1, 0.5, 10**9, -(10**30), True, [None], {"a": None}, [[[]]], "\u0000", 1e308]
    fine = {"stream": (True,), "logprobs": (True,), "stop": ([], "a", "\u0000"), "seed": (-1, 10**9), "refine": ({},)}
    fine |= {"temperature": (0.5,), "top_p": (0.5,)}
    fields = ["model", "messages", "refine", "stream", "stream_options", "n", "stop", "max_tokens", "temperature"]
    fields += [
        "max_completion_tokens",
        "top_p",
        "seed",
        "logprobs",
        "top_logprobs",
        "tools",
        "response_format",
        "nothing",
    ]
    for field in fields:
        for value in values:
            right = any(value == one and type(value) is type(one) for one in fine.get(field, ()))
            if field == "tools" and value == []:
                right = True
            body = asking(**{field: value})
            if field == "max_completion_tokens":
                body.pop("max_tokens")
            yield Attack(f"{field}={value!r:.40}", posted(body), ANSWERED if right else REFUSED)
    for field in ("steps", "return", "answer", "taste", "nothing"):
        for value in values:
            yield Attack(f"refine.{field}={value!r:.40}", posted(asking(refine={field: value})), ANSWERED | REFUSED)


def _http() -> Iterator[Attack]:
    body = json.dumps(asking()).encode()
    yield Attack("declared 10^12 bytes", posted(body, content_length=str(10**12)))
    yield Attack("declared 10^40 bytes", posted(body, content_length="9" * 40), silent=True)
    yield Attack("declared -1 bytes", posted(body, content_length="-1"), silent=True)
    yield Attack("declared +5 bytes", posted(body, content_length="+5"), silent=True)
    yield Attack("two lengths", posted(body, **{"Content-Length": "5", "content_length": "6"}), silent=True)
    yield Attack("length and chunks", posted(body, content_length="5", transfer_encoding="chunked"), silent=True)
    chunked = {"transfer_encoding": "chunked"}
    big = b"100000\r\n" + b"a" * 2**20 + b"\r\n"
    yield Attack("3 MiB in chunks", posted(big * 3 + b"0\r\n\r\n", **chunked), silent=True)
    yield Attack("a chunk of no size", posted(b"xyz\r\n", **chunked), silent=True)
    yield Attack("a chunk of endless size", posted(b"f" * 40 + b"\r\n", **chunked), silent=True)
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "GET"):
        yield Attack(f"{method} of a POST", request(method, CHAT))
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        yield Attack(f"{method} of a GET", request(method, "/v1/models"))
    yield Attack("a method of its own", request("BREW", "/health"), silent=True)
    yield Attack("CONNECT", request("CONNECT", "evil.example:443"), silent=True)
    for host in (
        "evil.example",
        "localhost.evil.example",
        "localhost@evil.example",
        "",
        "[::1",
        "a b",
        "%00",
        "x" * 9000,
    ):
        yield Attack(f"host {host[:30]!r}", request("GET", "/v1/models", host=host), silent=True)
    for count, size in ((300, 50), (5000, 5), (10, 6000), (1, 200_000), (200_000, 1)):
        head = "".join(f"x-{number}: {'a' * size}\r\n" for number in range(count))
        sent = f"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{head}\r\n".encode()
        yield Attack(f"{count} headers of {size}", sent, ANSWERED | REFUSED, silent=True)
    yield Attack("HTTP/0.9", b"GET /\r\n", silent=True, half=True)
    yield Attack("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", silent=True)
    yield Attack(
        "HTTP/9", b"GET /health HTTP/9.9\r\nhost: localhost\r\n\r\n", ANSWERED | REFUSED, silent=True, half=True
    )
    yield Attack("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 300, silent=True)
    yield Attack("nothing", b"", silent=True, half=True)
    yield Attack("half a head", b"GET /health HTTP/1.1\r\nhost: loc", silent=True, half=True)
    yield Attack("half a body", posted(body)[:-5], silent=True, half=True)
    yield Attack("a whole request, half closed", posted(body), ANSWERED, silent=True, half=True)
    yield Attack("a header with a line break", request("GET", "/health", x="a\n b"), ANSWERED | REFUSED, silent=True)
    yield Attack("a header with a null", request("GET", "/health", x="a\0b"), ANSWERED | REFUSED, silent=True)
    yield Attack("spaces before a colon", b"GET /health HTTP/1.1\r\nhost : localhost\r\n\r\n", silent=True, half=True)
    yield Attack(
        "a websocket",
        request("GET", "/v1/models", connection="upgrade", upgrade="websocket"),
        ANSWERED | REFUSED,
        half=True,
    )
    yield Attack("wait before the body", posted(body, expect="100-continue"), ANSWERED | {100})
    first = posted(body).replace(b"connection: close\r\n", b"")
    yield Attack("two in one go", first + posted(body), ANSWERED)


def answer(port: int, attack: Attack, limit: float = 20.0) -> tuple[int | None, bytes, float]:
    """Send an attack, and return the status (None if the connection was closed without one), all bytes, and seconds.

    Raises:
        TimeoutError: the server neither answers nor closes.
    """
    began, content = time.monotonic(), b""
    with socket.create_connection(("127.0.0.1", port), timeout=limit) as connection:
        # a server that has heard enough answers and closes while the rest is still being sent; its answer is there
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(attack.sent)
            if attack.half:
                connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            while part := connection.recv(65536):
                content += part
    head = content.split(None, 2)
    status = int(head[1]) if len(head) > 1 and head[0].startswith(b"HTTP/") else None
    return status, content, time.monotonic() - began


def complaint(attack: Attack, status: int | None, content: bytes) -> str | None:
    """Return what is wrong with what a server did; None if nothing is."""
    if b"root:" in content or b"Traceback" in content:
        return "it told what it must not"
    if status is None:
        return None if attack.silent else "the connection was closed without an answer"
    return None if status in attack.allowed else f"status {status}"
