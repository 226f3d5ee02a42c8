"""What a data set may hold, and how what is wrong is named."""

from __future__ import annotations

import doctest

import pytest
from datasets import Dataset

from slhf.data import checked_prompts, helpsteer2
from slhf.errors import InputError

USER = {"role": "user", "content": "Hi"}
REPLY = {"role": "assistant", "content": "Hello!"}


def test_docstring_examples():
    result = doctest.testmod(helpsteer2)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("as_dataset", [False, True])
def test_text_and_conversations_are_kept_with_their_columns(as_dataset):
    rows = [{"prompt": "one", "answer": 1}, {"prompt": "two", "answer": 2}]
    data = checked_prompts(Dataset.from_list(rows) if as_dataset else rows)
    assert list(data) == rows
    talk = [{"prompt": [USER, REPLY, USER], "n": 1.5}, {"prompt": [USER], "n": 2.5}]
    data = checked_prompts(Dataset.from_list(talk) if as_dataset else talk)
    assert list(data) == talk


def test_rows_may_lack_extra_columns():
    data = checked_prompts([{"prompt": "one"}, {"prompt": "two", "answer": 2}])
    assert data["answer"][:] == [None, 2]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "the data set has no rows"),
        ([{"prompts": "x"}], r"no column 'prompt'; it has 'prompts'\. Did you mean 'prompts'"),
        (
            [{"question": "x", "id": 1}],
            r"it has 'question', 'id'\. Is it 'question'\?.*prompt_column='question'",
        ),
        ([{"prompt": "x"}, {"prompt": "  "}], "row 1: the prompt is empty"),
        ([{"prompt": "x"}, {"prompt": None}], "row 1: there is no prompt"),
        ([{"prompt": 3}], "row 0: a prompt is text or a list of messages, got int 3"),
        ([{"prompt": []}], "row 0: the conversation has no turns"),
        ([{"prompt": [USER]}, {"prompt": [USER, REPLY]}], "row 1: .*ends with a turn of role 'assistant'"),
        ([{"prompt": [{"role": "user", "content": " "}]}], "row 0: the last user turn is empty"),
        (
            [{"prompt": [{"role": "usr", "content": "x"}]}],
            "row 0, turn 0: unknown role 'usr'.*Did you mean 'user'",
        ),
        ([{"prompt": [{"content": "x"}]}], "row 0, turn 0: a message is a dict with 'role' and 'content'"),
        ([{"prompt": ["x"]}], "row 0, turn 0: a message is a dict"),
        (
            [{"prompt": [{"role": "user", "content": 3}]}],
            "row 0, turn 0: the content of a message is text, got int",
        ),
        ([{"prompt": "x"}, {"prompt": [USER]}], "do not fit one table.*all text, or all conversations"),
        (["x"], "row 0: a row is a dict with a 'prompt', got str 'x'"),
    ],
)
def test_bad_rows_are_named(rows, message):
    with pytest.raises(InputError, match=message):
        checked_prompts(rows)


def test_errors_name_the_source_also_for_a_data_set_object():
    with pytest.raises(InputError, match="my data, row 1: the prompt is empty"):
        checked_prompts(Dataset.from_dict({"prompt": ["x", ""]}), "my data")


def test_another_column_can_hold_the_prompts():
    data = checked_prompts([{"question": "one", "prompt": "not this"}], column="question")
    assert list(data) == [{"prompt": "one"}]
