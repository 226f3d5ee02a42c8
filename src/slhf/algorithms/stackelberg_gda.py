"""STACKELBERGGDA: the Leader ascends, the Follower descends, at two time scales."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from slhf.algorithms.checks import check_counts, check_weights
from slhf.objectives import Baseline, GameBatch, KLForm, stackelberg_losses
from slhf.objectives.baselines import check_baseline
from slhf.objectives.kl import check_kl_form
from slhf.types import Match, Refined


@dataclass(frozen=True)
class StackelbergGDA:
    """Settings and credit rule of Stackelberg gradient descent–ascent.

    Paper: SLHF Algorithm 2, with the gradient corrected; see ``slhf.objectives.stackelberg_losses``.

    Attributes:
        kappa: κ = η_F / η_L. Weighs the Follower's loss when both roles share their weights, and
            is the ratio of learning rates when each role has its own adapter.
        tau_leader: τ_L, KL weight, preference per nat.
        tau_follower: τ_F, KL weight, preference per nat.
        leader_samples: G, answers a prompt.
        follower_samples: F, refinements an answer; the Leader's preference is their mean.
        kl: ``reward_to_go`` (default), ``sequence`` or ``exact``; all three unbiased.
        baseline: ``leave_one_out`` over samples of the same prompt and role (½ where there is
            one sample), or ``half``.
        leader_kl_of_follower: False drops τ_F ℓ_F from the Leader's signal, as the paper does.
        truncation_penalty: preference lost by an answer that was cut.
    """

    kappa: float = 5.0
    tau_leader: float = 1e-3
    tau_follower: float = 1e-3
    leader_samples: int = 1
    follower_samples: int = 1
    kl: KLForm = "reward_to_go"
    baseline: Baseline = "leave_one_out"
    leader_kl_of_follower: bool = True
    truncation_penalty: float = 0.0

    def __post_init__(self) -> None:
        check_kl_form(self.kl)
        check_baseline(self.baseline)
        check_weights(self, "kappa", "tau_leader", "tau_follower", "truncation_penalty")
        check_counts(self, "leader_samples", "follower_samples")

    @property
    def match(self) -> Match:
        """G answers of the Leader, each refined F times by the Follower."""
        return Match(self.leader_samples, Refined(self.follower_samples))

    @property
    def exact_kl(self) -> bool:
        """True if the losses need the full-vocabulary KL at each token."""
        return self.kl == "exact"

    @property
    def role_weights(self) -> Mapping[str, float]:
        """κ for the Follower, 1 for the Leader."""
        return {"leader": 1.0, "follower": self.kappa}

    def losses(self, batch: GameBatch) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        """Return both roles' losses and the metrics of the batch."""
        return stackelberg_losses(
            batch,
            tau_leader=self.tau_leader,
            tau_follower=self.tau_follower,
            kl=self.kl,
            baseline=self.baseline,
            leader_kl_of_follower=self.leader_kl_of_follower,
            truncation_penalty=self.truncation_penalty,
        )
