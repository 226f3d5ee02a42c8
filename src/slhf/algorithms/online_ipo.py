"""Online IPO: pairs of the Leader's own answers, compared and fitted; no Follower."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from slhf.algorithms.checks import check_counts, check_positive, check_weights
from slhf.objectives import GameBatch, online_ipo_losses
from slhf.types import Group, Match


@dataclass(frozen=True)
class OnlineIPO:
    """Settings and credit rule of online IPO.

    Paper: Calandriello et al. 2024 (Human Alignment of Large Language Models through Online Preference
        Optimisation); see ``slhf.objectives.online_ipo_losses``.

    Attributes:
        tau: τ > 0, KL weight, preference per nat.
        samples: G ≥ 2, answers a prompt; all pairs of them are fitted.
        truncation_penalty: preference lost by an answer that was cut.
    """

    tau: float = 1e-3
    samples: int = 2
    truncation_penalty: float = 0.0

    def __post_init__(self) -> None:
        check_positive(self, "tau")
        check_weights(self, "truncation_penalty")
        check_counts(self, "samples", least=2)

    @property
    def match(self) -> Match:
        """G answers that meet each other."""
        return Match(self.samples, Group())

    @property
    def exact_kl(self) -> bool:
        """No full-vocabulary KL is needed."""
        return False

    @property
    def role_weights(self) -> Mapping[str, float]:
        """The Leader alone learns."""
        return {"leader": 1.0}

    def losses(self, batch: GameBatch) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        """Return the Leader's loss and the metrics of the batch."""
        return online_ipo_losses(batch, tau=self.tau, truncation_penalty=self.truncation_penalty)
