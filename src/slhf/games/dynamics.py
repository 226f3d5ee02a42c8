"""Learning the sequential game step by step: endless generators of iterates, numbered as in the paper."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import ArrayLike

from slhf.games.game import Game, distribution
from slhf.games.oracles import Oracle, exact_oracle
from slhf.games.simplex import Array, kl_divergence, normalise_logs, project
from slhf.games.step_sizes import Schedule, logarithms, positive, schedule, tempered

Pair = tuple[Array, Array]
"""The Leader's (X, Y) and the Follower's (X, Y, Y): policies, or gradients."""

FLOOR = 1e-12
"""The gradient of a KL term is infinite at zero; it is taken as if no probability were below this."""


STARTS = "start of the leader", "start of the follower"
"""What messages call the policies a dynamics begins with."""


@dataclass(frozen=True, eq=False)
class Iterate:
    """Where both players stand after ``step`` steps.

    Attributes:
        step: t; 0 is the start.
        leader: π_t, shape (Y,) or (X, Y).
        follower: ω_t, shape (Y, Y) or (X, Y, Y).
        average_leader: the plain mean of the policies played so far, the start included.
        average_follower: likewise, row by row. *Not* weighted by how often the Leader played the row: f is
            concave in π and convex in ω, so the plain means inherit both players' regrets, and with them the
            duality gap goes to zero. Weighted rows remember a bad reply to an action the Leader gave up
            early, and their gap need not.
    """

    step: int
    leader: Array
    follower: Array
    average_leader: Array
    average_follower: Array


def gradients(game: Game, leader: Array, follower: Array, preferences: Array | None = None) -> Pair:
    """Return the gradient of f given x: upwards for the Leader, downwards for the Follower.

        ∂f/∂π(y)     = Σ_{y′} ω(y′|y) p(y ≻ y′) + τ_F KL(ω(·|y) ‖ ω_ref(·|y)) − τ_L [log π(y)/π_ref(y) + 1]
        ∂f/∂ω(y′|y)  = π(y) [ p(y ≻ y′) + τ_F (log ω(y′|y)/ω_ref(y′|y) + 1) ]

    Given x: every prompt is a game of its own, and is learnt at the same speed whatever its weight. The
    gradient of Eq. (5) itself is ρ(x) times this. Inside the logarithms of the KL terms' gradients,
    probabilities below 1e-12 count as 1e-12.

    Paper: SLHF Eq. (5).

    Args:
        game: the game.
        leader: π, shape (X, Y).
        follower: ω, shape (X, Y, Y).
        preferences: what is believed of p, shape (X, Y, Y); the truth if not given.

    Returns:
        Gradients of shapes (X, Y) and (X, Y, Y), preference.
    """
    p = game.p if preferences is None else preferences
    upwards = _worth(game, follower, p)
    if game.tau_leader:
        upwards = upwards - game.tau_leader * (_log(leader) - game.log_ref_leader + 1.0)
    downwards = p if not game.tau_follower else p + game.tau_follower * (_log(follower) - game.log_ref_follower + 1.0)
    return upwards, leader[..., None] * downwards


def projected_gradient(
    game: Game,
    *,
    eta: Schedule = 0.1,
    kappa: float = 5.0,
    start: tuple[ArrayLike, ArrayLike] | None = None,
    oracle: Oracle | None = None,
) -> Iterator[Iterate]:
    """Play Algorithm 1: both players follow the gradient and are projected back on the simplex.

        π ← Proj[π + η ∂f/∂π],    ω ← Proj[ω − κη ∂f/∂ω]

    For τ = 0 the last iterate's gap goes to zero for every step size (docs/theory/dynamics.md). For τ > 0
    the KL terms curve like τ/q, so a probability that is q at the equilibrium settles only if its step
    size is below 2q/τ: small policies need small steps, which :func:`mirror_descent` does not.

    Paper: SLHF Algorithm 1, Eq. (5).

    Args:
        game: the game.
        eta: η, the Leader's step size.
        kappa: κ, how much larger the Follower's is.
        start: π_0 and ω_0; the references if not given.
        oracle: what is told of the preferences; everything if not given.

    Raises:
        InputError: a step size or κ that is not positive, or a start that is no distribution.
    """
    step_size, first, gradient = schedule(eta), _start(game, start), _gradient(game, oracle)
    positive(kappa, "kappa")

    def points() -> Iterator[tuple[Pair, Pair]]:
        here = first
        for t in count():
            yield here, here
            here = _move(here, gradient(here), step_size(t), kappa)

    return _numbered(game, points())


def extragradient(
    game: Game,
    *,
    eta: Schedule = 0.1,
    kappa: float = 5.0,
    start: tuple[ArrayLike, ArrayLike] | None = None,
    oracle: Oracle | None = None,
) -> Iterator[Iterate]:
    """Look one projected step ahead, and step with the gradient found there.

        m = Proj[z ± η ∂f(z)],    z ← Proj[z ± η ∂f(m)]

    The averages are those of m, whose regret is the small one. Two gradients a step. Step sizes must be half
    as large as for :func:`projected_gradient`: below q/τ, q the least probability at the equilibrium.

    Paper: Korpelevich 1976, on SLHF Eq. (5).

    Args:
        game: the game.
        eta: η, the Leader's step size.
        kappa: κ, how much larger the Follower's is.
        start: π_0 and ω_0; the references if not given.
        oracle: what is told of the preferences; everything if not given.

    Raises:
        InputError: as :func:`projected_gradient`.
    """
    step_size, first, gradient = schedule(eta), _start(game, start), _gradient(game, oracle)
    positive(kappa, "kappa")

    def points() -> Iterator[tuple[Pair, Pair]]:
        here = ahead = first
        for t in count():
            yield here, ahead
            ahead = _move(here, gradient(here), step_size(t), kappa)
            here = _move(here, gradient(ahead), step_size(t), kappa)

    return _numbered(game, points())


def optimistic(
    game: Game,
    *,
    eta: Schedule = 0.1,
    kappa: float = 5.0,
    start: tuple[ArrayLike, ArrayLike] | None = None,
    oracle: Oracle | None = None,
) -> Iterator[Iterate]:
    """Look ahead with the gradient of the previous look ahead: extragradient for one gradient a step.

        m_t = Proj[z_t ± η ∂f(m_{t−1})],    z_{t+1} = Proj[z_t ± η ∂f(m_t)],    m_{−1} = z_0

    The averages are those of m. Step sizes: as for extragradient, somewhat smaller.

    Paper: Popov 1980; Rakhlin and Sridharan 2013; on SLHF Eq. (5).

    Args:
        game: the game.
        eta: η, the Leader's step size.
        kappa: κ, how much larger the Follower's is.
        start: π_0 and ω_0; the references if not given.
        oracle: what is told of the preferences; everything if not given.

    Raises:
        InputError: as :func:`projected_gradient`.
    """
    step_size, first, gradient = schedule(eta), _start(game, start), _gradient(game, oracle)
    positive(kappa, "kappa")

    def points() -> Iterator[tuple[Pair, Pair]]:
        here = ahead = first
        slope = None
        for t in count():
            yield here, ahead
            slope = gradient(first) if slope is None else slope
            ahead = _move(here, slope, step_size(t), kappa)
            slope = gradient(ahead)
            here = _move(here, slope, step_size(t), kappa)

    return _numbered(game, points())


def mirror_descent(
    game: Game,
    *,
    eta: Schedule = 0.1,
    kappa: float = 5.0,
    start: tuple[ArrayLike, ArrayLike] | None = None,
    oracle: Oracle | None = None,
) -> Iterator[Iterate]:
    """Take multiplicative steps, in the geometry of entropy: the last iterate converges linearly.

        log ω ← (1 − κη τ_F) log ω + κη τ_F log ω_ref − κη p(y ≻ ·)                    (then normalise)
        log π ← (1 − η τ_L) log π + η τ_L log π_ref + η [Σ ω p(y ≻ ·) + τ_F KL(ω ‖ ω_ref)]

    Constants aside, log ω − log ω* shrinks by 1 − κη τ_F a step, whatever the Leader does; log π − log π*
    by the larger of 1 − η τ_L and (1 − κη τ_F)². Proof: docs/theory/dynamics.md. Every row of ω learns at
    the same speed: its gradient is not multiplied by π(y), as it is in :func:`gradients`.

    Paper: answers SLHF's question about the last iterate, for tables.

    Args:
        game: the game.
        eta: η, the Leader's step size.
        kappa: κ, how much larger the Follower's is.
        start: π_0 and ω_0, without zeros; the references if not given.
        oracle: what is told of the preferences; everything if not given.

    Raises:
        InputError: a step size or κ that is not positive, a start with zeros, or (while running) a step
            size times τ of 2 or more, with which the policies would swing ever further.
    """
    step_size, first, ask = schedule(eta), _start(game, start), _ask(game, oracle)
    positive(kappa, "kappa")
    logs = tuple(logarithms(policy, name) for policy, name in zip(first, STARTS, strict=True))

    def points() -> Iterator[tuple[Pair, Pair]]:
        log_leader, log_follower = logs
        for t in count():
            here = np.exp(log_leader), np.exp(log_follower)
            yield here, here
            p, slow, fast = ask(*here), step_size(t), kappa * step_size(t)
            worth = _worth(game, here[1], p)
            log_leader = tempered(log_leader, game.log_ref_leader, slow * game.tau_leader) + slow * worth
            log_follower = tempered(log_follower, game.log_ref_follower, fast * game.tau_follower) - fast * p
            log_leader, log_follower = normalise_logs(log_leader), normalise_logs(log_follower)

    return _numbered(game, points())


def _worth(game: Game, follower: Array, p: Array) -> Array:
    worth = np.einsum("xyz,xyz->xy", follower, p)
    if game.tau_follower:
        worth = worth + game.tau_follower * kl_divergence(follower, game.ref_follower, game.log_ref_follower)
    return worth


def _log(policy: Array) -> Array:
    return np.log(np.maximum(policy, FLOOR))


def _ask(game: Game, oracle: Oracle | None) -> Oracle:
    return exact_oracle(game.p) if oracle is None else oracle


def _gradient(game: Game, oracle: Oracle | None) -> Callable[[Pair], Pair]:
    ask = _ask(game, oracle)
    return lambda here: gradients(game, *here, ask(*here))


def _move(here: Pair, slope: Pair, eta: float, kappa: float) -> Pair:
    return project(here[0] + eta * slope[0]), project(here[1] - eta * kappa * slope[1])


def _start(game: Game, start: tuple[ArrayLike, ArrayLike] | None) -> Pair:
    leader, follower = (game.ref_leader, game.ref_follower) if start is None else start
    pi = distribution(leader, game.p.shape[:2], STARTS[0])
    omega = distribution(follower, game.p.shape, STARTS[1])
    return np.broadcast_to(pi, game.p.shape[:2]).copy(), np.broadcast_to(omega, game.p.shape).copy()


def _numbered(game: Game, points: Iterator[tuple[Pair, Pair]]) -> Iterator[Iterate]:
    """Number the points where the players stand and average those they played."""
    means: Pair | None = None
    for step, (here, played) in enumerate(points):
        if means is None:
            means = played
        else:
            means = means[0] + (played[0] - means[0]) / (step + 1), means[1] + (played[1] - means[1]) / (step + 1)
        yield Iterate(step, *(game.drop(policy) for policy in (*here, *means)))
