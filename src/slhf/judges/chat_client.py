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
from slhf.judges.chat_failure import RequestFailure, failure_of
from slhf.judges.chat_outage import Outage
from slhf.judges.chat_reply import MalformedReplyError, Reply, parse_reply
from slhf.judges.chat_server import LOOPBACK, NO_KEY, Server

_LONGEST = 60.0
_CHANCE = random.SystemRandom()  # of every process its own: that is what it is for


class ChatClient:
    """Asks a server; used inside ``async with``, so that its connections end with the block.

    Args:
        server: who is asked.
        budget: what may be spent.
        spent: what is spent; changed as replies come.
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
        *,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = _CHANCE.random,
    ):
        self._server, self._budget, self._spent = server, budget, spent
        self._sleep, self._clock, self._chance = sleep, clock, chance
        self._key, self._address = server.key(), server.address()
        self._outage = Outage(self._address, server.patience)
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
            IncompleteError: the server refuses the request, has failed it more than ``retries`` times, answers
                nobody for longer than ``patience``, or says that another model has answered.
        """
        failed = unheard = 0
        while True:
            self._budget.check(self._spent)
            began = self._clock()
            try:
                return await self._sent(request)
            except RequestFailure as error:
                failure = error
            # what follows is raised out here, so that nothing that holds the request, and with it the key, hangs on
            if failure.hopeless:
                raise IncompleteError(f"{self._address} refused a request: {failure}")
            if failure.silent and self._outage.silent(began, str(failure)):
                unheard += 1
                wait = self._until_back(failure, unheard)
            else:
                failed += 1
                wait = self._until_again(failure, failed)
            self._spent.retries += 1
            await self._sleep(wait)

    async def _sent(self, request: Mapping[str, Any]) -> Reply:
        self._spent.calls += 1  # before it is sent: requests under way count
        try:
            response = await _posted(self._client, {"model": self._server.model, **request})
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
        try:
            reply = parse_reply(response.content)
        except MalformedReplyError as error:
            message = f"its reply is no chat completion ({error})"
            raise RequestFailure(self._without_key(message), billed=True) from None
        self._budget.book(self._spent, reply)
        self._server.check_model(reply.model)
        return reply

    def _until_back(self, failure: RequestFailure, unheard: int) -> float:
        """Return how long to wait before a server that answers nobody is asked again."""
        left = self._outage.left(self._clock())
        if left <= 0.0:
            raise IncompleteError(
                f"{self._address} has not answered for {self._server.patience:.0f} s ({failure}); is it running? What "
                "was judged is kept where judgements are stored: go on when it is back, or set patience higher"
            )
        return min(max(self._pause(unheard), failure.after), left)

    def _until_again(self, failure: RequestFailure, failed: int) -> float:
        """Return how long to wait before a request is sent again to a server that answers others."""
        if failed > self._server.retries:
            raise IncompleteError(
                f"{self._address} failed a request {failed} times, the last time so: {failure}. Go on later, or set "
                "retries higher"
            )
        if failure.after > self._server.patience:
            raise IncompleteError(
                f"{self._address} asks to wait for {failure.after:.0f} s, which is more than "
                f"patience={self._server.patience:.0f}: {failure}"
            )
        return max(self._pause(failed), failure.after)

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


async def _posted(client: Any, body: Mapping[str, Any]) -> Any:
    """Send a chat completion as it is: the client's own method goes through every field, which costs as much again."""
    from httpx2 import Response

    return await client.post("/chat/completions", cast_to=Response, body=body)
