"""Distributions over finitely many actions: the regularised best reply, the KL divergence, the projection.

Every solution concept of this room is built from one operation, :func:`reply`: the best distribution for
someone who earns ``values`` and pays τ for every nat away from a reference.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

TIE = 1e-12
"""Values closer than this to the best are ties: rounding in 1 − α must not break one."""

_SMALL = 1e-2
"""If all |log q − log ref| are below this, a KL divergence is summed from its series."""

_SERIES = (1 / 720, -1 / 120, 1 / 24, -1 / 6, 1 / 2)
"""(d − 1 + e⁻ᵈ) / d² as powers of d, the highest first."""

_TINIER = 1e-4
"""Below this the last three terms of the series are enough for 14 digits."""

_TINY = np.finfo(np.float64).tiny
"""Stands in for zero under a logarithm whose value is then multiplied by zero."""


def reply(values: Array, ref: Array, log_ref: Array, tau: float, axis: int = -1) -> tuple[Array, Array]:
    """Return the regularised best reply and what it is worth.

        q     = argmax_q Σ_y q(y) values(y) − τ KL(q ‖ ref)  ∝  ref · exp(values / τ)
        worth = τ log Σ_y ref(y) exp(values(y) / τ)

    For τ = 0 the reply is shared uniformly by the best actions (within 1e-12) and worth their value.
    Exact from τ = 1e-8, where exp(values / τ) would overflow, to 1e8, where τ · log(1 + tiny) would
    lose every digit.

    Args:
        values: u, preference; actions along ``axis``.
        ref: reference distribution, broadcastable to ``values``; sums to one along ``axis``.
        log_ref: its logarithm, broadcastable to ``values``.
        tau: τ ≥ 0, preference per nat.
        axis: the axis of the actions.

    Returns:
        q, in the shape of ``values``; and the worth, without the axis.
    """
    top = values.max(axis=axis, keepdims=True)
    if tau == 0.0:
        best = values >= top - TIE
        return best / best.sum(axis=axis, keepdims=True), np.squeeze(top, axis)
    exponent = (values - top) / tau
    if tau >= 1.0 and exponent.min() > -1.0:  # Σ ref exp(·) is near one: work with its distance from one
        log_total = np.log1p((ref * np.expm1(exponent)).sum(axis=axis, keepdims=True))
        exponent += log_ref
        exponent -= log_total
        return np.exp(exponent, out=exponent), np.squeeze(top + tau * log_total, axis)
    exponent += log_ref
    highest = exponent.max(axis=axis, keepdims=True)
    exponent -= highest
    weights = np.exp(exponent, out=exponent)
    total = weights.sum(axis=axis, keepdims=True)
    weights /= total
    return weights, np.squeeze(top + tau * (highest + np.log(total)), axis)


def kl_divergence(q: Array, ref: Array, log_ref: Array, axis: int = -1) -> Array:
    """Return KL(q ‖ ref) in nats, never negative and exact for nearly equal distributions.

        KL = Σ_y [ q log(q / ref) − q + ref ]

    The two extra terms cancel, since both sum to one; with them every summand is ≥ 0, and of second order
    in d = log(q / ref), so that τ · KL stays exact for τ = 1e8. Where all d are small, the summands are
    q d² (½ − d/6 + d²/24 − …).

    Args:
        q: distribution; actions along ``axis``; may contain zeros.
        ref: reference without zeros (a logarithm that is finite), broadcastable to ``q``.
        log_ref: its logarithm, broadcastable to ``q``.
        axis: the axis of the actions.

    Returns:
        Nats, without the axis.
    """
    d = np.log(np.maximum(q, _TINY))
    d -= log_ref
    largest = max(d.max(), -d.min())
    if largest < _SMALL:
        highest, *others = _SERIES if largest > _TINIER else _SERIES[2:]
        series = highest * d
        for coefficient in others[:-1]:
            series += coefficient
            series *= d
        series += others[-1]
        series *= d
        series *= d
        series *= q
        return series.sum(axis=axis)
    d *= q
    d -= q
    d += ref
    return np.maximum(d, 0.0, out=d).sum(axis=axis)


def regret(q: Array, values: Array, log_ref: Array, best: Array, worth: Array, tau: float, axis: int = -1) -> Array:
    """Return what playing q instead of the best reply loses, never negative.

        worth − [Σ_y q(y) values(y) − τ KL(q ‖ ref)]  =  τ KL(q ‖ best)           for τ > 0
                                                      =  Σ_y q(y) (worth − values(y))    for τ = 0

    Args:
        q: what is played; actions along ``axis``.
        values: preference.
        log_ref: logarithm of the reference.
        best: the best reply to ``values``, from :func:`reply`.
        worth: what that is worth.
        tau: τ ≥ 0, preference per nat.
        axis: the axis of the actions.

    Returns:
        Preference, without the axis.
    """
    short = np.expand_dims(worth, axis) - values
    if not tau:
        return (q * short).sum(axis=axis)
    # not log(best): where tau is small, best itself is rounded to zero
    return tau * kl_divergence(q, best, log_ref - short / tau, axis=axis)


def project(point: Array) -> Array:
    """Return the nearest distribution (Euclidean), row by row.

        argmin_{q ∈ Δ} ‖q − point‖² = max(point − θ, 0), with θ such that it sums to one

    Args:
        point: rows of Y numbers, shape (..., Y).

    Returns:
        Distributions in the same shape.
    """
    ordered = -np.sort(-point, axis=-1)
    excess = (np.cumsum(ordered, axis=-1) - 1.0) / np.arange(1, point.shape[-1] + 1)
    kept = (ordered > excess).sum(axis=-1, keepdims=True)
    return np.maximum(point - np.take_along_axis(excess, kept - 1, axis=-1), 0.0)


def normalise_logs(logs: Array) -> Array:
    """Return log-probabilities: ``logs`` shifted so that exp of every row sums to one, shape (..., Y)."""
    shifted = logs - logs.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
