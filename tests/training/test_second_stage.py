"""Going on from a run: the next folder's adapter stands on the same base, and loads to the same model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from games import WORDS, lora, trainer
from pair_games import pair_rows, pair_trainer
from slhf.policies.load import load_model
from tiny import CHAT, model, tokenizer


def game(folder: Path, before: Path, peft: Any) -> Any:
    return trainer(folder, lm=str(before), peft=peft, max_steps=2, learning_rate=3e-2)


def pairs(folder: Path, before: Path, peft: Any) -> Any:
    return pair_trainer(folder, lm=str(before), train=pair_rows(8), peft=peft, learning_rate=3e-2)


@pytest.fixture
def first(tmp_path: Path) -> Path:
    model(len(WORDS), layers=2, scale=0.5).save_pretrained(tmp_path / "sft")
    tokenizer(WORDS, template=CHAT).save_pretrained(tmp_path / "sft")
    return tmp_path / "sft"


def trained(make: Any, folder: Path, before: Path, peft: Any) -> Any:
    made = make(folder, before, peft)
    made.train()
    made.save_model()
    return made


def logits(of: Any) -> np.ndarray:
    with torch.no_grad():
        return of.eval()(torch.tensor([[3, 4, 5, 3]])).logits.numpy()


@pytest.mark.parametrize("make", [game, pairs], ids=["game", "pairs"])
@pytest.mark.parametrize("adapter_first", [True, False], ids=["adapter on", "all weights first"])
def test_a_second_stage_loads_as_it_was_trained(tmp_path: Path, first: Path, make: Any, adapter_first: bool) -> None:
    """With an adapter from the first stage on, or put on weights that were all trained."""
    trained(make, tmp_path / "one", first, lora() if adapter_first else None)
    second = trained(make, tmp_path / "two", tmp_path / "one", None if adapter_first else lora())
    np.testing.assert_allclose(logits(load_model(tmp_path / "two")), logits(second.model), atol=1e-5)
    assert np.abs(logits(load_model(tmp_path / "two")) - logits(load_model(tmp_path / "one"))).max() > 1e-3
    named = json.loads((tmp_path / "two" / "adapter_config.json").read_text())["base_model_name_or_path"]
    assert named == str(first if adapter_first else tmp_path / "one")
