"""A model of this process as a player: contexts, key–value caches, and text as it is sampled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Lock

from slhf.cpu import keep_freed_memory
from slhf.errors import InputError
from slhf.policies.causal_lm import ROLES, CausalPolicy
from slhf.policies.chain import Turn
from slhf.policies.decoding import Sampling, row_noise
from slhf.policies.load import RoleSettings
from slhf.policies.roles import as_text
from slhf.policies.rollouts import make_answers
from slhf.serving.asking import Asked
from slhf.serving.decoder import Decoder
from slhf.serving.jobs import Decoded, Job
from slhf.serving.players import Memory, Spoken, Tell
from slhf.serving.steps import Step, TokenChoice, TokenEvent
from slhf.serving.words import Words
from slhf.types import Answer

_SHORT = 2000
"""Characters of a conversation that are rendered and tokenised sooner than a thread is found for them."""


class TooLongError(InputError):
    """A conversation and its answer do not fit the model."""


class LocalPlayer:
    """Answers turns with a model of this process; turns that are wanted at the same time are decoded together.

    A context that begins like the one before it in its chain (the conversation always does, and the Leader's answer
    where the template extends) is not computed again.

    Args:
        policy: the model and its roles.
        roles: those it will be asked to play.
        max_batch: answers decoded at once.
        watch: told how many answers are decoded together, before every token.
    """

    def __init__(
        self,
        policy: CausalPolicy,
        *,
        roles: tuple[str, ...] = ROLES,
        max_batch: int = 32,
        watch: Callable[[int], None] | None = None,
    ):
        if max_batch < 1:
            raise InputError(f"max_batch={max_batch}: at least one answer is decoded at a time")
        self.policy = policy
        self._settings = policy.settings or RoleSettings()
        self._most = policy.max_length
        self._tokenizing = Lock()  # a tokenizer must not be used by two threads at once
        computing = Lock()  # adapters are switched on the model itself, so roles take turns
        policy.model.eval()
        if policy.device.type == "cpu":
            keep_freed_memory(mib=64)
        engines = policy.engines(roles)
        decoders = {
            engine: Decoder(engine, max_rows=max_batch, most=self._most, turn=computing, watch=watch)
            for engine in engines.values()
        }
        self._decoders = {role: decoders[engine] for role, engine in engines.items()}

    @property
    def waiting(self) -> int:
        """Answers that wait to be decoded."""
        return sum(decoder.waiting for decoder in set(self._decoders.values()))

    @property
    def bounded(self) -> bool:
        """True if the model says how long a text it holds."""
        return self._most is not None

    def token_text(self, token: int) -> str:
        """Return one token as text."""
        with self._tokenizing:
            return self.policy.tokenizer.decode([token])

    def sampling(self, asked: Asked) -> Sampling:
        """Return how this model samples what is asked; what is not said there is its own."""
        stored = self._settings
        return Sampling(
            self.policy.roles.end_tokens,
            stored.max_new_tokens if asked.max_new_tokens is None else asked.max_new_tokens,
            temperature=stored.temperature if asked.temperature is None else asked.temperature,
            top_p=asked.top_p,
        )

    def context(self, turn: Turn, asked: Asked, start: list[int] | None = None) -> list[int]:
        """Return the tokens a turn's answer continues.

        Args:
            turn: what is wanted.
            asked: how the answer is sampled.
            start: what the Leader's answer continues, where that is known.

        Raises:
            InputError: the template refuses the conversation, it has no tokens, or it does not fit the model.
        """
        from jinja2 import TemplateError

        try:
            with self._tokenizing:
                context = turn.context(self.policy.roles, start)
        except TemplateError as error:
            raise InputError(f"the model's chat template refuses the conversation: {error}") from error
        if not context:
            raise InputError("the conversation has no tokens; give a text to answer")
        needed = len(context) + self.sampling(asked).max_new_tokens
        if self._most is not None and needed > self._most:
            raise TooLongError(
                f"step {turn.step}: context and answer need {needed} tokens ({len(context)} of them the context), the "
                f"model holds {self._most}; shorten the conversation or lower the number of new tokens"
            )
        return context

    async def _context(self, turn: Turn, asked: Asked, start: list[int] | None) -> list[int]:
        answer = "" if turn.answer is None else turn.answer.text
        if len(as_text(turn.prompt)) + len(answer) <= _SHORT:
            return self.context(turn, asked, start)
        return await asyncio.to_thread(self.context, turn, asked, start)

    async def absent(self) -> str | None:
        """Return None: a model of this process is always there."""
        return None

    async def speak(self, turn: Turn, asked: Asked, memory: Memory, more: bool, tell: Tell | None) -> Spoken:
        """Answer a turn; see ``Player``."""
        context = await self._context(turn, asked, memory.starts.get(self))
        if turn.answer is None:
            memory.starts[self] = context
        sampling = self.sampling(asked)
        words = Words(self.policy.tokenizer, asked.stop_texts) if tell is not None or asked.stop_texts else None
        decoder = self._decoders[turn.role]
        job = Job(
            context,
            row_noise((asked.seed, turn.step, asked.sample), sampling.max_new_tokens),
            sampling,
            asked.top_logprobs,
            memory.held.get(decoder),
            more,
            None if words is None else self._listener(words, turn.step, tell),
        )
        decoder.submit([job])
        decoded = await asyncio.wrap_future(job.done)
        if decoded.held is not None:
            memory.held[decoder] = decoded.held
        return self._spoken(turn, decoded, words, tell, len(context))

    def _spoken(self, turn: Turn, decoded: Decoded, words: Words | None, tell: Tell | None, width: int) -> Spoken:
        with self._tokenizing:
            (answer,) = make_answers(self.policy, [decoded.tokens])
            rest = "" if words is None else words.finish()
        if tell is not None and rest:
            tell(TokenEvent(turn.step, rest))
        text = answer.text if words is None else words.text
        cut_short = words is not None and words.stopped
        step = Step(
            turn.step,
            text,
            "stop" if answer.ended or cut_short else "length",
            len(answer.tokens),
            tuple(answer.tokens),
            decoded.choices[: len(answer.tokens) - answer.ended],
        )
        # what stands before a stop text is shorter than the tokens: the next step reads the text
        return Spoken(Answer([] if cut_short else answer.tokens, text, answer.ended), step, width)

    def _listener(self, words: Words, step: int, tell: Tell | None) -> Callable[[int, TokenChoice | None], bool]:
        loop = asyncio.get_running_loop()

        def hear(token: int, choice: TokenChoice | None) -> bool:
            with self._tokenizing:
                text = words.push(token)
            if tell is not None and (text or choice is not None):
                loop.call_soon_threadsafe(tell, TokenEvent(step, text, choice))
            return words.stopped

        return hear
