"""Ratings: one number a contender, and a warning where one number cannot say who beats whom."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, fdtrc

from slhf.evaluation.bootstrap import Bootstrap, need_prompts, quantiles, resampled_means
from slhf.evaluation.tournament import Tournament
from slhf.games import bradley_terry, has_cycle, majority_cycles
from slhf.games.bradley_terry import REGULARISATION

Array = NDArray[np.float64]

ELO = 400.0 / math.log(10.0)
"""Elo points a nat: 400 points are odds of ten to one."""

MIDDLE = 1000.0
"""The mean of all Elo ratings."""

SIGNIFICANT = 0.01
"""A misfit less likely than this is warned of."""


@dataclass(frozen=True, eq=False)
class Ratings:
    """Bradley–Terry rewards of a tournament's contenders.

    Attributes:
        names: the A contenders.
        rewards: r̂, nats, shape (A,), mean zero; σ(r̂_a − r̂_b) is the fitted rate of a against b.
        stderr: their bootstrap standard errors, nats.
        low: lower ends of the bootstrap intervals, nats.
        high: upper ends, nats.
        cycle: majorities among the contenders run in a circle.
        cycle_share: share of bootstrap resamples in which they do.
        misfit: probability of residuals as large as these if Bradley–Terry held; NaN where it cannot be
            tested (two contenders, or not more prompts than pairs to explain).
        connected: the rewards are finite without regularisation.
        warning: why the ratings mislead, in words; None where they do not.
    """

    names: tuple[str, ...]
    rewards: Array
    stderr: Array
    low: Array
    high: Array
    cycle: bool
    cycle_share: float
    misfit: float
    connected: bool
    warning: str | None

    @property
    def elo(self) -> Array:
        """The rewards on Elo's scale: mean 1000, 400 points for odds of ten to one; shape (A,)."""
        return MIDDLE + ELO * self.rewards

    def as_dict(self) -> dict[str, Any]:
        """Return the ratings, best first, on Elo's scale, with what warns of them."""
        order = np.argsort(-self.rewards, kind="stable")
        rows = [
            {
                "name": self.names[i],
                "elo": float(self.elo[i]),
                "stderr": float(ELO * self.stderr[i]),
                "low": float(MIDDLE + ELO * self.low[i]),
                "high": float(MIDDLE + ELO * self.high[i]),
            }
            for i in order
        ]
        misfit = None if math.isnan(self.misfit) else self.misfit
        told = {"cycle": self.cycle, "cycle_share": self.cycle_share, "misfit": misfit, "warning": self.warning}
        return {"ratings": rows, **told}


def ratings(played: Tournament, bootstrap: Bootstrap | None = None) -> Ratings:
    """Fit Bradley–Terry rewards to a tournament, and say where they mislead.

        r̂ = argmax_r Σ_{a ≠ b} X p̄(a, b) log σ(r_a − r_b),    X prompts, p̄ the table of means

    Rewards order all contenders in a line, so they cannot show a circle of majorities. The misfit compares
    p̄(a, b) − σ(r̂_a − r̂_b), all pairs at once, with their spread over resampled prompts (Hotelling's test with
    C(A, 2) − (A − 1) degrees of freedom).

    Paper: SLHF Eq. (2), between policies in place of answers.

    Args:
        played: the tournament.
        bootstrap: seed, resamples and level of the intervals.

    Raises:
        InputError: fewer prompts than an interval needs.
    """
    settings = bootstrap or Bootstrap()
    prompts = played.per_prompt.shape[2]
    count = prompts if played.clusters is None else len(np.unique(played.clusters))
    need_prompts(count)
    table = played.mean
    connected = bool(_connected(table[None])[0])
    fit = bradley_terry(prompts * table, regularisation=0.0 if connected else REGULARISATION)
    tables = resampled_means(played.per_prompt, played.clusters, settings)
    drawn = _refits(tables, fit.rewards, prompts, connected)
    low, high = quantiles(drawn, count, settings.level)
    misfit = _misfit(table, fit.rewards, tables, drawn, count) if connected else math.nan
    cycle, share = bool(has_cycle(_exact(table))), float(np.mean(has_cycle(_exact(tables))))
    warning = _warning(played.names, table, cycle, share, misfit, connected)
    spread = drawn.std(axis=0, ddof=1)
    return Ratings(played.names, fit.rewards, spread, low, high, cycle, share, misfit, connected, warning)


