"""Personal taste: of several refinements, keep the one that this user would most likely pick."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slhf.errors import InputError, JudgeError
from slhf.evaluation.taste_visits import kept
from slhf.judges.among import Panel, among
from slhf.judges.chat_loop import finished
from slhf.policies.roles import as_text
from slhf.serving.pick import Pick, last_words
from slhf.serving.refiner import Plan, Refiner
from slhf.serving.steps import Event, Refinement, Step, StepEvent, Tasted
from slhf.serving.streams import together
from slhf.taste import Taste, most_informative, prior
from slhf.taste.belief import LAPSE
from slhf.types import Prompt

log = logging.getLogger(__name__)

_REMEMBERED = 4096
"""Sets of answers whose preferences are kept in memory."""

_HEARD = 512
"""As many picks of a session, the last ones, tell its taste."""


class TasteError(InputError):
    """The annotators cannot score a prompt or an answer to it."""


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of one user at one prompt.

    Attributes:
        belief: about their taste.
        seen: answers to this prompt that they have picked or rejected.
    """

    belief: Taste
    seen: frozenset[str]


class Tastes:
    """What users' picks say about which annotator of a panel they are like.

    Before any pick, a user is like each annotator with the probability of its share in the panel. A pick among several
    answers is one click; see :class:`slhf.taste.Taste`. Who picks twice between the same two
    answers is heard once, the last time; of a very long session the last 512 picks are. Picks that the annotators
    cannot score tell nothing, which is said once.

    Args:
        panel: whose annotators.
        picks: takes a session and returns its picks in the order they came: ``PickStore.rows``, say.
        lapse: how often, of two answers, the one is clicked that the user's annotator would never pick.
    """

    def __init__(self, panel: Panel, picks: Callable[[str], Iterable[Pick]], lapse: float = LAPSE):
        self._panel, self._picks, self._lapse = panel, picks, lapse
        self._asking = Lock()  # annotators may be models, which answer one at a time
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._scored)
        self._told = False

    def known(self, session: str, prompt: Prompt) -> Known:
        """Return what a session's picks tell, at a prompt.

        Args:
            session: whose.
            prompt: what is answered now.
        """
        names = [annotator.name for annotator in self._panel.annotators]
        belief = prior(names, self._panel.weights, self._lapse)
        picks = deque(self._picks(session), maxlen=_HEARD)
        last, seen = last_words(picks), set[str]()
        for place, pick in enumerate(picks):
            if pick.prompt == prompt:
                seen |= {pick.chosen, *pick.rejected}
            rejected = [text for text in pick.rejected if last[pick.between(text)] == place]
            if rejected:
                belief = self._heard(belief, pick, rejected)
        return Known(belief, frozenset(seen))

    def between(self, prompt: Prompt, answers: Sequence[str]) -> NDArray[np.float64]:
        """Return the annotators' preferences between answers, shape (A, n, n).

        Raises:
            TasteError: the annotators cannot score them.
        """
        try:
            return self._remembered(as_text(prompt), tuple(answers))
        except (InputError, JudgeError) as error:
            raise TasteError(
                f"the annotators of {self._panel.name!r} cannot score this prompt and its answers; ask without taste"
            ) from error

    def _scored(self, prompt: str, answers: tuple[str, ...]) -> NDArray[np.float64]:
        with self._asking:
            return among(self._panel, prompt, answers)

    def _heard(self, belief: Taste, pick: Pick, rejected: Sequence[str]) -> Taste:
        try:
            return belief.picked(self.between(pick.prompt, [pick.chosen, *rejected]), 0)
        except TasteError:
            if not self._told:
                self._told = True
                log.warning("some picks tell nothing about taste: the annotators cannot score their prompts or answers")
            return belief


