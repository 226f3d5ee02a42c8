"""Games to test with, and Eq. (5) in fifty digits: nothing here comes from the package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import MAX_EMAX, MIN_EMIN, Decimal, localcontext

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.special import rel_entr

Array = NDArray[np.float64]


def preferences(rng: np.random.Generator, actions: int, prompts: int | None = None, grid: int = 0) -> Array:
    """Draw preference matrices; on a grid of ``grid`` steps if given, so that ties happen."""
    raw = rng.random((prompts or 1, actions, actions))
    raw = np.round(raw * grid) / grid if grid else raw
    upper = np.triu(raw, 1)
    p = upper + np.tril(1.0 - upper.swapaxes(1, 2), -1) + 0.5 * np.eye(actions)
    return p if prompts else p[0]


def matrix(upper: NDArray[np.float64] | list[float], actions: int) -> Array:
    """The preference matrix with these entries above the diagonal, row by row."""
    p = np.full((actions, actions), 0.5)
    rows, columns = np.triu_indices(actions, 1)
    p[rows, columns] = upper
    p[columns, rows] = 1.0 - np.asarray(upper, dtype=float)
    return p


def paradox(a: float, b: float, c: float) -> Array:
    """§4.1: three types, A ≻ B ≻ C, B ≻ C ≻ A and C ≻ A ≻ B, with these shares."""
    return np.array([[0.5, 1 - b, a], [b, 0.5, 1 - c], [1 - a, c, 0.5]])


def equation_5(
    p: Array, leader: Array, follower: Array, tau_leader: float, tau_follower: float, ref_l: Array, ref_f: Array
) -> float:
    """f(π, ω) of one prompt, term by term."""
    total = 0.0
    for y, probability in enumerate(leader):
        answered = float(follower[y] @ p[y])
        total += probability * (answered + tau_follower * float(rel_entr(follower[y], ref_f[y]).sum()))
    return total - tau_leader * float(rel_entr(leader, ref_l).sum())


def nash_value(p: Array) -> float:
    """max_π min_y′ Σ_y π(y) p(y ≻ y′), by linear programming."""
    n = len(p)
    solved = linprog(
        np.r_[np.zeros(n), -1.0],
        A_ub=np.c_[-p.T, np.ones(n)],
        b_ub=np.zeros(n),
        A_eq=[np.r_[np.ones(n), 0.0]],
        b_eq=[1.0],
        bounds=[(0, None)] * n + [(None, None)],
    )
    assert solved.success
    return -solved.fun


Row = list[Decimal]


@contextmanager
def fifty_digits() -> Iterator[None]:
    """Compute with fifty digits and exponents that never overflow."""
    with localcontext() as context:
        context.prec, context.Emax, context.Emin = 50, MAX_EMAX, MIN_EMIN
        yield


def decimals(row: Array, normalise: bool = False) -> Row:
    """Floats as they are, to the last bit; divided by their exact sum if asked."""
    exact = [Decimal(float(x)) for x in row]
    return [x / sum(exact) for x in exact] if normalise else exact


def soft_reply(values: Row, ref: Row, tau: Decimal) -> tuple[Row, Decimal]:
    """ref exp(values / τ), normalised, and τ log Σ ref exp(values / τ)."""
    weights = [r * (v / tau).exp() for v, r in zip(values, ref, strict=True)]
    return [w / sum(weights) for w in weights], tau * sum(weights).ln()


def divergence(q: Row, ref: Row) -> Decimal:
    """KL(q ‖ ref)."""
    return sum((a * (a / b).ln() for a, b in zip(q, ref, strict=True) if a), Decimal(0))


def exact_equilibrium(
    p: Array, tau_leader: float, tau_follower: float, ref_l: Array, ref_f: Array
) -> tuple[Array, Array, Array, float]:
    """π*, ω*, v and f* for positive τ, in fifty digits, rounded at the end."""
    with fifty_digits():
        replies = [
            soft_reply([-x for x in decimals(row)], decimals(ref, True), Decimal(tau_follower))
            for row, ref in zip(p, ref_f, strict=True)
        ]
        values = [-worth for _, worth in replies]
        leader, value = soft_reply(values, decimals(ref_l, True), Decimal(tau_leader))
        rounded = [[float(x) for x in row] for row, _ in replies]
        return (
            np.array([float(x) for x in leader]),
            np.array(rounded),
            np.array([float(v) for v in values]),
            float(value),
        )


def exact_gaps(
    p: Array, leader: Array, follower: Array, tau_leader: float, tau_follower: float, ref_l: Array, ref_f: Array
) -> tuple[float, float, float]:
    """The Follower's, the Leader's and the duality gap of policies, from their definitions, for positive τ."""
    with fifty_digits():
        tau_l, tau_f = Decimal(tau_leader), Decimal(tau_follower)
        pi, rl = decimals(leader, True), decimals(ref_l, True)
        kept, earned = [], []
        for y, row in enumerate(p):
            omega, rf = decimals(follower[y], True), decimals(ref_f[y], True)
            kept.append(-soft_reply([-x for x in decimals(row)], rf, tau_f)[1])
            answered = sum((w * x for w, x in zip(omega, decimals(row), strict=True)), Decimal(0))
            earned.append(answered + tau_f * divergence(omega, rf))
        paid = tau_l * divergence(pi, rl)
        f = sum((a * u for a, u in zip(pi, earned, strict=True)), Decimal(0)) - paid
        worst = sum((a * v for a, v in zip(pi, kept, strict=True)), Decimal(0)) - paid
        best, against = soft_reply(kept, rl, tau_l)[1], soft_reply(earned, rl, tau_l)[1]
        return float(f - worst), float(best - worst), float(against - worst)
