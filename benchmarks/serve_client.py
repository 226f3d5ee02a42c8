"""A light client of chat completions: raw HTTP over asyncio, so that the processor is left to the server."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any


@dataclass
class Reply:
    """What one request came to.

    Attributes:
        status: of HTTP; 0 if the connection broke, or was broken off on purpose.
        texts: each choice's content.
        count: tokens of the answers, as the server tells them; 0 where it does not.
        first: seconds to the first content; to the end, where the answer came whole.
        seconds: to the end.
        ended: the answer is complete, with its last word.
        cancelled: the client left on purpose.
        fault: what was wrong; empty if nothing.
    """

    status: int = 0
    texts: tuple[str, ...] = ()
    count: int = 0
    first: float = 0.0
    seconds: float = 0.0
    ended: bool = False
    cancelled: bool = False
    fault: str = ""


async def ask(port: int, body: dict[str, Any], *, leave_after: int | None = None, limit: float = 60.0) -> Reply:
    """Send one chat completion on a connection of its own, and read the answer.

    Args:
        port: of this machine.
        body: of the request.
        leave_after: chunks with text after which the client leaves; a whole answer is left before it comes.
        limit: seconds; who waits longer gives up with a fault.
    """
    reply, began = Reply(), time.perf_counter()
    try:
        async with asyncio.timeout(limit):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
            try:
                writer.write(_request(port, body))
                if leave_after is not None and not body.get("stream"):
                    await asyncio.sleep(0.001 * leave_after)
                    reply.cancelled = True
                    return reply
                await _read(reader, body, reply, began, leave_after)
            finally:
                writer.close()
    except TimeoutError:
        reply.fault = f"no answer within {limit:g} s"
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, KeyError) as error:
        reply.fault = f"{type(error).__name__}: {error}"
    reply.seconds = time.perf_counter() - began
    reply.first = reply.first or reply.seconds
    return reply


def _request(port: int, body: dict[str, Any]) -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + content


async def _read(
    reader: asyncio.StreamReader, body: dict[str, Any], reply: Reply, began: float, leave_after: int | None
) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    reply.status = int(head.split(None, 2)[1])
    if not body.get("stream") or reply.status != 200:
        content = await (_chunked(reader) if b"chunked" in head else reader.read())
        found = json.loads(content)
        if reply.status != 200:
            reply.fault = str(found)[:300]
            return
        reply.texts = tuple(choice["message"]["content"] for choice in found["choices"])
        reply.count = (found.get("usage") or {}).get("completion_tokens", 0)
        reply.ended = all(choice["finish_reason"] for choice in found["choices"])
        return
    await _stream(reader, body, reply, began, leave_after)


async def _chunked(reader: asyncio.StreamReader) -> bytes:
    content = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        content += (await reader.readexactly(size + 2))[:-2]
    return content


async def _stream(
    reader: asyncio.StreamReader, body: dict[str, Any], reply: Reply, began: float, leave_after: int | None
) -> None:
    texts = [""] * body.get("n", 1)
    finished, said = set(), 0
    while line := await reader.readline():
        if not line.startswith(b"data: "):
            continue  # sizes of chunks, blank lines, comments
        if line.startswith(b"data: [DONE]"):
            reply.ended = True
            break
        found = json.loads(line[6:])
        if "error" in found:
            reply.fault = str(found["error"])[:300]
            break
        for choice in found["choices"]:
            if text := choice["delta"].get("content"):
                reply.first = reply.first or time.perf_counter() - began
                texts[choice["index"]] += text
                said += 1
            if choice.get("finish_reason"):
                finished.add(choice["index"])
        if found.get("usage"):
            reply.count = found["usage"]["completion_tokens"]
        if leave_after is not None and said >= leave_after:
            reply.cancelled = True
            break
    reply.texts = tuple(texts)
    reply.ended = reply.cancelled is False and len(finished) == len(texts) and not reply.fault
