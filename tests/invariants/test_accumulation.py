"""How a batch is cut into micro-batches and chunks changes nothing: 1×8 ≡ 8×1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from games import distance, lora, metrics, moved, rows, snapshot, trainer, weights
from slhf.algorithms import StackelbergGDA

MODES: list[Any] = [
    pytest.param({}, id="full"),
    pytest.param({"peft": True}, id="lora"),
    pytest.param({"peft": True, "adapters": "per_role"}, id="per-role"),
]


def trained(folder: Path, mode: dict, **settings: Any) -> dict:
    """Train with plain gradient descent: Adam's first steps would blow a rounding error up to its sign."""
    given = {**mode, **settings}
    given["peft"] = lora() if given.get("peft") else None
    made = trainer(folder, optim="sgd", learning_rate=0.05, train=rows(20), **given)
    before = snapshot(made)
    made.train()
    assert moved(made, before)
    return weights(made)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("samples", [(1, 1), (2, 2)])
def test_one_batch_of_eight_is_eight_batches_of_one(tmp_path: Path, mode: dict, samples: tuple[int, int]) -> None:
    """Six steps over 20 prompts, so that each epoch ends with a smaller batch."""
    algorithm = StackelbergGDA(
        kappa=2.0, tau_leader=0.05, tau_follower=0.05, leader_samples=samples[0], follower_samples=samples[1]
    )
    common = {"algorithm": algorithm, "max_steps": 6}
    cuts = {"1x8": (8, 1), "8x1": (1, 8), "2x4": (4, 2)}
    done = {
        name: trained(
            tmp_path / name, mode, per_device_train_batch_size=size, gradient_accumulation_steps=times, **common
        )
        for name, (size, times) in cuts.items()
    }
    assert distance(done["1x8"], done["8x1"]) < 1e-5
    assert distance(done["1x8"], done["2x4"]) < 1e-5
    for a, b in zip(metrics(tmp_path / "1x8"), metrics(tmp_path / "8x1"), strict=True):
        # transformers counts epochs in micro-batches, which end unevenly here
        assert a | {"epoch": 0} == pytest.approx(b | {"epoch": 0}, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_chunks_of_few_tokens_do_not_change_the_gradient(tmp_path: Path, mode: dict) -> None:
    whole = trained(tmp_path / "whole", mode, per_device_train_batch_size=8, train_chunk_tokens=100_000)
    pieces = trained(
        tmp_path / "pieces",
        mode,
        per_device_train_batch_size=8,
        train_chunk_tokens=1,
        logits_chunk_mib=1e-4,
        generation_rows=3,
    )
    assert distance(whole, pieces) < 1e-5


def test_gradient_checkpointing_does_not_change_the_gradient(tmp_path: Path) -> None:
    mode = {"peft": True}
    plain = trained(tmp_path / "plain", mode)
    less_memory = trained(tmp_path / "less", mode, activation_checkpointing=True)
    assert distance(plain, less_memory) < 1e-5
