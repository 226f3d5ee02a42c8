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
        good: share of answers in one of the five good forms, all equally often.
        right_if_good: share of those that are right.
        right_if_bad: share of the others that are right (those that answer at all).
        two_turns: share of chats with a second turn that asks for an improvement.
        improved: share of second answers to a good form that say the same in the next good form,
            the one the panel likes better; all others are drawn as if there were no first.
    """

    good: float = 0.19
    right_if_good: float = 0.95
    right_if_bad: float = 0.5
    two_turns: float = 0.6
    improved: float = 0.6


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
        # The large families follow a rule and need less reading than what is learnt by heart.
        sizes = np.array([(len(t.items) if len(t.items) <= 80 else 50) ** 0.75 for t in self._families])
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
        """Write a page of a schoolbook: ``size`` questions, none held out, each with a true answer in good form.

        Answering without first repeating the question is the hardest, so short answers come twice as often
        and bare ones three times.
        """
        forms = [*GOOD.values(), GOOD["short"], GOOD["bare"], GOOD["bare"]]
        asked = [self.question() for _ in range(size)]
        return [(q.prompt, forms[self._one(len(forms))](q, q.answer)) for q in asked]

    def _draw(self, question: Question) -> tuple[str, str]:
        """Draw a form and an answer, right or wrong."""
        habits, good = self._habits, self._chance(self._habits.good)
        styles = list(GOOD if good else BAD)
        is_right = self._chance(habits.right_if_good if good else habits.right_if_bad)
        answer = question.answer if is_right else mistake(question, self._generator)
        return styles[self._one(len(styles))], answer

    def chat(self) -> list[dict[str, str]]:
        """Write a chat of one or two turns; the second asks to improve the first answer."""
        question = self.question()
        style, answer = self._draw(question)
        messages = [
            {"role": "user", "content": question.prompt},
            {"role": "assistant", "content": _write(style, question, answer)},
        ]
        if self._chance(self._habits.two_turns):
            if style in GOOD and self._chance(self._habits.improved):
                style = _next(style)
            else:
                style, answer = self._draw(question)
            messages += [
                {"role": "user", "content": INSTRUCTION},
                {"role": "assistant", "content": _write(style, question, answer)},
            ]
        return messages


def _write(style: str, question: Question, answer: str) -> str:
    return {**GOOD, **BAD}[style](question, answer)


def _next(style: str) -> str:
    """Return the good form that the panel prefers to ``style``."""
    names = list(GOOD)
    return names[(names.index(style) + 1) % len(names)]


def preference_rows(question: Question, responses: list[str]) -> list[dict[str, str | int]]:
    """Return one row a response, in HelpSteer2's schema."""
    return [
        {"prompt": question.prompt, "response": text, **annotate(question.prompt, text, question.columns())}
        for text in responses
    ]
