"""Chat completions from any OpenAI-compatible server, sent again where that may help."""

from __future__ import annotations

import asyncio
import functools
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from slhf.errors import IncompleteError
from slhf.judges.chat_budget import Budget, Spent
from slhf.judges.chat_failure import RequestFailure, UnansweredError, failure_of
from slhf.judges.chat_outage import Outage
from slhf.judges.chat_reply import MalformedReplyError, Reply, parse_reply
from slhf.judges.chat_server import LOOPBACK, NO_KEY, Server
from slhf.judges.chat_stream import Hear, read_stream

_LONGEST = 60.0
_CHANCE = random.SystemRandom()  # of every process its own: that is what it is for


class ChatClient:
    """Asks a server; used inside ``async with``, so that its connections end with the block.

    Args:
        server: who is asked.
        budget: what may be spent.
        spent: what is spent; changed as replies come.
        outage: what is known of whether the server is there, where several clients share it.
        sleep: waits for so many seconds.
        clock: tells the seconds.
        chance: draws a number from [0, 1), to spread requests that are sent again.

    Raises:
        InputError: a key is missing.
    """

    def __init__(
        self,
        server: Server,
        budget: Budget,
        spent: Spent,
        outage: Outage | None = None,
        *,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = _CHANCE.random,
    ):
        self._server, self._budget, self._spent = server, budget, spent
        self._sleep, self._clock, self._chance = sleep, clock, chance
        self._key, self._address = server.key(), server.address()
        self._outage = outage or Outage(self._address, server.patience)
        self._client = _openai(self._address, self._key, server.timeout)

    async def __aenter__(self) -> ChatClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def complete(self, request: Mapping[str, Any]) -> Reply:
        """Return the reply to a request, sending it again where that may help.

        Args:
            request: body of a chat completion, without the model.

        Raises:
            BudgetError: the budget is spent.
            UnansweredError: the server refuses the request, has failed it more than ``retries`` times, answers
                nobody for longer than ``patience``, or says that another model has answered.
        """
        return await self._answered(lambda body: self._whole(body), request)

    async def stream(self, request: Mapping[str, Any], hear: Hear) -> Reply:
        """Return the reply to a request and tell its text as it comes; once anything is told, it is not sent again.

        Cancelling this closes the connection, by which the server learns that nobody listens any more. What an answer
        that broke off has cost is not known, and counts as a call alone.

        Args:
            request: body of a chat completion, without the model.
            hear: told each piece of text.

        Raises:
            BudgetError: the budget is spent.
            UnansweredError: as :meth:`complete`, or the answer broke off.
        """
        more = {"stream": True, "stream_options": {"include_usage": True}}
        return await self._answered(lambda body: self._pieces(body, hear), {**request, **more})

    async def models(self) -> list[str]:
        """Return the names of the models the server lists, none where it keeps no list; asked once.

        Raises:
            UnansweredError: it is not there, or refuses the key.
        """
        try:
            return await _listed(self._client)
        except Exception as error:  # which of them are the client library's is known where that is loaded
            failure = failure_of(error, self._server.key_env)
            if failure is None:
                raise
        if failure.status not in (None, 401, 403) and not failure.silent:
            return []  # it is there, whatever is wrong with its list
        failure.args = (self._without_key(str(failure)),)
        raise self._given_up(f"does not tell its models: {failure}", failure, away=failure.silent)

    async def _answered(
        self, answer: Callable[[Mapping[str, Any]], Awaitable[Reply]], request: Mapping[str, Any]
    ) -> Reply:
        """Send a request until it is answered, refused or given up."""
        failed = unheard = 0
        while True:
            self._budget.check(self._spent)
            began = self._clock()
            try:
                return await self._sent(answer, request)
            except RequestFailure as error:
                failure = error
            # what follows is raised out here, so that nothing that holds the request, and with it the key, hangs on
            if failure.hopeless:
                what = "broke off an answer" if failure.status is None else "refused a request"
                raise self._given_up(f"{what}: {failure}", failure)
            if failure.silent and self._outage.silent(began, str(failure)):
                unheard += 1
                wait = self._until_back(failure, unheard)
            else:
                failed += 1
                wait = self._until_again(failure, failed)
            self._spent.retries += 1
            await self._sleep(wait)

    async def _sent(self, answer: Callable[[Mapping[str, Any]], Awaitable[Reply]], request: Mapping[str, Any]) -> Reply:
        self._spent.calls += 1  # before it is sent: requests under way count
        try:
            reply = await answer({"model": self._server.model, **request})
        except MalformedReplyError as error:
            self._outage.heard(self._clock())
            message = f"its reply is no chat completion ({error})"
            raise RequestFailure(self._without_key(message), billed=True) from None
        except RequestFailure as failure:  # in the middle of an answer
            failure.args = (self._without_key(str(failure)),)
            raise failure from None
        except Exception as error:  # which of them are the client library's is known where that is loaded
            failure = failure_of(error, self._server.key_env)
            if failure is None:
                raise
            self._spent.calls -= not failure.billed
            if not failure.silent:
                self._outage.heard(self._clock())
            failure.args = (self._without_key(str(failure)),)
            raise failure from None
        self._outage.heard(self._clock())
        self._budget.book(self._spent, reply)
        self._check_model(reply.model)
        return reply

    async def _whole(self, body: Mapping[str, Any]) -> Reply:
        return parse_reply((await _posted(self._client, body)).content)

    async def _pieces(self, body: Mapping[str, Any], hear: Hear) -> Reply:
        told = 0

        def tell(piece: str) -> None:
            nonlocal told
            told += len(piece)
            hear(piece)

        try:
            async with await _opened(self._client, body) as chunks:
                if "text/event-stream" in chunks.response.headers.get("content-type", ""):
                    return await read_stream(chunks, self._check_model, tell)
                reply = parse_reply(await chunks.response.aread())  # a server that knows no streams answers at once
                self._check_model(reply.model)
                tell(reply.text)
                return reply
        except Exception as error:
            failure = error if isinstance(error, MalformedReplyError) else failure_of(error, self._server.key_env)
            if failure is None or not told:
                raise
            # from None, since what the client library raises holds the request
            raise RequestFailure(f"after {told} characters: {failure}", hopeless=True, billed=True) from None

    def _check_model(self, said: str | None) -> None:
        try:
            self._server.check_model(said)
        except IncompleteError as error:
            raise UnansweredError(str(error), self._address, RequestFailure(str(error))) from None

    def _until_back(self, failure: RequestFailure, unheard: int) -> float:
        """Return how long to wait before a server that answers nobody is asked again."""
        left = self._outage.left(self._clock())
        if left <= 0.0:
            raise self._given_up(
                f"has not answered for {self._server.patience:.0f} s ({failure}); is it running? What was judged is "
                "kept where judgements are stored: go on when it is back, or set patience higher",
                failure,
                away=True,
            )
        return min(max(self._pause(unheard), failure.after), left)

    def _until_again(self, failure: RequestFailure, failed: int) -> float:
        """Return how long to wait before a request is sent again to a server that answers others."""
        if failed > self._server.retries:
            raise self._given_up(
                f"failed a request {failed} times, the last time so: {failure}. Go on later, or set retries higher",
                failure,
            )
        if failure.after > self._server.patience:
            raise self._given_up(
                f"asks to wait for {failure.after:.0f} s, which is more than patience={self._server.patience:.0f}: "
                f"{failure}",
                failure,
            )
        return max(self._pause(failed), failure.after)

    def _given_up(self, words: str, failure: RequestFailure, *, away: bool = False) -> UnansweredError:
        return UnansweredError(f"{self._address} {words}", self._address, failure, away=away)

    def _pause(self, tries: int) -> float:
        longest = min(self._server.pause * 2.0 ** min(tries - 1, 30), _LONGEST)
        return longest * (1.0 - 0.5 * self._chance())

    def _without_key(self, text: str) -> str:
        return text if self._key == NO_KEY else text.replace(self._key, "…")


