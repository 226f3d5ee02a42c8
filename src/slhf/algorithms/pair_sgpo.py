"""SGPO: pairs weighed by an adversary that may move their margins, or flip their labels, within a budget."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import softplus

from slhf.algorithms.checks import check_counts, check_positive
from slhf.algorithms.pair_protocol import Memory, PairState, Plan
from slhf.errors import InputError, suggestion
from slhf.objectives.multiplier import LearnedMultiplier, RecentMultiplier
from slhf.objectives.pair_batch import PairBatch
from slhf.objectives.pairwise import adversary_loss
from slhf.objectives.robust import dual_loss, exact_multiplier, torch_adversary
from slhf.robust.checks import check_epsilon, check_flip_cost, check_window

Window = tuple[float, float]

Multiplier = Literal["exact", "learned"]
"""``exact``: λ* over the margins of recent steps; ``learned``: λ follows the dual loss's own gradient."""


@dataclass(frozen=True)
class SGPO:
    """Stackelberg game preference optimisation: the Leader against the worst law of margins, solved exactly.

    The adversary meets the margins of one whole optimiser step, over all micro-batches and processes, so that how a
    step is cut changes nothing. Where a step is more than one piece its pairs are scored twice, first without a
    gradient. Rows' weights multiply the pairs' gradients; the adversary itself counts every pair once.

    Paper: arXiv 2502.18099 (SGPO); see ``slhf.robust.adversary`` for the exact solution and what it departs in.

    Attributes:
        beta: β > 0, KL weight.
        window: (a, b), between which margins may be moved, in β nats; all robustness comes from it.
        epsilon: ε ≥ 0, mean distance margins may be moved; 0 is DPO.
    """

    beta: float = 0.1
    window: Window = (-2.0, 2.0)
    epsilon: float = 0.01

    def __post_init__(self) -> None:
        check_positive(self, "beta")
        object.__setattr__(self, "window", check_window(self.window, None))
        check_epsilon(self.epsilon)

    soft = False

    @property
    def memory(self) -> Memory:
        """The whole step's margins."""
        return WholeStep(self.window, self.epsilon, None)

    def losses(self, pairs: PairBatch, plan: Plan) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the loss and the metrics of some pairs."""
        return planned_loss(pairs.margins(self.beta), pairs.weight, plan)


@dataclass(frozen=True)
class Flip:
    """DPO against an adversary that may flip labels, at a cost, and move margins where there is a window.

    The adversary meets one whole optimiser step, as :class:`SGPO`'s does.
    Flips alone turn the labels of the largest margins: a guard against over-confidence that needs no window.

    Attributes:
        beta: β > 0, KL weight.
        epsilon: ε ≥ 0, the budget a pair; 0 is DPO.
        flip_cost: c > 0; ε / c is the share of labels that may be flipped.
        window: (a, b), between which margins may be moved too; None if they may not.
    """

    beta: float = 0.1
    epsilon: float = 0.1
    flip_cost: float = 1.0
    window: Window | None = None

    def __post_init__(self) -> None:
        check_positive(self, "beta")
        check_flip_cost(self.flip_cost)
        object.__setattr__(self, "window", check_window(self.window, self.flip_cost))
        check_epsilon(self.epsilon)

    soft = False

    @property
    def memory(self) -> Memory:
        """The whole step's margins."""
        return WholeStep(self.window, self.epsilon, self.flip_cost)

    def losses(self, pairs: PairBatch, plan: Plan) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the loss and the metrics of some pairs."""
        return planned_loss(pairs.margins(self.beta), pairs.weight, plan)


@dataclass(frozen=True)
class SGPODual:
    """SGPO by its dual loss: no inner problem, one forward, unbiased in minibatches for a fixed λ.

    λ comes from steps before the one at hand; in the very first, from its own margins.

    Paper: arXiv 2502.18099 (SGPO); see ``slhf.objectives.robust.dual_loss``.

    Attributes:
        beta: β > 0, KL weight.
        window: (a, b), between which margins may be moved; a must be finite.
        epsilon: ε ≥ 0, mean distance margins may be moved; 0 is DPO.
        multiplier: ``exact``, over the last ``buffer`` margins, or ``learned``.
        buffer: how many margins are remembered, the newest.
        rate: step of the learned λ down the dual loss, per unit of ∂J/∂λ.
    """

    beta: float = 0.1
    window: Window = (-2.0, 2.0)
    epsilon: float = 0.01
    multiplier: Multiplier = "exact"
    buffer: int = 1024
    rate: float = 0.1

    def __post_init__(self) -> None:
        check_positive(self, "beta", "rate")
        object.__setattr__(self, "window", check_window(self.window, None))
        check_epsilon(self.epsilon)
        check_counts(self, "buffer")
        if not math.isfinite(self.window[0]):
            raise InputError(f"window={self.window}: the dual loss needs a finite lower end; without one it is DPO's")
        known = get_args(Multiplier)
        if self.multiplier not in known:
            raise InputError(
                f"multiplier={self.multiplier!r} is not one of {', '.join(known)}.{suggestion(self.multiplier, known)}"
            )

    soft = False
    extrapolation = 0.0

    @property
    def memory(self) -> Memory:
        """The margins of the last steps, or the λ they led to."""
        return self

    def looks_ahead(self, state: PairState) -> bool:
        """Only where nothing is remembered yet."""
        return state.multiplier is None

    def plan(self, state: PairState, progress: float, margins: Tensor | None) -> Plan:
        """Return λ."""
        if state.multiplier is None:
            assert margins is not None
            found = exact_multiplier(margins.double(), window=self.window, epsilon=self.epsilon)
        else:
            found = state.multiplier
        return Plan(numbers={"multiplier": found}, metrics={"pairs/multiplier": found})

    def losses(self, pairs: PairBatch, plan: Plan) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the loss and the metrics of some pairs."""
        margins, price = pairs.margins(self.beta), plan.numbers["multiplier"]
        with torch.enable_grad():
            free = margins.detach().double().requires_grad_(True)
            value = dual_loss(free, price, window=self.window, epsilon=self.epsilon)
            (slopes,) = torch.autograd.grad(value, free)
        slopes, inside = -slopes * len(margins), free.detach().clamp(*self.window)
        moved = softplus(torch.tensor(-self.window[0], dtype=inside.dtype)) - price * (inside - self.window[0])
        each = torch.maximum(softplus(-inside), moved) + price * self.epsilon  # the value, pair by pair
        loss, metrics = adversary_loss(margins, slopes, each, weights=pairs.weight)
        return loss, {**metrics, "pairs/moved": ((slopes - torch.sigmoid(-inside)).abs() > 1e-12).to(margins.dtype)}

    def after(self, state: PairState, margins: Tensor) -> PairState:
        """Remember a step's margins, and settle λ for the next step."""
        ball: dict[str, Any] = {"window": self.window, "epsilon": self.epsilon}
        if self.multiplier == "learned":
            start = self.plan(state, 0.0, margins).numbers["multiplier"]
            learned = LearnedMultiplier(**ball, step=self.rate, start=start)
            return PairState(multiplier=learned.update(margins))
        buffer = RecentMultiplier(**ball, capacity=self.buffer)
        buffer.load_state_dict({"margins": torch.tensor(sum(state.recent, ()), dtype=torch.float64)})
        found = buffer.update(margins)
        return PairState((tuple(buffer.margins.tolist()),), found)


