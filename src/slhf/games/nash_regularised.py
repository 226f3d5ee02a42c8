"""The Nash equilibrium for τ > 0: Newton's method on log π, from the reference or from the interior path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slhf.games.nash_interior import interior, tangent_solver
from slhf.games.simplex import Array, normalise_logs

_LARGE = 0.02
"""From this τ on the reference is near enough to begin at."""

_INSIDE = 1e-8
"""The interior path is followed to a gap of this many τ."""

_DONE = 1e-28
"""Divergence, in nats, of a policy from its own best reply at which Newton's method stops."""

_FAILED = 1e-12
"""Divergence above which a start from the reference counts as lost, and the interior path is taken."""

_STEPS = 200
"""More Newton steps than any game has needed; rounding stops hard ones earlier."""

_FORGOTTEN = 1e-100
"""Actions played less than this do not move the others."""

_LINEAR = 0.1
"""Changes of log π below this are taken from the linear system, where they are more exact than a difference."""


@dataclass(frozen=True, eq=False)
class _Point:
    logs: Array
    policy: Array
    residual: Array
    divergence: float


def regularised(skew: Array, tau: float, log_ref: Array) -> tuple[Array, int]:
    """Return the unique equilibrium for τ > 0 and how many Newton steps it took.

        π = softmax(log ref + S π / τ)

    A Newton step in log π solves (diag(1/π) − S/τ) d = −residual on directions that keep Σ π, and moves log π
    by d/π; the system's symmetric part is positive, hence it is never singular. The step is shortened until
    the divergence of π from its best reply, KL there and back, falls. For small τ the start is a point of the
    interior path, which has found out who plays at all.

    Args:
        skew: S = ½(p − pᵀ), shape (Y, Y).
        tau: τ > 0, preference per nat.
        log_ref: log ref, finite, shape (Y,).
    """
    steps = 0
    if tau >= _LARGE:
        point, steps = _newton(skew, tau, log_ref, log_ref)
        if point.divergence <= _FAILED:
            return point.policy, steps
    inside = interior(skew, tau, log_ref, gap=_INSIDE * tau)
    point, more = _newton(skew, tau, log_ref, normalise_logs(np.log(inside.policy)))
    return point.policy, steps + inside.steps + more


def _newton(skew: Array, tau: float, log_ref: Array, logs: Array) -> tuple[_Point, int]:
    point, steps, direct = _measure(skew, tau, log_ref, logs), 0, False
    while point.divergence > _DONE and steps < _STEPS:
        aim, direct = _aim(skew, tau, log_ref, point, direct)
        steps += 1
        length, found = 1.0, _measure(skew, tau, log_ref, aim)
        while found.divergence >= point.divergence and length > 1e-6:
            length *= 0.3
            found = _measure(skew, tau, log_ref, normalise_logs(point.logs + length * (aim - point.logs)))
        if not found.divergence < point.divergence:  # rounding, or a start that was too far away
            break
        point = found
    return point, steps


def _measure(skew: Array, tau: float, log_ref: Array, logs: Array) -> _Point:
    policy = np.exp(logs)
    reply = normalise_logs(log_ref + (skew @ policy) / tau)
    residual = logs - reply
    return _Point(logs, policy, residual, float((policy - np.exp(reply)) @ residual))


def _aim(skew: Array, tau: float, log_ref: Array, point: _Point, direct: bool) -> tuple[Array, bool]:
    """Return where a full Newton step leads, and whether its system had to be factorised."""
    policy = point.policy
    played = policy > _FORGOTTEN
    part = skew if played.all() else skew[np.ix_(played, played)]
    weights, rhs = policy[played] / tau, -tau * point.residual[played]
    solved = None if direct else _conjugate_gradients(part, weights, rhs, min(0.01, point.divergence))
    if solved is None:
        solved, direct = tangent_solver(part, weights)(rhs), True
    moved = np.zeros_like(policy)
    moved[played] = solved
    logs = log_ref + (skew @ (policy + moved)) / tau
    logs += policy @ (point.logs - logs)  # the free constant, so that both forms of the step agree
    near = np.abs(moved) < _LINEAR * policy
    logs[near] = point.logs[near] + moved[near] / policy[near]
    return normalise_logs(logs), direct


def _conjugate_gradients(skew: Array, weights: Array, rhs: Array, tolerance: float) -> Array | None:
    """Solve the system of :func:`tangent_solver` without factors; None if that would take longer.

    Conjugate gradients on the normal equations of I − K, K skew: (I − K)ᵀ(I − K) = I − K².
    """
    root = np.sqrt(weights)
    unit = root / np.linalg.norm(root)

    def turn(u: Array) -> Array:
        v = root * (skew @ (root * u))
        return v - unit * (unit @ v)

    left = root * rhs
    left -= unit * (unit @ left)
    solution, enough = np.zeros_like(left), tolerance**2 * (left @ left)
    slope = left + turn(left)
    along, size = slope, slope @ slope
    for _ in range(len(left) // 24):  # about the price of the factors
        if left @ left <= enough:
            return root * solution
        image = along - turn(along)
        length = size / (image @ image)
        solution += length * along
        left = left - length * image
        slope = left + turn(left)
        before, size = size, slope @ slope
        along = slope + (size / before) * along
    return root * solution if left @ left <= enough else None
