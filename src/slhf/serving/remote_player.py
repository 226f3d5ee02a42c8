"""A model behind an OpenAI-compatible server as a player."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from slhf.errors import InputError
from slhf.judges.chat_budget import Budget, Spent
from slhf.judges.chat_client import ChatClient
from slhf.judges.chat_server import Server
from slhf.policies.chain import Turn
from slhf.policies.roles import INSTRUCTION, as_messages
from slhf.serving.asking import Asked
from slhf.serving.players import Memory, Spoken, Tell
from slhf.serving.steps import Step, TokenEvent
from slhf.types import Answer

_LIMITS = ("max_tokens", "max_completion_tokens")


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

    Its words arrive in one piece, without log-probabilities. Whether a seed fixes its answers is up to it.

    Args:
        remote: who is asked.
    """

    def __init__(self, remote: Remote):
        self.remote = remote
        self._spent = Spent()

    @property
    def at_once(self) -> int:
        """Turns to ask for at once."""
        return self.remote.server.concurrency

    @property
    def spent(self) -> Spent:
        """What has been asked and spent so far."""
        return replace(self._spent)

    async def speak(self, turn: Turn, asked: Asked, memory: Memory, more: bool, tell: Tell | None) -> Spoken:
        """Answer a turn; see ``Player``.

        Raises:
            InputError: log-probabilities are asked for.
            BudgetError: the budget is spent.
            IncompleteError: the server refuses, fails or stays away.
        """
        if asked.top_logprobs is not None:
            raise InputError("log-probabilities are not to be had from a model behind a server; leave top_logprobs out")
        async with ChatClient(self.remote.server, self.remote.budget, self._spent) as client:
            reply = await client.complete(self.request(turn, asked))
        text = reply.text.strip()
        if tell is not None and text:
            tell(TokenEvent(turn.step, text))
        step = Step(turn.step, text, "length" if reply.cut else "stop", reply.completion_tokens or 0)
        return Spoken(Answer([], text, not reply.cut), step, reply.prompt_tokens or 0)

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
