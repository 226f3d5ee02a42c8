"""The writer of the text the embedded model learns from: facts first, then chats."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from slhf.toy.annotators import annotate
from slhf.toy.styles import BAD, GOOD, mistake
from slhf.toy.world import Question, ask, tasks

INSTRUCTION = "Improve the previous answer!"


@dataclass(frozen=True, slots=True)
class Habits:
    """How the writer answers; its shares become the base model's.

    Attributes:
        good: share of answers in one of the five good forms.
        weights: how often each of these is used, relative to the others; the longest is the hardest
            to sample without a slip, so it is written more often.
        right_if_good: share of answers in good form that are right.
        right_if_bad: share of the others that are right (of those that answer at all).
        two_turns: share of chats with a second turn that asks for an improvement.
        rewritten: share of second answers that put a good first answer into the next form of the
            circle, right or wrong anew; all others are drawn as if there were no first answer.
    """

    good: float = 0.27
    weights: tuple[float, ...] = (1.5, 1.0, 1.1, 1.0, 1.1)
    right_if_good: float = 0.95
    right_if_bad: float = 0.5
    two_turns: float = 0.65
    rewritten: float = 0.35


class Writer:
    """A seeded writer of facts and chats.

    Args:
        generator: source of every draw.
        held_out: prompts that nothing it writes may contain.
        habits: how it answers.
    """

    def __init__(self, generator: np.random.Generator, held_out: Collection[str] = (), habits: Habits | None = None):
        self._generator = generator
        self._held_out = frozenset(held_out)
        self._habits = habits or Habits()
        self._families = list(tasks().values())
        sizes = np.array([min(len(t.items), 150) ** 0.5 for t in self._families])
        self._shares = sizes / sizes.sum()

    def _one(self, size: int) -> int:
        return int(self._generator.integers(size))

    def _chance(self, share: float) -> bool:
        return bool(self._generator.random() < share)

    def question(self) -> Question:
        """Draw a question that is not held out."""
        while True:
            task = self._families[int(self._generator.choice(len(self._families), p=self._shares))]
            question = ask(task, task.items[self._one(len(task.items))], self._one(len(task.prompts)))
            if question.prompt not in self._held_out:
                return question

    def page(self, size: int = 4) -> list[tuple[str, str]]:
        """Write a page of a schoolbook: ``size`` questions, none held out, each with a true answer in good form."""
        forms = list(GOOD.values())
        asked = [self.question() for _ in range(size)]
        return [(q.prompt, forms[self._one(len(forms))](q, q.answer)) for q in asked]

    def answer(self, question: Question, style: str | None = None) -> tuple[str, str]:
        """Write one answer the way this writer does: often right, often not, in good form or not.

        Args:
            question: what is asked.
            style: name of a form; drawn if not given.

        Returns:
            The name of the form and the answer.
        """
        habits = self._habits
        if style is None:
            style = self._good() if self._chance(habits.good) else list(BAD)[self._one(len(BAD))]
        is_right = self._chance(habits.right_if_good if style in GOOD else habits.right_if_bad)
        answer = question.answer if is_right else mistake(question, self._generator)
        return style, (GOOD | BAD)[style](question, answer)

    def _good(self) -> str:
        weights = np.array(self._habits.weights)
        return list(GOOD)[int(self._generator.choice(len(GOOD), p=weights / weights.sum()))]

    def chat(self) -> list[dict[str, str]]:
        """Write a chat of one or two turns; the second asks to improve the first answer."""
        question = self.question()
        style, first = self.answer(question)
        messages = [
            {"role": "user", "content": question.prompt},
            {"role": "assistant", "content": first},
        ]
        if self._chance(self._habits.two_turns):
            following = None
            if style in GOOD and self._chance(self._habits.rewritten):
                circle = list(GOOD)
                following = circle[(circle.index(style) + 1) % len(circle)]
            messages += [
                {"role": "user", "content": INSTRUCTION},
                {"role": "assistant", "content": self.answer(question, following)[1]},
            ]
        return messages


def preference_rows(question: Question, responses: list[str]) -> list[dict[str, str | int]]:
    """Return one row a response, in HelpSteer2's schema."""
    return [
        {"prompt": question.prompt, "response": text, **annotate(question.prompt, text, question.columns())}
        for text in responses
    ]
