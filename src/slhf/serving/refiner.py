"""Answer, improve the answer, and keep the best: the library call behind ``slhf serve``."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from slhf.errors import InputError, suggestion
from slhf.judges.chat_loop import finished
from slhf.judges.protocol import Judge, Preference, as_judge
from slhf.policies.causal_lm import ROLES, CausalPolicy
from slhf.policies.chain import Turn, next_turn, turns
from slhf.policies.load import load_policy
from slhf.policies.roles import as_text
from slhf.serving.asking import Asked, checked_prompt, is_one_prompt
from slhf.serving.desk import Desk
from slhf.serving.local_player import LocalPlayer
from slhf.serving.players import Memory, Player, Spoken
from slhf.serving.remote_player import Remote, RemotePlayer
from slhf.serving.steps import DoneEvent, Event, Refinement, Step, StepEvent
from slhf.serving.stops import Stop, UnlessPreferred, reason_to_stop
from slhf.serving.streams import iterated, together
from slhf.types import Answer, Comparison, Prompt


@dataclass(frozen=True)
class Plan:
    """One chain that is wanted.

    Attributes:
        prompt: x.
        steps: refinements at most.
        answer: somebody's first answer; None asks the Leader.
        stops: reasons for fewer steps.
        asked: how its answers are sampled.
    """

    prompt: Prompt
    steps: int
    answer: str | None
    stops: tuple[Stop, ...]
    asked: Asked


Model = str | os.PathLike[str] | CausalPolicy | Remote
"""What can answer: ``toy``, a folder, a hub name, a policy, or a model behind a server."""


class Refiner:
    """Answers conversations and improves the answers, step by step.

        y₁ ~ π(·|x),   y_{i+1} ~ ω(·|x, y_i)

    With a judge, each step carries p(y_{i+1} ≻ y_i), and the best answer is kept: the first is the best at the
    beginning, and a new one takes its place if p(new ≻ best) > ½. Where preferences run in a circle, the best is so
    only in this order: it need not beat an answer that lost to one that lost to it.

    One seed gives one conversation the same answers, alone or among others, up to rounding: a matrix product of
    another size may differ in its last bits, and very rarely a token with it.

    Weights are used as they are when this is made: what is trained later calls for a new one.

    Args:
        model: the Leader, and the Follower too where none is named: ``toy``, a run's or model's folder, a hub name, a
            policy, or a :class:`Remote` behind a server.
        follower: another model that improves the answers, likewise.
        judge: a judge or any callable ``(prompts, first, second) → P(first ≻ second)``.
        max_batch: answers a model of this process decodes at once.
        dtype: type of the weights of models named here.
        device: where these compute; a GPU where there is one if None.
        watch: told how many answers are decoded together, before every token.

    Raises:
        InputError: there is no such model, or no way to use it.
    """

    def __init__(
        self,
        model: Model,
        *,
        follower: Model | None = None,
        judge: Judge | Preference | None = None,
        max_batch: int = 32,
        dtype: str = "float32",
        device: str | None = None,
        watch: Callable[[int], None] | None = None,
    ):
        def player(of: Model, *roles: str) -> Player:
            if isinstance(of, Remote):
                return RemotePlayer(of)
            policy = of if isinstance(of, CausalPolicy) else load_policy(of, dtype=dtype, device=device)
            return LocalPlayer(policy, roles=roles, max_batch=max_batch, watch=watch)

        self.leader = player(model, *(ROLES if follower is None else ROLES[:1]))
        self.follower = self.leader if follower is None else player(follower, ROLES[1])
        self._desk = None if judge is None else Desk(as_judge(judge))

    @property
    def judged(self) -> bool:
        """True if there is a judge."""
        return self._desk is not None

    @property
    def players(self) -> tuple[Player, ...]:
        """Leader and Follower; one where they are the same."""
        return (self.leader,) if self.follower is self.leader else (self.leader, self.follower)

    @property
    def tells_tokens(self) -> bool:
        """True if every model tells its tokens, and so their log-probabilities."""
        return all(player.token_text is not None for player in self.players)

    def token_text(self, step: int, token: int) -> str:
        """Return one token of a step's answer as text.

        Raises:
            InputError: whose answer it is tells no tokens.
        """
        player = self.follower if step else self.leader
        if player.token_text is None:
            raise InputError("a model behind a server tells no tokens")
        return player.token_text(token)

    def refine(self, messages: Any, *, steps: int = 3, answer: Any = None, stop: Any = (), **sampling: Any) -> Any:
        """Answer one conversation, or several at once, and improve the answers.

        Args:
            messages: a text, a list of turns ``{"role": …, "content": …}`` of which the last is the user's, or a list
                of such conversations.
            steps: refinements at most; 0 is the Leader alone.
            answer: refine this answer instead of the Leader's; a list where there are several conversations.
            stop: a reason for fewer steps, or several of which the first counts; see :mod:`slhf.serving.stops`.
            sampling: fields of :class:`Asked`: ``temperature``, ``max_new_tokens``, ``seed`` and so on. Several
                conversations may have a list of seeds; with one seed, each gets what it would get alone.

        Returns:
            A :class:`Refinement`, or a list of them.

        Raises:
            InputError: a conversation or setting that is wrong, or too long for the model.
            IncompleteError: a server refuses, fails or stays away.
        """
        return finished(self.arefine(messages, steps=steps, answer=answer, stop=stop, **sampling))

    async def arefine(
        self, messages: Any, *, steps: int = 3, answer: Any = None, stop: Any = (), **sampling: Any
    ) -> Any:
        """Do what :meth:`refine` does without blocking; cancelling it stops the model at the next token."""
        if is_one_prompt(messages):
            return await self.run(self.plan(messages, steps=steps, answer=answer, stop=stop, **sampling))
        plans = self._plans(messages, steps, answer, stop, sampling)
        return await together(self.run(plan) for plan in plans)

    def stream(
        self, messages: Any, *, steps: int = 3, answer: str | None = None, stop: Any = (), **sampling: Any
    ) -> Iterator[Event]:
        """Answer one conversation as :meth:`refine` does, and yield what is said as it is said.

        Yields:
            Token events, a step event after each answer, and a last one with the whole; closing the iterator stops
            the model at the next token.
        """
        plan = self.plan(messages, steps=steps, answer=answer, stop=stop, **sampling)
        return iterated(lambda: self.events(plan))

    def astream(
        self, messages: Any, *, steps: int = 3, answer: str | None = None, stop: Any = (), **sampling: Any
    ) -> AsyncGenerator[Event, None]:
        """Do what :meth:`stream` does as an asynchronous generator."""
        return self.events(self.plan(messages, steps=steps, answer=answer, stop=stop, **sampling))

    def plan(
        self, messages: Any, *, steps: int = 3, answer: str | None = None, stop: Any = (), **sampling: Any
    ) -> Plan:
        """Check everything that is asked about one conversation; see :meth:`refine`.

        Raises:
            InputError: something is wrong with it.
        """
        known = [field.name for field in fields(Asked)]
        for name in sampling:
            if name not in known:
                raise InputError(
                    f"{name}: there is no such setting.{suggestion(name, known)} Known are {', '.join(known)}"
                )
        if not isinstance(steps, int):
            raise InputError(f"steps={steps!r}: a whole number is needed")
        if steps < 0:
            raise InputError(f"steps={steps}: the number of refinements cannot be negative")
        stops: tuple[Stop, ...] = tuple(stop) if isinstance(stop, Sequence) else (stop,)
        if self._desk is None and any(isinstance(one, UnlessPreferred) for one in stops):
            raise InputError("stop=UnlessPreferred(…) needs a judge: Refiner(model, judge=…)")
        if answer is not None and not (isinstance(answer, str) and answer.strip()):
            raise InputError("answer is empty; give the text to refine, or leave it out to ask the Leader")
        return Plan(checked_prompt(messages), steps, answer, stops, Asked(**sampling))

    def _plans(self, conversations: Any, steps: int, answers: Any, stop: Any, sampling: dict[str, Any]) -> list[Plan]:
        if not isinstance(conversations, Sequence) or not conversations:
            raise InputError("messages: give a text, a list of turns, or a list of conversations")
        count = len(conversations)
        seed = sampling.pop("seed", 0)
        lists = {"answer": answers or [None] * count, "seed": [seed] * count if isinstance(seed, int) else seed}
        for name, values in lists.items():
            if isinstance(values, str) or len(values) != count:
                raise InputError(f"{name}: give one for each of the {count} conversations")
        plans = []
        for number, conversation in enumerate(conversations):
            more = {name: values[number] for name, values in lists.items()}
            try:
                plans.append(self.plan(conversation, steps=steps, stop=stop, **more, **sampling))
            except InputError as error:
                raise InputError(f"conversation {number}: {error}") from error
        return plans

    async def events(self, plan: Plan) -> AsyncGenerator[Event, None]:
        """Yield a plan's events; closing the generator cancels what is under way."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        task = asyncio.create_task(self.run(plan, queue.put_nowait))
        task.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            while (event := await queue.get()) is not None:
                yield event
            yield DoneEvent(await task)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def run(self, plan: Plan, tell: Callable[[Event], None] | None = None) -> Refinement:
        """Carry out one plan.

        Args:
            plan: what is wanted.
            tell: told every event but the last as it comes.
        """
        began = time.monotonic()
        given = None if plan.answer is None else Answer([], plan.answer, True)
        steps = [] if given is None else [Step(0, given.text, "given")]
        best = None if self._desk is None else 0
        stopped, prompt_tokens = None, 0
        memory = Memory()
        loop = turns(plan.prompt, plan.steps, given)
        turn = next(loop, None)
        while turn is not None:
            spoken = await self._spoken(turn, plan, memory, tell)
            prompt_tokens = prompt_tokens or spoken.prompt_tokens
            step, best = await self._judged(plan.prompt, steps, spoken.step, best)
            steps.append(replace(step, seconds=time.monotonic() - began))
            if tell is not None:
                tell(StepEvent(steps[-1]))
            stopped = reason_to_stop(plan.stops, steps)
            if stopped is not None:
                break
            turn = next_turn(loop, spoken.answer)
        return Refinement(tuple(steps), stopped or "steps", best, prompt_tokens)

    def _player(self, turn: Turn) -> Player:
        return self.leader if turn.role == "leader" else self.follower

    async def _spoken(self, turn: Turn, plan: Plan, memory: Memory, tell: Callable[[Event], None] | None) -> Spoken:
        if turn.answer is not None and turn.step == 1 and self.leader is not self.follower:
            # another model's tokens mean nothing here
            turn = replace(turn, answer=Answer([], turn.answer.text, turn.answer.ended))
        return await self._player(turn).speak(turn, plan.asked, memory, turn.step < plan.steps, tell)

    async def _judged(
        self, prompt: Prompt, before: Sequence[Step], step: Step, best: int | None
    ) -> tuple[Step, int | None]:
        """Return a step with its preference, and the number of the best answer once it is there."""
        if self._desk is None or best is None or not before:
            return step, best
        against = dict.fromkeys([before[-1].number, best])
        asked = [self._desk.ask(Comparison(as_text(prompt), step.text, before[number].text)) for number in against]
        p = dict(zip(against, await asyncio.gather(*map(asyncio.wrap_future, asked)), strict=True))
        return replace(step, preferred=p[before[-1].number]), step.number if p[best] > 0.5 else best
