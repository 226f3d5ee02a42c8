"""Nash-MD-PG: the Leader against a mixture of itself and the reference."""

from __future__ import annotations

import torch
from torch import Tensor

from slhf.objectives.baselines import Baseline
from slhf.objectives.batch import GameBatch
from slhf.objectives.kl import KLForm, total_kl
from slhf.objectives.score import regularised_loss
from slhf.objectives.stackelberg import truncation_adjusted


def nash_md_losses(
    batch: GameBatch,
    *,
    tau: float,
    kl: KLForm = "reward_to_go",
    baseline: Baseline = "leave_one_out",
    truncation_penalty: float = 0.0,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Loss of the Leader against answers y′ ~ μ, a policy it does not control at this step.

        signal = p(y ≻ y′) − ½ − τ ℓ,        loss = −mean[ sg(signal) log π(y|x) ]

    The expected gradient is that of −( E_{y~π} p(y ≻ sg μ) − τ KL(π ‖ π_ref) ).

    Paper: Munos et al. 2024 (Nash Learning from Human Feedback), Nash-MD-PG.
    Departs: several answers a prompt centre each other where there are several; ½ where there is one.

    Args:
        batch: G Leader answers a prompt, each compared with the same M answers of the mixture.
        tau: τ ≥ 0, preference per nat.
        kl: form of the KL term.
        baseline: the other answers of the same prompt, or ½.
        truncation_penalty: what a cut answer costs its side, preference.

    Returns:
        ``{"leader": loss}`` and metrics, per-prompt means of shape (B,).
    """
    leader = batch.roles["leader"]
    prompts, answers, opponents = batch.preferences.shape
    assert batch.opponents_truncated is not None
    p = truncation_adjusted(
        batch.preferences.to(leader.log_probs.dtype),
        leader.truncated.view(prompts, answers, 1),
        batch.opponents_truncated.view(prompts, 1, opponents),
        truncation_penalty,
    )
    loss = regularised_loss(leader, p.mean(dim=2), tau=tau, kl=kl, baseline=baseline)
    with torch.no_grad():
        metrics = {
            "preference/leader_over_mixture": batch.preferences.mean(dim=(1, 2)),
            "kl/leader": total_kl(leader, kl).view(prompts, -1).mean(dim=1),
        }
    return {"leader": loss}, metrics
