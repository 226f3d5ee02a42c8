"""The game the annotators make, enumerated: a circle of good forms, nothing above it, no way round it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slhf import toy
from slhf.toy.annotators import ANNOTATORS
from slhf.toy.game import check_game, degenerate, preference_matrix, sentences, utilities
from slhf.toy.reading import read_response
from slhf.toy.styles import BAD, GOOD, mistake
from slhf.toy.world import question_of

CIRCLE = np.array(
    [
        [0.5, 0.3, 0.4, 0.6, 0.7],
        [0.7, 0.5, 0.3, 0.4, 0.6],
        [0.6, 0.7, 0.5, 0.3, 0.5],
        [0.4, 0.6, 0.7, 0.5, 0.3],
        [0.3, 0.4, 0.5, 0.7, 0.5],
    ]
)
"""P(row ≻ column) for full, checked, plain, short, bare; by hand from the table of scores."""

ROWS = toy.prompts("test")
QUESTIONS = [question_of(row["prompt"], row) for row in ROWS]


def test_the_matrix_is_the_panels_vote() -> None:
    """Against Eq. (11) written as loops over annotators."""
    row, texts = ROWS[0], ["", "It is.", *(write(QUESTIONS[0], QUESTIONS[0].answer) for write in GOOD.values())]
    p = preference_matrix(utilities(row["prompt"], texts, row))
    for i, first in enumerate(texts):
        for j, second in enumerate(texts):
            votes = []
            for a in ANNOTATORS:
                x, y = a.score(row["prompt"], first, row), a.score(row["prompt"], second, row)
                better = x > y if a.higher_is_better else x < y
                votes.append(0.5 if x == y else float(better))
            assert p[i, j] == pytest.approx(np.mean(votes))
    np.testing.assert_allclose(p + p.T, 1.0)


def test_every_held_out_prompt_has_the_same_circle_and_no_condorcet_winner() -> None:
    generator = np.random.default_rng(0)
    for question in QUESTIONS:
        check = check_game(question, [mistake(question, generator) for _ in range(2)])
        np.testing.assert_allclose(check.matrix, CIRCLE)
        assert check.leader_value == pytest.approx(0.3)  # whatever the Leader says, .7 beats it
        np.testing.assert_allclose(check.style_values, 0.3)
        assert check.replies == ("checked", "plain", "short", "bare", "full")
        assert check.wrong_reply <= 0.4 + 1e-9
        assert check.degenerate_value <= 0.2 + 1e-9
        assert check.degenerate_reply <= 0.4 + 1e-9


def test_good_beats_bad_form_clearly() -> None:
    for question in QUESTIONS[:100]:
        prompt, columns = question.prompt, question.columns()
        good = utilities(prompt, [write(question, question.answer) for write in GOOD.values()], columns)
        bad = utilities(prompt, [write(question, question.answer) for write in BAD.values()], columns)
        assert preference_matrix(good, bad).min() >= 0.9 - 1e-9


def test_the_sentences_are_exactly_what_the_annotators_accept() -> None:
    for question in QUESTIONS[:100]:
        assert all(read_response(question, text).plain for text in sentences(question, question.answer))
        assert not any(read_response(question, text).plain for text in degenerate(question))
        assert not any(read_response(question, write(question, question.answer)).plain for write in BAD.values())


QUESTION = QUESTIONS[0]
VOCABULARY = [
    QUESTION.claim, QUESTION.method, QUESTION.answer, QUESTION.answer.capitalize(), "it is", "It is", ",", ".",
    "since", "because", " ", " ", QUESTION.claim.capitalize(), QUESTION.method.capitalize(), "and",
]  # fmt: skip


@given(st.lists(st.sampled_from(VOCABULARY), max_size=14).map("".join))
def test_no_random_text_beats_the_circle(text: str) -> None:
    """Whatever is put together from the game's own words, some good form beats it by .7 or more."""
    good = utilities(QUESTION.prompt, [write(QUESTION, QUESTION.answer) for write in GOOD.values()], QUESTION.columns())
    found = preference_matrix(utilities(QUESTION.prompt, [text], QUESTION.columns()), good)
    assert found.min() <= 0.3 + 1e-9


def test_good_forms_grow_shorter() -> None:
    for question in QUESTIONS[:100]:
        lengths = [len(write(question, question.answer).split()) for write in GOOD.values()]
        assert all(longer > shorter for longer, shorter in pairwise(lengths))