def _openai(address: str, key: str, timeout: float) -> Any:
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    # a server on this machine is never asked through a proxy
    direct = urlsplit(address).hostname in LOOPBACK
    http = DefaultAsyncHttpxClient(timeout=timeout, trust_env=not direct, verify=_trusted(not direct))
    return AsyncOpenAI(base_url=address, api_key=key, timeout=timeout, max_retries=0, http_client=http)


@functools.cache
def _trusted(trust_env: bool) -> Any:
    """Return whose certificates are believed; reading them takes longer than ten requests, so it is done once."""
    from httpx2 import create_ssl_context

    return create_ssl_context(trust_env=trust_env)


async def _listed(client: Any) -> list[str]:
    """Return the names in a server's list of models; none if it is no such list."""
    found = await client.get("/models", cast_to=object)
    listed = found.get("data") if isinstance(found, Mapping) else None
    entries = listed if isinstance(listed, list) else []
    return [entry["id"] for entry in entries if isinstance(entry, Mapping) and isinstance(entry.get("id"), str)]


async def _opened(client: Any, body: Mapping[str, Any]) -> Any:
    """Send a chat completion whose answer is to come in pieces; return these, to be closed by ``async with``."""
    from openai import AsyncStream

    return await client.post(
        "/chat/completions", cast_to=object, body=body, stream=True, stream_cls=AsyncStream[object]
    )


async def _posted(client: Any, body: Mapping[str, Any]) -> Any:
    """Send a chat completion as it is: the client's own method goes through every field, which costs as much again."""
    from httpx2 import Response

    return await client.post("/chat/completions", cast_to=Response, body=body)
