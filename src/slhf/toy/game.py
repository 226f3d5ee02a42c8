"""The game the five annotators make, exactly: who beats whom, and that nobody beats everybody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slhf.toy.annotators import ANNOTATORS
from slhf.toy.styles import GOOD
from slhf.toy.world import Question, sentence

Utilities = NDArray[np.int64]
"""u[y, a]: what annotator a thinks of response y, more being better."""


def utilities(prompt: str, responses: Sequence[str], columns: Mapping[str, Any]) -> Utilities:
    """Return every annotator's opinion of every response, shape (Y, A)."""
    return np.array(
        [[a.utility(prompt, response, columns) for a in ANNOTATORS] for response in responses],
        dtype=np.int64,
    ).reshape(len(responses), len(ANNOTATORS))


def preference_matrix(first: Utilities, second: Utilities | None = None) -> NDArray[np.float64]:
    """Return the panel's preferences.

        p[y, y′] = mean_a [ u_a(y) > u_a(y′) ] + ½ [ u_a(y) = u_a(y′) ]

    Paper: SLHF Eq. (11), ties to both halves.

    Args:
        first: u of the rows, shape (Y, A).
        second: u of the columns, shape (Y', A); the rows themselves if not given.

    Returns:
        Probabilities, shape (Y, Y'); with one argument p + pᵀ = 1.
    """
    second = first if second is None else second
    sign = np.sign(first[:, None, :] - second[None, :, :])
    return 0.5 + 0.5 * sign.mean(axis=2)


def sentences(question: Question, answer: str) -> list[str]:
    """Return every well-formed sentence that gives ``answer``: the annotators accept these and no other.

    An opening (nothing, "A, since", "it is A, since") × a method or none × a body (the claim,
    "it is A"), and the answer alone.
    """
    bodies = (f"{question.claim} {answer}", f"it is {answer}")
    openings = ("", f"{answer}, since ", f"it is {answer}, since ")
    found = [sentence(answer)]
    for opening, method, body in product(openings, ("", f"{question.method}, "), bodies):
        if opening and not method:
            continue
        found.append(sentence(opening + method + body))
    return found


def degenerate(question: Question) -> list[str]:
    """Return responses a policy might be tempted by: none of them should pay.

    Empty, one word, the same word again, sentences in a row, every beginning of a good answer,
    good answers without their full stop or in the wrong case.
    """
    good = [write(question, question.answer) for write in GOOD.values()]
    found = ["", ".", ",", "it", "It is.", "since", question.answer, f"{question.answer}. {question.answer}."]
    found += [" ".join([question.answer] * n) for n in (2, 4, 8)]
    found += [sentence(", ".join([question.answer] * n)) for n in (2, 4)]
    found += [f"{a} {b}" for a, b in product(good, good)]
    found += [text[:-1] for text in good] + [text.lower() for text in good] + [text.upper() for text in good]
    for text in good:
        pieces = text.split(" ")
        found += [" ".join(pieces[:n]) for n in range(1, len(pieces))]
        found += [" ".join(pieces[n:]) for n in range(1, len(pieces))]
        found += [" ".join(pieces[:n] + pieces[n - 1 :]) for n in range(1, len(pieces))]
    return [text for text in dict.fromkeys(found) if text not in sentences(question, question.answer)]


@dataclass(frozen=True, slots=True)
class GameCheck:
    """The exact game of one question.

    Attributes:
        styles: names of the good styles, in the order of the rows.
        matrix: p[style, style] between right answers.
        leader_value: max over all well-formed right answers y of min over y′ of p(y ≻ y′).
        style_values: that minimum for each good style.
        replies: for each good style the good style that beats it most.
        wrong_reply: the best a wrong answer in good form does against any good style.
        degenerate_value: the most a degenerate text keeps against the *worst* good style for it.
        degenerate_reply: the best a degenerate text does against any good style.
    """

    styles: tuple[str, ...]
    matrix: NDArray[np.float64]
    leader_value: float
    style_values: NDArray[np.float64]
    replies: tuple[str, ...]
    wrong_reply: float
    degenerate_value: float
    degenerate_reply: float


def check_game(question: Question, mistakes: Iterable[str]) -> GameCheck:
    """Enumerate the game of one question.

    Args:
        question: what is asked.
        mistakes: wrong answers to try in every good form.
    """
    prompt, columns = question.prompt, question.columns()

    def u(texts: Sequence[str]) -> Utilities:
        return utilities(prompt, texts, columns)

    good = u([write(question, question.answer) for write in GOOD.values()])
    everything = u(sentences(question, question.answer))
    wrong = u([write(question, answer) for answer in mistakes for write in GOOD.values()])
    bad = u(degenerate(question))
    styles = tuple(GOOD)
    matrix = preference_matrix(good)
    against_bad = preference_matrix(bad, good)
    return GameCheck(
        styles=styles,
        matrix=matrix,
        leader_value=float(preference_matrix(everything).min(axis=1).max()),
        style_values=preference_matrix(good, everything).min(axis=1),
        replies=tuple(styles[int(i)] for i in matrix.argmin(axis=1)),
        wrong_reply=float(preference_matrix(wrong, good).max()),
        degenerate_value=float(against_bad.min(axis=1).max()),
        degenerate_reply=float(against_bad.max()),
    )
