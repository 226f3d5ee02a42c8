"""Nash-MD: the Leader against a mixture of itself and the reference; no Follower."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from slhf.algorithms.checks import check_counts, check_weights
from slhf.errors import InputError
from slhf.objectives import Baseline, GameBatch, KLForm, nash_md_losses
from slhf.objectives.baselines import check_baseline
from slhf.objectives.kl import check_kl_form
from slhf.types import Match, Mixture


@dataclass(frozen=True)
class NashMD:
    """Settings and credit rule of Nash-MD-PG.

        y ~ π,   y′ ~ μ ∝ π^{1−β} π_ref^β token by token,   signal p(y ≻ y′) − ½ − τ ℓ

    At rest π ∝ π_ref exp(P(· ≻ μ) / τ). At β = 0, self-play, that is the regularised Nash equilibrium; at β = 1 it
    is the best reply to the reference. In between it is neither: were μ normalised over whole answers, μ (not π)
    would be the Nash equilibrium regularised by τ / (1 − β), and π its best reply. (The tabular Nash-MD
    reaches the Nash equilibrium because there β is tied to the step, β = η τ, and the step is taken from μ.)

    Paper: Munos et al. 2024 (Nash Learning from Human Feedback), Nash-MD-PG.

    Attributes:
        tau: τ, KL weight, preference per nat.
        mixture: β in [0, 1], the *reference's* share of the mixture, as in that paper and in TRL's
            ``mixture_coef``; SLHF's experiments use 0.75.
        leader_samples: G, answers a prompt.
        mixture_samples: M, answers of the mixture a prompt; each meets all of the Leader's.
        kl: ``reward_to_go`` (default), ``sequence`` or ``exact``; all three unbiased.
        baseline: ``leave_one_out`` over the prompt's answers (½ where there is one), or ``half``.
        truncation_penalty: preference lost by an answer that was cut.
    """

    tau: float = 1e-3
    mixture: float = 0.75
    leader_samples: int = 1
    mixture_samples: int = 1
    kl: KLForm = "reward_to_go"
    baseline: Baseline = "leave_one_out"
    truncation_penalty: float = 0.0

    def __post_init__(self) -> None:
        check_kl_form(self.kl)
        check_baseline(self.baseline)
        check_weights(self, "tau", "truncation_penalty")
        check_counts(self, "leader_samples", "mixture_samples")
        if not 0.0 <= self.mixture <= 1.0:
            raise InputError(f"mixture={self.mixture}: the reference's share must lie in [0, 1]")

    @property
    def match(self) -> Match:
        """G answers of the Leader against M of the mixture."""
        return Match(self.leader_samples, Mixture(self.mixture, self.mixture_samples))

    @property
    def exact_kl(self) -> bool:
        """True if the losses need the full-vocabulary KL at each token."""
        return self.kl == "exact"

    @property
    def role_weights(self) -> Mapping[str, float]:
        """The Leader alone learns."""
        return {"leader": 1.0}

    def losses(self, batch: GameBatch) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        """Return the Leader's loss and the metrics of the batch."""
        penalty = self.truncation_penalty
        return nash_md_losses(batch, tau=self.tau, kl=self.kl, baseline=self.baseline, truncation_penalty=penalty)
