"""A user's taste where the judge is skew-symmetric: how much each of its circles matters to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr, expit

from slhf.errors import InputError
from slhf.taste.favourites import Array, favourites, first_largest

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(48)
_STEPS, _ENOUGH = 100, 1e-10


@dataclass(frozen=True, eq=False)
class BlockTaste:
    """A posterior over the weights a user gives to the blocks of a skew-symmetric judge. Made by :func:`block_prior`.

    The model: block b of the judge scores answer i against j by s_b(i, j), and the user prefers i with

        P(i ≻ j | θ) = σ( Σ_b θ_b s_b(i, j) ),   θ ~ N(1, σ² I)

    θ = 1 is the judge itself, 0 somebody to whom a block says nothing, and a negative weight turns its circle round.
    The posterior is Laplace's: a normal law at the mode, with the inverse Hessian as covariance. A pick among n answers
    counts as the n − 1 comparisons it won.

    Attributes:
        told: s of every comparison, chosen over rejected, shape (m, k).
        spread: σ > 0 of the prior.
        mean: the mode, shape (k,).
        covariance: shape (k, k).
    """

    told: Array
    spread: float
    mean: Array = field(init=False)
    covariance: Array = field(init=False)

    def __post_init__(self) -> None:
        mean, covariance = _laplace(self.told, self.spread)
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", covariance)

    def picked(self, scores: ArrayLike, chosen: int) -> BlockTaste:
        """Return the belief after the user picked one of n answers they saw.

        Args:
            scores: of the blocks between these answers, shape (k, n, n); see :func:`block_scores`.
            chosen: the number of the one they picked.

        Raises:
            InputError: no such scores or answer.
        """
        s = self._checked(scores)
        if not 0 <= chosen < s.shape[1]:
            raise InputError(f"chosen={chosen}: the answers are numbered from 0 to {s.shape[1] - 1}")
        won = np.delete(s[:, chosen], chosen, axis=1).T
        return replace(self, told=np.concatenate([self.told, won]))

    def preference(self, scores: ArrayLike) -> Array:
        """Return P(this user prefers i to j), shape (n, n): the mean of σ over the posterior, by quadrature.

        Args:
            scores: shape (k, n, n).
        """
        return self._expected(scores, lambda p: p)

    def information(self, scores: ArrayLike) -> Array:
        """Return the mutual information of the answer to "i or j?" and θ, nats, shape (n, n).

            I[i, j] = H(E σ) − E H(σ)

        Args:
            scores: shape (k, n, n).
        """
        told = _coin(self.preference(scores)) - self._expected(scores, _coin)
        return np.where(np.eye(told.shape[0], dtype=bool), 0.0, np.maximum(told, 0.0))

    def tops(self, scores: ArrayLike, rng: np.random.Generator, draws: int = 512) -> Array:
        """Return how likely each of n candidates is the one this user would pick of all, shape (n,), from draws of θ.

        Args:
            scores: shape (k, n, n).
            rng: draws θ.
            draws: how many.
        """
        s = self._checked(scores)
        theta = rng.multivariate_normal(self.mean, self.covariance, size=draws)
        p = expit(np.tensordot(theta, s, axes=1))
        # what is left of rounding: both orders sum to one exactly
        return favourites(0.5 * (p + 1.0 - p.transpose(0, 2, 1))).mean(axis=0)

    def best(self, scores: ArrayLike, rng: np.random.Generator, draws: int = 512) -> int:
        """Return the candidate this user would most likely pick; of equally likely ones the first."""
        return first_largest(self.tops(scores, rng, draws))

    def _expected(self, scores: ArrayLike, of: Callable[[Array], Array]) -> Array:
        s = self._checked(scores)
        mean = np.tensordot(self.mean, s, axes=1)
        deviation = np.sqrt(np.maximum(np.einsum("bij,bc,cij->ij", s, self.covariance, s), 0.0))
        at = expit(mean[..., None] + deviation[..., None] * _NODES)
        return of(at) @ _WEIGHTS / _WEIGHTS.sum()

    def _checked(self, scores: ArrayLike) -> Array:
        s = np.asarray(scores, dtype=np.float64)
        blocks = self.told.shape[1]
        if s.ndim != 3 or s.shape[0] != blocks or s.shape[1] != s.shape[2] or 0 in s.shape:
            raise InputError(f"scores of {blocks} blocks between n answers have shape ({blocks}, n, n); got {s.shape}")
        if not np.isfinite(s).all() or np.abs(s + s.transpose(0, 2, 1)).max() > 1e-9 * (1.0 + np.abs(s).max()):
            raise InputError("scores of blocks are finite and skew: s(i, j) = −s(j, i)")
        return s


def block_prior(blocks: int, spread: float = 1.0) -> BlockTaste:
    """Return what is believed of a user before any pick: the judge's own weights, give or take ``spread``.

    Args:
        blocks: k, pairs of numbers of the judge's embedding.
        spread: σ > 0.

    Raises:
        InputError: no blocks, or a spread that is not positive.
    """
    if blocks < 1:
        raise InputError(f"blocks={blocks}: a skew-symmetric judge has at least one")
    if not 0.0 < spread < np.inf:
        raise InputError(f"spread={spread}: it is more than 0")
    return BlockTaste(np.empty((0, blocks)), spread)


def block_scores(embeddings: ArrayLike, temperature: float = 1.0) -> Array:
    """Return by how much each answer leads each other one, block by block.

        s_b(i, j) = ( v_{i,2b+1} v_{j,2b} − v_{i,2b} v_{j,2b+1} ) / T

    Their sum is the judge's log-odds.

    Args:
        embeddings: v of n answers, shape (n, 2k).
        temperature: T > 0.

    Returns:
        Shape (k, n, n).

    Raises:
        InputError: an odd number of columns, or a temperature that is not positive.
    """
    v = np.asarray(embeddings, dtype=np.float64)
    if v.ndim != 2 or v.shape[1] % 2 or 0 in v.shape:
        raise InputError(f"embeddings of n answers have shape (n, 2k); got {v.shape}")
    if not temperature > 0.0:
        raise InputError(f"temperature={temperature}: it is more than 0")
    even, odd = v[:, 0::2].T, v[:, 1::2].T
    return (odd[:, :, None] * even[:, None, :] - even[:, :, None] * odd[:, None, :]) / temperature


def _laplace(told: Array, spread: float) -> tuple[Array, Array]:
    """Return mode and inverse Hessian, by Newton's method with halved steps where one would go too far."""
    theta = np.ones(told.shape[1])
    ridge = np.eye(len(theta)) / spread**2

    def cost(at: Array) -> float:
        return float(np.logaddexp(0.0, -told @ at).sum() + 0.5 * ((at - 1.0) ** 2).sum() / spread**2)

    for _ in range(_STEPS):
        p = expit(told @ theta)
        gradient = (theta - 1.0) / spread**2 - told.T @ (1.0 - p)
        hessian = ridge + (told * (p * (1.0 - p))[:, None]).T @ told
        step = np.linalg.solve(hessian, gradient)
        if np.abs(gradient @ step) < _ENOUGH**2:
            break
        size = 1.0
        while cost(theta - size * step) > cost(theta) and size > _ENOUGH:
            size /= 2.0
        theta = theta - size * step
    p = expit(told @ theta)
    return theta, np.linalg.inv(ridge + (told * (p * (1.0 - p))[:, None]).T @ told)


def _coin(p: Array) -> Array:
    return entr(p) + entr(1.0 - p)
