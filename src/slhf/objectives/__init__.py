"""Losses as pure functions: log-probabilities and preferences in, (losses, metrics) out."""

from slhf.objectives.baselines import Baseline, centred, half, leave_one_out
from slhf.objectives.batch import GameBatch, ResponseBatch
from slhf.objectives.kl import KLForm, direct_kl, token_kl, total_kl
from slhf.objectives.multiplier import LearnedMultiplier, RecentMultiplier
from slhf.objectives.nash_md import nash_md_losses
from slhf.objectives.online_ipo import online_ipo_losses
from slhf.objectives.pair_batch import PairBatch
from slhf.objectives.pairwise import adversary_loss, cdpo_loss, dpo_loss, ipo_loss, rdpo_loss, spa_loss
from slhf.objectives.rloo import rloo_losses
from slhf.objectives.robust import TensorAdversary, dual_loss, exact_multiplier, torch_adversary
from slhf.objectives.score import log_ratio, regularised_loss, score
from slhf.objectives.skew import skew_loss, skew_score
from slhf.objectives.sppo import sppo_losses
from slhf.objectives.stackelberg import stackelberg_losses, truncation_adjusted

__all__ = [
    "Baseline",
    "GameBatch",
    "KLForm",
    "LearnedMultiplier",
    "PairBatch",
    "RecentMultiplier",
    "ResponseBatch",
    "TensorAdversary",
    "adversary_loss",
    "cdpo_loss",
    "centred",
    "direct_kl",
    "dpo_loss",
    "dual_loss",
    "exact_multiplier",
    "half",
    "ipo_loss",
    "leave_one_out",
    "log_ratio",
    "nash_md_losses",
    "online_ipo_losses",
    "rdpo_loss",
    "regularised_loss",
    "rloo_losses",
    "score",
    "skew_loss",
    "skew_score",
    "spa_loss",
    "sppo_losses",
    "stackelberg_losses",
    "token_kl",
    "torch_adversary",
    "total_kl",
    "truncation_adjusted",
]
