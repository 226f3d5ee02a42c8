"""RLOO: each answer against the prompt's other answers; no Follower."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor

from slhf.algorithms.checks import check_counts, check_weights
from slhf.errors import InputError, suggestion
from slhf.objectives import GameBatch, KLForm, rloo_losses
from slhf.objectives.kl import check_kl_form
from slhf.types import Group, Match, Scored

Reward = Literal["group", "score"]
"""``group``: mean preference over the prompt's other answers; ``score``: the judge's scalar reward."""


@dataclass(frozen=True)
class RLOO:
    """Settings and credit rule of REINFORCE leave-one-out.

    Paper: Ahmadian et al. 2024; see ``slhf.objectives.rloo_losses`` for where it comes to rest.

    Attributes:
        tau: τ, KL weight, reward or preference per nat.
        samples: k ≥ 2, answers a prompt.
        reward: ``group`` (default), or ``score`` for a judge with scalar rewards: a panel, whose
            annotators' rewards are averaged as they are, or one with a method ``rewards``.
        kl: ``reward_to_go`` (default), ``sequence`` or ``exact``; all three unbiased.
        truncation_penalty: reward or preference lost by an answer that was cut.
    """

    tau: float = 1e-3
    samples: int = 2
    reward: Reward = "group"
    kl: KLForm = "reward_to_go"
    truncation_penalty: float = 0.0

    def __post_init__(self) -> None:
        check_kl_form(self.kl)
        known = get_args(Reward)
        if self.reward not in known:
            raise InputError(
                f"reward={self.reward!r} is not one of {', '.join(known)}." + suggestion(self.reward, known)
            )
        check_weights(self, "tau", "truncation_penalty")
        check_counts(self, "samples", least=2)

    @property
    def match(self) -> Match:
        """Return k answers that meet each other, or are scored."""
        return Match(self.samples, Group() if self.reward == "group" else Scored())

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
        return rloo_losses(batch, tau=self.tau, kl=self.kl, truncation_penalty=self.truncation_penalty)
