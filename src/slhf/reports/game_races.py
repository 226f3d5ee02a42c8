"""Dynamics of a finite game run by name and recorded, so that they can be drawn on one axis."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from slhf.errors import InputError, suggestion
from slhf.games import dynamics, nash_dynamics
from slhf.games.game import game
from slhf.games.nash import exploitability
from slhf.games.simplex import Array
from slhf.games.solve import Question
from slhf.games.stopping import average_gap, last_gap
from slhf.reports.game_figures import Curve

SEQUENTIAL: dict[str, tuple[str, Callable[..., Any]]] = {
    "algorithm1": ("Algorithm 1", dynamics.projected_gradient),
    "extragradient": ("extragradient", dynamics.extragradient),
    "optimistic": ("optimistic gradient", dynamics.optimistic),
    "mirror-descent": ("mirror descent", dynamics.mirror_descent),
}
"""Learning the sequential game; their gap is the duality gap."""

SIMULTANEOUS: dict[str, tuple[str, Callable[..., Any]]] = {
    "self-play": ("self-play", nash_dynamics.self_play),
    "mirror-prox": ("mirror-prox", nash_dynamics.mirror_prox),
    "magnetic": ("magnetic mirror descent", nash_dynamics.magnetic_mirror_descent),
    "nash-md": ("Nash-MD", nash_dynamics.nash_md),
}
"""Learning the simultaneous game; their gap is the exploitability."""

AVERAGED = ("algorithm1", "self-play")
"""Those whose guarantee is about the running average, which is recorded as well."""

DEFAULT = ("algorithm1", "mirror-descent", "self-play")

REGULARISED = ("magnetic", "nash-md")
"""Those whose published step size is a multiple, or a fraction, of τ."""

_POINTS = 300

_ETA, _KAPPA = 0.1, 5.0
"""The dynamics' own defaults; multiplicative steps need κη τ < 2, so η gets smaller for a large τ."""


def race(p: Array, question: Question, names: Sequence[str] | None = None, steps: int = 2000) -> list[Curve]:
    """Run dynamics from the reference and record where they went and how close they came.

    Args:
        p: preferences, shape (Y, Y).
        question: τ and reference of the game.
        names: keys of ``SEQUENTIAL`` and ``SIMULTANEOUS``; ``DEFAULT`` if not given.
        steps: iterations of each.

    Returns:
        One curve for each name, and one more for the running average of those in ``AVERAGED``.

    Raises:
        InputError: an unknown name, no steps, or a dynamics that needs τ > 0.
    """
    check_race(question, names, steps)
    curves: list[Curve] = []
    for name in names or DEFAULT:
        curves += (_sequential if name in SEQUENTIAL else _simultaneous)(name, p, question, steps)
    return curves


def check_race(question: Question, names: Sequence[str] | None, steps: int) -> None:
    """Refuse a race that cannot be run.

    Raises:
        InputError: an unknown name, no steps, or a dynamics that needs τ > 0.
    """
    known = [*SEQUENTIAL, *SIMULTANEOUS]
    for name in names or ():
        if name not in known:
            raise InputError(f"unknown dynamics {name!r}; there are {', '.join(known)}.{suggestion(name, known)}")
        if name in REGULARISED and not question.tau:
            raise InputError(f"dynamics {name!r} needs tau > 0, which sets its steps; give a tau, or leave it out")
    if steps < 1:
        raise InputError(f"steps is {steps}; a dynamics needs at least one step to be drawn")


def _sequential(name: str, p: Array, asked: Question, steps: int) -> list[Curve]:
    label, play = SEQUENTIAL[name]
    tau_leader = asked.tau if asked.tau_leader is None else asked.tau_leader
    tau_follower = asked.tau if asked.tau_follower is None else asked.tau_follower
    checked = game(p, tau_leader=tau_leader, tau_follower=tau_follower, ref_leader=asked.ref, ref_follower=asked.ref)
    largest = max(tau_leader, tau_follower, 1e-12)
    eta = min(_ETA, 1.0 / (_KAPPA * largest)) if name == "mirror-descent" else _ETA
    seen = _recorded(play(checked, eta=eta, kappa=_KAPPA), steps)
    curves = [_curve(label, seen, lambda point: point.leader, last_gap(checked))]
    if name in AVERAGED:
        curves.append(_curve(f"{label}, average", seen, lambda point: point.average_leader, average_gap(checked)))
    return curves


def _simultaneous(name: str, p: Array, asked: Question, steps: int) -> list[Curve]:
    label, play = SIMULTANEOUS[name]

    def gap(policy: Array) -> float:
        return float(exploitability(p, policy, tau=asked.tau, ref=asked.ref))

    seen = _recorded(play(p, tau=asked.tau, ref=asked.ref), steps)
    curves = [_curve(label, seen, lambda point: point.policy, lambda point: gap(point.policy))]
    if name in AVERAGED:
        label = f"{label}, average"
        curves.append(_curve(label, seen, lambda point: point.average_policy, lambda point: gap(point.average_policy)))
    return curves


def _recorded(iterates: Iterable[Any], steps: int) -> list[Any]:
    """Keep about 600 iterates: evenly spaced for the path, evenly on a log axis for the curve."""
    kept = {0, steps, *range(0, steps, max(1, steps // _POINTS))}
    kept |= set(np.unique(np.geomspace(1, steps, _POINTS).round().astype(int)).tolist())
    seen = []
    for point in iterates:
        if point.step in kept:
            seen.append(point)
        if point.step >= steps:
            break
    return seen


def _curve(label: str, seen: Sequence[Any], policy: Callable[[Any], Array], gap: Callable[[Any], float]) -> Curve:
    return Curve(
        label,
        np.array([point.step for point in seen], dtype=np.float64),
        np.array([gap(point) for point in seen]),
        np.stack([policy(point) for point in seen]),
    )
