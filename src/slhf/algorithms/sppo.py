"""SPPO: each of the Leader's answers fitted to how often it beats the others; no Follower."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from slhf.algorithms.checks import check_counts, check_positive, check_weights
from slhf.objectives import GameBatch, sppo_losses
from slhf.types import Group, Match


@dataclass(frozen=True)
class SPPO:
    """Settings and credit rule of self-play preference optimisation.

    A run is one iteration of the published algorithm, kept on-policy; for the next one, start a run from
    the model that the last one left.

    Paper: Wu et al. 2024 (Self-Play Preference Optimization for Language Model Alignment); see
        ``slhf.objectives.sppo_losses``.

    Attributes:
        eta: η > 0, nats per preference; 1/η is what the other algorithms call τ.
        samples: G ≥ 2, answers a prompt; published with 5.
        truncation_penalty: preference lost by an answer that was cut.
    """

    eta: float = 1e3
    samples: int = 5
    truncation_penalty: float = 0.0

    def __post_init__(self) -> None:
        check_positive(self, "eta")
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
        return sppo_losses(batch, eta=self.eta, truncation_penalty=self.truncation_penalty)
