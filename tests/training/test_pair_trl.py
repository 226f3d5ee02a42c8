"""The same loss and the same gradient as TRL's DPOTrainer, through its public constructor, on the same batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from games import WORDS, lora
from pair_games import pair_rows, pair_trainer
from slhf.algorithms import pair_loss
from tiny import CHAT, model, tokenizer

trl: Any = pytest.importorskip("trl", reason="TRL is not here: pip install 'slhf[reward]'")

CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "dpo": ("dpo", {}, {"loss_type": "sigmoid"}),
    "rdpo": ("rdpo", {"smoothing": 0.2}, {"loss_type": "robust", "label_smoothing": 0.2}),
    "ipo": ("ipo", {"per_token": True}, {"loss_type": "ipo"}),
    "sgpo without a budget": ("sgpo", {"epsilon": 0.0, "window": (-50.0, 50.0)}, {"loss_type": "sigmoid"}),
}
ROWS = pair_rows(6, seed=3)


def move(lm: Any) -> None:
    """Put what trains somewhere else, so that margins are not zero; the same whoever holds the model."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in sorted((n, p) for n, p in lm.named_parameters() if p.requires_grad):
            noise = torch.randn(parameter.shape, generator=generator)
            # an adapter's first weights are random, and drawn anew by each trainer
            parameter.copy_(0.3 * noise if "lora_" in name else parameter + 0.1 * noise)


def gradient(lm: Any) -> torch.Tensor:
    """All gradients in one vector, in the order of the names."""
    named = sorted((name, p) for name, p in lm.named_parameters() if p.requires_grad)
    return torch.cat([p.grad.flatten() if p.grad is not None else torch.zeros(p.numel()) for _, p in named])


def by_trl(folder: Path, adapter: bool, rows: list[dict[str, Any]], **settings: Any) -> tuple[float, torch.Tensor]:
    """Loss and gradient of TRL's trainer on one batch of all rows."""
    from datasets import Dataset

    turns = [
        {"prompt": [{"role": "user", "content": row["prompt"]}]}
        | {side: [{"role": "assistant", "content": row[side]}] for side in ("chosen", "rejected")}
        for row in rows
    ]
    made = trl.DPOTrainer(
        model=model(len(WORDS), layers=2, scale=0.5),
        ref_model=None if adapter else model(len(WORDS), layers=2, scale=0.5),
        args=trl.DPOConfig(
            output_dir=str(folder),
            beta=0.1,
            bf16=False,
            use_cpu=True,
            activation_checkpointing=False,
            per_device_train_batch_size=len(rows),
            report_to="none",
            disable_tqdm=True,
            **settings,
        ),
        train_dataset=Dataset.from_list(turns),
        processing_class=tokenizer(WORDS, template=CHAT),
        peft_config=lora() if adapter else None,
    )
    move(made.model)
    (inputs,) = made.get_train_dataloader()
    want = sum(len(text.split()) + 1 for row in rows for text in (row["chosen"], row["rejected"]))
    assert int(inputs["completion_mask"].sum()) == want  # the tokens we train on, the end tokens included
    made.model.train()
    loss = made.compute_loss(made.model, inputs)
    loss.backward()
    return float(loss.detach()), gradient(made.model)


def by_us(folder: Path, adapter: bool, loss: Any) -> tuple[float, torch.Tensor]:
    """Loss and gradient of our trainer on the same batch, in pieces of one pair."""
    made = pair_trainer(folder, loss=loss, peft=lora() if adapter else None, train=ROWS, train_chunk_tokens=1)
    move(made.model)
    assert made.train_dataset is not None
    rows: Any = made.train_dataset
    value = made.training_step(made.model, list(rows))
    assert abs(made.margins(ROWS)).max() > 0.1
    return float(value), gradient(made.model)


@pytest.mark.parametrize("adapter", [True, False], ids=["lora", "full"])
@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradient_are_trls(tmp_path: Path, case: str, adapter: bool) -> None:
    name, settings, theirs = CASES[case]
    want, slope = by_trl(tmp_path / "trl", adapter, ROWS, **theirs)
    found, ours = by_us(tmp_path / "slhf", adapter, pair_loss(name, **settings))
    assert found == pytest.approx(want, rel=1e-5)
    assert slope.norm() > 0.01
    assert (ours - slope).norm() < 1e-5 * slope.norm()


@pytest.mark.parametrize("adapter", [True, False], ids=["lora", "full"])
def test_label_smoothing_is_trls_loss_of_both_orders(tmp_path: Path, adapter: bool) -> None:
    """TRL 1.16 no longer smooths DPO's labels itself; the smoothed loss is the mean of its loss in both orders."""
    turned = [{**row, "chosen": row["rejected"], "rejected": row["chosen"]} for row in ROWS]
    there = by_trl(tmp_path / "there", adapter, ROWS, loss_type="sigmoid")
    back = by_trl(tmp_path / "back", adapter, turned, loss_type="sigmoid")
    found, ours = by_us(tmp_path / "slhf", adapter, pair_loss("cdpo", smoothing=0.2))
    slope = 0.8 * there[1] + 0.2 * back[1]
    assert found == pytest.approx(0.8 * there[0] + 0.2 * back[0], rel=1e-5)
    assert (ours - slope).norm() < 1e-5 * slope.norm()
