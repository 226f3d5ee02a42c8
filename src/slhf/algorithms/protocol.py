"""What the trainer asks of an algorithm; it knows nothing else about the game."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from slhf.objectives import GameBatch
from slhf.types import Match


class Algorithm(Protocol):
    """A credit rule: who plays, and what each role should learn from it."""

    @property
    def match(self) -> Match:
        """How often the Leader answers, and whom its answers meet."""
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
        """Return the loss of each role that learns (mean over prompts) and metrics, each of shape (B,)."""
        ...
