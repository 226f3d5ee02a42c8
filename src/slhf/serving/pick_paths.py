"""``/v1/picks``: what people picked is sent here, and comes back as preferences to train on."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from slhf.errors import InputError, suggestion
from slhf.serving.asking import checked_prompt
from slhf.serving.chat import refused
from slhf.serving.chat_request import plain_messages
from slhf.serving.gate import ClientGoneError, json_body
from slhf.serving.measures import Measures
from slhf.serving.picks import NotStoredError, Pick, PickStore
from slhf.serving.request_fields import RequestError, of_type

FIELDS = ("session", "messages", "chosen", "rejected", "model")
"""Fields of a pick; all are needed."""

_AT_ONCE = 64 * 1024  # characters of the export sent in one piece


def pick_routes(picks: PickStore, measures: Measures, max_body: int) -> list[Route]:
    """Return ``/v1/picks``: POST stores a pick, GET gives all of them as preferences, a line of JSON each.

    Args:
        picks: where they are kept.
        measures: where requests are counted.
        max_body: bytes of a request.
    """
    return [Route("/v1/picks", _Picks(picks, measures, max_body), methods=["GET", "POST"])]


def parse_pick(body: Any, when: float) -> Pick:
    """Check a pick's body.

    Args:
        body: as it came, decoded from JSON.
        when: seconds since 1970.

    Raises:
        RequestError: a field that is missing, unknown or wrong; the message names it.
    """
    if not isinstance(body, Mapping):
        raise RequestError("the body must be a JSON object")
    for field in body:
        if field not in FIELDS:
            raise RequestError(
                f"there is no field {field!r} here.{suggestion(field, FIELDS)} Known are {', '.join(FIELDS)}",
                field,
                code="unknown_parameter",
            )
    for field in FIELDS:
        if body.get(field) is None:
            raise RequestError(f"{field} is missing", field)
    rejected = of_type(body, "rejected", list, "a list of texts")
    try:
        prompt = checked_prompt(plain_messages(body["messages"]))
        return Pick(body["session"], prompt, body["chosen"], tuple(rejected), body["model"], when)
    except InputError as error:
        named = re.match(r"\w+", str(error))  # these messages begin with the field
        raise RequestError(str(error), named and named.group()) from error


class _Taking:
    """Stores a pick, as an ASGI application."""

    def __init__(self, picks: PickStore, measures: Measures, max_body: int):
        self._picks, self._measures, self._max_body = picks, measures, max_body
        # one thread of its own: a disk that is slow keeps no answer waiting
        self._thread = ThreadPoolExecutor(1, "picks")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        with self._measures.request(f"pick-{secrets.token_hex(12)}") as line:
            try:
                pick = parse_pick(await json_body(receive, dict(scope["headers"]), self._max_body), time.time())
                stored = asyncio.get_running_loop().run_in_executor(self._thread, self._picks.add, pick)
                number = await asyncio.shield(stored)
                line |= {"status": 201, "pairs": len(pick.rejected)}
                reply = {"id": number, "pairs": len(pick.rejected)}
                await JSONResponse(reply, status_code=201)(scope, receive, send)
            except ClientGoneError:
                pass  # nobody is left to tell; the log says 499
            except (RequestError, NotStoredError) as error:
                refusal = error if isinstance(error, RequestError) else _not_stored(error)
                line |= {"status": refusal.status, "error": refusal.code or "invalid"}
                await refused(refusal, scope, receive, send)


def _not_stored(error: NotStoredError) -> RequestError:
    return RequestError(str(error), status=503, code="pick_not_stored", retry_after=5)


class _Picks:
    """``/v1/picks`` as one ASGI application: a refusal of other methods then names both."""

    def __init__(self, picks: PickStore, measures: Measures, max_body: int):
        self._picks, self._taking = picks, _Taking(picks, measures, max_body)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "POST":
            await self._taking(scope, receive, send)
            return
        blocks = _blocks(self._picks.lines())
        try:
            first = await asyncio.to_thread(next, blocks)  # before the status is sent
        except (InputError, OSError) as error:
            await refused(RequestError(str(error), status=503, code="picks_unreadable"), scope, receive, send)
            return
        export = StreamingResponse(chain([first], blocks), media_type="application/jsonl")
        await export(scope, receive, send)


def _blocks(lines: Iterator[str]) -> Iterator[str]:
    """Yield lines in larger pieces: each is handed from thread to thread."""
    block: list[str] = []
    size = 0
    for line in lines:
        block.append(line)
        size += len(line)
        if size >= _AT_ONCE:
            yield "".join(block)
            block, size = [], 0
    yield "".join(block)
