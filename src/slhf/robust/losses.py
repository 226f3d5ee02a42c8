"""Convex losses of a margin: DPO's, and the largest of finitely many straight lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from slhf.errors import InputError

Array = NDArray[np.float64]

_NEAR = 1.0
"""Margins closer than this have their difference of losses taken without subtracting two losses."""


class Loss(Protocol):
    """A convex loss ℓ of a margin ξ."""

    @property
    def limits(self) -> tuple[float, float]:
        """The slopes of ℓ at −∞ and at +∞."""
        ...

    def value(self, margins: Array) -> Array:
        """Return ℓ(ξ), in the shape of ``margins``."""
        ...

    def slope(self, margins: Array) -> Array:
        """Return ℓ′(ξ), in the shape of ``margins``; at a kink any slope between the two sides'."""
        ...

    def rise(self, to: Array, start: Array) -> Array:
        """Return ℓ(to) − ℓ(start), exact where the two are close."""
        ...


@dataclass(frozen=True)
class Logistic:
    """DPO's loss: decreasing, convex, and never steeper than one.

    ℓ(ξ) = softplus(−ξ) = log(1 + exp(−ξ)),    ℓ′(ξ) = −σ(−ξ)
    """

    @property
    def limits(self) -> tuple[float, float]:
        """The slopes at −∞ and at +∞."""
        return -1.0, 0.0

    def value(self, margins: Array) -> Array:
        """Return softplus(−ξ), without overflow."""
        margins = np.asarray(margins)
        return np.log1p(np.exp(-np.abs(margins))) - np.minimum(margins, 0.0)

    def slope(self, margins: Array) -> Array:
        """Return −σ(−ξ)."""
        return -expit(-np.asarray(margins))

    def rise(self, to: Array, start: Array) -> Array:
        """Return ℓ(to) − ℓ(start).

        −log[ 1 + σ(−to) (exp(to − start) − 1) ]    where the two are close, else the plain difference
        """
        lower = np.asarray(to) - start
        near = np.abs(lower) < _NEAR
        close = -np.log1p(expit(-np.asarray(to)) * np.expm1(np.where(near, lower, 0.0)))
        return np.where(near, close, self.value(to) - self.value(start))


@dataclass(frozen=True, eq=False)
class PiecewiseLinear:
    """The largest of K straight lines: any convex piecewise-linear loss, monotone or not.

        ℓ(ξ) = max_k slopes[k] · ξ + intercepts[k]

    Args:
        slopes: slope of each line, shape (K,), per unit of margin.
        intercepts: its value at ξ = 0, shape (K,).

    Raises:
        InputError: the two are not equally long, are empty, or hold something that is not a finite number.
    """

    slopes: ArrayLike
    intercepts: ArrayLike

    def __post_init__(self) -> None:
        slopes, intercepts = _numbers(self.slopes, "slopes"), _numbers(self.intercepts, "intercepts")
        if slopes.shape != intercepts.shape:
            raise InputError(f"{slopes.size} slopes and {intercepts.size} intercepts; each line needs one of both")
        object.__setattr__(self, "slopes", slopes)
        object.__setattr__(self, "intercepts", intercepts)

    @property
    def limits(self) -> tuple[float, float]:
        """The slopes at −∞ and at +∞: the least and the largest."""
        slopes = np.asarray(self.slopes)
        return float(slopes.min()), float(slopes.max())

    def value(self, margins: Array) -> Array:
        """Return the largest line's value."""
        margins = np.asarray(margins, dtype=np.float64)
        out = np.full(margins.shape, -np.inf)
        for slope, intercept in self._lines():
            np.maximum(out, slope * margins + intercept, out=out)
        return out

    def slope(self, margins: Array) -> Array:
        """Return the slope of the largest line; at a kink, of the first of those that meet."""
        margins = np.asarray(margins, dtype=np.float64)
        highest, out = np.full(margins.shape, -np.inf), np.zeros(margins.shape)
        for slope, intercept in self._lines():
            line = slope * margins + intercept
            out[line > highest] = slope
            np.maximum(highest, line, out=highest)
        return out

    def rise(self, to: Array, start: Array) -> Array:
        """Return ℓ(to) − ℓ(start); on one and the same line its slope times the way."""
        slope = self.slope(to)
        return np.where(slope == self.slope(start), slope * (to - start), self.value(to) - self.value(start))

    def _lines(self) -> list[tuple[float, float]]:
        return list(zip(np.asarray(self.slopes).tolist(), np.asarray(self.intercepts).tolist(), strict=True))


def tangents(points: ArrayLike) -> PiecewiseLinear:
    """Return DPO's loss replaced by its tangents at given margins: below it everywhere, equal to it at the points.

        ℓ_K(ξ) = max_k ℓ(z_k) + ℓ′(z_k) (ξ − z_k)

    Paper: SGPO (arXiv 2502.18099), the affine pieces of Theorem 3.3.
    Departs: nothing else here uses them, since the smooth loss has an exact adversary; see
        tests/paper/test_robust_statements.py.

    Args:
        points: z, the margins at which the loss is touched, shape (K,).

    Raises:
        InputError: no point, or one that is not a finite number.

    >>> float(tangents([0.0]).value(np.array([0.0]))[0]) == float(np.log(2.0))
    True
    """
    z = _numbers(points, "points")
    smooth = Logistic()
    slopes = smooth.slope(z)
    return PiecewiseLinear(slopes, smooth.value(z) - slopes * z)


def _numbers(given: ArrayLike, name: str) -> Array:
    try:
        numbers = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} are not a list of numbers: {error}") from None
    if numbers.ndim != 1 or not numbers.size:
        raise InputError(f"{name} have shape {numbers.shape}; give a list of one number or more")
    if not np.isfinite(numbers).all():
        where = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise InputError(f"{name}[{where}] is {numbers[where]}; each is a finite number")
    return numbers
