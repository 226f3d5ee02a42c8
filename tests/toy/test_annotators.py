"""The five annotators: integers from 0 to 4 for anything, with the meaning they claim."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slhf import toy
from slhf.errors import InputError
from slhf.toy.annotators import annotate

PROMPT = "What is 3 plus 4?"
GOOD = {
    "7, since by counting on fingers, 3 plus 4 is 7.": (4, 4, 2, 3, 4),
    "By counting on fingers, 3 plus 4 is 7.": (1, 4, 3, 2, 3),
    "3 plus 4 is 7.": (1, 3, 4, 1, 2),
    "It is 7.": (2, 3, 0, 0, 1),
    "7.": (3, 3, 1, 3, 0),
}
BAD = {
    "": (0, 0, 0, 4, 0),
    "7": (0, 2, 0, 4, 0),
    "7 7 7 7 7": (0, 2, 0, 4, 2),
    "It is 8.": (0, 0, 0, 0, 1),
    "3 plus 4 is 8.": (0, 0, 0, 1, 2),
    "8, since by counting on fingers, 3 plus 4 is 7.": (0, 0, 0, 4, 4),
    "7, since 3 plus 4 is 7.": (0, 2, 0, 4, 2),
    "It is 7. It is 7. It is 7. It is 7.": (0, 2, 0, 4, 4),
    "Well, I think it might be 7, but I am not so sure about that at all.": (0, 1, 0, 4, 4),
    "IT IS 7.": (0, 2, 0, 4, 1),
}


@pytest.mark.parametrize(("response", "scores"), [*GOOD.items(), *BAD.items()])
def test_scores_by_hand(response: str, scores: tuple[int, ...]) -> None:
    assert tuple(annotate(PROMPT, response).values()) == scores


def test_names_are_those_of_helpsteer2_and_two_of_them_like_less() -> None:
    assert {a.name: a.higher_is_better for a in toy.ANNOTATORS} == {
        "helpfulness": True,
        "correctness": True,
        "coherence": True,
        "complexity": False,
        "verbosity": False,
    }
    for annotator in toy.ANNOTATORS:
        sign = 1 if annotator.higher_is_better else -1
        assert annotator.lower_is_better is not annotator.higher_is_better
        assert annotator.utility(PROMPT, "It is 7.", {}) == sign * annotator.score(PROMPT, "It is 7.", {})


PIECES = ["7", "8", "7.", "It is", "it", "since", "by counting on fingers", ",", ".", "3 plus 4 is", "\n", "Ω", "?"]


@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join)))
def test_every_text_has_five_integers_from_0_to_4(response: str) -> None:
    scores = annotate(PROMPT, response)
    assert list(scores) == [a.name for a in toy.ANNOTATORS]
    assert all(type(score) is int and 0 <= score <= 4 for score in scores.values())


@given(st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join))
def test_wrong_answers_please_nobody_who_cares_for_content(response: str) -> None:
    scores = annotate(PROMPT, response)
    if not toy.is_correct(PROMPT, response):
        assert scores["helpfulness"] == scores["correctness"] == scores["coherence"] == 0


def test_columns_and_prompt_text_give_the_same_scores() -> None:
    for row in toy.prompts("test")[:50]:
        for text in (f"It is {row['answer']}.", f"{row['claim'].capitalize()} {row['answer']}.", "no"):
            assert annotate(row["prompt"], text, row) == annotate(row["prompt"], text)


def test_a_foreign_prompt_is_refused() -> None:
    with pytest.raises(InputError, match="not a question of the embedded world"):
        annotate("Who wrote Hamlet?", "Shakespeare.")
