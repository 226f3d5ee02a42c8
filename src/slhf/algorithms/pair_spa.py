"""SPA: doubtful pairs get smoothed labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from slhf.algorithms.checks import check_counts, check_positive, check_weights
from slhf.algorithms.pair_dpo import check_smoothing
from slhf.algorithms.pair_protocol import Memory, PairState, Plan
from slhf.errors import InputError
from slhf.objectives.pair_batch import PairBatch
from slhf.objectives.pairwise import spa_loss


@dataclass(frozen=True)
class SPA:
    """Noise-aware DPO of spread preference annotation.

    A pair is doubtful if its margin is among the lowest ``share`` of the last ``window`` steps' margins. The
    steps before are asked, not the one at hand, so that how a step is cut into batches changes nothing.

    Paper: Kim et al. 2025 (Spread Preference Annotation); the window, the share and the late start are those
        of its released settings.

    Attributes:
        beta: β > 0, KL weight.
        smoothing: smoothing of a doubtful pair's label, [0, ½).
        share: share of margins that are doubtful, [0, 1].
        window: steps whose margins are remembered.
        start: share of the run's steps before labels are smoothed, [0, 1].
        extrapolation: γ ≥ 0; doubt is told by the logits (1 + γ) z − γ z_ref, a policy taken further from
            its reference. 0 is off; anything else costs one more forward of policy and reference.
    """

    beta: float = 0.1
    smoothing: float = 0.1
    share: float = 0.1
    window: int = 50
    start: float = 0.2
    extrapolation: float = 0.0

    def __post_init__(self) -> None:
        check_positive(self, "beta")
        check_smoothing(self.smoothing)
        check_weights(self, "extrapolation")
        check_counts(self, "window")
        for name in ("share", "start"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise InputError(f"{name}={getattr(self, name)}: must lie in [0, 1]")

    soft = True

    @property
    def memory(self) -> Memory:
        """The margins of the last steps."""
        return self

    def looks_ahead(self, state: PairState) -> bool:
        """Only earlier steps are asked."""
        return False

    def plan(self, state: PairState, progress: float, margins: Tensor | None) -> Plan:
        """Return the margin below which a pair is doubtful, −∞ in the first part of a run."""
        if progress < self.start or not state.recent:
            return Plan(numbers={"threshold": float("-inf")})
        seen = torch.tensor([margin for step in state.recent for margin in step], dtype=torch.float64)
        return Plan(numbers={"threshold": float(torch.quantile(seen, self.share))})

    def losses(self, pairs: PairBatch, plan: Plan) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the loss and the metrics of some pairs."""
        doubtful = pairs.doubt_margins(self.beta) < plan.numbers["threshold"]
        return spa_loss(
            pairs.margins(self.beta),
            doubtful,
            smoothing=self.smoothing,
            preference=pairs.preference,
            weights=pairs.weight,
        )

    def after(self, state: PairState, margins: Tensor) -> PairState:
        """Remember a step's margins, and forget the oldest beyond the window."""
        return PairState((*state.recent, tuple(margins.tolist()))[-self.window :], state.multiplier)