class Personal:
    """Refines as :class:`slhf.Refiner` does, but samples every step several times and keeps what the user would pick.

        kept = argmax_i Σ_k P(k | picks) q_k(i),   q among the sampled answers the user does not know yet

    or among all of them if they know them all. The first answer of a chain is chosen so too, unless it is given. The
    kept answer is what the next step refines.

    Args:
        refiner: answers.
        tastes: what is known of users.
        candidates: answers sampled a step.

    Raises:
        InputError: no candidates.
    """

    def __init__(self, refiner: Refiner, tastes: Tastes, candidates: int = 4):
        if candidates < 1:
            raise InputError(f"candidates={candidates}: at least one answer is sampled a step")
        self._refiner, self._tastes, self.candidates = refiner, tastes, candidates

    async def check(self, plan: Plan) -> None:
        """Refuse a prompt that the annotators cannot score, before anything is said.

        Raises:
            TasteError: they cannot.
        """
        await asyncio.to_thread(self._tastes.between, plan.prompt, [plan.answer or "?", "."])

    async def run(self, plan: Plan, session: str, tell: Callable[[Event], None] | None = None) -> Refinement:
        """Carry out one plan for one user.

        Args:
            plan: what is wanted; reasons to stop early are not for this.
            session: whose picks tell their taste.
            tell: told when an answer is chosen; single words of candidates are not told.

        Raises:
            TasteError: the annotators cannot score the prompt or an answer.
        """
        began = time.monotonic()
        known = await asyncio.to_thread(self._tastes.known, session, plan.prompt)
        steps = [] if plan.answer is None else [Step(0, plan.answer, "given")]
        seen = {*known.seen, *(step.text for step in steps)}
        aside, prompt_tokens, tasted = 0, 0, None
        while len(steps) <= plan.steps:
            found = await together(self._refiner.run(one) for one in self._plans(plan, steps))
            texts = list(dict.fromkeys(one.steps[-1].text for one in found))
            texts = [text for text in texts if text.strip()] or texts  # nobody can pick an empty answer
            tasted = await asyncio.to_thread(self._chosen, known.belief, session, plan.prompt, seen, texts)
            chosen = next(one for one in found if one.steps[-1].text == texts[tasted.kept])
            prompt_tokens = prompt_tokens or chosen.prompt_tokens
            aside += sum(one.count for one in found) - chosen.count
            steps.append(replace(chosen.steps[-1], number=len(steps), seconds=time.monotonic() - began))
            seen.add(steps[-1].text)
            if tell is not None:
                tell(StepEvent(steps[-1]))
        assert tasted is not None  # a plan with a given answer has at least one step
        return Refinement(tuple(steps), "steps", None, prompt_tokens, replace(tasted, aside=aside))

    def _plans(self, plan: Plan, steps: Sequence[Step]) -> list[Plan]:
        """Return a plan for each candidate of the next step, each with noise of its own."""
        first = (plan.asked.sample * (plan.steps + 1) + len(steps)) * self.candidates
        previous = steps[-1].text if steps else None
        one = Plan(plan.prompt, 0 if previous is None else 1, previous, (), plan.asked)
        return [replace(one, asked=replace(plan.asked, sample=first + i)) for i in range(self.candidates)]

    def _chosen(self, belief: Taste, session: str, prompt: Prompt, seen: set[str], texts: list[str]) -> Tasted:
        p = self._tastes.between(prompt, texts)
        old = [place for place, text in enumerate(texts) if text in seen]
        place = kept(belief, old, range(len(texts)), lambda some: p[:, some][:, :, some])
        pair = most_informative(belief, p) if len(texts) > 1 else None
        shares = tuple(zip(belief.names, belief.weights.tolist(), strict=True))
        return Tasted(session, shares, tuple(texts), place, pair)


def improve(
    refiner: Refiner,
    messages: Any,
    answer: str | None,
    picks: Sequence[Pick],
    panel: Panel,
    *,
    candidates: int = 4,
    **sampling: Any,
) -> Refinement:
    """Improve an answer for the one user who made all these picks.

    Args:
        refiner: answers.
        messages: the conversation, as :meth:`Refiner.refine` takes one.
        answer: what is improved; None asks the Leader for a first answer.
        picks: the user's, in the order they came.
        panel: whose annotators users are like.
        candidates: answers sampled, of which one is kept.
        sampling: fields of :class:`slhf.serving.Asked`.

    Returns:
        The refinement; its last step is what is kept, and ``taste`` says why.

    Raises:
        InputError: a conversation or setting that is wrong.
        TasteError: the annotators cannot score the prompt or an answer.
    """
    personal = Personal(refiner, Tastes(panel, lambda _: picks), candidates)
    plan = refiner.plan(messages, steps=0 if answer is None else 1, answer=answer, **sampling)
    return finished(personal.run(plan, "one"))
