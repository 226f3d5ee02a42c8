"""The sequential game: preferences, what both players pay for leaving their references, weights of prompts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slhf.errors import InputError
from slhf.games.preference_matrix import preference_matrix
from slhf.games.simplex import Array

_SUM = 1e-9
_LEAST = 1e-300


@dataclass(frozen=True, eq=False)
class Game:
    """Eq. (5) of the paper over finitely many actions, checked once and ready to compute with.

        f(π, ω) = E_x E_{y~π} [ E_{y′~ω(·|x,y)} p(y ≻ y′) + τ_F KL(ω ‖ ω_ref) ] − τ_L E_x KL(π ‖ π_ref)

    Made by :func:`game`. References are kept in a shape that broadcasts, not spread out.

    Attributes:
        p: p[x, y, y′] = P(y ≻ y′ | x), shape (X, Y, Y).
        rho: weights of the prompts, shape (X,), summing to one.
        tau_leader: τ_L, preference per nat.
        tau_follower: τ_F, preference per nat.
        ref_leader: π_ref, broadcastable to (X, Y).
        ref_follower: ω_ref, broadcastable to (X, Y, Y).
        log_ref_leader: log π_ref.
        log_ref_follower: log ω_ref.
        single: True if the game was given without an axis of prompts.
    """

    p: Array
    rho: Array
    tau_leader: float
    tau_follower: float
    ref_leader: Array
    ref_follower: Array
    log_ref_leader: Array
    log_ref_follower: Array
    single: bool

    @property
    def prompts(self) -> int:
        """X, the number of prompts."""
        return self.p.shape[0]

    @property
    def actions(self) -> int:
        """Y, the number of actions."""
        return self.p.shape[1]

    def drop(self, values: NDArray[Any]) -> Any:
        """Take the axis of prompts away again if there was none."""
        return values[0] if self.single else values


def game(
    p: ArrayLike,
    *,
    tau_leader: float = 0.0,
    tau_follower: float = 0.0,
    ref_leader: ArrayLike | None = None,
    ref_follower: ArrayLike | None = None,
    rho: ArrayLike | None = None,
) -> Game:
    """Check a game's parts and put them together.

    Args:
        p: preferences, shape (Y, Y) or (X, Y, Y).
        tau_leader: τ_L ≥ 0, preference per nat.
        tau_follower: τ_F ≥ 0, preference per nat.
        ref_leader: π_ref, shape (Y,) or (X, Y); uniform if not given.
        ref_follower: ω_ref(y′ | x, y), shape (Y,) for the same everywhere, (Y, Y) a row for each of the
            Leader's actions, or broadcastable to (X, Y, Y); uniform if not given.
        rho: weights of the prompts, shape (X,), summing to one; equal if not given.

    Raises:
        InputError: not a preference matrix, τ < 0, or a reference that is no distribution, or has a zero
            while its τ is positive.
    """
    checked = preference_matrix(p)
    batch = checked if checked.ndim == 3 else checked[None]
    prompts, actions = batch.shape[:2]
    tau_leader, tau_follower = tau(tau_leader, "tau_leader"), tau(tau_follower, "tau_follower")
    ref_l = reference(ref_leader, (prompts, actions), "ref_leader", tau_leader)
    ref_f = reference(ref_follower, (prompts, actions, actions), "ref_follower", tau_follower)
    with np.errstate(divide="ignore"):
        return Game(
            batch, _weights(rho, prompts), tau_leader, tau_follower, ref_l, ref_f, np.log(ref_l), np.log(ref_f),
            single=checked.ndim == 2,
        )  # fmt: skip


def tau(value: float, name: str = "tau") -> float:
    """Check a KL weight: finite, not negative, and not so small that 1 / τ overflows.

    Raises:
        InputError: it is negative, not finite, or positive below 1e-300.
    """
    if not (math.isfinite(value) and value >= 0.0):
        raise InputError(f"{name} is {value}; it is a price per nat: a finite number, 0 or more")
    if 0.0 < value < _LEAST:
        raise InputError(f"{name} is {value}, too small to divide by; 0 is the game without a price")
    return float(value)


def reference(given: ArrayLike | None, shape: tuple[int, ...], name: str, tau: float = 0.0) -> Array:
    """Check a reference and return it with as many axes as ``shape``, broadcastable to it.

    Args:
        given: distributions along the last axis, or None for uniform.
        shape: what it must broadcast to; the last axis is the actions.
        name: what messages call it.
        tau: the weight of the KL term it stands in; if positive, zeros are refused.

    Raises:
        InputError: wrong shape, not a distribution, or a zero that matters.
    """
    if given is None:
        return np.full((1,) * (len(shape) - 1) + shape[-1:], 1.0 / shape[-1])
    ref = distribution(given, shape, name)
    if tau > 0.0 and not ref.all():
        where = tuple(int(k) for k in np.argwhere(ref == 0.0)[0])
        raise InputError(
            f"{name}{list(where)} is 0 while its tau is {tau:g}: an action that the reference never plays costs "
            "infinitely many nats; give it a positive probability, or leave the action out of the game"
        )
    return ref / ref.sum(axis=-1, keepdims=True)  # a sum that is off by 1e-9 would be multiplied by τ = 1e8


def distribution(given: ArrayLike, shape: tuple[int, ...], name: str) -> Array:
    """Check that ``given`` holds distributions along its last axis and broadcasts to ``shape``.

    Returns:
        It, as float64, with as many axes as ``shape``.

    Raises:
        InputError: wrong shape, a negative entry or NaN, or a row that does not sum to one.
    """
    try:
        q = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is not a table of numbers, all rows equally long: {error}") from None
    q = q.reshape((1,) * (len(shape) - q.ndim) + q.shape) if q.ndim < len(shape) else q
    fits = q.ndim == len(shape) and all(n in (1, m) for n, m in zip(q.shape, shape, strict=True))
    if not fits or q.shape[-1] != shape[-1]:
        raise InputError(f"{name} has shape {np.shape(given)}, which does not fit {shape}")
    if not q.min() >= 0.0:  # NaN fails it too
        raise InputError(f"{name} has an entry of {q.min()}; probabilities are 0 or more")
    off = np.abs(q.sum(axis=-1) - 1.0)
    if not off.max() <= _SUM:
        row = tuple(int(k) for k in np.argwhere(off == off.max())[0])
        raise InputError(f"{name}: row {list(row)} sums to {q[row].sum():.10g}, not to 1; divide it by its sum")
    return q


def _weights(rho: ArrayLike | None, prompts: int) -> Array:
    if rho is None:
        return np.full(prompts, 1.0 / prompts)
    return distribution(rho, (prompts,), "rho")
