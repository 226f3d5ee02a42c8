"""Learning the simultaneous game (NLHF) by self-play, step by step: endless generators of iterates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import ArrayLike

from slhf.errors import InputError
from slhf.games.dynamics import FLOOR
from slhf.games.game import distribution, reference
from slhf.games.game import tau as checked_tau
from slhf.games.oracles import Oracle, exact_oracle
from slhf.games.preference_matrix import preference_matrix
from slhf.games.simplex import Array, normalise_logs, project
from slhf.games.step_sizes import Schedule, logarithms, schedule, tempered


@dataclass(frozen=True, eq=False)
class NashIterate:
    """Where self-play stands after ``step`` steps.

    Attributes:
        step: t; 0 is the start.
        policy: π_t, shape (Y,) or (X, Y).
        average_policy: the mean of the policies played so far, the start included.
    """

    step: int
    policy: Array
    average_policy: Array


@dataclass(frozen=True, eq=False)
class _Play:
    """A checked game of one policy against itself; ``values`` is P(· ≻ π) as the oracle tells it."""

    single: bool
    tau: float
    log_ref: Array
    first: Array
    values: Callable[[Array], Array]


def self_play(
    p: ArrayLike,
    *,
    tau: float = 0.0,
    ref: ArrayLike | None = None,
    eta: Schedule = 0.1,
    start: ArrayLike | None = None,
    oracle: Oracle | None = None,
) -> Iterator[NashIterate]:
    """Follow the projected gradient against oneself: what Algorithm 1 becomes if nobody moves second.

        π ← Proj[π + η (P(· ≻ π) − τ (log π/π_ref + 1))]

    For τ = 0 and a cycle of preferences the last iterate circles for ever, while the average comes close to the
    equilibrium: after T steps its exploitability is at most 1/(ηT) + ηG²/2, G the length of the slopes. See
    docs/theory/dynamics.md. The KL term's gradient is that of :func:`slhf.games.dynamics.gradients`.

    Paper: the simultaneous counterpart of SLHF Algorithm 1, on Eq. (4).

    Args:
        p: preferences, shape (Y, Y) or (X, Y, Y).
        tau: τ ≥ 0, preference per nat.
        ref: π_ref; uniform if not given.
        eta: η, step size.
        start: π_0; the reference if not given.
        oracle: what is told of the preferences; everything if not given.

    Raises:
        InputError: as :func:`slhf.games.game.game`, or a step size that is not positive.
    """
    play, step_size = _play(p, tau, ref, start, oracle), schedule(eta)

    def points() -> Iterator[tuple[Array, Array]]:
        policy = play.first
        for t in count():
            yield policy, policy
            slope = play.values(policy)
            if play.tau:
                slope = slope - play.tau * (np.log(np.maximum(policy, FLOOR)) - play.log_ref + 1.0)
            policy = project(policy + step_size(t) * slope)

    return _numbered(play, points())


def mirror_prox(
    p: ArrayLike,
    *,
    tau: float = 0.0,
    ref: ArrayLike | None = None,
    eta: Schedule | None = None,
    start: ArrayLike | None = None,
    oracle: Oracle | None = None,
) -> Iterator[NashIterate]:
    """Look one multiplicative step ahead, and step with the values found there.

        m ∝ π^{1−ητ} π_ref^{ητ} exp(η P(· ≻ π)),    π ← ∝ π^{1−ητ} π_ref^{ητ} exp(η P(· ≻ m))

    For τ > 0 the last iterate converges linearly, KL(π* ‖ π_t) ≤ (1 − ητ)^t KL(π* ‖ π_0), for η up to the
    default. For τ = 0 it is entropic mirror-prox, whose average (that of m) is within O(1/t).

    Paper: Nemirovski 2004; with KL terms, the predictive update of Cen, Wei and Chi 2021.

    Args:
        p: preferences, shape (Y, Y) or (X, Y, Y).
        tau: τ ≥ 0, preference per nat.
        ref: π_ref; uniform if not given.
        eta: η; min{½, 1/(1 + 2τ)} if not given.
        start: π_0 without zeros; the reference if not given.
        oracle: what is told of the preferences; everything if not given.

    Raises:
        InputError: as :func:`self_play`, or a start with zeros.
    """
    play = _play(p, tau, ref, start, oracle)
    step_size, first = schedule(min(0.5, 1.0 / (1.0 + 2.0 * play.tau)) if eta is None else eta), _first_logs(play)

    def points() -> Iterator[tuple[Array, Array]]:
        logs = first
        yield np.exp(logs), np.exp(logs)
        for t in count():
            eta_t = step_size(t)
            kept = tempered(logs, play.log_ref, eta_t * play.tau)
            halfway = np.exp(normalise_logs(kept + eta_t * play.values(np.exp(logs))))
            logs = normalise_logs(kept + eta_t * play.values(halfway))
            yield np.exp(logs), halfway

    return _numbered(play, points())


def magnetic_mirror_descent(
    p: ArrayLike,
    *,
    tau: float = 0.0,
    ref: ArrayLike | None = None,
    eta: Schedule | None = None,
    start: ArrayLike | None = None,
    oracle: Oracle | None = None,
) -> Iterator[NashIterate]:
    """Take proximal steps with the reference as a magnet.

        π ← ∝ [π · π_ref^{ητ} exp(η P(· ≻ π))]^{1/(1+ητ)}

    For η ≤ 4τ, the last iterate converges linearly: KL(π* ‖ π_t) ≤ (1 + ητ)^{−t} KL(π* ‖ π_0).

    Paper: Sokota et al. 2022, with |P − ½| ≤ ½ for the smoothness.

    Args:
        p: preferences, shape (Y, Y) or (X, Y, Y).
        tau: τ ≥ 0, preference per nat.
        ref: π_ref; uniform if not given.
        eta: η; 4τ if not given, and then τ must be positive.
        start: π_0 without zeros; the reference if not given.
        oracle: what is told of the preferences; everything if not given.

    Raises:
        InputError: as :func:`self_play`, a start with zeros, or neither τ nor η.
    """
    play = _play(p, tau, ref, start, oracle)
    step_size, first = schedule(4.0 * _magnet(play, "4·tau") if eta is None else eta), _first_logs(play)

    def points() -> Iterator[tuple[Array, Array]]:
        logs = first
        for t in count():
            policy = np.exp(logs)
            yield policy, policy
            eta_t = step_size(t)
            shrink = 1.0 / (1.0 + eta_t * play.tau)
            logs = normalise_logs(tempered(logs, play.log_ref, 1.0 - shrink) + eta_t * shrink * play.values(policy))

    return _numbered(play, points())


def nash_md(
    p: ArrayLike,
    *,
    tau: float = 0.0,
    ref: ArrayLike | None = None,
    eta: Schedule | None = None,
    start: ArrayLike | None = None,
    oracle: Oracle | None = None,
) -> Iterator[NashIterate]:
    """Step from, and play against, a geometric mixture with the reference.

        μ ∝ π^{1−ητ} π_ref^{ητ},    π ← argmax_q { η P(q ≻ μ) − KL(q ‖ μ) } ∝ μ exp(η P(· ≻ μ))

    With the published steps η_t = 2/(τ (t + 2)), KL(π* ‖ π_t) ≤ 8/(τ² (t + 1)). With a constant η the last
    iterate settles at a distance from π* that shrinks with η, since its opponent μ is never π itself.

    Paper: Munos et al. 2023, Theorem 1.

    Args:
        p: preferences, shape (Y, Y) or (X, Y, Y).
        tau: τ ≥ 0, preference per nat.
        ref: π_ref; uniform if not given.
        eta: η; the published schedule if not given, and then τ must be positive.
        start: π_0 without zeros; the reference if not given.
        oracle: what is told of the preferences; everything if not given.

    Raises:
        InputError: as :func:`self_play`, a start with zeros, neither τ nor η, or (while running) ητ > 1.
    """
    play = _play(p, tau, ref, start, oracle)
    step_size, first = schedule(_published(_magnet(play, "2/(tau·(t + 2))")) if eta is None else eta), _first_logs(play)

    def points() -> Iterator[tuple[Array, Array]]:
        logs = first
        for t in count():
            yield np.exp(logs), np.exp(logs)
            eta_t = step_size(t)
            if eta_t * play.tau > 1.0:
                raise InputError(
                    f"eta at step {t} is {eta_t:.4g}; a geometric mixture needs eta ≤ 1/tau = {1 / play.tau:.4g}"
                )
            mixture = normalise_logs(tempered(logs, play.log_ref, eta_t * play.tau))
            logs = normalise_logs(mixture + eta_t * play.values(np.exp(mixture)))

    return _numbered(play, points())


def _play(p: ArrayLike, tau: float, ref: ArrayLike | None, start: ArrayLike | None, oracle: Oracle | None) -> _Play:
    checked = preference_matrix(p)
    batch = checked if checked.ndim == 3 else checked[None]
    price = checked_tau(tau)
    magnet = reference(ref, batch.shape[:2], "ref", price)
    first = magnet if start is None else distribution(start, batch.shape[:2], "start")
    ask = exact_oracle(batch) if oracle is None else oracle

    def values(opponent: Array) -> Array:
        told = ask(opponent, np.broadcast_to(opponent[:, None], batch.shape))
        return np.einsum("xyz,xz->xy", told, opponent)

    with np.errstate(divide="ignore"):
        return _Play(checked.ndim == 2, price, np.log(magnet), np.broadcast_to(first, batch.shape[:2]).copy(), values)


def _first_logs(play: _Play) -> Array:
    return logarithms(play.first, "start")


def _magnet(play: _Play, rule: str) -> float:
    if not play.tau:
        raise InputError(f"the published step size is {rule}, which needs tau > 0; pass eta")
    return play.tau


def _published(tau: float) -> Callable[[int], float]:
    return lambda t: 2.0 / (tau * (t + 2))


def _numbered(play: _Play, points: Iterator[tuple[Array, Array]]) -> Iterator[NashIterate]:
    """Number the policies and average those that were played."""
    mean = None
    for step, (policy, played) in enumerate(points):
        mean = played if mean is None else mean + (played - mean) / (step + 1)
        here, average = (policy[0], mean[0]) if play.single else (policy, mean)
        yield NashIterate(step, here, average)
