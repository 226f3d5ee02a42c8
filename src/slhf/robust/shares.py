"""From steps bought to shares of each pair: how much of it stays, is moved, is flipped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from slhf.robust.hull import Step
from slhf.robust.options import Option


def step_shares(steps: Sequence[Step], multiplier: float, share: float) -> list[Any]:
    """Return which share of every step is bought: 1 above λ*, ``share`` at λ*, 0 below; arrays or tensors."""
    shares = []
    for step in steps:
        one = step.rate * 0.0 + 1.0  # of the rates' precision, which a comparison times a number would not be
        shares.append(one * (step.rate > multiplier) + one * share * (step.rate == multiplier))
    return shares


def option_shares(
    options: Sequence[Option], steps: Sequence[Step], shares: Sequence[Any], margins: Any
) -> tuple[Any, list[Any]]:
    """Return which share of each pair stays, and which is in each option; together they are one.

    P(option reached by step j) = share_j − share_{j+1},    P(stay) = 1 − share_1
    """
    zero = margins * 0.0
    taken = [zero for _ in options]
    for j, step in enumerate(steps):
        left = shares[j] - (shares[j + 1] if j + 1 < len(steps) else 0.0)
        taken = [had + left * (step.option == o) for o, had in enumerate(taken, start=1)]
    return (1.0 - shares[0] if steps else zero + 1.0), taken


def settle_edges(
    kept: Any,
    taken: Sequence[Any],
    options: Sequence[Option],
    margins: Any,
    edge_rates: Sequence[float],
    window: tuple[float, float],
    multiplier: float,
) -> tuple[Any, list[Any]]:
    """Count a pair that stands on an edge as moved there, where one a little inside it would be moved.

    The way is of length zero, so neither cost nor loss changes. The weight does: it becomes λ*, that of the
    neighbours inside, and not DPO's.

    Args:
        kept: share that stays, shape (N,).
        taken: share in each option.
        options: what the shares are of.
        margins: ξ, shape (N,).
        edge_rates: for each option what the last bit of the way to its edge pays.
        window: a and b.
        multiplier: λ*.
    """
    taken = list(taken)
    plain_flip = next((o for o, option in enumerate(options) if option.flipped and not option.edge), None)
    for o, option in enumerate(options):
        if not option.edge or edge_rates[o] <= multiplier:
            continue
        there = (margins == window[option.edge > 0]) * 1.0
        source = taken[plain_flip] if option.flipped and plain_flip is not None else kept
        taken[o] = taken[o] + there * source
        if option.flipped and plain_flip is not None:
            taken[plain_flip] = source - there * source
        else:
            kept = source - there * source
    return kept, taken
