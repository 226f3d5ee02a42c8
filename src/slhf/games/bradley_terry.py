"""Bradley–Terry: one reward an action, fitted to who beat whom by maximum likelihood."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse.csgraph import connected_components
from scipy.special import expit, log_expit

from slhf.errors import InputError
from slhf.games.preference_matrix import preference_matrix
from slhf.games.simplex import Array

log = logging.getLogger(__name__)

REGULARISATION = 1e-2
"""λ where the data alone have no maximum: weak against a single comparison, whose curvature is up to ¼."""

_DONE = 1e-7
"""A Newton step this short leaves an error of about its square."""

_STEPS = 1000


@dataclass(frozen=True, eq=False)
class BradleyTerry:
    """Rewards fitted to comparisons.

    Attributes:
        rewards: r̂, shape (Y,), mean zero; σ(r̂(y) − r̂(y′)) is the fitted P(y ≻ y′).
        connected: True if the data alone have a maximum: whichever way the actions are split in two, each
            side has beaten the other at least once.
        regularisation: λ, the weight of ½ ‖r‖² that was taken off the likelihood; 0 for plain maximum likelihood.
        log_likelihood: Σ wins(y, y′) log σ(r̂(y) − r̂(y′)), nats, without the regularisation.
        gradient: the largest partial derivative left, wins: the fit's certificate.
        iterations: Newton steps taken.
    """

    rewards: Array
    connected: bool
    regularisation: float
    log_likelihood: float
    gradient: float
    iterations: int


def bradley_terry(wins: ArrayLike, *, regularisation: float | None = None) -> BradleyTerry:
    """Fit Bradley–Terry rewards by maximum likelihood.

        r̂ = argmax_r Σ_{y ≠ y′} wins(y, y′) log σ(r(y) − r(y′)) − ½ λ Σ_y r(y)²,    Σ_y r̂(y) = 0

    Newton's method on a concave function. The maximum exists for λ = 0 only where the comparisons are
    strongly connected; elsewhere λ = 0.01 is used, a warning is logged and the result says so.

    Paper: SLHF Eq. (2).

    Args:
        wins: wins[y, y′], how often y beat y′, shape (Y, Y); fractions count as they are, the diagonal does not.
        regularisation: λ ≥ 0; None for 0 where that has a maximum, and 0.01 elsewhere.

    Raises:
        InputError: not a square table of counts, or λ = 0 asked for where there is no maximum.

    >>> fit = bradley_terry([[0, 3], [1, 0]])
    >>> fit.rewards[0] - fit.rewards[1] - np.log(3) < 1e-12
    np.True_
    """
    counts = _checked(wins)
    connected = connected_components(counts > 0.0, directed=True, connection="strong")[0] == 1
    if regularisation is None:
        regularisation = 0.0 if connected else REGULARISATION
        if not connected:
            log.warning(
                "Bradley–Terry: some actions never lost to, or never met, some others, so the likelihood has no "
                "maximum; fitted with regularisation %g instead. More comparisons would settle it.",
                regularisation,
            )
    elif not 0.0 <= regularisation < np.inf:
        raise InputError(f"regularisation is {regularisation}; it is a finite number, 0 or more")
    elif regularisation == 0.0 and not connected:
        raise InputError(
            "the likelihood has no maximum: some actions never lost to, or never met, some others; add comparisons, "
            "or give a positive regularisation"
        )
    return _fit(counts, connected, float(regularisation))


def bradley_terry_rewards(
    p: ArrayLike, pairs: Iterable[tuple[int, int]] | None = None, *, regularisation: float | None = None
) -> BradleyTerry:
    """Fit Bradley–Terry rewards to a preference matrix, of which only some pairs were ever compared.

    Each compared pair counts as one comparison, p(y ≻ y′) won and p(y′ ≻ y) lost: what a large data set
    with equally many comparisons of each pair tends to. Where p runs in circles, the rewards depend on
    the pairs.

    Args:
        p: preferences, shape (Y, Y).
        pairs: the pairs (y, y′) compared, each counted once; all of them if not given.
        regularisation: as for :func:`bradley_terry`.

    Raises:
        InputError: not a preference matrix, or a pair that does not exist.

    >>> cycle = [[0.5, 0.65, 0.4], [0.35, 0.5, 0.75], [0.6, 0.25, 0.5]]
    >>> bradley_terry_rewards(cycle, [(0, 1), (1, 2)]).rewards.argmax()
    np.int64(0)
    >>> bradley_terry_rewards(cycle, [(1, 2), (2, 0)]).rewards.argmax()
    np.int64(1)
    """
    known = preference_matrix(p)
    if known.ndim == 3:
        raise InputError(f"Bradley–Terry rewards are fitted a prompt at a time; got shape {known.shape}")
    if pairs is None:
        return bradley_terry(known, regularisation=regularisation)
    actions, compared = len(known), np.zeros(known.shape, dtype=bool)
    for first, second in pairs:
        if first == second or not (0 <= first < actions and 0 <= second < actions):
            raise InputError(f"pair ({first}, {second}) does not name two of the {actions} actions, counted from 0")
        compared[first, second] = compared[second, first] = True
    return bradley_terry(np.where(compared, known, 0.0), regularisation=regularisation)


def _checked(wins: ArrayLike) -> Array:
    try:
        counts = np.array(wins, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"wins are a table of numbers, all rows equally long: {error}") from None
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise InputError(f"wins are a square table, wins[y, y′] how often y beat y′; got shape {counts.shape}")
    np.fill_diagonal(counts, 0.0)
    wrong = ~((counts >= 0.0) & (counts < np.inf))
    if wrong.any():
        i, j = (int(k) for k in np.argwhere(wrong)[0])
        raise InputError(f"wins[{i}, {j}] is {counts[i, j]}; a count is a finite number, 0 or more")
    return counts


def _fit(counts: Array, connected: bool, penalty: float) -> BradleyTerry:
    met = counts + counts.T
    rewards, iterations, size = np.zeros(len(counts)), 0, np.inf
    while iterations < _STEPS and size > _DONE:
        gradient = _gradient(counts, rewards, penalty)
        step = _newton_step(met, rewards, gradient, penalty)
        step *= _length(counts, rewards, step, float(gradient @ step), penalty)
        rewards = rewards + step
        iterations += 1
        size = float(np.abs(step).max())
    rewards -= rewards.mean()
    left = np.abs(_gradient(counts, rewards, penalty)).max()
    return BradleyTerry(rewards, connected, penalty, _objective(counts, rewards, 0.0), float(left), iterations)


def _length(counts: Array, rewards: Array, step: Array, slope: float, penalty: float) -> float:
    """Halve a long step until it gains; a short one lies where Newton's method squares the error (|σ″| ≤ σ′)."""
    length, size = 1.0, float(np.abs(step).max())
    here = _objective(counts, rewards, penalty)
    while size * length > 0.1 and _objective(counts, rewards + length * step, penalty) < here + 1e-4 * length * slope:
        length *= 0.5
    return length


def _objective(counts: Array, rewards: Array, penalty: float) -> float:
    differences = rewards[:, None] - rewards
    return float((counts * log_expit(differences)).sum() - 0.5 * penalty * rewards @ rewards)


def _gradient(counts: Array, rewards: Array, penalty: float) -> Array:
    lost = counts * expit(rewards - rewards[:, None])  # the share of wins(y, y′) the rewards do not expect
    return lost.sum(axis=1) - lost.sum(axis=0) - penalty * rewards


def _newton_step(met: Array, rewards: Array, gradient: Array, penalty: float) -> Array:
    differences = rewards[:, None] - rewards
    curvature = met * expit(differences) * expit(-differences)
    laplacian = np.diag(curvature.sum(axis=1) + penalty) - curvature
    # Adding a constant to all rewards changes no likelihood; a multiple of the ones fixes that direction.
    fixed = laplacian + max(float(laplacian.trace()), np.finfo(np.float64).tiny) / len(met) ** 2
    return np.linalg.solve(fixed, gradient)
