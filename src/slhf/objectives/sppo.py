"""SPPO: the log-ratio of one answer, fitted to how often it is preferred."""

from __future__ import annotations

import torch
from torch import Tensor

from slhf.objectives.batch import GameBatch
from slhf.objectives.group import group_preferences, over_the_others
from slhf.objectives.kl import total_kl
from slhf.objectives.score import log_ratio


def sppo_losses(
    batch: GameBatch, *, eta: float, truncation_penalty: float = 0.0
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Square how far each answer's log-ratio is from η times its advantage over the policy's other answers.

        loss = 1/(2η) · mean ( ℓ − η (P̂(y ≻ π) − ½) )²,     P̂(y_g ≻ π) = Σ_{h ≠ g} p(y_g ≻ y_h) / (G − 1)

    At answers of the policy itself the expected gradient is that of self-play with τ = 1/η, so the policy at
    rest is the regularised Nash equilibrium.

    Paper: Wu et al. 2024 (Self-Play Preference Optimization), the SPPO loss, ℓ = log π_θ − log π_t.
    Departs: π_t is the reference for the whole run while answers are drawn from the policy as it is, so that one
        run is one of the published iterations kept on-policy; P̂ leaves out the answer itself, which makes it
        unbiased; the factor 1/(2η) makes the step the same as the other algorithms'; see
        tests/gradients/test_baselines_gradient.py.

    Args:
        batch: G ≥ 2 Leader answers a prompt, with preferences within the group.
        eta: η > 0, nats per preference.
        truncation_penalty: what a cut answer costs its side, preference.

    Returns:
        ``{"leader": loss}`` and metrics, per-prompt means of shape (B,).
    """
    leader = batch.roles["leader"]
    advantage = over_the_others(group_preferences(batch, truncation_penalty)) - 0.5
    loss = (log_ratio(leader) - eta * advantage.view(-1)).square().mean() / (2.0 * eta)
    with torch.no_grad():
        metrics = {
            "preference/spread": advantage.abs().mean(dim=1),
            "kl/leader": total_kl(leader, "sequence").view(advantage.shape).mean(dim=1),
        }
    return {"leader": loss}, metrics
