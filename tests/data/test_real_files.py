"""Real files of the field load as they are, or say what is missing."""

from __future__ import annotations

import pytest

from slhf.data import load_prompts
from slhf.errors import InputError


def test_ifeval_prompts_keep_their_instructions(shared):
    data = load_prompts(shared / "data" / "ifeval" / "input_data.jsonl")
    assert len(data) == 541
    assert {"prompt", "key", "instruction_id_list", "kwargs"} <= set(data.column_names)
    assert data[0]["instruction_id_list"]


def test_questions_without_a_prompt_column_are_refused(shared):
    with pytest.raises(InputError, match=r"question\.jsonl has no column 'prompt'; it has .*'turns'"):
        load_prompts(shared / "data" / "mtbench" / "question.jsonl")


def test_an_empty_instruction_among_real_ones_is_found(shared):
    with pytest.raises(InputError, match=r"testset-v1\.json, row 466: the prompt is empty"):
        load_prompts(shared / "data" / "pandalm" / "testset-v1.json", prompt_column="instruction")
