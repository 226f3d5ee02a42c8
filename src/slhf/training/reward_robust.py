"""Training reward and preference models against SGPO's adversary: which loss, and what it cannot be used with."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import numpy as np
import torch

from slhf.errors import InputError
from slhf.objectives.reward import reward_loss
from slhf.objectives.robust_rewards import robust_reward_loss
from slhf.training.reward_pairs import RewardPairs
from slhf.training.reward_setup import PairLoss, RewardTraining


def reward_pair_loss(training: RewardTraining) -> PairLoss:
    """Return the loss of rewards: plain, or against the adversary the settings name."""
    plain = partial(reward_loss, centring=training.centring)
    if training.robust is None:
        return plain
    return trained_against(partial(robust_reward_loss, ball=training.robust, centring=training.centring), plain)


def trained_against(robust: PairLoss, plain: PairLoss) -> PairLoss:
    """Return a loss that is robust where it is trained on and plain where it is looked at.

    Held-out losses can then be compared with those of a run without the adversary.
    """

    def loss(*outputs: torch.Tensor, count: Any = None) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        return (robust if torch.is_grad_enabled() else plain)(*outputs, count=count)

    return loss


def check_robust(training: RewardTraining, train: RewardPairs) -> None:
    """Refuse what the adversary cannot be used with; without one, nothing.

    Raises:
        InputError: pairs that are ties or shares of votes, or steps that are cut into pieces.
    """
    if training.robust is None:
        return
    labelled = train.preference[~np.isnan(train.preference)]
    if not np.isin(labelled, (0.0, 1.0)).all():
        raise InputError(
            "robust: the adversary takes plain verdicts, and some pairs are ties or shares of votes; leave ties out "
            "(data.ties=drop), or leave robust out"
        )
    pieces = int(training.args.get("gradient_accumulation_steps") or 1)
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if pieces > 1 or processes > 1:
        raise InputError(
            f"robust: the adversary meets the margins of a whole step, which {pieces} × {processes} pieces are not; "
            "take one process and args.gradient_accumulation_steps=1 with args.per_device_train_batch_size pairs a step"
        )
