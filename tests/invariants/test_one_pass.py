"""One forward over [x, y, instruction, y′] gives what two separate forwards give, values and gradients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from games import PROMPTS, lora, trainer
from slhf.algorithms import StackelbergGDA
from slhf.policies.rollouts import PromptRow
from slhf.training import GameTrainer, passes
from slhf.training.passes import game_batch
from slhf.training.sequences import Pass, one_pass, two_passes
from slhf.types import Round


def scored(made: GameTrainer, rounds: list[Round], two: bool, monkeypatch: Any) -> tuple[dict[str, Tensor], Tensor]:
    """Log-probabilities, KL and the loss's gradient by one of the two routes."""
    seen: list[Pass] = []

    def watched(rounds: list[Round], pad: int) -> Iterator[Pass]:
        for item in (two_passes if two else one_pass)(rounds, pad):
            seen.append(item)
            yield item

    monkeypatch.setattr(passes, "one_pass", watched)
    made.model.zero_grad()
    batch = game_batch(made.policy, made.model, rounds, made._scoring)
    assert len(seen) == (2 if two else 1)
    losses, _ = made.algorithm.losses(batch)
    (losses["leader"] + 3.0 * losses["follower"]).backward()
    values = {
        f"{role} {name}": getattr(part, name).detach()
        for role, part in batch.roles.items()
        for name in ("log_probs", "ref_log_probs", "kl", "mask")
    }
    gradient = torch.cat([p.grad.flatten() for p in made.model.parameters() if p.grad is not None])
    return values, gradient


@pytest.mark.parametrize("samples", [(1, 1), (2, 2)])
@pytest.mark.parametrize("adapter", [True, False])
def test_one_pass_is_two_passes(
    tmp_path: Path, adapter: bool, samples: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    algorithm = StackelbergGDA(
        tau_leader=0.1, tau_follower=0.2, kl="exact", leader_samples=samples[0], follower_samples=samples[1]
    )
    made = trainer(tmp_path, peft=lora() if adapter else None, algorithm=algorithm, max_new_tokens=7)
    with torch.no_grad():  # away from the reference, or the KL would be zero
        for number, parameter in enumerate(p for p in made.model.parameters() if p.requires_grad):
            noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
            parameter.add_(0.1 * noise)
    rounds = made.play([PromptRow(i, p, {}) for i, p in enumerate(PROMPTS)], 0)
    lengths = {len(a.tokens) for r in rounds for a in r.rollout.leaders}
    assert len(lengths) > 1  # ragged, or padding would not be tested
    assert made.policy.shared
    assert made.policy.roles.extends
    one, gradient_one = scored(made, rounds, False, monkeypatch)
    two, gradient_two = scored(made, rounds, True, monkeypatch)
    for name, value in one.items():
        assert torch.allclose(value, two[name], atol=1e-5, rtol=1e-5), name
    assert one["follower kl"].max() > 1e-3
    assert gradient_one.norm() > 1e-2
    assert (gradient_one - gradient_two).norm() / gradient_one.norm() < 1e-5


@pytest.mark.parametrize("adapter", [True, False])
def test_values_are_those_of_a_plain_forward(tmp_path: Path, adapter: bool) -> None:
    """No padding, no chunks, full logits: policy and reference of every answer."""
    made = trainer(tmp_path, peft=lora() if adapter else None, max_new_tokens=7)
    made.train()
    rounds = made.play([PromptRow(i, p, {}) for i, p in enumerate(["a", "d c b a d", "c c"])], 0)
    with torch.no_grad():
        batch = game_batch(made.policy, made.model.eval(), rounds, made._scoring)
    for number, item in enumerate(rounds):
        rollout = item.rollout
        for role, context, answer in (
            ("leader", rollout.leader_context, rollout.leaders[0]),
            ("follower", rollout.follower_contexts[0], rollout.followers[0][0]),
        ):
            tokens = torch.tensor([context + answer.tokens])
            picked = torch.tensor(answer.tokens).unsqueeze(1)

            def plain(lm: Any, tokens: Tensor = tokens, picked: Tensor = picked, start: int = len(context)) -> Tensor:
                with torch.no_grad():
                    logits = lm(tokens).logits[0, start - 1 : -1] / 0.9
                return logits.log_softmax(-1).gather(1, picked).squeeze(1)

            got = batch.roles[role].log_probs[number, : len(answer.tokens)]
            got_reference = batch.roles[role].ref_log_probs[number, : len(answer.tokens)]
            assert torch.allclose(got, plain(made.model), atol=1e-5)
            with made.policy.reference() as reference:
                assert torch.allclose(got_reference, plain(reference), atol=1e-5)
            assert not torch.allclose(got, got_reference, atol=1e-3)
