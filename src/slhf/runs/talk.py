"""A conversation in which answers are improved and picked: what ``slhf chat`` keeps in mind, without a screen."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from slhf.errors import InputError
from slhf.judges.among import Panel
from slhf.serving import DoneEvent, Refiner
from slhf.serving.asking import Asked
from slhf.serving.personal import Personal, Tastes
from slhf.serving.picks import Pick, PickStore
from slhf.serving.refiner import Plan
from slhf.serving.steps import Event, Tasted
from slhf.serving.streams import iterated
from slhf.types import Message


@dataclass(frozen=True)
class Scene:
    """A prompt in its conversation, and the answers to it that are on the screen.

    Attributes:
        turns: the conversation; its last turn is the prompt. Empty before the first prompt.
        answers: to the prompt, in the order they came.
        picked: the place of the one that was picked.
        compare: two answers whose comparison would tell most about the user's taste.
    """

    turns: tuple[Message, ...] = ()
    answers: tuple[str, ...] = ()
    picked: int | None = None
    compare: tuple[str, str] | None = None

    @property
    def place(self) -> int:
        """The place of the answer that is improved next, and that a next prompt follows: the picked or the last one."""
        return len(self.answers) - 1 if self.picked is None else self.picked


@dataclass
class Talk:
    """One person's session.

    Attributes:
        refiner: answers.
        model: what it is called, for picks.
        session: the person's name for it, for picks.
        store: keeps picks; None remembers them until the end of the session.
        panel: whose annotators the person is like; None keeps every answer as it comes.
        candidates: answers sampled where one is chosen by taste.
        asked: how answers are sampled; each gets a number of its own beside the seed.
    """

    refiner: Refiner
    model: str
    session: str
    store: PickStore | None = None
    panel: Panel | None = None
    candidates: int = 4
    asked: Asked = field(default_factory=Asked)

    def __post_init__(self) -> None:
        self._scenes = [Scene()]
        self._drawn = 0
        self._picks: list[Pick] = []
        self._personal: Personal | None = None
        if self.panel is not None:
            rows = (lambda session: self._picks) if self.store is None else self.store.rows
            self._personal = Personal(self.refiner, Tastes(self.panel, rows), self.candidates)

    @property
    def scene(self) -> Scene:
        """What is on the screen."""
        return self._scenes[-1]

    def ask(self, prompt: str) -> Iterator[Event]:
        """Answer a prompt as the Leader; yields events, and keeps the answer once it is complete.

        Raises:
            InputError: the prompt is empty or does not fit the model.
        """
        before = self.scene
        turns: tuple[Message, ...] = before.turns
        if before.answers:
            turns = (*turns, {"role": "assistant", "content": before.answers[before.place]})
        scene = Scene((*turns, {"role": "user", "content": prompt}))
        return self._said(scene, self.refiner.plan(list(scene.turns), steps=0))

    def improve(self) -> Iterator[Event]:
        """Improve the picked answer, or the last one; yields events, and keeps the new answer once it is complete.

        Raises:
            InputError: there is nothing to improve, or it does not fit the model.
        """
        scene = self.scene
        if not scene.answers:
            raise InputError("there is no answer to improve yet; write a prompt")
        plan = self.refiner.plan(list(scene.turns), steps=1, answer=scene.answers[scene.place])
        return self._said(replace(scene, picked=None), plan)

    def _said(self, scene: Scene, plan: Plan) -> Iterator[Event]:
        plan = replace(plan, asked=replace(self.asked, sample=self._drawn))
        self._drawn += 1
        source = self.refiner.events if self._personal is None else self._chosen
        with closing(iterated(lambda: source(plan))) as events:  # type: ignore[type-var]
            for event in events:
                if isinstance(event, DoneEvent):
                    found = event.refinement
                    pair = _pair(found.taste)
                    self._scenes.append(replace(scene, answers=(*scene.answers, found.steps[-1].text), compare=pair))
                yield event

    async def _chosen(self, plan: Plan) -> AsyncGenerator[Event, None]:
        assert self._personal is not None
        yield DoneEvent(await self._personal.run(plan, self.session))

    def compare(self) -> tuple[int, int]:
        """Show the two answers whose comparison tells most about the user's taste; return their numbers.

        Raises:
            InputError: there is no such pair.
        """
        scene = self.scene
        if scene.compare is None:
            raise InputError("there is nothing to compare; taste is asked for with --annotators, and needs two answers")
        new = [text for text in scene.compare if text not in scene.answers]
        self._scenes.append(replace(scene, answers=(*scene.answers, *new), compare=None))
        first, second = (self.scene.answers.index(text) + 1 for text in scene.compare)
        return first, second

    def pick(self, number: int) -> Pick:
        """Keep answer ``number``, counted from 1, as the one that is liked best among those on the screen.

        Raises:
            InputError: there is no such answer, or no other one it could be preferred to.
            NotStoredError: it could not be written.
        """
        scene = self.scene
        chosen = self.answer(number)
        others = tuple(dict.fromkeys(text for text in scene.answers if text != chosen))
        if not others:
            raise InputError("a pick needs two different answers; improve this one first")
        pick = Pick(self.session, scene.turns, chosen, others, self.model, time.time())
        if self.store is not None:
            self.store.add(pick)
        self._picks.append(pick)
        self._scenes.append(replace(scene, picked=number - 1))
        return pick

    def answer(self, number: int) -> str:
        """Return answer ``number``, counted from 1.

        Raises:
            InputError: there is none.
        """
        if not 1 <= number <= len(self.scene.answers):
            raise InputError(f"there is no answer {number}; there are {len(self.scene.answers)}")
        return self.scene.answers[number - 1]

    def undo(self) -> None:
        """Go back to what was on the screen before the last answer, pick or new conversation; a stored pick stays.

        Raises:
            InputError: this is the beginning.
        """
        if len(self._scenes) == 1:
            raise InputError("there is nothing to take back")
        self._scenes.pop()

    def begin(self) -> None:
        """Begin a new conversation."""
        self._scenes.append(Scene())

    def save(self, path: Path) -> None:
        """Write the conversation and the answers on the screen as JSON.

        Raises:
            InputError: there is such a file already, or it cannot be written.
        """
        scene = self.scene
        picked = None if scene.picked is None else scene.picked + 1
        found: Mapping[str, Any] = {
            "model": self.model,
            "messages": list(scene.turns),
            "answers": list(scene.answers),
            "picked": picked,
        }
        try:
            with path.expanduser().open("x", encoding="utf-8") as file:
                file.write(json.dumps(found, ensure_ascii=False, indent=2) + "\n")
        except FileExistsError as error:
            raise InputError(f"{path} is there already; name another file") from error
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror or error}") from error


def _pair(taste: Tasted | None) -> tuple[str, str] | None:
    if taste is None or taste.compare is None:
        return None
    first, second = taste.compare
    return taste.candidates[first], taste.candidates[second]
