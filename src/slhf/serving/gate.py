"""Who is let in: keys, hosts, bodies of a decent size, and no more requests than can be answered soon."""

from __future__ import annotations

import asyncio
import hmac
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from slhf.judges.chat_server import LOOPBACK
from slhf.serving.page_files import is_page
from slhf.serving.request_fields import RequestError

_BODY_SECONDS = 30.0


class Gate:
    """Counts the answers that are being made or wait, and turns away what would be too many.

    Args:
        max_batch: answers made at once.
        max_queue: answers that may wait besides.
    """

    def __init__(self, max_batch: int, max_queue: int):
        self._batch, self._room = max_batch, max_batch + max_queue
        self.inside = 0  # answers that are being made or wait
        self._seconds = 1.0  # a moving mean of how long a request took

    @contextmanager
    def admitted(self, count: int) -> Iterator[None]:
        """Keep ``count`` places while the block lasts.

        Raises:
            RequestError: 429, with the seconds after which there may be room.
        """
        if self.inside + count > self._room:
            if count > self._room:
                raise RequestError(f"n: {count} answers at once are more than the {self._room} there is room for", "n")
            raise RequestError(
                f"the server is busy with {self.inside} answers; try again later",
                status=429,
                code="server_busy",
                retry_after=self.retry_after(),
            )
        began = asyncio.get_running_loop().time()
        self.inside += count
        try:
            yield
        finally:
            self.inside -= count
            self._seconds += 0.2 * (asyncio.get_running_loop().time() - began - self._seconds)

    def retry_after(self) -> int:
        """Return whole seconds, 1 to 60: how long those inside take, at the pace of late."""
        return max(1, min(60, math.ceil(self._seconds * self.inside / self._batch)))


async def json_body(receive: Any, headers: dict[bytes, bytes], most: int) -> Any:
    """Read and decode a request's body.

    Args:
        receive: of the ASGI connection.
        headers: of the request.
        most: bytes.

    Raises:
        RequestError: too large (413), too slow (408), not declared as JSON (415), or not JSON.
    """
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind != b"application/json":  # a page elsewhere cannot send this type without asking the browser first
        raise RequestError("send the body as JSON, with the header Content-Type: application/json", status=415)
    too_large = RequestError(f"the body is larger than {most} bytes", status=413, code="body_too_large")
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length) > most:
        raise too_large
    content = b""
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGoneError
                content += message.get("body", b"")
                if len(content) > most:
                    raise too_large
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        raise RequestError(f"the body did not arrive within {_BODY_SECONDS:.0f} s", status=408) from None
    try:
        found = json.loads(content.decode(), parse_constant=_no_number)
        json.dumps(found, ensure_ascii=False).encode()  # half a character can be written in JSON, and is no text
        return found
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the body is not JSON: {error}") from None


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


class ClientGoneError(Exception):
    """Whoever asked has closed the connection."""


class Guard:
    """Lets nobody in without the key; and where there is no key, nobody who was not addressed to this machine.

    A page in a browser could otherwise reach a server of one's own under a name it controls.

    Args:
        app: what is guarded, an ASGI application.
        key: that requests bring as ``Authorization: Bearer …``; None asks for none.
        refuse: sends a refusal.
    """

    OPEN = ("/health", "/openapi.json")

    def __init__(self, app: Any, key: str | None, refuse: Any):
        self._app, self._refuse = app, refuse
        self._key = None if key is None else key.encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Let a connection in, or refuse it."""
        if scope["type"] == "http" and scope["path"] not in self.OPEN:
            headers, error = dict(scope["headers"]), None
            if self._key is None:
                error = self._hosted(headers)
            elif not is_page(scope["path"]):  # the page asks for the key
                error = self._keyed(headers)
            if error is not None:
                await self._refuse(error, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _keyed(self, headers: dict[bytes, bytes]) -> RequestError | None:
        scheme, _, brought = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() == b"bearer" and hmac.compare_digest(brought.strip(), self._key or b""):
            return None
        return RequestError("the key is missing or wrong: Authorization: Bearer …", status=401, code="invalid_api_key")

    def _hosted(self, headers: dict[bytes, bytes]) -> RequestError | None:
        host = headers.get(b"host", b"").decode("latin-1")
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            name = None
        if name in LOOPBACK:
            return None
        return RequestError("without a key this server answers to localhost alone", status=403, code="wrong_host")