def _exact(tables: Array) -> Array:
    """Take rounding away: p + pᵀ = 1."""
    return 0.5 + 0.5 * (tables - tables.swapaxes(-1, -2))


def _refits(tables: Array, start: Array, prompts: int, connected: bool) -> Array:
    """Fit every resampled table by Newton's method, all at once, from the fit to the table itself; (B, A)."""
    count = len(start)
    penalty = np.where(_connected(tables) & connected, 0.0, REGULARISATION / prompts)
    rewards = np.repeat(start[None], len(tables), axis=0)
    for _ in range(100):
        expected = expit(rewards[:, :, None] - rewards[:, None, :])
        gradient = (tables - expected).sum(axis=2) - penalty[:, None] * rewards
        curvature = expected * (1.0 - expected)
        curvature[:, range(count), range(count)] = 0.0
        hessian = -curvature
        hessian[:, range(count), range(count)] = curvature.sum(axis=2) + penalty[:, None]
        # adding a constant to all rewards changes no likelihood; a multiple of the ones fixes that direction
        trace = np.trace(hessian, axis1=1, axis2=2)
        step = np.linalg.solve(hessian + (trace / count**2)[:, None, None], gradient[:, :, None])[:, :, 0]
        size = np.abs(step).max(axis=1, keepdims=True)
        rewards = rewards + step / np.maximum(size, 1.0)  # at most one nat at a time
        if size.max() < 1e-5:  # Newton leaves an error of about its square
            break
    return rewards - rewards.mean(axis=1, keepdims=True)


def _connected(tables: Array) -> NDArray[np.bool_]:
    """Tell for each table whether everybody has won against everybody, directly or through others; (B,)."""
    count = tables.shape[-1]
    reach = (tables > 0.0) | np.eye(count, dtype=bool)
    for _ in range(max(1, count - 1).bit_length()):
        reach = (reach.astype(np.float32) @ reach.astype(np.float32)) > 0.0
    return np.asarray(reach.all(axis=(1, 2)))


def _residuals(tables: Array, rewards: Array) -> Array:
    upper = np.triu_indices(tables.shape[-1], 1)
    fitted = expit(rewards[..., :, None] - rewards[..., None, :])
    return (tables - fitted)[..., *upper]


def _misfit(table: Array, rewards: Array, tables: Array, drawn: Array, count: int) -> float:
    players = len(rewards)
    freedom = players * (players - 1) // 2 - (players - 1)
    if freedom < 1 or count <= freedom:
        return math.nan
    found = _residuals(table, rewards)
    spread = np.cov(_residuals(tables, drawn), rowvar=False)
    values, directions = np.linalg.eigh(spread)
    along = (directions.T @ found)[-freedom:]
    statistic = float((along**2 / np.maximum(values[-freedom:], 1e-18)).sum())
    return float(fdtrc(freedom, count - freedom, statistic * (count - freedom) / (freedom * (count - 1))))


def _warning(
    names: tuple[str, ...], table: Array, cycle: bool, share: float, misfit: float, connected: bool
) -> str | None:
    said = []
    if cycle:
        found = majority_cycles(_exact(table))
        worst = max(found, key=lambda c: min(c.margins), default=None)
        circle = "" if worst is None else " (" + " ≻ ".join(names[i] for i in (*worst.actions, worst.actions[0])) + ")"
        said.append(
            f"majorities run in a circle{circle}, in {share:.0%} of the resamples: no ratings can show that, read the "
            "table"
        )
    if misfit < SIGNIFICANT:
        said.append(f"Bradley–Terry does not fit the table (p = {misfit:.1g}): read the table")
    if not connected:
        said.append("somebody never won, or never lost, against some others: the ratings are held finite by force")
    return "; ".join(said) or None
