"""The objective both players share, evaluated from its definition."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from slhf.games.game import Game, distribution
from slhf.games.preference_matrix import blocks
from slhf.games.simplex import Array, kl_divergence


def leader_values(game: Game, follower: ArrayLike) -> Array:
    """Return what each of the Leader's actions is worth against a given Follower.

        u[x, y] = Σ_{y′} ω(y′ | x, y) p(y ≻ y′) + τ_F KL(ω(·|x, y) ‖ ω_ref(·|x, y))

    Args:
        game: the game.
        follower: ω(y′ | x, y), shape (Y, Y) or (X, Y, Y).

    Returns:
        Preference, shape (X, Y).
    """
    omega = distribution(follower, game.p.shape, "follower")
    omega, ref, log_ref = (np.broadcast_to(a, game.p.shape) for a in (omega, game.ref_follower, game.log_ref_follower))
    values = np.empty(game.p.shape[:2])
    for block in blocks(game.prompts, game.actions):
        values[block] = np.einsum("xyz,xyz->xy", omega[block], game.p[block])
        if game.tau_follower:
            values[block] += game.tau_follower * kl_divergence(omega[block], ref[block], log_ref[block])
    return values


def objective(game: Game, leader: ArrayLike, follower: ArrayLike) -> float:
    """Return f(π, ω), Eq. (5): what the Leader maximises and the Follower minimises.

        f(π, ω) = Σ_x ρ(x) [ Σ_y π(y | x) u[x, y] − τ_L KL(π(·|x) ‖ π_ref(·|x)) ]

    with u from :func:`leader_values`.

    Paper: SLHF Eq. (5).

    Args:
        game: the game.
        leader: π(y | x), shape (Y,) or (X, Y).
        follower: ω(y′ | x, y), shape (Y, Y) or (X, Y, Y).

    Returns:
        Preference; between 0 and 1 without KL terms.
    """
    pi = np.broadcast_to(distribution(leader, game.p.shape[:2], "leader"), game.p.shape[:2])
    worth = (pi * leader_values(game, follower)).sum(axis=-1)
    if game.tau_leader:
        worth = worth - game.tau_leader * kl_divergence(pi, game.ref_leader, game.log_ref_leader)
    return float(game.rho @ worth)
