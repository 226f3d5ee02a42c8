"""Certificates: how far a pair of policies is from the Stackelberg equilibrium, and what each player loses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from slhf.games.game import Game, distribution, game
from slhf.games.preference_matrix import actions_first, blocks, part, stretches
from slhf.games.simplex import Array, regret, reply


@dataclass(frozen=True)
class Gaps:
    """What is left to gain, in preference; all three are 0 at the equilibrium and never negative.

    Attributes:
        follower: f(π, ω) − min_{ω′} f(π, ω′), what the Follower could still take.
        leader: max_{π′} min_{ω′} f(π′, ω′) − min_{ω′} f(π, ω′), what the Leader could still win against a
            perfect Follower.
        duality: max_{π′} f(π′, ω) − min_{ω′} f(π, ω′), both players' regret together; zero exactly at the
            equilibrium.
    """

    follower: float
    leader: float
    duality: float


def gaps(
    p: ArrayLike,
    leader: ArrayLike,
    follower: ArrayLike,
    *,
    tau_leader: float = 0.0,
    tau_follower: float = 0.0,
    ref_leader: ArrayLike | None = None,
    ref_follower: ArrayLike | None = None,
    rho: ArrayLike | None = None,
) -> Gaps:
    """Certify any pair of policies.

    A regularised player who plays q where q* is best loses exactly τ KL(q ‖ q*), and an unregularised one
    the distance of its mean value from the best value. Hence, with v, ω*, π* of the closed form and
    π† the Leader's best reply to ω,

        follower gap = τ_F E_{x, y~π} KL(ω ‖ ω*)          or   E_{x, y~π} E_ω [p(y ≻ y′) − min p(y ≻ ·)]
        leader gap   = τ_L E_x KL(π ‖ π*)                 or   E_x [max v − E_π v]
        duality gap  = τ_L E_x KL(π ‖ π†) + follower gap  or   E_x [max u − E_π u] + follower gap

    with u from :func:`slhf.games.objective.leader_values`.

    Args:
        p: preferences, shape (Y, Y) or (X, Y, Y).
        leader: π(y | x), shape (Y,) or (X, Y).
        follower: ω(y′ | x, y), shape (Y, Y) or (X, Y, Y).
        tau_leader: τ_L ≥ 0, preference per nat.
        tau_follower: τ_F ≥ 0, preference per nat.
        ref_leader: π_ref; uniform if not given.
        ref_follower: ω_ref; uniform if not given.
        rho: weights of prompts; equal if not given.

    Raises:
        InputError: a policy is no distribution or does not fit the game.
    """
    checked = game(
        p, tau_leader=tau_leader, tau_follower=tau_follower, ref_leader=ref_leader, ref_follower=ref_follower, rho=rho
    )
    pi = distribution(leader, checked.p.shape[:2], "leader")
    omega = distribution(follower, checked.p.shape, "follower")
    return gaps_of(checked, np.broadcast_to(pi, checked.p.shape[:2]), np.broadcast_to(omega, checked.p.shape))


class Replies(NamedTuple):
    """The best replies in closed form: what a certificate measures two policies against.

    Attributes:
        follower: ω*, shape (X, Y, Y).
        values: v, shape (X, Y).
        leader: π* against ω*, shape (X, Y).
        worth: what π* is worth, shape (X,).
    """

    follower: Array
    values: Array
    leader: Array
    worth: Array


def gaps_of(game: Game, leader: Array, follower: Array, replies: Replies | None = None) -> Gaps:
    """Certify policies that are known to be distributions of shapes (X, Y) and (X, Y, Y).

    Args:
        game: the game.
        leader: π.
        follower: ω.
        replies: the best replies, where they are known; to compute them again would give the same numbers.
    """
    given_away, kept = _follower_regrets(game, follower, replies)
    lost = float(game.rho @ np.einsum("xy,xy->x", leader, given_away))
    against_best, against_given = _leader_regrets(game, leader, kept, kept + given_away, replies)
    return Gaps(follower=lost, leader=against_best, duality=against_given + lost)


def _follower_regrets(game: Game, follower: Array, replies: Replies | None) -> tuple[Array, Array]:
    """Return the Follower's regret after each action, and v; both of shape (X, Y)."""
    lost, kept = np.empty(follower.shape[:2]), np.empty(follower.shape[:2])
    for block in blocks(game.prompts, game.actions):
        q, values = actions_first(follower[block]), actions_first(-game.p[block])
        given, log_given = (actions_first(part(a, block)) for a in (game.ref_follower, game.log_ref_follower))
        if replies is None:
            best, worth = reply(values, given, log_given, game.tau_follower, axis=0)
        else:
            best, worth = actions_first(replies.follower[block]), actions_first(-replies.values[block])
        kept[block] = -worth.T
        lost[block] = regret(q, values, log_given, best, worth, game.tau_follower, axis=0).T
    return lost, kept


def _leader_regrets(
    game: Game, leader: Array, kept: Array, earned: Array, replies: Replies | None
) -> tuple[float, float]:
    """Return the Leader's regret against the best Follower, and against one that lets it earn ``earned``."""
    against_best = against_given = 0.0
    for xs in stretches(*leader.shape):
        pi, v, u = (actions_first(a[xs]) for a in (leader, kept, earned))
        given, log_given = (actions_first(part(a, (xs,))) for a in (game.ref_leader, game.log_ref_leader))
        if replies is None:
            best, worth = reply(v, given, log_given, game.tau_leader, axis=0)
        else:
            best, worth = actions_first(replies.leader[xs]), replies.worth[xs]
        lost = float(game.rho[xs] @ regret(pi, v, log_given, best, worth, game.tau_leader, axis=0))
        against_best += lost
        if not np.array_equal(u, v):  # equal where the Follower's regret is below the last bit of what is kept
            best, worth = reply(u, given, log_given, game.tau_leader, axis=0)
            lost = float(game.rho[xs] @ regret(pi, u, log_given, best, worth, game.tau_leader, axis=0))
        against_given += lost
    return against_best, against_given
