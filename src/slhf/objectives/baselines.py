"""Baselines: what is subtracted from a signal without changing its expected gradient."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from slhf.errors import InputError, suggestion

Baseline = Literal["half", "leave_one_out"]
"""``half``: ½, the value of a tie; ``leave_one_out``: mean signal of the other samples of the group."""


def check_baseline(name: str) -> None:
    """Raise an ``InputError`` with a suggestion if there is no baseline of that name."""
    known = get_args(Baseline)
    if name not in known:
        raise InputError(f"baseline={name!r} is not one of {', '.join(known)}.{suggestion(name, known)}")


def half(signal: Tensor) -> Tensor:
    """½ everywhere: centres the preference, whatever the group."""
    return torch.full_like(signal, 0.5)


def leave_one_out(signal: Tensor) -> Tensor:
    """Mean signal of the *other* samples of the same group, token position by token position.

        b[n] = (Σ_m s[m] − s[n]) / (N − 1)

    The others are drawn independently of sample n, so the baseline does not change the
    expected gradient. A group of one has no others and falls back to ½.

    Args:
        signal: (…, N, T); the group is the second last axis.

    Returns:
        The same shape.
    """
    count = signal.shape[-2]
    if count == 1:
        return half(signal)
    return (signal.sum(dim=-2, keepdim=True) - signal) / (count - 1)


def centred(signal: Tensor, group: tuple[int, int], baseline: Baseline) -> Tensor:
    """Return the signal less its baseline.

    Args:
        signal: (R, T) or (R, 1), rows nested as ``group`` says.
        group: (number of groups, N samples each); their product is R.
        baseline: ½, or the other samples of the group.

    Returns:
        The same shape.
    """
    grouped = signal.view(*group, -1)
    return (grouped - (half(grouped) if baseline == "half" else leave_one_out(grouped))).view(signal.shape)
