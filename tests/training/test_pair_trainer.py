"""Training on pairs: cuts change nothing, a resumed run is the run, the reference stays, held-out figures are right."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import TrainerCallback

from games import WORDS, distance, lora, metrics, moved, snapshot, weights
from pair_games import pair_rows, pair_trainer
from slhf.algorithms import pair_loss
from slhf.policies import load_policy
from slhf.training import PairTrainer, implicit_rewards
from slhf.training.checkpoints import whole_checkpoints
from tiny import CHAT, model, sequence_log_probs, tokenizer

LOSSES: dict[str, Any] = {
    "dpo": {},
    "ipo": {"per_token": True},
    "spa": {"start": 0.0, "share": 0.4, "window": 2, "extrapolation": 0.3},
    "sgpo": {"window": (-1.0, 1.0), "epsilon": 0.05},
    "sgpo_dual": {"window": (-1.0, 1.0), "epsilon": 0.05, "buffer": 10},
    "flip": {"epsilon": 0.2},
}


def loss_of(name: str, **more: Any) -> Any:
    return pair_loss(name, **{**LOSSES[name], **more})


def trained(folder: Path, name: str, **settings: Any) -> dict[str, torch.Tensor]:
    """Train with plain gradient descent: Adam's first steps would blow a rounding error up to its sign."""
    rng = np.random.default_rng(1)
    train = pair_rows(12, weight=rng.uniform(0, 2, 12).tolist())
    rate = 0.5 if settings.get("peft") else 0.05
    made = pair_trainer(folder, loss=loss_of(name), optim="sgd", learning_rate=rate, train=train, **settings)
    before = snapshot(made)
    made.train()
    assert moved(made, before)
    return weights(made)


@pytest.mark.parametrize(("name", "adapter"), [*((name, True) for name in LOSSES), ("dpo", False), ("sgpo", False)])
def test_one_batch_of_eight_is_eight_batches_of_one(tmp_path: Path, name: str, adapter: bool) -> None:
    """Four steps over 12 pairs with weights, each epoch ending with a smaller batch; and in pieces of one pair."""
    cuts: dict[str, dict[str, Any]] = {
        "1x8": {"per_device_train_batch_size": 8},
        "8x1": {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 8},
        "pieces": {"per_device_train_batch_size": 8, "train_chunk_tokens": 1, "logits_chunk_mib": 1e-4},
    }
    done = {
        cut: trained(tmp_path / cut, name, max_steps=4, peft=lora() if adapter else None, **settings)
        for cut, settings in cuts.items()
    }
    assert distance(done["1x8"], done["8x1"]) < 2e-5
    assert distance(done["1x8"], done["pieces"]) < 2e-5
    for a, b in zip(metrics(tmp_path / "1x8"), metrics(tmp_path / "pieces"), strict=True):
        assert a == pytest.approx(b, rel=1e-3, abs=1e-4)


def test_looking_ahead_sees_the_dropout_that_the_gradient_has(tmp_path: Path) -> None:
    """The margins the adversary weighed are those the step is trained on, and later draws are as without it."""
    made = pair_trainer(
        tmp_path, loss=loss_of("sgpo"), peft=lora(lora_dropout=0.4), train_chunk_tokens=1, learning_rate=0.1
    )
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    ahead = made._settle

    def settle(step: Any) -> None:
        seen.append((step.margins.clone(), step.margins))
        ahead(step)

    made._settle = settle  # type: ignore[method-assign]
    made.train()
    assert len(seen) == 3
    assert all(torch.equal(first, second) for first, second in seen)
    assert seen[2][0].abs().max() > 1e-3


class Interrupt(TrainerCallback):
    """Ends a run after a step the way an error would."""

    def __init__(self, step: int):
        self._step = step

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self._step:
            raise KeyboardInterrupt


RESUMED: dict[str, Any] = {
    "dpo-full": {"loss": loss_of("dpo")},
    "spa": {"loss": loss_of("spa"), "peft": True},
    "sgpo": {"loss": loss_of("sgpo"), "peft": True},
    "sgpo_dual": {"loss": loss_of("sgpo_dual"), "peft": True},
}


@pytest.mark.parametrize("mode", RESUMED)
def test_stopped_and_resumed_is_uninterrupted(tmp_path: Path, mode: str) -> None:
    """Bit for bit: weights, metrics, and what the loss remembers; with dropout, in the middle of a logging window."""

    def make(folder: Path) -> PairTrainer:
        settings = dict(RESUMED[mode])
        peft = lora(lora_dropout=0.1) if settings.pop("peft", False) else None
        return pair_trainer(
            folder,
            peft=peft,
            train=pair_rows(14),
            held_out=pair_rows(4, seed=9),
            per_device_train_batch_size=2,
            gradient_accumulation_steps=2,
            train_chunk_tokens=40,
            max_steps=7,
            logging_steps=3,
            save_strategy="steps",
            save_steps=1,
            save_total_limit=2,
            eval_strategy="steps",
            eval_steps=2,
            lr_scheduler_type="cosine",
            **settings,
        )

    whole = make(tmp_path / "whole")
    whole.train()
    stopped = make(tmp_path / "stopped")
    stopped.add_callback(Interrupt(4))
    with pytest.raises(KeyboardInterrupt):
        stopped.train()
    resumed = make(tmp_path / "stopped")
    resumed.train(resume_from_checkpoint=True)
    assert distance(weights(whole), weights(resumed)) == 0.0
    assert metrics(tmp_path / "whole") == metrics(tmp_path / "stopped")
    assert whole._state == resumed._state
    assert len(whole_checkpoints(tmp_path / "stopped")) == 2


