"""What training can attain: the exact regularised equilibrium on the base model's own samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slhf.toy.game import preference_matrix, utilities


def _log_mean_exp(values: NDArray[np.float64]) -> NDArray[np.float64]:
    highest = values.max(axis=-1, keepdims=True)
    return np.log(np.exp(values - highest).mean(axis=-1)) + highest[..., 0]


def equilibrium(
    preferences: NDArray[np.float64], tau_leader: float, tau_follower: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Leader and Follower of the game whose references draw each sample equally often.

        v[y] = −τ_F log mean_{y′} exp(−p[y, y′] / τ_F),  ω[y, y′] ∝ exp(−p[y, y′] / τ_F),  π[y] ∝ exp(v[y] / τ_L)

    Paper: SLHF Eq. (5); equal samples stand for their reference probability.

    Args:
        preferences: p between the samples, shape (Y, Y).
        tau_leader: τ_L > 0, preference per nat.
        tau_follower: τ_F > 0, preference per nat.

    Returns:
        π of shape (Y,) and ω of shape (Y, Y), rows summing to one.
    """
    value = -tau_follower * _log_mean_exp(-preferences / tau_follower)
    leader = np.exp((value - value.max()) / tau_leader)
    logits = -preferences / tau_follower
    follower = np.exp(logits - logits.max(axis=1, keepdims=True))
    return leader / leader.sum(), follower / follower.sum(axis=1, keepdims=True)


def attainable(
    rows: Sequence[Mapping[str, Any]],
    answers: Sequence[Sequence[str]],
    *,
    tau_leader: float = 1e-3,
    tau_follower: float = 1e-3,
) -> dict[str, float]:
    """Return the win rates of the exact equilibrium on sampled answers, the mean over prompts.

    Args:
        rows: the prompts' rows.
        answers: base samples of each prompt; the more, the nearer to the base model's game.
        tau_leader: τ_L > 0, preference per nat.
        tau_follower: τ_F > 0, preference per nat.

    Returns:
        ``leader_vs_base``, ``follower_vs_base`` and ``follower_vs_leader``.
    """
    found = []
    for row, texts in zip(rows, answers, strict=True):
        p = preference_matrix(utilities(str(row["prompt"]), list(texts), row))
        leader, follower = equilibrium(p, tau_leader, tau_follower)
        refined = leader @ follower
        over_base = p.mean(axis=1)
        kept = float(leader @ (follower * p).sum(axis=1))
        found.append((float(leader @ over_base), float(refined @ over_base), 1.0 - kept))
    names = ("leader_vs_base", "follower_vs_base", "follower_vs_leader")
    return dict(zip(names, map(float, np.mean(found, axis=0)), strict=True))