@dataclass(frozen=True)
class WholeStep:
    """The adversary of one optimiser step's margins; remembers nothing.

    Attributes:
        window: between which margins may be moved, or None.
        epsilon: the budget a pair.
        flip_cost: what a flipped label costs, or None.
    """

    window: Window | None
    epsilon: float
    flip_cost: float | None

    extrapolation = 0.0

    def looks_ahead(self, state: PairState) -> bool:
        """Return True: one pair's weight depends on all the others' margins."""
        return True

    def plan(self, state: PairState, progress: float, margins: Tensor | None) -> Plan:
        """Return the adversary's weights of the step's pairs."""
        assert margins is not None
        worst = torch_adversary(margins.double(), window=self.window, epsilon=self.epsilon, flip_cost=self.flip_cost)
        told = {"pairs/multiplier": worst.multiplier, "pairs/moved": float(worst.moved.mean())}
        return Plan(worst.weights * len(margins), {"value": float(worst.value)}, told)

    def after(self, state: PairState, margins: Tensor) -> PairState:
        """Remember nothing."""
        return state


def planned_loss(margins: Tensor, weights: Tensor, plan: Plan) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Return the loss of some pairs under a plan that holds their weights and the step's value."""
    assert plan.slopes is not None
    return adversary_loss(margins, plan.slopes, plan.numbers["value"], weights=weights)
