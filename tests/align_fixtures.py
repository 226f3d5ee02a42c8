"""A recipe of alignment that takes seconds: a random little model, a few pairs, two short iterations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

LETTERS, NUMBERS = "abcdefgh", ("one", "two", "three")


def write_lines(path: Path, rows: list[dict[str, Any]]) -> str:
    """Write rows as JSON lines; returns the path as text."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def pair_lines() -> list[dict[str, Any]]:
    """Two dozen labelled pairs."""
    return [{"prompt": f"say {a} {n}", "chosen": f"{a} {n}", "rejected": f"new {n}"} for a in LETTERS for n in NUMBERS]


@pytest.fixture
def align_values(tiny: Path, tmp_path: Path) -> dict[str, Any]:
    """The recipe, as a mapping."""
    pool = [{"prompt": f"{a} {b} {n}"} for a in LETTERS for b in "abc" for n in NUMBERS]
    held_out = [{"prompt": f"new {a} {b}"} for a in LETTERS for b in "ab"]
    judge = tmp_path / "judge.py"
    judge.write_text(
        "def prefer(prompts, first, second):\n"
        "    return [0.5 + 0.4 * (('a' in a) - ('a' in b)) for a, b in zip(first, second)]\n"
    )
    return {
        "name": "tiny",
        "model": str(tiny),
        "seed": {"data": write_lines(tmp_path / "pairs.jsonl", pair_lines()), "limit": 12},
        "pool": {"data": write_lines(tmp_path / "pool.jsonl", pool), "size": [14, 10]},
        "iterations": 2,
        "sampling": {"answers": 2, "temperature": 1.0, "max_new_tokens": 4},
        "seed_loss": "dpo",
        "loss": {"name": "sgpo", "beta": 0.5, "window": [-1.0, 1.0], "epsilon": 0.05},
        "lora": {"r": 2, "alpha": 4},
        "args": {
            "per_device_train_batch_size": 4,
            "max_steps": 3,
            "learning_rate": 1e-2,
            "logging_steps": 1,
            "save_strategy": "steps",
            "save_steps": 1,
            "use_cpu": True,
            "seed": 5,
        },
        "evaluation": {
            "data": write_lines(tmp_path / "held_out.jsonl", held_out),
            "judge": {"callable": f"{judge}:prefer"},
        },
    }
