"""Rewards and preference scores fitted to the worst case of their margins: SGPO's adversary meets Bradley–Terry."""

from __future__ import annotations

import torch
from torch import Tensor

from slhf.errors import InputError
from slhf.objectives.robust import torch_adversary
from slhf.objectives.skew import skew_score
from slhf.robust.ball import Ball


def robust_reward_loss(
    first: Tensor,
    second: Tensor,
    preference: Tensor,
    *,
    ball: Ball,
    centring: float = 0.01,
    count: Tensor | int | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Fit rewards against an adversary that may move the margins of a batch, or flip its labels.

        ξ_i = r_w − r_l
        loss = ( Σ_a N_a V_ε(ξ of annotator a) + λ Σ (r + r′)² ) / count

    V_ε is the worst mean loss in the ball, :func:`slhf.objectives.robust.torch_adversary`; every annotator has a
    ball of its own, over its N_a labelled pairs of the batch. ε = 0 is :func:`slhf.objectives.reward.reward_loss`.

    Paper: SLHF App. D.1 and SGPO (arXiv 2502.18099), Theorem 3.3; neither joins the two.

    Args:
        first: r, shape (B,), or (B, A) with an annotator a column.
        second: r′, same shape.
        preference: P(first ≻ second), 0 or 1, same shape; NaN where there is none.
        ball: what the adversary may do.
        centring: λ ≥ 0, per squared unit of reward; the adversary has no hand in it.
        count: what to divide the sum by; the number of entries if None.

    Returns:
        The loss, and metrics of the labelled entries, 1-D: ``accuracy``, ``margin`` (both before the adversary), and
        ``moved``, the share of each that the adversary moves or flips.

    Raises:
        InputError: a preference that is neither 0 nor 1, or a margin that is no finite number.
    """
    labelled = ~preference.isnan()
    worst, metrics = _worst(first - second, preference, labelled, ball)
    level = torch.where(labelled, (first + second).square(), 0.0).sum()
    return (worst + centring * level) / (preference.numel() if count is None else count), metrics


def robust_skew_loss(
    first: Tensor,
    second: Tensor,
    preference: Tensor,
    *,
    ball: Ball,
    temperature: float = 1.0,
    count: Tensor | int | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Fit embeddings against an adversary that may move the scores of a batch, or flip its labels.

        ξ_i = s(y_w, y_l) / T,    loss = N V_ε(ξ) / count

    ε = 0 is :func:`slhf.objectives.skew.skew_loss`.

    Paper: Zhang et al. 2024, the general preference model, and SGPO (arXiv 2502.18099), Theorem 3.3; neither joins
    the two.

    Args:
        first: v of the first responses, shape (B, 2k).
        second: v of the second responses, same shape.
        preference: P(first ≻ second), 0 or 1, shape (B,).
        ball: what the adversary may do.
        temperature: T > 0, what the score is divided by.
        count: what to divide the sum by; B if None.

    Returns:
        The loss, and metrics a pair as of :func:`robust_reward_loss`.

    Raises:
        InputError: as :func:`robust_reward_loss`.
    """
    lead = skew_score(first, second) / temperature
    worst, metrics = _worst(lead, preference, torch.ones_like(preference, dtype=torch.bool), ball)
    return worst / (preference.numel() if count is None else count), metrics


def _worst(lead: Tensor, preference: Tensor, labelled: Tensor, ball: Ball) -> tuple[Tensor, dict[str, Tensor]]:
    """Return Σ_a N_a V_ε, and metrics of the labelled entries."""
    given = preference[labelled]
    if not ((given == 0.0) | (given == 1.0)).all():
        raise InputError(
            "the adversary takes plain verdicts, and some preferences are neither 0 nor 1; leave ties and shares of "
            "votes out, or train without it"
        )
    margins = torch.where(labelled, torch.where(preference == 1.0, lead, -lead), 0.0)
    columns, marks = (t.reshape(len(preference), -1) for t in (margins, labelled))
    total, moved = margins.sum() * 0.0, torch.zeros_like(columns.detach())
    for a in range(columns.shape[1]):
        rows = marks[:, a]
        if rows.any():  # a batch may have no verdict of an annotator
            found = torch_adversary(
                columns[rows, a], window=ball.window, epsilon=ball.epsilon, flip_cost=ball.flip_cost
            )
            total = total + found.value * rows.sum()
            moved[rows, a] = found.moved.to(moved.dtype)
    with torch.no_grad():
        known = margins[labelled]
        metrics = {
            "accuracy": 0.5 + 0.5 * known.sign(),
            "margin": known,
            "moved": moved.reshape(margins.shape)[labelled],
        }
    return total, metrics
