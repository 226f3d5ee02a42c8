"""Losses of preference pairs: how far a policy sets the chosen response apart from the rejected one.

Each is a function of the margins

    ξ = β [ log π(y_w)/π_ref(y_w) − log π(y_l)/π_ref(y_l) ]

and returns mean_i w_i ℓ_i over the batch, divided by the number of pairs and not by Σ w: a pair's weight
says how much it counts, whatever batch it is in.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

Metrics = dict[str, Tensor]


def dpo_loss(
    margins: Tensor, *, preference: Tensor | None = None, weights: Tensor | None = None
) -> tuple[Tensor, Metrics]:
    """Direct preference optimisation: the pairs' likelihood under Bradley–Terry with implicit rewards.

        ℓ = −log σ(ξ),          with a soft preference p       −p log σ(ξ) − (1 − p) log σ(−ξ)

    Paper: Rafailov et al. 2023, Eq. (7).

    Args:
        margins: ξ, (B,), nats times β.
        preference: p = P(chosen ≻ rejected), (B,); 1 everywhere if None.
        weights: w ≥ 0, (B,); 1 everywhere if None.

    Returns:
        The loss and metrics of the pairs, (B,) each: ``pairs/margin`` and ``pairs/accuracy`` (½ at ξ = 0).
    """
    return cdpo_loss(margins, smoothing=0.0, preference=preference, weights=weights)


def cdpo_loss(
    margins: Tensor, *, smoothing: float | Tensor, preference: Tensor | None = None, weights: Tensor | None = None
) -> tuple[Tensor, Metrics]:
    """Conservative DPO: labels smoothed, as if a known share of them were wrong.

        ℓ = −(1 − s) log σ(ξ) − s log σ(−ξ)

    Paper: Mitchell 2023 (A note on DPO with noisy preferences), Eq. (3).

    Args:
        margins: ξ, (B,).
        smoothing: s in [0, ½), one for all or one a pair.
        preference: p, (B,); the label becomes p (1 − s) + (1 − p) s.
        weights: w ≥ 0, (B,).

    Returns:
        As :func:`dpo_loss`.
    """
    p = _ones(margins, preference)
    label = p * (1.0 - smoothing) + (1.0 - p) * smoothing
    # softplus(−ξ) = −log σ(ξ); softplus(ξ) = softplus(−ξ) + ξ
    return _mean(softplus(-margins) + (1.0 - label) * margins, weights), pair_metrics(margins, p)


def rdpo_loss(
    margins: Tensor, *, smoothing: float, preference: Tensor | None = None, weights: Tensor | None = None
) -> tuple[Tensor, Metrics]:
    """Robust DPO: an unbiased estimate of DPO's loss on clean labels, where a known share was flipped.

        ℓ = [ −(1 − s) log σ(ξ) + s log σ(−ξ) ] / (1 − 2 s)

    Paper: Chowdhury et al. 2024 (Provably Robust DPO), Eq. (12).

    Args:
        margins: ξ, (B,).
        smoothing: s in [0, ½), the share of flipped labels.
        preference: p, (B,); both orders, weighted p and 1 − p.
        weights: w ≥ 0, (B,).

    Returns:
        As :func:`dpo_loss`.
    """
    p = _ones(margins, preference)
    there, back = softplus(-margins), softplus(margins)
    chosen = (1.0 - smoothing) * there - smoothing * back
    rejected = (1.0 - smoothing) * back - smoothing * there
    each = (p * chosen + (1.0 - p) * rejected) / (1.0 - 2.0 * smoothing)
    return _mean(each, weights), pair_metrics(margins, p)


def ipo_loss(
    margins: Tensor, *, beta: float, preference: Tensor | None = None, weights: Tensor | None = None
) -> tuple[Tensor, Metrics]:
    """Identity preference optimisation: log-ratios set apart by a fixed distance, and no further.

        ℓ = ( ξ/β − 1/(2β) )²

    Paper: Azar et al. 2024, Eq. (17), with τ = β.

    Args:
        margins: ξ, (B,).
        beta: β > 0, what ξ was scaled with.
        preference: p, (B,); both orders, weighted p and 1 − p.
        weights: w ≥ 0, (B,).

    Returns:
        As :func:`dpo_loss`.
    """
    p = _ones(margins, preference)
    apart, target = margins / beta, 0.5 / beta
    each = p * (apart - target).square() + (1.0 - p) * (apart + target).square()
    return _mean(each, weights), pair_metrics(margins, p)


def spa_loss(
    margins: Tensor,
    doubtful: Tensor,
    *,
    smoothing: float,
    preference: Tensor | None = None,
    weights: Tensor | None = None,
) -> tuple[Tensor, Metrics]:
    """Noise-aware DPO: labels smoothed where a pair is doubtful, plain elsewhere.

        ℓ = −(1 − s z) log σ(ξ) − s z log σ(−ξ),       z = 1 for a doubtful pair, else 0

    Paper: Kim et al. 2025 (Spread Preference Annotation), the noise-aware loss.

    Args:
        margins: ξ, (B,).
        doubtful: z, (B,), bool.
        smoothing: s in [0, ½).
        preference: p, (B,).
        weights: w ≥ 0, (B,).

    Returns:
        As :func:`dpo_loss`, and the metric ``pairs/smoothed``.
    """
    each = smoothing * doubtful.to(margins.dtype)
    loss, metrics = cdpo_loss(margins, smoothing=each, preference=preference, weights=weights)
    return loss, metrics | {"pairs/smoothed": doubtful.to(margins.dtype)}


def adversary_loss(
    margins: Tensor, slopes: Tensor, value: float | Tensor, *, weights: Tensor | None = None
) -> tuple[Tensor, Metrics]:
    """Loss under a worst-case distribution that was found beforehand, by the envelope theorem.

        mean_i w_i [ V − g_i (ξ_i − sg ξ_i) ],         g_i = −N ∂V/∂ξ_i

    Its value is V and its gradient that of V, and a part of a step needs none of the other parts.

    Args:
        margins: ξ, (B,), some of the step's N.
        slopes: g, (B,), no gradient; σ(−ξ) where the adversary leaves a pair alone.
        value: V over the whole step, or each pair's part of it, (B,), no gradient.
        weights: w ≥ 0, (B,).

    Returns:
        As :func:`dpo_loss`.
    """
    given = value.to(margins) if isinstance(value, Tensor) else value
    each = given - slopes.to(margins) * (margins - margins.detach())
    return _mean(each, weights), pair_metrics(margins, torch.ones_like(margins))


def pair_metrics(margins: Tensor, preference: Tensor) -> Metrics:
    """Return each pair's margin in the direction of its label, and whether its sign agrees, (B,) each.

    ½ where the margin is zero; a soft preference agrees in part.
    """
    with torch.no_grad():
        return {
            "pairs/margin": (2.0 * preference - 1.0) * margins.detach(),
            "pairs/accuracy": 0.5 + (preference - 0.5) * margins.sign(),
        }


def _ones(margins: Tensor, preference: Tensor | None) -> Tensor:
    return torch.ones_like(margins) if preference is None else preference.to(margins.dtype)


def _mean(each: Tensor, weights: Tensor | None) -> Tensor:
    return each.mean() if weights is None else (weights.to(each.dtype) * each).mean()
