"""Preferences among a prompt's own answers."""

from __future__ import annotations

from torch import Tensor

from slhf.objectives.batch import GameBatch
from slhf.objectives.stackelberg import truncation_adjusted


def group_preferences(batch: GameBatch, penalty: float) -> Tensor:
    """Return p[b, g, h] = P(y_g ≻ y_h), (B, G, G), lowered for the side that was cut; ½ on the diagonal.

    Args:
        batch: preferences within each prompt's group.
        penalty: what a cut answer loses, preference.
    """
    leader = batch.roles["leader"]
    prompts, answers, _ = batch.preferences.shape
    cut = leader.truncated.view(prompts, answers)
    p = batch.preferences.to(leader.log_probs.dtype)
    return truncation_adjusted(p, cut.unsqueeze(2), cut.unsqueeze(1), penalty)


def over_the_others(p: Tensor) -> Tensor:
    """Return r[g] = Σ_{h ≠ g} p[g, h] / (G − 1), (B, G): how often an answer is preferred to its group's others."""
    count = p.shape[-1]
    return (p.sum(dim=-1) - p.diagonal(dim1=-2, dim2=-1)) / (count - 1)
