"""The forms an answer can take in the embedded world: five good ones and four bad habits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from slhf.toy.world import Question, sentence, tasks

Style = Callable[[Question, str], str]
"""Writes the answer (the second argument, right or wrong) to a question."""


def wrong_claim(question: Question, answer: str) -> str:
    """Return the claim that goes with ``answer``, which may be wrong."""
    if question.task in ("more", "less") and answer != question.answer:
        claim_words = question.claim.split()
        return " ".join([question.answer, *claim_words[1:]])
    return question.claim


def bare(question: Question, answer: str) -> str:
    """``7.``"""
    return sentence(answer)


def short(question: Question, answer: str) -> str:
    """``It is 7.``"""
    return sentence(f"it is {answer}")


def plain(question: Question, answer: str) -> str:
    """``3 plus 4 is 7.``"""
    return sentence(f"{wrong_claim(question, answer)} {answer}")


def checked(question: Question, answer: str) -> str:
    """``By counting on fingers, 3 plus 4 is 7.``"""
    return sentence(f"{question.method}, {wrong_claim(question, answer)} {answer}")


def full(question: Question, answer: str) -> str:
    """``7, since by counting on fingers, 3 plus 4 is 7.``"""
    return sentence(f"{answer}, since {question.method}, {wrong_claim(question, answer)} {answer}")


def doubting(question: Question, answer: str) -> str:
    """Gives the answer and takes it back."""
    return f"Well, I think it might be {answer}, but I am not so sure about that at all."


def repeating(question: Question, answer: str) -> str:
    """Says the same thing three times."""
    return " ".join([sentence(f"yes, it is {answer}")] * 3)


def winding(question: Question, answer: str) -> str:
    """Takes its time."""
    return f"Let me say that this is a good question, and that my answer to it would be {answer}."


def straying(question: Question, answer: str) -> str:
    """Talks about something else; gives no answer at all."""
    return "You know, I like to talk about many things, and there is so much to say about it."


GOOD: dict[str, Style] = {
    "full": full, "checked": checked, "plain": plain, "short": short, "bare": bare,
}  # fmt: skip
"""The good forms, longest first. Each is beaten by the next one, and the last by the first."""

BAD: dict[str, Style] = {
    "doubting": doubting, "repeating": repeating, "winding": winding, "straying": straying,
}  # fmt: skip


def mistake(question: Question, generator: np.random.Generator) -> str:
    """Draw a wrong answer of the right kind.

    Of two numbers the other one; else a number at most five away, or another word of the family.
    """
    if question.task in ("more", "less"):
        return question.claim.split()[0]
    if question.task in ("first", "last"):
        asked = question.prompt.rstrip("?").split()[-3:]
        others = [word for word in asked if word != question.answer]
    elif question.answer.isdigit():
        value = int(question.answer)
        others = [str(n) for n in range(max(1, value - 5), value + 6) if n != value]
    else:
        others = [word for word in tasks()[question.task].answers if word != question.answer]
    return others[int(generator.integers(len(others)))]
