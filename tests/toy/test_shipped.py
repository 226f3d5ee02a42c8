"""The files that come with the package: enough of them, small enough, and what they say they are."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest

from slhf import toy
from slhf.errors import InputError
from slhf.toy import shipped
from slhf.toy.annotators import annotate
from slhf.toy.world import fact, question_of, tasks

ATTRIBUTES = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")


def test_importing_the_world_does_not_import_torch() -> None:
    code = "import sys, slhf.toy as t; t.prompts('test'); t.is_correct('What is 3 plus 4?', '7.')"
    code += "; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_enough_prompts_and_none_in_two_splits() -> None:
    found = {split: {row["prompt"] for row in toy.prompts(split)} for split in shipped.SPLITS}
    for split, enough in {"train": 1000, "validation": 200, "test": 200}.items():
        assert len(found[split]) == len(toy.prompts(split)) >= enough
    assert len(set.union(*found.values())) == sum(map(len, found.values()))


def test_no_fact_is_held_out_twice() -> None:
    facts = {split: {fact(row["prompt"]) for row in toy.prompts(split)} for split in shipped.SPLITS}
    assert not facts["validation"] & facts["test"]


def test_all_splits_ask_the_same_families_of_questions() -> None:
    for split in shipped.SPLITS:
        assert {row["task"] for row in toy.prompts(split)} == set(tasks())


def test_rows_say_what_their_prompts_ask() -> None:
    for row in (row for split in shipped.SPLITS for row in toy.prompts(split)):
        assert set(row) == {"prompt", "task", "answer", "claim", "method"}
        assert question_of(row["prompt"]).columns() == row


def test_rows_are_the_callers_own() -> None:
    toy.prompts("test")[0]["prompt"] = "changed"
    assert toy.prompts("test")[0]["prompt"] != "changed"


def test_an_unknown_split_is_refused_with_a_suggestion() -> None:
    with pytest.raises(InputError, match="Did you mean 'train'"):
        toy.prompts("trian")


def test_preferences_are_in_helpsteer2s_schema_and_the_annotators_own() -> None:
    rows = toy.preferences()
    assert list(rows[0]) == ["prompt", "response", *ATTRIBUTES]
    counts = Counter(row["prompt"] for row in rows)
    assert set(counts) == {row["prompt"] for row in toy.prompts("train")}
    assert min(counts.values()) >= 2
    for row in rows[:: max(1, len(rows) // 500)]:
        assert {name: row[name] for name in ATTRIBUTES} == annotate(row["prompt"], row["response"])
    for name in ATTRIBUTES:
        assert {row[name] for row in rows} <= {0, 1, 2, 3, 4}
        assert len({row[name] for row in rows}) >= 4


def test_the_model_folder_is_small_and_safe() -> None:
    files = list(toy.model_path().iterdir())
    assert {f.name for f in files} == {
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert sum(f.stat().st_size for f in files) <= 4_000_000
    config = json.loads((toy.model_path() / "config.json").read_text())
    assert config["model_type"] == "llama"
    assert config["max_position_embeddings"] >= 256
    assert config["tie_word_embeddings"] is True
    assert config["pad_token_id"] != config["eos_token_id"]


def test_is_correct_takes_a_row_or_a_prompt() -> None:
    for row in toy.prompts("test"):
        text = f"It is {row['answer']}."
        assert toy.is_correct(row, text)
        assert toy.is_correct(row["prompt"], text)
        assert not toy.is_correct(row, "You know.")
