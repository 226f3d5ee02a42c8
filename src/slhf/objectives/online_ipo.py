"""Online IPO: the log-ratios of two answers, fitted to their preference."""

from __future__ import annotations

import torch
from torch import Tensor

from slhf.objectives.batch import GameBatch
from slhf.objectives.group import group_preferences, over_the_others
from slhf.objectives.kl import total_kl
from slhf.objectives.score import log_ratio


def online_ipo_losses(
    batch: GameBatch, *, tau: float, truncation_penalty: float = 0.0
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Square how far the log-ratios of two answers of one prompt are from their preference, over all pairs.

        loss = τ/4 · mean over g < h of ( ℓ_g − ℓ_h − (p(y_g ≻ y_h) − ½) / τ )²

    The published loss draws a winner and a loser and aims at ½/τ; averaged over that draw it is the square
    above and a constant. At answers of the policy itself the expected gradient is that of self-play,
    −( E_{y~π, y′~sg π} p(y ≻ y′) − τ KL ), so the policy at rest is the regularised Nash equilibrium.

    Paper: Calandriello et al. 2024 (Online Preference Optimisation), the online IPO loss.
    Departs: the expectation over the winner's draw is taken exactly, and the factor τ/4 makes the step
        the same as the other algorithms'; see tests/gradients/test_baselines_gradient.py.

    Args:
        batch: G ≥ 2 Leader answers a prompt, with preferences within the group.
        tau: τ > 0, preference per nat.
        truncation_penalty: what a cut answer costs its side, preference.

    Returns:
        ``{"leader": loss}`` and metrics, per-prompt means of shape (B,).
    """
    leader = batch.roles["leader"]
    p = group_preferences(batch, truncation_penalty)
    prompts, answers, _ = p.shape
    ratio = log_ratio(leader).view(prompts, answers)
    first, second = torch.triu_indices(answers, answers, 1, device=p.device)
    apart = ratio[:, first] - ratio[:, second]
    loss = 0.25 * tau * (apart - (p[:, first, second] - 0.5) / tau).square().mean()
    with torch.no_grad():
        metrics = {
            "preference/spread": (over_the_others(p) - 0.5).abs().mean(dim=1),
            "kl/leader": total_kl(leader, "sequence").view(prompts, -1).mean(dim=1),
        }
    return {"leader": loss}, metrics
