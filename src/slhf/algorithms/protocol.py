"""What the trainer asks of an algorithm; it knows nothing else about the game."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from slhf.objectives import GameBatch


class Algorithm(Protocol):
    """A credit rule: how many samples it wants, and what each role should learn from them."""

    @property
    def leader_samples(self) -> int:
        """G, Leader answers a prompt."""
        ...

    @property
    def follower_samples(self) -> int:
        """F, refinements an answer."""
        ...

    @property
    def exact_kl(self) -> bool:
        """True if the losses need the full-vocabulary KL at each token."""
        ...

    @property
    def role_weights(self) -> Mapping[str, float]:
        """How strongly each role learns: a loss weight for shared weights, else a learning-rate ratio."""
        ...

    def losses(self, batch: GameBatch) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        """Return each role's loss (mean over prompts) and metrics, each of shape (B,)."""
        ...
