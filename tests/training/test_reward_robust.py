"""Reward and preference models trained against an adversary: what changes, what does not, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig
from tests.reward_fixtures import WORDS, classifier
from tests.tiny import tokenizer
from transformers import TrainerCallback

from games import metrics
from slhf.errors import InputError
from slhf.robust.ball import Ball
from slhf.training.reward_adapters import adapter_trainer
from slhf.training.reward_heads import heads_trainer, train_heads
from slhf.training.reward_pairs import RewardPairs
from slhf.training.reward_robust import check_robust
from slhf.training.reward_setup import RewardTraining
from slhf.training.skew_training import SkewSettings, train_skew

BALL = Ball(0.3, window=(-2, 2), flip_cost=2.0)
NO_BUDGET = Ball(0.0, flip_cost=1.0)


def pairs(attributes: int = 2, count: int = 24) -> RewardPairs:
    """Random answers; the first attribute likes "a", the second likes few words."""
    rng = np.random.default_rng(0)
    texts = [[" ".join(rng.choice(list("abcd"), rng.integers(1, 6))) for _ in range(count)] for _ in range(2)]
    lead = np.array([[a.count("a") - b.count("a"), len(b) - len(a)] for a, b in zip(*texts, strict=True)])
    preference = np.where(lead == 0, np.nan, (lead > 0).astype(float))[:, :attributes]
    prompts = tuple(f"say {w}" for w in rng.choice(["one", "two", "three", "new"], count))
    return RewardPairs(("a", "few")[:attributes], prompts, tuple(texts[0]), tuple(texts[1]), preference)


def training(robust: Ball | None, labels: int = 2, **args: Any) -> RewardTraining:
    settings = {
        "per_device_train_batch_size": 6,
        "max_steps": 6,
        "learning_rate": 1e-2,
        "logging_steps": 2,
        "save_strategy": "steps",
        "save_steps": 2,
        "use_cpu": True,
        "seed": 1,
        **args,
    }
    lora = LoraConfig(r=2, lora_alpha=4, lora_dropout=0.1, target_modules="all-linear", task_type="SEQ_CLS")
    return RewardTraining("tiny", settings, lora, robust=robust, model=classifier(labels), tokenizer=tokenizer(WORDS))


def trained(form: str, robust: Ball | None, folder: Path, data: RewardPairs | None = None, **more: Any) -> Any:
    if form == "heads":
        return train_heads(training(robust), data or pairs(), None, folder, **more)[0]
    mine = (data or pairs()).of("few")
    return train_skew(training(robust, 4), SkewSettings(pairs=2), mine, None, folder, **more)[0]


def distance(first: Any, second: Any) -> float:
    other = dict(second.named_parameters())
    return max(float((p - other[n]).detach().abs().max()) for n, p in first.named_parameters() if p.requires_grad)


@pytest.mark.parametrize("form", ["heads", "skew"])
def test_the_adversary_is_met_and_without_a_budget_is_not(form, tmp_path):
    plain = trained(form, None, tmp_path / "plain")
    assert distance(plain, trained(form, NO_BUDGET, tmp_path / "none")) < 1e-5
    assert distance(plain, trained(form, BALL, tmp_path / "ball")) > 1e-3
    assert "moved" not in metrics(tmp_path / "plain")[0]
    assert metrics(tmp_path / "none")[0]["moved"] == 0.0
    assert metrics(tmp_path / "ball")[0]["moved"] > 0.0


class Stop(TrainerCallback):
    """Interrupts after so many steps."""

    def __init__(self, step: int):
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step > self.step:
            raise KeyboardInterrupt


@pytest.mark.parametrize("form", ["heads", "skew"])
def test_stopped_and_resumed_is_never_stopped(form, tmp_path):
    whole = trained(form, BALL, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        trained(form, BALL, tmp_path / "part", callbacks=[Stop(3)])
    with pytest.raises(InputError, match="robust: "):
        trained(form, dataclasses.replace(BALL, epsilon=0.1), tmp_path / "part", resume=True)
    with pytest.raises(InputError, match="robust: "):
        trained(form, None, tmp_path / "part", resume=True)
    assert distance(whole, trained(form, BALL, tmp_path / "part", resume=True)) == 0.0


def test_held_out_losses_are_plain(tmp_path):
    """They can be compared with those of a run without the adversary."""
    found = []
    for name, ball in (("plain", None), ("robust", BALL)):
        trainer, _ = heads_trainer(training(ball), pairs(), pairs(), tmp_path / name)
        found.append(trainer.evaluate())
    assert found[0]["eval_loss"] == found[1]["eval_loss"]
    batch = next(iter(trainer.get_train_dataloader()))
    with torch.enable_grad():
        robust = trainer.compute_loss(trainer.model, dict(batch))
    with torch.no_grad():
        assert robust.item() > trainer.compute_loss(trainer.model, dict(batch)).item() + 0.01


@pytest.mark.parametrize("form", ["heads", "skew"])
def test_what_is_no_plain_verdict_or_no_whole_step_is_refused(form, tmp_path, monkeypatch):
    data = pairs()
    ties = RewardPairs(data.attributes, data.prompts, data.first, data.second, np.full((len(data), 2), 0.5))
    with pytest.raises(InputError, match=r"plain verdicts.*data.ties=drop"):
        trained(form, BALL, tmp_path, ties)
    with pytest.raises(InputError, match=r"2 × 1 pieces are not; .*gradient_accumulation_steps=1"):
        check_robust(training(BALL, gradient_accumulation_steps=2), data)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match=r"1 × 2 pieces"):
        check_robust(training(BALL), data)
    check_robust(training(None, gradient_accumulation_steps=2), ties)  # no adversary, nothing to refuse
    assert not list(tmp_path.iterdir())


def test_trls_trainer_has_a_loss_of_its_own(tmp_path):
    with pytest.raises(InputError, match=r"robust: form: adapters has the loss of TRL's.*form=heads or form=skew"):
        adapter_trainer(training(BALL, 1), pairs().of("a"), None, tmp_path)
