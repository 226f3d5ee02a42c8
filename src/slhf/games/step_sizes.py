"""Step sizes, and what multiplicative steps with them have in common."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from slhf.errors import InputError
from slhf.games.simplex import Array

Schedule = float | Callable[[int], float]
"""A step size: one number, or a function of the step t = 0, 1, 2 …"""


def schedule(eta: Schedule, name: str = "eta") -> Callable[[int], float]:
    """Return a step size as a function of t; every value is checked when it is used.

    Raises:
        InputError: a step size that is not positive and finite.
    """
    if not callable(eta):
        constant = positive(eta, name)
        return lambda _t: constant
    return lambda t: positive(eta(t), f"{name} at step {t}")


def positive(value: float, name: str) -> float:
    """Check a number that must be positive and finite.

    Raises:
        InputError: it is not.
    """
    if not (math.isfinite(value) and value > 0.0):
        raise InputError(f"{name} is {value}; give a positive, finite number")
    return float(value)


def logarithms(policy: Array, name: str) -> Array:
    """Return log-probabilities of a start without zeros.

    Raises:
        InputError: a zero, which multiplicative steps never leave.
    """
    if not policy.all():
        where = [int(k) for k in np.argwhere(policy == 0.0)[0]]
        raise InputError(
            f"{name} has a zero at {where}, which multiplicative steps never leave; start at positive probabilities"
        )
    return np.log(policy)


def tempered(logs: Array, log_ref: Array, weight: float) -> Array:
    """Return (1 − weight) logs + weight log_ref, unnormalised; where weight is 0, ``log_ref`` may be −∞.

    Raises:
        InputError: a weight of 2 or more.
    """
    if weight >= 2.0:
        raise InputError(
            f"step size times tau is {weight:.4g}; take smaller steps: from 2 on they overshoot ever further"
        )
    return (1.0 - weight) * logs + weight * log_ref if weight else logs
