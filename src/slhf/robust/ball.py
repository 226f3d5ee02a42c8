"""What the adversary may do, as settings of whoever trains against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from slhf.robust.checks import check_epsilon, check_flip_cost, check_window


@dataclass(frozen=True)
class Ball:
    """The laws of margins the adversary may choose from: all within ε of the observed one.

    Attributes:
        epsilon: ε ≥ 0, the mean distance margins may be moved, nats; 0 is no adversary.
        window: (a, b), between which margins may be moved, nats; None if they may not.
        flip_cost: c > 0, the distance that one flipped label costs; ε / c is the share that may be flipped. None if
            labels may not be.

    Raises:
        InputError: ε < 0, c ≤ 0, a window that is not in order, or neither a window nor a cost.

    >>> Ball(0.05, window=(-4, 4)).words()
    'margins moved within [-4, 4], ε = 0.05 a pair'
    >>> Ball(0.4, flip_cost=2).words()
    'labels flipped at a cost of 2, ε = 0.4 a pair'
    """

    epsilon: float
    window: tuple[float, float] | None = None
    flip_cost: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", check_epsilon(self.epsilon))
        object.__setattr__(self, "flip_cost", check_flip_cost(self.flip_cost))
        object.__setattr__(self, "window", check_window(self.window, self.flip_cost))

    def words(self) -> str:
        """Say what the adversary may do."""
        moves = [] if self.window is None else ["margins moved within [{:g}, {:g}]".format(*self.window)]
        flips = [] if self.flip_cost is None else [f"labels flipped at a cost of {self.flip_cost:g}"]
        return f"{' and '.join(moves + flips)}, ε = {self.epsilon:g} a pair"

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as JSON and YAML hold them."""
        window = None if self.window is None else list(self.window)
        return {"epsilon": self.epsilon, "window": window, "flip_cost": self.flip_cost}
