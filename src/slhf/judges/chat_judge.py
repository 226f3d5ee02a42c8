"""A language model as judge, over any OpenAI-compatible server."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from slhf.errors import IncompleteError, InputError
from slhf.judges.chat_asking import Asker, Asking, identity_text
from slhf.judges.chat_budget import Budget, Spent
from slhf.judges.chat_client import ChatClient
from slhf.judges.chat_loop import finished
from slhf.judges.chat_server import Server
from slhf.judges.chat_template import load_template
from slhf.judges.protocol import without_skips
from slhf.types import Comparison

log = logging.getLogger(__name__)


class ChatJudge:
    """Prefer what a language model prefers, asked in both orders.

        p(y ≻ y′) = ½ [ q(y, y′) + 1 − q(y′, y) ]

    where q(y, y′) is how likely the model prefers the response it is shown first. p(y ≻ y′) + p(y′ ≻ y) is 1
    to the last bit: a pair is asked about once, whichever way round it comes.

    Args:
        server: who is asked.
        asking: how.
        budget: what this object may spend.
        revision: tells judgements apart that come from models with the same name.

    Raises:
        InputError: the openai client is not installed, or a key is missing.
    """

    def __init__(self, server: Server, asking: Asking, budget: Budget | None = None, revision: str = ""):
        if importlib.util.find_spec("openai") is None:
            raise InputError('the judge "chat" needs the openai client: pip install "slhf[chat]"')
        self.server, self.asking, self.budget = server, asking, budget or Budget()
        self.name = f"{server.model}/{asking.template.name}"
        self.identity = identity_text(server.model, revision, asking)
        self.at_once = 4 * server.concurrency
        self._spent = Spent()
        self._told: set[str] = set()
        if server.exposes_key():
            log.warning("the key in %s goes to %s unencrypted; use https", server.key_env, server.address())

    @property
    def spent(self) -> Spent:
        """What has been asked and spent so far."""
        return replace(self._spent)

    def prefer(self, comparisons: Sequence[Comparison]) -> NDArray[np.float64]:
        """Ask the model about each pair in both orders.

        Raises:
            BudgetError: the budget is spent; ``judged`` holds what was judged before.
            IncompleteError: a question was skipped or has no readable verdict, or the server refuses, fails or
                stays away.
        """
        return without_skips(self, comparisons, self.prefer_or_skip(comparisons))

    def prefer_or_skip(self, comparisons: Sequence[Comparison]) -> NDArray[np.float64]:
        """Ask the model about each pair in both orders; NaN where it gives no readable verdict and that may be skipped.

        Raises:
            IncompleteError: as :meth:`prefer`, but for skips.
        """
        pairs = list(dict.fromkeys(_pair(c) for c in comparisons if c.first != c.second))
        orders = [Comparison(x, *shown) for x, y, z in pairs for shown in ((y, z), (z, y))]
        q, stopped = finished(self._asked(orders, 0))
        known = {
            pair: 0.5 * (here + (1.0 - there))
            for pair, here, there in zip(pairs, q[::2], q[1::2], strict=True)
            if here is not None and there is not None
        }
        p = [_oriented(c, known) for c in comparisons]
        if stopped is not None:
            raise _stopped(stopped, self, p)
        return np.array(p, dtype=np.float64)

    def ask_one_order(self, comparisons: Sequence[Comparison], repeat: int = 0) -> NDArray[np.float64]:
        """Return q(first, second): ask about each pair with its first response shown first, and in no other order.

        Args:
            comparisons: B questions.
            repeat: another number asks the same with another seed.

        Returns:
            Shape (B,), in [0, 1]; NaN where the model gives no readable verdict and that may be skipped.

        Raises:
            IncompleteError: as :meth:`prefer`; ``judged`` holds q.
        """
        q, stopped = finished(self._asked(comparisons, repeat))
        if stopped is not None:
            raise _stopped(stopped, self, q)
        return np.array(q, dtype=np.float64)

    async def _asked(
        self, questions: Sequence[Comparison], repeat: int
    ) -> tuple[list[float | None], IncompleteError | None]:
        """Put questions, ``concurrency`` at once; None for those not put because something stopped the rest."""
        if not questions:
            return [], None
        found: list[float | None] = [None] * len(questions)
        waiting = iter(enumerate(questions))
        stopped: list[IncompleteError] = []
        async with ChatClient(self.server, self.budget, self._spent) as client:
            asker = Asker(self.asking, client, self._spent, self._told)

            async def work() -> None:
                for place, question in waiting:
                    if stopped:
                        return  # what is under way elsewhere is let finish, nothing new begins
                    try:
                        found[place] = await asker.preference(question, repeat)
                    except IncompleteError as error:
                        stopped.append(error)

            await asyncio.gather(*(work() for _ in range(min(self.server.concurrency, len(questions)))))
        return found, stopped[0] if stopped else None


def _pair(c: Comparison) -> tuple[str, str, str]:
    return c.prompt, min(c.first, c.second), max(c.first, c.second)


def _oriented(c: Comparison, known: dict[tuple[str, str, str], float]) -> float | None:
    if c.first == c.second:
        return 0.5
    p = known.get(_pair(c))
    return p if p is None or c.first < c.second else 1.0 - p


def _stopped(error: IncompleteError, judge: ChatJudge, p: Sequence[float | None]) -> IncompleteError:
    error.judge = judge
    error.judged = {i: value for i, value in enumerate(p) if value is not None and not math.isnan(value)}
    return error


def chat_judge(
    model: str,
    base_url: str | None = None,
    template: str = "alpaca",
    *,
    verdict: Literal["auto", "logprobs", "text"] = "auto",
    samples: int = 1,
    temperature: float | None = 0.0,
    max_tokens: int | None = None,
    limit_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens",
    seed: int | None = 0,
    unreadable: Literal["error", "skip"] = "error",
    reasks: int = 2,
    key_env: str = "OPENAI_API_KEY",
    concurrency: int = 16,
    timeout: float = 120.0,
    retries: int = 6,
    patience: float = 600.0,
    pause: float = 0.5,
    max_calls: int | None = None,
    max_tokens_spent: int | None = None,
    max_cost: float | None = None,
    price_in: float | None = None,
    price_out: float | None = None,
    revision: str = "",
    extra_body: dict[str, Any] | None = None,
    answers_as: str | None = None,
) -> ChatJudge:
    """Return a judge that asks a language model behind an OpenAI-compatible server.

    Args:
        model: its name at the server.
        base_url: the server's address up to ``/v1``; OpenAI's own, or ``OPENAI_BASE_URL``, if not given.
        template: a template's name or file, see :func:`slhf.judges.chat_template.load_template`.
        verdict: read from the verdict token's probabilities (``logprobs``), from the words (``text``), or from the
            former where that is possible (``auto``).
        samples: replies to each question where words are read; needs a temperature above 0.
        temperature: of the replies; None leaves it to the server.
        max_tokens: a reply is cut after so many; the template's number if not given.
        limit_name: what the server calls that setting.
        seed: sent with each request, mixed with the question; None sends none.
        unreadable: a question without a readable verdict is an ``error``, or is left out (``skip``).
        reasks: how often such a question is asked again first.
        key_env: environment variable that holds the key.
        concurrency: requests under way at once.
        timeout: seconds for one request.
        retries: how often a request that failed is sent again.
        patience: seconds to wait for a server that is down.
        pause: seconds before the first time a request is sent again; doubles each time.
        max_calls: requests that may be sent in all.
        max_tokens_spent: tokens of questions and replies in all.
        max_cost: money in all; needs both prices.
        price_in: of a million tokens of questions.
        price_out: of a million tokens of replies.
        revision: changes when another model goes by the same name.
        extra_body: further entries of each request's body, for servers that know them.
        answers_as: the name the server answers by, where that is another than ``model``; an answer of any other model
            stops the judge.

    Raises:
        InputError: a setting that is out of range or does not fit another one, no such template, no key, or the
            openai client is not installed.
    """
    server = Server(model, base_url, key_env, concurrency, timeout, retries, patience, pause, answers_as)
    budget = Budget(max_calls, max_tokens_spent, max_cost, price_in, price_out)
    asking = Asking(
        load_template(template),
        verdict,
        samples,
        temperature,
        max_tokens,
        limit_name,
        seed,
        unreadable,
        reasks,
        extra_body or {},
    )
    return ChatJudge(server, asking, budget, revision)
