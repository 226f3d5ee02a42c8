"""What the pair trainer asks of a loss: settings, one step's loss, and what is remembered between steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

from slhf.objectives.pair_batch import PairBatch


@dataclass(frozen=True)
class PairState:
    """What a loss remembers from step to step; a checkpoint keeps it as JSON.

    Attributes:
        recent: margins of recent steps, oldest first, one tuple a step.
        multiplier: λ where it is learned; None before the first step.
    """

    recent: tuple[tuple[float, ...], ...] = ()
    multiplier: float | None = None

    def plain(self) -> dict[str, Any]:
        """Return the state as JSON can hold it."""
        return {"recent": [list(step) for step in self.recent], "multiplier": self.multiplier}

    @classmethod
    def restored(cls, plain: Mapping[str, Any]) -> PairState:
        """Return the state that :meth:`plain` wrote."""
        return cls(tuple(tuple(step) for step in plain["recent"]), plain["multiplier"])


@dataclass(frozen=True)
class Plan:
    """What is settled once an optimiser step, before any gradient is taken.

    Attributes:
        slopes: (N,) weight of each pair of the step under the adversary; None without one.
        numbers: thresholds, multipliers and values, by name.
        metrics: what to log of the step as a whole.
    """

    slopes: Tensor | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)

    def part(self, places: Sequence[int]) -> Plan:
        """Return the plan of some of the step's pairs."""
        return self if self.slopes is None else Plan(self.slopes[list(places)], self.numbers, self.metrics)


class Memory(Protocol):
    """How a loss looks at more than one pair: at the whole step, or at steps before."""

    @property
    def extrapolation(self) -> float:
        """How far the policy is extrapolated from its reference to tell doubtful pairs; 0: not at all."""
        ...

    def looks_ahead(self, state: PairState) -> bool:
        """True if the plan needs the margins of all the step's pairs before any gradient."""
        ...

    def plan(self, state: PairState, progress: float, margins: Tensor | None) -> Plan:
        """Settle what the step's loss needs to be told.

        Args:
            state: what is remembered.
            progress: share of the run's steps that are done, [0, 1).
            margins: (N,) of the whole step, no gradient; None unless it looks ahead.
        """
        ...

    def after(self, state: PairState, margins: Tensor) -> PairState:
        """Return what is remembered after a step.

        Args:
            state: what was remembered before it.
            margins: (N,) of the whole step, by which doubtful pairs are told, no gradient.
        """
        ...


class PairLoss(Protocol):
    """A loss of preference pairs with its settings."""

    @property
    def beta(self) -> float:
        """β > 0, what scales log-ratios to margins."""
        ...

    @property
    def soft(self) -> bool:
        """True if preferences other than 1 mean something to it."""
        ...

    @property
    def memory(self) -> Memory | None:
        """How it looks beyond one pair; None if every pair is for itself."""
        ...

    def losses(self, pairs: PairBatch, plan: Plan) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the weighted mean loss of some pairs and metrics, (B,) each."""
        ...
