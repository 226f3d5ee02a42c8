"""Connections on which a request does not begin in time, or does not end beginning, are cut off."""

from __future__ import annotations

import asyncio
from typing import Any

SECONDS, MOST = 30.0, 64 * 1024
"""Time a request's head may take, and bytes it may have."""

_REST = 2**20  # bytes of a body nobody wanted that may stand before the next request's head


class Patient(asyncio.Protocol):
    """Hands a connection to an HTTP protocol, as long as requests begin in time and within bounds.

    uvicorn itself waits for ever for a head's next line, and its faster parser takes heads of any size.

    Args:
        inner: uvicorn's protocol.
        seconds: from the first byte of a head, or the connection, to the head's end.
        most: bytes of the first head on a connection.
    """

    def __init__(self, inner: Any, seconds: float = SECONDS, most: int = MOST):
        self._inner, self._seconds, self._most = inner, seconds, most
        self._transport: Any = None
        self._timer: asyncio.TimerHandle | None = None
        self._seen = 0  # bytes since the last head was complete

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first head."""
        self._transport = transport
        self._inner.connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._enough()
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass data on, and see whether a head is complete with it."""
        before = self._inner.cycle
        self._inner.data_received(data)
        cycle = self._inner.cycle
        if cycle is not before or (cycle is not None and not cycle.response_complete):
            self._enough()
            return
        self._seen += len(data)
        if self._seen > self._most + (0 if cycle is None else _REST):
            self._refuse("431 Request Header Fields Too Large", "the request's head is too large")
        elif self._timer is None:
            self._wait()

    def eof_received(self) -> bool | None:
        """Pass on that the client sends no more."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """Pass on that the client reads too slowly."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that it has caught up."""
        self._inner.resume_writing()

    def _wait(self) -> None:
        late = ("408 Request Timeout", f"the request's head did not arrive within {self._seconds:g} s")
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._refuse, *late)

    def _enough(self) -> None:
        self._seen = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: str, words: str) -> None:
        if self._inner.cycle is None and not self._transport.is_closing():  # later on, it would be read as an answer
            head = f"HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {len(words)}\r\n"
            self._transport.write(f"{head}connection: close\r\n\r\n{words}".encode())
        self._enough()
        self._transport.close()


def patient(**given: Any) -> Patient:
    """Return a connection's protocol, as uvicorn's setting ``http`` makes them."""
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    return Patient(AutoHTTPProtocol(**given))
