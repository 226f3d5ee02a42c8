"""What the adversary may do with a pair: leave it, move its margin to an edge, flip its label, or both."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Option:
    """Something other than leaving a pair as it is.

    Attributes:
        flipped: whether the label is flipped: the loss is then ℓ(−ξ).
        edge: which edge of the window the margin is moved to: −1 the lower, +1 the upper, 0 none.
    """

    flipped: bool
    edge: int


def options_of(
    limits: tuple[float, float], window: tuple[float, float] | None, flip_cost: float | None
) -> list[Option]:
    """Return the options that can pay, without those to an edge that is infinitely far.

    A loss that never rises is not driven to the upper edge, nor one that never falls to the lower; with a
    flipped label it is the other way round.

    Args:
        limits: slopes of the loss at −∞ and +∞.
        window: a and b; None if margins are not moved.
        flip_cost: c; None if labels are not flipped.
    """
    falls, rises = limits[0] < 0.0, limits[1] > 0.0
    found = [] if flip_cost is None else [Option(flipped=True, edge=0)]
    if window is None:
        return found
    for flipped in (False,) if flip_cost is None else (False, True):
        for edge, place in zip((-1, 1), window, strict=True):
            pays = falls if (edge < 0) != flipped else rises
            if pays and math.isfinite(place):
                found.append(Option(flipped, edge))
    return found


def unbounded_rate(limits: tuple[float, float], window: tuple[float, float] | None, flip_cost: float | None) -> float:
    """Return the gain per unit of cost of a vanishing share of a pair moved infinitely far; 0 if none pays.

    max over infinite edges of −ℓ′(−∞) and ℓ′(+∞), exchanged where the label is flipped on the way
    """
    if window is None:
        return 0.0
    rates = [0.0]
    for edge, place in zip((-1, 1), window, strict=True):
        if math.isinf(place):
            plain, flipped = (-limits[0], limits[1]) if edge < 0 else (limits[1], -limits[0])
            rates += [plain] if flip_cost is None else [plain, flipped]
    return max(rates)


def costs_and_gains(
    margins: Any,
    options: Sequence[Option],
    window: tuple[float, float] | None,
    flip_cost: float | None,
    rise: Callable[[Any, Any], Any],
) -> tuple[list[Any], list[Any]]:
    """Return what each option costs and gains, a list of arrays of shape (N,) each.

        to an edge e        |ξ − e|         ℓ(e) − ℓ(ξ)
        flipped             c               ℓ(−ξ) − ℓ(ξ)
        flipped, to e       c + |ξ − e|     ℓ(−e) − ℓ(ξ)

    Args:
        margins: ξ within the window, array or tensor of shape (N,).
        options: from :func:`options_of`.
        window: a and b.
        flip_cost: c.
        rise: (to, start) → ℓ(to) − ℓ(start).
    """
    costs, gains = [], []
    for option in options:
        place = margins if option.edge == 0 or window is None else margins * 0.0 + window[option.edge > 0]
        cost = abs(margins - place) + (flip_cost if option.flipped and flip_cost is not None else 0.0)
        costs.append(cost)
        gains.append(rise(-place if option.flipped else place, margins))
    return costs, gains
