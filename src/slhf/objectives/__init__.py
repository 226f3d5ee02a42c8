"""Losses as pure functions: log-probabilities and preferences in, (losses, metrics) out."""

from slhf.objectives.baselines import Baseline, half, leave_one_out
from slhf.objectives.batch import GameBatch, ResponseBatch
from slhf.objectives.kl import KLForm, direct_kl, token_kl, total_kl
from slhf.objectives.stackelberg import stackelberg_losses, truncation_adjusted

__all__ = [
    "Baseline",
    "GameBatch",
    "KLForm",
    "ResponseBatch",
    "direct_kl",
    "half",
    "leave_one_out",
    "stackelberg_losses",
    "token_kl",
    "total_kl",
    "truncation_adjusted",
]
