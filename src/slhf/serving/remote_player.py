"""A model behind an OpenAI-compatible server as a player."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakKeyDictionary

from slhf.errors import InputError
from slhf.judges.chat_budget import Budget, Spent
from slhf.judges.chat_client import ChatClient
from slhf.judges.chat_failure import UnansweredError
from slhf.judges.chat_outage import Outage
from slhf.judges.chat_reply import Reply
from slhf.judges.chat_server import Server
from slhf.policies.chain import Turn
from slhf.policies.roles import INSTRUCTION, as_messages
from slhf.serving.asking import Asked
from slhf.serving.players import Memory, Spoken, Tell
from slhf.serving.steps import Step, TokenEvent
from slhf.serving.words import Trimmed
from slhf.types import Answer

_LIMITS = ("max_tokens", "max_completion_tokens")
_FRESH = 5.0  # seconds for which it is believed that a server is there, or is not
_PROBE = 3.0  # seconds a server has to say that it is there


@dataclass(frozen=True)
class Remote:
    """A model somebody else serves.

    Attributes:
        server: where it is, how it is called there, which environment variable holds the key, and how patiently it
            is asked.
        budget: what may be spent on it.
        instruction: what asks it, as Follower, for an improvement.
        limit_name: what the server calls the largest number of new tokens: ``max_tokens`` or
            ``max_completion_tokens``.
        extra: further entries of every request's body.

    Raises:
        InputError: no such name of that limit, or the openai client is not installed.
    """

    server: Server
    budget: Budget = field(default_factory=Budget)
    instruction: str = INSTRUCTION
    limit_name: str = "max_tokens"
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.limit_name not in _LIMITS:
            raise InputError(f"limit_name={self.limit_name!r} is not one of {', '.join(_LIMITS)}")
        if importlib.util.find_spec("openai") is None:
            raise InputError('a model behind a server needs the openai client: pip install "slhf[chat]"')


class RemotePlayer:
    """Answers turns by asking a server, which sees the conversation, the answer and the instruction as turns.

    Its words come without log-probabilities. Whether a seed fixes its answers is up to it.

    Args:
        remote: who is asked.
    """

    bounded = True  # by its server
    token_text = None

    def __init__(self, remote: Remote):
        self.remote = remote
        self.waiting = 0
        self._spent = Spent()
        self._outage = Outage(remote.server.address(), remote.server.patience)
        self._places: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
        self._trouble: str | None = None
        self._heard = float("-inf")  # when it was last known whether it is there, by the monotonic clock

    @property
    def spent(self) -> Spent:
        """What has been asked and spent so far."""
        return replace(self._spent)

    async def absent(self) -> str | None:
        """Return why its server would not answer now, as known for a few seconds; see ``Player``."""
        if time.monotonic() - self._heard > _FRESH:
            self._heard = time.monotonic()
            try:
                await self.models()
            except UnansweredError as error:
                self._note(error.reason)
            else:
                self._note(None)
        return self._trouble

    async def models(self) -> list[str]:
        """Return the names of the models its server lists, none where it keeps no list; asked once.

        Raises:
            UnansweredError: it is not there, or refuses the key.
        """
        server = replace(self.remote.server, timeout=min(_PROBE, self.remote.server.timeout))
        async with ChatClient(server, self.remote.budget, self._spent, self._outage) as client:
            return await client.models()

    def _note(self, trouble: str | None) -> None:
        self._trouble, self._heard = trouble, time.monotonic()

    def _client(self) -> ChatClient:
        return ChatClient(self.remote.server, self.remote.budget, self._spent, self._outage)

    async def speak(self, turn: Turn, asked: Asked, memory: Memory, more: bool, tell: Tell | None) -> Spoken:
        """Answer a turn; see ``Player``.

        Raises:
            InputError: log-probabilities are asked for.
            BudgetError: the budget is spent.
            IncompleteError: the server refuses, fails or stays away, or breaks off its answer.
        """
        if asked.top_logprobs is not None:
            raise InputError("log-probabilities are not to be had from a model behind a server; leave top_logprobs out")
        words = Trimmed(asked.stop_texts)  # a server may not know stop texts

        def say(text: str) -> None:
            if tell is not None and text:
                tell(TokenEvent(turn.step, text))

        request = self.request(turn, asked)
        async with self._place(), self._client() as client:
            try:
                if tell is None:
                    reply = await client.complete(request)
                    words.push(reply.text)
                else:
                    reply = await client.stream(request, lambda piece: say(words.push(piece)))
            except UnansweredError as error:
                if error.away:
                    self._note(error.reason)
                raise
        self._note(None)
        say(words.finish())
        return _spoken(turn.step, words, reply)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """Wait until fewer requests are under way than the server takes at once."""
        loop = asyncio.get_running_loop()  # a semaphore belongs to one
        places = self._places.setdefault(loop, asyncio.Semaphore(self.remote.server.concurrency))
        self.waiting += 1
        try:
            await places.acquire()
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            places.release()

    def request(self, turn: Turn, asked: Asked) -> dict[str, Any]:
        """Return the body of a turn's request, without the model's name."""
        messages: list[dict[str, str]] = [dict(message) for message in as_messages(turn.prompt)]
        if turn.answer is not None:
            messages.append({"role": "assistant", "content": turn.answer.text})
            messages.append({"role": "user", "content": self.remote.instruction})
        named = ascii([asked.seed, turn.step, asked.sample])
        body: dict[str, Any] = {"messages": messages, "seed": int(hashlib.sha256(named.encode()).hexdigest()[:7], 16)}
        if asked.temperature is not None:
            body["temperature"] = asked.temperature
        if asked.top_p < 1.0:
            body["top_p"] = asked.top_p
        if asked.max_new_tokens is not None:
            body[self.remote.limit_name] = asked.max_new_tokens
        if asked.stop_texts:
            body["stop"] = list(asked.stop_texts)
        return body | dict(self.remote.extra)


def _spoken(step: int, words: Trimmed, reply: Reply) -> Spoken:
    cut = reply.cut and not words.stopped
    said = Step(step, words.text, "length" if cut else "stop", reply.completion_tokens or 0)
    return Spoken(Answer([], words.text, not cut), said, reply.prompt_tokens or 0)
