"""A recipe that trains a random little model for two steps, in a second."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests import tiny as little

WORDS = ("<end>", "say", "a", "b", "c", "d", "e", "f", "g", "h", "one", "two", "three", "new", "<pad>")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """A random two-layer Llama over a few words, saved; plain text, no chat template."""
    folder = tmp_path_factory.mktemp("tiny")
    little.tokenizer(WORDS).save_pretrained(folder)
    little.model(len(WORDS), layers=2).save_pretrained(folder)
    return folder


@pytest.fixture
def recipe_values(tiny: Path, tmp_path: Path) -> dict:
    """A complete recipe of two short steps on that model."""
    prompts = [f'{{"prompt": "say {a} {b}"}}' for a in "abcdefgh" for b in ("one", "two", "three")]
    data = tmp_path / "prompts.jsonl"
    data.write_text("\n".join(prompts) + "\n")
    judge = tmp_path / "judge.py"
    judge.write_text(
        "def prefer(prompts, first, second):\n"
        "    return [0.5 + 0.4 * (('a' in a) - ('a' in b)) for a, b in zip(first, second)]\n"
    )
    return {
        "name": "tiny",
        "model": str(tiny),
        "data": {"train": str(data), "held_out": 0.3},
        "judge": {"callable": f"{judge}:prefer"},
        "algorithm": {"kappa": 2.0},
        "lora": {"r": 2, "alpha": 4},
        "args": {
            "roles": "plain",
            "instruction": "",
            "max_new_tokens": 4,
            "per_device_train_batch_size": 4,
            "max_steps": 2,
            "learning_rate": "1e-2",
            "logging_steps": 1,
            "eval_strategy": "steps",
            "eval_steps": 1,
            "save_steps": 1,
            "use_cpu": True,
            "seed": 3,
        },
    }


@pytest.fixture
def recipe_file(recipe_values: dict, tmp_path: Path) -> Path:
    """That recipe as a file."""
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(recipe_values))
    return path
