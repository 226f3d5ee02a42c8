"""The Stackelberg equilibrium: the Leader commits, the Follower sees the action and replies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slhf.games.game import Game, game
from slhf.games.gaps import Gaps, Replies, gaps_of
from slhf.games.preference_matrix import actions_first, blocks, part, stretches
from slhf.games.simplex import TIE, Array, reply


@dataclass(frozen=True, eq=False)
class StackelbergEquilibrium:
    """A Stackelberg equilibrium with its certificate.

    Attributes:
        leader: π*(y | x), shape (Y,) or (X, Y).
        follower: ω*(y′ | x, y), shape (Y, Y) or (X, Y, Y).
        value: f(π*, ω*), preference, averaged over prompts.
        leader_values: v(x, y), what the Leader keeps of each action; shape (Y,) or (X, Y).
        leader_ties: how many actions share the Leader's best value, a prompt; 1 everywhere for τ_L > 0.
        follower_ties: how many replies share the Follower's best, an action; 1 everywhere for τ_F > 0.
        gaps: how far from equilibrium the two policies are; zero up to rounding.
    """

    leader: Array
    follower: Array
    value: float
    leader_values: Array
    leader_ties: NDArray[np.int64]
    follower_ties: NDArray[np.int64]
    gaps: Gaps


def follower_reply(game: Game) -> tuple[Array, Array]:
    """Return the Follower's best reply to every action, and what the Leader keeps of it.

        ω*(y′ | x, y) ∝ ω_ref(y′ | x, y) exp(−p(y ≻ y′) / τ_F)
        v(x, y)       = −τ_F log Σ_{y′} ω_ref(y′ | x, y) exp(−p(y ≻ y′) / τ_F)

    and for τ_F = 0 the actions y′ with the least p(y ≻ y′), uniformly, and that least p.

    Paper: SLHF Eq. (5), inner minimum; Proposition 1.
    Departs: Eq. (8) gives the Leader E_{ω*} p instead of v; see tests/paper/test_equation_8.py.

    Returns:
        ω*, shape (X, Y, Y), and v, shape (X, Y).
    """
    follower, values = np.empty(game.p.shape), np.empty(game.p.shape[:2])
    for block in blocks(game.prompts, game.actions):
        given, log_given = (actions_first(part(a, block)) for a in (game.ref_follower, game.log_ref_follower))
        omega, kept = reply(actions_first(-game.p[block]), given, log_given, game.tau_follower, axis=0)
        follower[block] = omega.T
        values[block] = -kept.T
    return follower, values


def stackelberg_equilibrium(
    p: ArrayLike,
    *,
    tau_leader: float = 0.0,
    tau_follower: float = 0.0,
    ref_leader: ArrayLike | None = None,
    ref_follower: ArrayLike | None = None,
    rho: ArrayLike | None = None,
) -> StackelbergEquilibrium:
    """Solve the sequential game in closed form.

        π*(y | x) ∝ π_ref(y | x) exp(v(x, y) / τ_L)
        f*        = E_x τ_L log Σ_y π_ref(y | x) exp(v(x, y) / τ_L)

    with ω* and v from :func:`follower_reply`; for τ_L = 0 the Leader plays the actions with the largest v,
    uniformly. Where a τ is 0 and actions tie, there are other equilibria with the same value.

    Paper: SLHF Eq. (5), Proposition 1, Remark 2.
    Departs: see :func:`follower_reply`.

    Args:
        p: p[x, y, y′] = P(y ≻ y′ | x), shape (Y, Y) or (X, Y, Y).
        tau_leader: τ_L ≥ 0, preference per nat.
        tau_follower: τ_F ≥ 0, preference per nat.
        ref_leader: π_ref, shape (Y,) or (X, Y); uniform if not given.
        ref_follower: ω_ref, shape (Y,), (Y, Y) or (X, Y, Y); uniform if not given.
        rho: weights of prompts, shape (X,); equal if not given.

    Raises:
        InputError: not a preference matrix, τ < 0, or a reference that does not fit.

    >>> cycle = [[0.5, 0.65, 0.4], [0.35, 0.5, 0.75], [0.6, 0.25, 0.5]]
    >>> stackelberg_equilibrium(cycle).leader
    array([1., 0., 0.])
    """
    solved = game(
        p, tau_leader=tau_leader, tau_follower=tau_follower, ref_leader=ref_leader, ref_follower=ref_follower, rho=rho
    )
    follower, values = follower_reply(solved)
    leader, worth = leader_reply(solved, values)
    return StackelbergEquilibrium(
        leader=solved.drop(leader),
        follower=solved.drop(follower),
        value=float(solved.rho @ worth),
        leader_values=solved.drop(values),
        leader_ties=solved.drop(_count_best(values, tau_leader)),
        follower_ties=solved.drop(_count_replies(follower, tau_follower)),
        gaps=gaps_of(solved, leader, follower, Replies(follower, values, leader, worth)),
    )


def leader_reply(game: Game, values: Array) -> tuple[Array, Array]:
    """Return the Leader's best distribution for given values of its actions, and what it is worth.

        π(y | x) ∝ π_ref(y | x) exp(values(x, y) / τ_L),    worth(x) = τ_L log Σ_y π_ref exp(values / τ_L)

    Returns:
        π, shape (X, Y), and its worth with the KL term taken off, shape (X,).
    """
    leader, worth = np.empty(values.shape), np.empty(values.shape[0])
    for xs in stretches(*values.shape):
        given, log_given = (actions_first(part(a, (xs,))) for a in (game.ref_leader, game.log_ref_leader))
        pi, worth[xs] = reply(actions_first(values[xs]), given, log_given, game.tau_leader, axis=0)
        leader[xs] = pi.T
    return leader, worth


def _count_best(values: Array, tau: float) -> NDArray[np.int64]:
    counts = np.ones(values.shape[:1], dtype=np.int64)
    for xs in stretches(*values.shape) if tau == 0.0 else ():
        kept = actions_first(values[xs])
        counts[xs] = (kept >= kept.max(axis=0) - TIE).sum(axis=0)
    return counts


def _count_replies(follower: Array, tau: float) -> NDArray[np.int64]:
    counts = np.ones(follower.shape[:2], dtype=np.int64)
    for block in blocks(*follower.shape[:2]) if tau == 0.0 else ():
        counts[block] = (actions_first(follower[block]) > 0.0).sum(axis=0).T
    return counts
