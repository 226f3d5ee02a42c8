"""What the adversary is given, checked before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slhf.errors import InputError, suggestion

Array = NDArray[np.float64]
Window = tuple[float, float] | None


def check_margins(given: ArrayLike) -> Array:
    """Return margins as float64.

    Args:
        given: ξ, nats, shape (N,), N ≥ 1.

    Raises:
        InputError: not a list of finite numbers, or none at all; names the first that is wrong.
    """
    try:
        margins = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"margins are not a list of numbers: {error}") from None
    if margins.ndim != 1:
        raise InputError(f"margins have shape {margins.shape}; give one number a pair, shape (N,)")
    if not margins.size:
        raise InputError("no margins: the adversary needs one pair or more")
    finite = np.isfinite(margins)
    if not finite.all():
        where = int(np.flatnonzero(~finite)[0])
        bad = int(margins.size - finite.sum())
        more = f", and so are {bad - 1} more" if bad > 1 else ""
        raise InputError(f"margins[{where}] is {margins[where]}{more}; leave such pairs out, or mend what made them")
    return margins


def check_window(window: tuple[float, float] | None, flip_cost: float | None) -> Window:
    """Return the window's two edges; None if margins may not be moved.

    Raises:
        InputError: not two numbers in order, or neither a window nor a cost of flips.
    """
    if window is None:
        if flip_cost is None:
            raise InputError(
                "neither a window nor a flip_cost: say what the adversary may do, "
                "window=(-2, 2) to move margins within, flip_cost=10 to flip labels, or both"
            )
        return None
    try:
        low, high = (float(edge) for edge in window)
    except (TypeError, ValueError):
        raise InputError(f"window is {window!r}; give two numbers, as in window=(-2, 2)") from None
    if not low < high:  # NaN fails it too
        raise InputError(f"window is ({low:g}, {high:g}); its lower edge comes first, as in window=(-2, 2)")
    if low == math.inf or high == -math.inf:
        raise InputError(f"window is ({low:g}, {high:g}), which holds no number")
    return low, high


def check_epsilon(epsilon: float) -> float:
    """Return ε.

    Raises:
        InputError: negative, NaN or infinite.
    """
    if not (math.isfinite(epsilon) and epsilon >= 0.0):
        raise InputError(f"epsilon is {epsilon}; it is a mean distance of margins: a finite number, 0 or more")
    return float(epsilon)


def check_flip_cost(flip_cost: float | None) -> float | None:
    """Return c, or None if labels may not be flipped.

    Raises:
        InputError: zero, negative, NaN or infinite.
    """
    if flip_cost is not None and not (math.isfinite(flip_cost) and flip_cost > 0.0):
        raise InputError(
            f"flip_cost is {flip_cost}; it is the price of one flipped label, a positive number: "
            "epsilon / flip_cost is the share of labels that may be wrong; None forbids flips"
        )
    return None if flip_cost is None else float(flip_cost)


def check_multiplier(multiplier: float) -> float:
    """Return λ.

    Raises:
        InputError: negative, NaN or infinite.
    """
    if not (math.isfinite(multiplier) and multiplier >= 0.0):
        raise InputError(f"multiplier is {multiplier}; it is a price per unit of margin: a finite number, 0 or more")
    return float(multiplier)


def check_method(method: str, known: Iterable[str]) -> str:
    """Return the name of a method.

    Raises:
        InputError: there is none of that name.
    """
    if method not in known:
        raise InputError(f"no method {method!r}; there are {', '.join(known)}.{suggestion(method, known)}")
    return method
