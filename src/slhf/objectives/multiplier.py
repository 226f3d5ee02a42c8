"""Where the dual loss gets its multiplier λ: exact over recent margins, or learned step by step."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from slhf.errors import InputError
from slhf.objectives.robust import dual_loss, exact_multiplier


class RecentMultiplier:
    """λ exact over the most recent margins: a minibatch alone is too few to tell the worst few per cent.

    Older margins are those of an older policy, so λ lags by the buffer's length; it is exact for what it holds.

    Args:
        window: as for :func:`slhf.objectives.robust.torch_adversary`.
        epsilon: ε ≥ 0, nats.
        flip_cost: c > 0, or None.
        capacity: how many margins are kept, the newest.

    Raises:
        InputError: capacity below 1.
    """

    def __init__(
        self,
        *,
        window: tuple[float, float] | None,
        epsilon: float,
        flip_cost: float | None = None,
        capacity: int = 4096,
    ) -> None:
        if capacity < 1:
            raise InputError(f"capacity is {capacity}; the buffer holds one margin or more")
        self.window, self.epsilon, self.flip_cost, self.capacity = window, epsilon, flip_cost, capacity
        self.margins = torch.zeros(0, dtype=torch.float64)

    def update(self, margins: Tensor) -> float:
        """Take in margins, shape (B,), forget the oldest beyond the capacity, and return λ* over what is held."""
        newest = margins.detach().to("cpu", torch.float64)
        self.margins = torch.cat([self.margins, newest])[-self.capacity :]
        return exact_multiplier(self.margins, window=self.window, epsilon=self.epsilon, flip_cost=self.flip_cost)

    def state_dict(self) -> dict[str, Tensor]:
        """Return what a checkpoint needs: the margins held."""
        return {"margins": self.margins.clone()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a checkpoint's margins."""
        self.margins = state["margins"].to("cpu", torch.float64)[-self.capacity :].clone()


class LearnedMultiplier:
    """λ by projected gradient descent on the dual loss, one step a minibatch.

        λ ← max(0, λ − η ∂J/∂λ),    ∂J/∂λ = ε − mean cost of what the adversary does at λ

    Args:
        window: as for :func:`slhf.objectives.robust.torch_adversary`; with finite edges.
        epsilon: ε ≥ 0, nats.
        flip_cost: c > 0, or None.
        step: η > 0, nats per unit of margin for one unit of mean cost.
        start: λ before the first step.

    Raises:
        InputError: η is not positive.
    """

    def __init__(
        self,
        *,
        window: tuple[float, float] | None,
        epsilon: float,
        flip_cost: float | None = None,
        step: float = 0.1,
        start: float = 0.5,
    ) -> None:
        if not step > 0.0:
            raise InputError(f"step is {step}; the step size of the multiplier is positive")
        self.window, self.epsilon, self.flip_cost, self.step = window, epsilon, flip_cost, step
        self.multiplier = float(start)

    def update(self, margins: Tensor) -> float:
        """Take one step on margins, shape (B,), and return the new λ."""
        at = torch.tensor(self.multiplier, dtype=torch.float64, requires_grad=True)
        with torch.enable_grad():
            loss = dual_loss(
                margins.detach().to("cpu", torch.float64),
                at,
                window=self.window,
                epsilon=self.epsilon,
                flip_cost=self.flip_cost,
            )
        (slope,) = torch.autograd.grad(loss, at)
        self.multiplier = max(0.0, self.multiplier - self.step * float(slope))
        return self.multiplier

    def state_dict(self) -> dict[str, Tensor]:
        """Return what a checkpoint needs: λ."""
        return {"multiplier": torch.tensor(self.multiplier, dtype=torch.float64)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a checkpoint's λ."""
        self.multiplier = float(state["multiplier"])