def test_another_loss_or_other_pairs_are_another_run(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"peft": lora(), "save_strategy": "steps", "save_steps": 1, "max_steps": 1}
    pair_trainer(tmp_path, loss=loss_of("sgpo"), **settings).train()
    for change, named in (
        ({"loss": loss_of("sgpo", epsilon=0.1)}, "loss.epsilon: 0.05 there, 0.1 here"),
        ({"loss": loss_of("sgpo"), "train": pair_rows(weight=[2.0] * 12)}, "train_dataset"),
        ({"loss": loss_of("sgpo"), "lm": model(len(WORDS), layers=2, seed=3)}, "reference"),
    ):
        with pytest.raises(ValueError, match=named):
            pair_trainer(tmp_path, **settings, **change).train(resume_from_checkpoint=True)


def plain_margins(made: PairTrainer, rows: list[dict[str, Any]], base: Any, beta: float = 0.1) -> np.ndarray:
    """Margins from two plain sequences each, under the policy and a reference that the trainer has never seen."""
    found = []
    lm = made.policy.model.eval()
    with torch.no_grad():
        for row in rows:
            context = made.policy.roles.leader_context(row["prompt"])
            answers = [made.policy.roles.answer_tokens(row[side]) for side in ("chosen", "rejected")]
            ratio = sequence_log_probs(lm, context, answers) - sequence_log_probs(base, context, answers)
            found.append(float(beta * (ratio[0] - ratio[1])))
    return np.array(found)


@pytest.mark.parametrize("adapter", [True, False], ids=["lora", "full"])
def test_margins_and_held_out_figures_against_plain_forwards(tmp_path: Path, adapter: bool) -> None:
    """After training; the reference is the model before it. An empty response is its end token."""
    rows = pair_rows(9, seed=4)
    rows[0]["rejected"] = ""
    made = pair_trainer(tmp_path, peft=lora(lora_dropout=0.2) if adapter else None, held_out=rows, learning_rate=3e-2)
    assert np.allclose(made.margins(rows), 0.0, atol=1e-6)
    made.train()
    want = plain_margins(made, rows, model(len(WORDS), layers=2, scale=0.5))
    assert np.abs(want).max() > 0.05
    assert np.allclose(made.margins(rows), want, atol=1e-5)
    found = made.evaluate()
    assert found["eval_pairs/margin"] == pytest.approx(want.mean(), abs=1e-5)
    assert found["eval_pairs/accuracy"] == np.mean(want > 0)
    assert found["eval_loss"] == pytest.approx(np.mean(np.log1p(np.exp(-want))), abs=1e-5)
    rewards = implicit_rewards(made.policy, rows, 0.1)
    assert rewards.shape == (9, 2)
    assert np.allclose(rewards[:, 0] - rewards[:, 1], want, atol=1e-5)
    answers = [{"prompt": row["prompt"], "answers": [row["rejected"], "b b", row["chosen"]]} for row in rows]
    more = implicit_rewards(made.policy, answers, 0.1)
    assert np.allclose(more[:, [2, 0]], rewards, atol=1e-5)


@pytest.mark.parametrize("adapter", [True, False], ids=["lora", "full"])
def test_a_second_stage_keeps_the_first_ones_reference(tmp_path: Path, adapter: bool) -> None:
    """Base → stage 1 → stage 2, each from the folder before: margins are against the base all the way."""
    model(len(WORDS), layers=2, scale=0.5).save_pretrained(tmp_path / "sft")
    tokenizer(WORDS, template=CHAT).save_pretrained(tmp_path / "sft")
    rows, held = pair_rows(12), pair_rows(6, seed=5)
    stages = [str(tmp_path / name) for name in ("sft", "one", "two")]
    made = None
    for number, (before, after) in enumerate(itertools.pairwise(stages)):
        peft = lora() if adapter and number == 0 else None
        made = pair_trainer(after, lm=before, train=rows, peft=peft, learning_rate=3e-2)
        made.train()
        made.save_model()
    assert made is not None
    base = model(len(WORDS), layers=2, scale=0.5)
    want = plain_margins(made, held, base)
    assert np.allclose(made.margins(held), want, atol=1e-5)
    first = pair_trainer(tmp_path / "again", lm=stages[1], train=rows)
    assert np.abs(first.margins(held)).max() > 0.01  # stage 1's own reference is the base, not itself
    loaded = load_policy(stages[2])
    if adapter:
        assert np.allclose(np.diff(-implicit_rewards(loaded, held, 0.1)).squeeze(1), want, atol=1e-5)
    assert loaded.settings.base_model == str(tmp_path / "sft")


def test_token_columns_are_taken_as_they_are(tmp_path: Path) -> None:
    rows = pair_rows(6)
    made = pair_trainer(tmp_path, train=rows, peft=lora())
    roles = made.policy.roles
    ids = [
        {"prompt_ids": roles.leader_context(row["prompt"])}
        | {f"{side}_ids": roles.answer_tokens(row[side]) for side in ("chosen", "rejected")}
        for row in rows
    ]
    made.train()
    assert np.array_equal(made.margins(ids), made.margins(rows))
    cut = [row | {"chosen_ids": row["chosen_ids"][:-1]} for row in ids]  # an answer that was cut has no end token
    assert np.abs(made.margins(cut) - made.margins(rows)).max() > 1e-4
