"""The loss whose expected gradient is that of the Stackelberg objective."""

from __future__ import annotations

import torch
from torch import Tensor

from slhf.objectives.baselines import Baseline, centred
from slhf.objectives.batch import GameBatch
from slhf.objectives.kl import KLForm, direct_kl, token_kl, total_kl
from slhf.objectives.score import regularised_loss, score


def truncation_adjusted(preferences: Tensor, leader_cut: Tensor, follower_cut: Tensor, penalty: float) -> Tensor:
    """Lower the preference for a side whose answer was cut; both cut leaves it unchanged.

        p ← p − penalty · cut(y) + penalty · cut(y′)

    Args:
        preferences: (B, G, F) P(y ≻ y′).
        leader_cut: (B, G, 1) 1 where the Leader's answer was cut.
        follower_cut: (B, G, F) 1 where the refinement was cut.
        penalty: preference, ≥ 0.
    """
    return preferences + penalty * (follower_cut - leader_cut)


def stackelberg_losses(
    batch: GameBatch,
    *,
    tau_leader: float,
    tau_follower: float,
    kl: KLForm = "reward_to_go",
    baseline: Baseline = "leave_one_out",
    leader_kl_of_follower: bool = True,
    truncation_penalty: float = 0.0,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Both roles' losses; descending each moves its role along Eq. (5).

        s_L = p + τ_F ℓ_F − τ_L ℓ_L                    the Leader ascends
        s_F = p + τ_F ℓ_F                              the Follower descends
        loss_L = −mean[ sg(s_L − b_L) log π(y|x) ]
        loss_F = +mean[ sg(s_F − b_F) log ω(y′|x,y) ]

    with ℓ = log π − log π_ref (nats), sg = stop-gradient and b a baseline that does not depend
    on the response it multiplies. Signals are kept a token: ``kl`` says which later tokens a
    token is charged for.

    Paper: SLHF Eq. (5), (10).
    Departs: Eq. (10) as printed has the sign of the Follower's KL wrong, a ratio where the
        log-ratio belongs, and no τ_F ℓ_F in the Leader's signal; see
        tests/gradients/test_stackelberg_gradient.py.

    Args:
        batch: log-probabilities and preferences of B prompts, G answers, F refinements.
        tau_leader: τ_L, preference per nat.
        tau_follower: τ_F, preference per nat.
        kl: form of the KL term.
        baseline: ½, or the other samples of the same prompt and role.
        leader_kl_of_follower: keep τ_F ℓ_F in the Leader's signal; False is the paper's estimator.
        truncation_penalty: how much a cut answer costs its side, preference.

    Returns:
        ``{"leader": loss, "follower": loss}``, means over answers, unweighted by κ, and the
        metrics (per-prompt means, each of shape (B,)).
    """
    leader, follower = batch.roles["leader"], batch.roles["follower"]
    prompts, answers, refinements = batch.preferences.shape
    p = truncation_adjusted(
        batch.preferences.to(leader.log_probs.dtype),
        leader.truncated.view(prompts, answers, 1),
        follower.truncated.view(prompts, answers, refinements),
        truncation_penalty,
    )
    follower_kl = total_kl(follower, kl).view(p.shape)
    kept = p + tau_follower * follower_kl if leader_kl_of_follower else p
    follower_signal = p.view(-1, 1) + tau_follower * token_kl(follower, kl)

    # refinements of one answer are one group; with a single one, those of the prompt's other answers
    group = (prompts * answers, refinements) if refinements > 1 else (prompts, answers)
    of_follower = score(follower, centred(follower_signal, group, baseline))
    losses = {
        "leader": regularised_loss(leader, kept.mean(dim=2), tau=tau_leader, kl=kl, baseline=baseline),
        "follower": of_follower + tau_follower * direct_kl(follower, kl).mean(),
    }
    with torch.no_grad():
        metrics = {
            "preference/leader_over_follower": batch.preferences.mean(dim=(1, 2)),
            "kl/leader": total_kl(leader, kl).view(prompts, -1).mean(dim=1),
            "kl/follower": follower_kl.mean(dim=(1, 2)),
        }
    return losses, metrics
