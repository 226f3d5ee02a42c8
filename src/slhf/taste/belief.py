"""What is believed about a user: how likely they have each annotator's taste."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from slhf.errors import InputError
from slhf.taste.favourites import Array, checked, favourites, first_largest

LAPSE = 0.05
"""How often, of two answers, a user clicks the one that their annotator would never pick."""


@dataclass(frozen=True, eq=False)
class Taste:
    """A posterior over which annotator a user is like. Made by :func:`prior`.

    The model: a user has the taste of one annotator k, the same in all their picks. Of n answers they look at, they
    click c with probability

        P(c | k) = (1 − 2λ) q_k(c) + 2λ / n

    where q is :func:`slhf.taste.favourites` and λ the lapse; of two answers that is (1 − 2λ) P_k(c ≻ c′) + λ. Given
    k, clicks are independent.

    Attributes:
        names: A annotators.
        log_weights: ln P(k | clicks), shape (A,), nats.
        lapse: λ in [0, ½]; at ½ clicks say nothing.
    """

    names: tuple[str, ...]
    log_weights: Array
    lapse: float = LAPSE

    @property
    def weights(self) -> Array:
        """P(k | clicks), shape (A,), summing to one."""
        w = np.exp(self.log_weights)
        return w / w.sum()

    def clicks(self, preferences: ArrayLike) -> Array:
        """Return how likely a user of each annotator's taste clicks each of n answers, shape (A, n)."""
        q = favourites(preferences)
        return (1.0 - 2.0 * self.lapse) * q + 2.0 * self.lapse / q.shape[1]

    def observe(self, likelihood: ArrayLike) -> Taste:
        """Return the belief after a click.

            P(k | click) ∝ P(k) P(click | k)

        Args:
            likelihood: P(click | k), lapse included, shape (A,).

        Raises:
            InputError: not one probability an annotator, or a click that is impossible for every taste still
                possible; a lapse above 0 avoids that.
        """
        p = np.asarray(likelihood, dtype=np.float64)
        if p.shape != self.log_weights.shape or not ((p >= 0.0) & (p <= 1.0)).all():
            raise InputError(f"a click has one probability for each of the {len(self.names)} annotators; got {p}")
        with np.errstate(divide="ignore"):
            logs = self.log_weights + np.log(p)
        total = float(np.logaddexp.reduce(logs))
        if not np.isfinite(total):
            raise InputError("nobody on the panel could have clicked that; set a lapse above 0")
        return replace(self, log_weights=logs - total)

    def picked(self, preferences: ArrayLike, chosen: int) -> Taste:
        """Return the belief after the user picked one of n answers they saw.

        Args:
            preferences: of the annotators between these answers, shape (A, n, n).
            chosen: the number of the one they picked.

        Raises:
            InputError: no such preferences or answer, or as :meth:`observe`.
        """
        clicks = self.clicks(preferences)
        if not 0 <= chosen < clicks.shape[1]:
            raise InputError(f"chosen={chosen}: the answers are numbered from 0 to {clicks.shape[1] - 1}")
        return self.observe(clicks[:, chosen])

    def preference(self, preferences: ArrayLike) -> Array:
        """Return P(this user prefers i to j), lapses aside, shape (n, n).

        Σ_k P(k | clicks) P_k(i ≻ j)
        """
        return np.tensordot(self.weights, self._of_ours(preferences), axes=1)

    def tops(self, preferences: ArrayLike) -> Array:
        """Return how likely each of n candidates is the one this user would pick of all, shape (n,).

        Σ_k P(k | clicks) q_k(i)
        """
        return self.weights @ favourites(self._of_ours(preferences))

    def best(self, preferences: ArrayLike) -> int:
        """Return the candidate this user would most likely pick; of equally likely ones the first."""
        return first_largest(self.tops(preferences))

    def _of_ours(self, preferences: ArrayLike) -> Array:
        p = checked(preferences)
        if len(p) != len(self.names):
            raise InputError(f"preferences of {len(p)} annotators; the taste is about {len(self.names)}")
        return p


def prior(names: Sequence[str], weights: ArrayLike | None = None, lapse: float = LAPSE) -> Taste:
    """Return what is believed before any click.

    Args:
        names: A annotators with distinct names.
        weights: how common each taste is, not negative; divided by their sum; equal if not given.
        lapse: λ in [0, ½], how often of two answers the wrong one is clicked.

    Raises:
        InputError: no names, a name twice, weights that are no shares, or a lapse out of range.

    >>> belief = prior(["brief", "thorough"], lapse=0.1)
    >>> belief.picked([[[0.5, 1.0], [0.0, 0.5]], [[0.5, 0.0], [1.0, 0.5]]], chosen=0).weights
    array([0.9, 0.1])
    """
    if not names or len(set(names)) != len(names):
        raise InputError(f"a taste needs annotators with distinct names, got {list(names)}")
    w = np.ones(len(names)) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != (len(names),) or not np.isfinite(w).all() or (w < 0).any() or w.sum() <= 0:
        raise InputError(
            f"weights are one share for each of {len(names)} annotators, not negative and not all zero; "
            f"got {w.tolist()}"
        )
    if not 0.0 <= lapse <= 0.5:
        raise InputError(f"lapse={lapse}: it lies between 0 and 0.5")
    with np.errstate(divide="ignore"):
        return Taste(tuple(names), np.log(w / w.sum()), lapse)
