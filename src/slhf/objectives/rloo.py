"""REINFORCE with a leave-one-out baseline, on rewards or on preferences within the group."""

from __future__ import annotations

import torch
from torch import Tensor

from slhf.objectives.baselines import centred, leave_one_out
from slhf.objectives.batch import GameBatch
from slhf.objectives.group import group_preferences, over_the_others
from slhf.objectives.kl import KLForm, direct_kl, token_kl, total_kl
from slhf.objectives.score import score


def rloo_losses(
    batch: GameBatch, *, tau: float, kl: KLForm = "reward_to_go", truncation_penalty: float = 0.0
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Loss of k answers a prompt, each measured against the k − 1 others.

        loss = −mean Σ_t sg(r − b − τ (c_t − c̄_t)) log π(y_t) + τ mean KL_direct

        scored        r = r(x, y),                                  b = mean r of the others
        in a group    r_g = Σ_{h ≠ g} p(y_g ≻ y_h) / (k − 1),       b = ½

    c̄_t is the mean charge of the others at the same token. The expected gradient is that of
    −( E_{y~π} r(x, y) − τ KL ), or −( E_{y~π, y′~sg π} p(y ≻ y′) − τ KL ). With rewards the optimum is RLHF's,
    π ∝ π_ref exp(r / τ). With group preferences the opponent moves along, and the only policy at rest is the
    regularised Nash equilibrium, π ∝ π_ref exp(P(· ≻ π) / τ).

    Paper: Ahmadian et al. 2024 (Back to Basics), the RLOO estimator.
    Departs: in a group, the others' mean preferences depend on y_g, so they are no baseline. Taken as one they
        give (r_g − ½) k / (k − 1), as if τ were smaller. Their mean without the comparisons with y_g is ½;
        see tests/gradients/test_baselines_gradient.py.

    Args:
        batch: k = G Leader answers a prompt, with rewards or with preferences within the group.
        tau: τ ≥ 0, reward or preference per nat.
        kl: form of the KL term.
        truncation_penalty: what a cut answer loses, reward or preference.

    Returns:
        ``{"leader": loss}`` and metrics, per-prompt means of shape (B,).
    """
    leader = batch.roles["leader"]
    prompts, answers, _ = batch.preferences.shape
    if batch.rewards is None:
        advantage = over_the_others(group_preferences(batch, truncation_penalty)) - 0.5
        metrics = {"preference/spread": advantage.abs().mean(dim=1)}
    else:
        lost = truncation_penalty * leader.truncated.view(prompts, answers)
        kept = (batch.rewards.to(leader.log_probs.dtype) - lost).unsqueeze(2)
        advantage = (kept - leave_one_out(kept)).squeeze(2)
        metrics = {"reward/leader": batch.rewards.mean(dim=1)}
    charge = centred(token_kl(leader, kl), (prompts, answers), "leave_one_out")
    loss = -score(leader, advantage.view(-1, 1) - tau * charge) + tau * direct_kl(leader, kl).mean()
    with torch.no_grad():
        metrics["kl/leader"] = total_kl(leader, kl).view(prompts, -1).mean(dim=1)
    return {"leader": loss}, metrics
