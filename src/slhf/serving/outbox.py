"""What is said of one reply waits here until it is sent; what is there together is sent together."""

from __future__ import annotations

import asyncio

QUIET = 15.0
"""Seconds of silence in a stream, after which a comment shows that it lives."""


class Outbox:
    """Server-sent events on their way; made and used on one event loop.

    Args:
        quiet: seconds of silence that are too long.
    """

    def __init__(self, quiet: float = QUIET):
        self._loop = asyncio.get_running_loop()
        self._quiet, self._last = quiet, self._loop.time()
        self._said: list[bytes] = []
        self._error: BaseException | None = None
        self._over = False
        self._waits: asyncio.Future[None] | None = None
        # one timer for the whole stream: one a token would cost as much as the token's event
        self._timer = self._loop.call_later(quiet, self._silent)

    def put(self, event: bytes) -> None:
        """Add an event; what comes after the end is dropped."""
        if not self._over:
            self._said.append(event)
            self._wake()

    def close(self, error: BaseException | None = None) -> None:
        """Say that nothing more will come, or what went wrong; who closes it first is right."""
        if not self._over:
            self._over, self._error = True, error
            self._timer.cancel()
            self._wake()

    async def taken(self) -> bytes | None:
        """Return everything that is there, once there is something; None after the last.

        Raises:
            BaseException: what it was closed with, once everything said before is taken.
        """
        while not self._said and not self._over:
            self._waits = self._loop.create_future()
            await self._waits
        if self._said:
            found = b"".join(self._said)
            self._said.clear()
            self._last = self._loop.time()
            return found
        if self._error is not None:
            raise self._error
        return None

    def _wake(self) -> None:
        if self._waits is not None and not self._waits.done():
            self._waits.set_result(None)

    def _silent(self) -> None:
        left = self._last + self._quiet - self._loop.time()
        if left <= 0:
            self.put(b": at work\n\n")
            left = self._quiet
        self._timer = self._loop.call_later(left, self._silent)
