"""How many tokens are trained at a time where nobody says it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from games import WORDS, lora, trainer
from slhf.policies.rollouts import PromptRow
from slhf.training.passes import automatic_tokens
from tiny import model


@pytest.mark.parametrize(("dtype", "tokens"), [(torch.float32, 1024), (torch.float64, 1024), (torch.bfloat16, 2048)])
def test_a_piece_on_a_cpu_takes_as_many_bytes_in_either_type(dtype: torch.dtype, tokens: int) -> None:
    assert automatic_tokens(torch.device("cpu"), dtype) == tokens
    assert automatic_tokens(torch.device("cuda"), dtype) == 16384


@pytest.mark.parametrize(
    ("weights", "settings", "dtype"),
    [
        (torch.float32, {}, torch.float32),
        (torch.bfloat16, {}, torch.bfloat16),
        (torch.float32, {"bf16": True}, torch.bfloat16),
    ],
)
def test_the_trainer_asks_with_the_type_it_computes_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: torch.dtype, settings: dict[str, Any], dtype: torch.dtype
) -> None:
    asked: list[torch.dtype] = []
    monkeypatch.setattr("slhf.training.trainer.automatic_tokens", lambda _, narrowest: asked.append(narrowest) or 1024)
    lm = model(len(WORDS), layers=2, scale=0.5).to(weights)
    made = trainer(tmp_path, lm=lm, peft=lora(), **settings)
    rounds = made.play([PromptRow(0, "a b", {})], 0)
    made._rounds_in_step = len(rounds)
    made.training_step(made.model, rounds)
    assert asked == [dtype]
