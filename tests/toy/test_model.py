"""The shipped base model: its template, and how often it is right and the panel runs in circles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import TemplateError
from transformers import AutoModelForCausalLM, AutoTokenizer

from slhf import toy
from slhf.toy.measure import (
    cycle_share,
    right_share,
    sample,
    sample_answers,
    second_over_first,
    style_shares,
    style_values,
)
from slhf.toy.writer import INSTRUCTION

ROWS = toy.prompts("validation")[::2]
"""Not test: what these tests show may lead to another world."""


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(toy.model_path())


@pytest.fixture(scope="module")
def model() -> Any:
    return AutoModelForCausalLM.from_pretrained(toy.model_path(), dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def answers(model: Any, tokenizer: Any) -> list[list[str]]:
    return sample_answers(model, tokenizer, ROWS, 20, seed=11)


TOKENIZER = AutoTokenizer.from_pretrained(toy.model_path())


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), min_size=3, max_size=5))
def test_a_longer_chat_extends_the_shorter_one_token_for_token(turns: list[str]) -> None:
    """[user] + opening, then the answer's own tokens and the end token, then the next turn."""
    messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(turns)]

    def tokens(upto: int, opening: bool) -> list[int]:
        return TOKENIZER.apply_chat_template(
            messages[:upto], add_generation_prompt=opening, tokenize=True, return_dict=False
        )

    short, long = tokens(1, True), tokens(3, True)
    answer = TOKENIZER.encode(turns[1], add_special_tokens=False)
    start = [*short, *answer, TOKENIZER.eos_token_id]
    assert long[: len(start)] == start
    assert tokens(2, False) == start
    assert tokens(len(turns), False)[: len(tokens(3, False))] == tokens(3, False)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_survives_the_tokenizer(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(text, add_special_tokens=False)) == text


def test_a_role_the_model_does_not_know_is_refused(tokenizer: Any) -> None:
    with pytest.raises(TemplateError, match="user and assistant, not system"):
        tokenizer.apply_chat_template([{"role": "system", "content": "Be brief."}], tokenize=False)


def test_special_tokens_are_different_ones(tokenizer: Any) -> None:
    assert len({tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id}) == 3


def test_the_base_is_right_on_some_prompts_and_wrong_on_others(answers: list[list[str]]) -> None:
    assert 0.3 <= right_share(ROWS, answers) <= 0.7


def test_the_panel_runs_in_circles_on_some_prompts(answers: list[list[str]]) -> None:
    assert 0.2 <= cycle_share(ROWS, answers) <= 0.8


def test_the_base_shows_every_good_form(answers: list[list[str]]) -> None:
    assert min(style_shares(ROWS, answers).values()) >= 0.02


def test_there_is_room_above_the_base(answers: list[list[str]]) -> None:
    values = style_values(ROWS, answers)
    assert min(values.values()) >= 0.74
    assert sorted(values.values())[2] >= 0.82


def test_the_base_refines_about_as_well_as_it_answers(model: Any, tokenizer: Any, answers: list[list[str]]) -> None:
    first = [text for texts in answers for text in texts[:5]]
    rows = [row for row in ROWS for _ in range(5)]
    chats = [
        [
            {"role": "user", "content": row["prompt"]},
            {"role": "assistant", "content": text},
            {"role": "user", "content": INSTRUCTION},
        ]
        for row, text in zip(rows, first, strict=True)
    ]
    second = sample(model, tokenizer, chats, seed=12)
    assert 0.47 <= second_over_first(rows, first, second) <= 0.58


def test_answers_are_short_and_end(model: Any, tokenizer: Any, answers: list[list[str]]) -> None:
    lengths = [len(tokenizer.encode(text, add_special_tokens=False)) for texts in answers for text in texts]
    assert sum(length <= 30 for length in lengths) / len(lengths) >= 0.99


def test_the_same_seed_gives_the_same_answers_and_leaves_the_ambient_stream_alone(
    model: Any, tokenizer: Any, answers: list[list[str]], tmp_path: Path
) -> None:
    before = torch.get_rng_state()
    again = sample_answers(model, tokenizer, ROWS[:5], 2, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert again == sample_answers(model, tokenizer, ROWS[:5], 2, seed=3)
    assert again != sample_answers(model, tokenizer, ROWS[:5], 2, seed=4)
