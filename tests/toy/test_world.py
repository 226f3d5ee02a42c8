"""The questions: as many as asked for, all different, each with a checkable answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slhf.errors import InputError
from slhf.toy.styles import GOOD, mistake
from slhf.toy.world import Question, ask, fact, question_of, questions, read, right, tasks, words

ALL = questions(np.random.default_rng(0), 1200)


def test_questions_are_different_and_as_many_as_asked_for() -> None:
    assert len({q.prompt for q in ALL}) == len(ALL) == 1200
    assert {q.task for q in ALL} == set(tasks())


def test_a_prompt_alone_tells_the_question() -> None:
    for question in ALL:
        assert read(question.prompt) == question
        assert question_of(question.prompt, question.columns()) == question


def test_a_fact_is_the_same_in_all_words_and_no_two_are_the_same() -> None:
    asked = [(task.name, *item[0]) for task in tasks().values() for item in task.items[:200]]
    assert len(set(asked)) == len(asked)
    for task in tasks().values():
        for item in task.items[:200]:
            found = {fact(ask(task, item, way).prompt) for way in range(len(task.prompts))}
            assert found == {(task.name, *item[0])}


def test_answers_agree_with_arithmetic_and_order() -> None:
    seen = set()
    for q in ALL:
        numbers = [int(word) for word in words(q.prompt) if word.isdigit()]
        oracle = {
            "sum": lambda n: n[0] + n[1],
            "difference": lambda n: max(n) - min(n),
            "after": lambda n: n[0] + 1,
            "before": lambda n: n[0] - 1,
            "more": max,
            "less": min,
        }.get(q.task)
        if oracle:
            # "count one up" and "what number" spell their one as a word.
            assert int(q.answer) == oracle(numbers), q
            seen.add(q.task)
        elif q.task in ("first", "last"):
            asked = q.prompt.rstrip("?").split()[-3:]
            assert q.answer == asked[0 if q.task == "first" else 2]
            seen.add(q.task)
    assert len(seen) == 8


def test_opposites_are_symmetric_and_days_run_in_a_ring() -> None:
    opposite = {filling[0]: answer for filling, answer in tasks()["opposite"].items}
    assert all(opposite[opposite[word]] == word for word in opposite)
    assert len(opposite) == 80
    after = {filling[0]: answer for filling, answer in tasks()["day_after"].items}
    before = {filling[0]: answer for filling, answer in tasks()["day_before"].items}
    assert all(before[after[day]] == day for day in after)
    assert after["Sunday"] == "Monday"


@pytest.mark.parametrize("style", GOOD)
def test_right_answers_are_right_and_mistakes_wrong_in_every_form(style: str) -> None:
    generator = np.random.default_rng(1)
    for question in ALL[:400]:
        wrong = mistake(question, generator)
        assert wrong != question.answer
        assert right(question, GOOD[style](question, question.answer))
        assert not right(question, GOOD[style](question, wrong))


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("7", True),
        ("It is 7.", True),
        ("3 plus 4 is 7.", True),
        ("Well, I think it might be 7, but I am not so sure about that at all.", True),
        ("It is 7 or 8.", False),
        ("", False),
        ("3 plus 4 is", False),
        ("seventy-seven", False),
        ("77", False),
        ("3 plus 5 is 8.", False),
    ],
)
def test_right_by_hand(response: str, expected: bool) -> None:
    assert right(read("What is 3 plus 4?"), response) is expected


def test_a_foreign_prompt_is_refused_with_a_remedy() -> None:
    with pytest.raises(InputError, match=r"not a question of the embedded world.*slhf\.toy\.prompts"):
        read("Who wrote Hamlet?")


def test_too_many_questions_are_refused() -> None:
    with pytest.raises(InputError, match="ask for fewer"):
        questions(np.random.default_rng(0), 10_000)


@given(st.text(max_size=60))
def test_any_response_can_be_checked(response: str) -> None:
    question: Question = ALL[0]
    assert right(question, response) in (True, False)
