"""The reference stays what the model was before training, and is not the policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from games import WORDS, lora, trainer
from slhf.policies.rollouts import PromptRow
from slhf.training.passes import game_batch
from tiny import model

MODES: list[Any] = [
    pytest.param({}, id="full"),
    pytest.param({"peft": True}, id="lora"),
    pytest.param({"peft": True, "adapters": "per_role"}, id="per-role"),
]


@pytest.mark.parametrize("mode", MODES)
def test_reference_is_the_model_before_training(tmp_path: Path, mode: dict) -> None:
    made = trainer(tmp_path, **{**mode, "peft": lora(lora_dropout=0.3) if mode else None})
    rounds = made.play([PromptRow(i, p, {}) for i, p in enumerate(["a", "d c b a d", "c c", "b"])], 0)

    def score() -> dict:
        with torch.no_grad():
            return game_batch(made.policy, made.model.eval(), rounds, made._scoring).roles

    before = score()
    made.train()
    after = score()
    untouched = model(len(WORDS), layers=2, scale=0.5)
    for role in ("leader", "follower"):
        # at the start policy and reference are the same model
        assert torch.allclose(before[role].log_probs, before[role].ref_log_probs, atol=1e-5)
        assert torch.equal(before[role].ref_log_probs, after[role].ref_log_probs)
        gap = (after[role].log_probs - after[role].ref_log_probs).abs() * after[role].mask
        assert gap.max() > 1e-2
    for number, item in enumerate(rounds):
        rollout = item.rollout
        context, answer = rollout.follower_contexts[0], rollout.followers[0][0].tokens
        with torch.no_grad():
            logits = untouched(torch.tensor([context + answer])).logits[0, len(context) - 1 : -1] / 0.9
        want = logits.log_softmax(-1).gather(1, torch.tensor(answer).unsqueeze(1)).squeeze(1)
        assert torch.allclose(after["follower"].ref_log_probs[number, : len(answer)], want, atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_dropout_leaves_the_reference_alone(tmp_path: Path, mode: dict) -> None:
    """In the middle of a training step too: the reference is scored without dropout, and training goes on with it."""
    lm = model(len(WORDS), layers=2, scale=0.5, attention_dropout=0.2)
    made = trainer(tmp_path, lm=lm, **{**mode, "peft": lora(lora_dropout=0.3) if mode else None})
    made.train()
    rounds = made.play([PromptRow(0, "a b c", {}), PromptRow(1, "b", {})], 0)
    made.model.train()
    with torch.no_grad():
        first, second = (game_batch(made.policy, made.model, rounds, made._scoring).roles for _ in range(2))
    assert made.model.training
    for role in ("leader", "follower"):
        assert torch.equal(first[role].ref_log_probs, second[role].ref_log_probs)
        assert not torch.equal(first[role].log_probs, second[role].log_probs)
