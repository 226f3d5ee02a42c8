"""Train a skew-symmetric preference model on pairs, and save it as the judge ``skew`` reads it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from slhf.errors import InputError
from slhf.judges.reward_text import RewardText
from slhf.judges.skew import SkewFile
from slhf.objectives.robust_rewards import robust_skew_loss
from slhf.objectives.skew import skew_loss
from slhf.training.reward_heads import HeadsTrainer, pair_trainer
from slhf.training.reward_pairs import RewardPairs
from slhf.training.reward_robust import trained_against
from slhf.training.reward_setup import PairLoss, RewardTraining, base_name, start


@dataclass(frozen=True)
class SkewSettings:
    """How responses are embedded.

    Attributes:
        pairs: k ≥ 1; a response is 2k numbers. One pair of numbers can hold one circle a prompt.
        temperature: T > 0, what the score is divided by.
    """

    pairs: int = 4
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.pairs < 1:
            raise InputError(f"pairs={self.pairs}: must be at least 1")
        if not (math.isfinite(self.temperature) and self.temperature > 0.0):
            raise InputError(f"temperature={self.temperature}: must be a positive number")


def skew_trainer(
    training: RewardTraining,
    settings: SkewSettings,
    train: RewardPairs,
    held_out: RewardPairs | None,
    folder: Path,
    callbacks: list[TrainerCallback] | None = None,
) -> tuple[HeadsTrainer, RewardText]:
    """Return a trainer of a sequence classifier whose 2k outputs embed a response, everything checked.

    Args:
        training: the model, and how it is trained; there is no centring here.
        settings: how responses are embedded.
        train: pairs with a verdict of one attribute.
        held_out: pairs for evaluations along the way.
        folder: of checkpoints and metrics.
        callbacks: further callbacks.

    Raises:
        InputError: pairs of several attributes, or anything wrong with the model or the settings.
    """
    for name, pairs in (("train", train), ("held_out", held_out)):
        if pairs is not None and len(pairs.attributes) != 1:
            raise InputError(
                f"{name}: a skew-symmetric preference model learns one verdict a pair, got those of "
                f"{', '.join(pairs.attributes)}; choose one attribute"
            )
    chosen = _pair_loss(training, settings)

    def loss(
        first: torch.Tensor, second: torch.Tensor, labels: torch.Tensor, count: Any = None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        return chosen(first, second, labels[:, 0], count=count)

    return pair_trainer(training, 2 * settings.pairs, loss, train, held_out, folder, callbacks)


def _pair_loss(training: RewardTraining, settings: SkewSettings) -> PairLoss:
    plain = partial(skew_loss, temperature=settings.temperature)
    if training.robust is None:
        return plain
    return trained_against(partial(robust_skew_loss, ball=training.robust, temperature=settings.temperature), plain)


def train_skew(
    training: RewardTraining,
    settings: SkewSettings,
    train: RewardPairs,
    held_out: RewardPairs | None,
    folder: Path,
    *,
    resume: bool = False,
    callbacks: list[TrainerCallback] | None = None,
) -> tuple[Any, RewardText]:
    """Train a sequence classifier whose 2k outputs embed a response; see :func:`slhf.objectives.skew_loss`.

    Args:
        training: as :func:`skew_trainer` takes it, and so on up to ``folder``.
        settings: how responses are embedded.
        train: pairs with a verdict of one attribute.
        held_out: pairs for evaluations along the way.
        folder: of checkpoints and metrics.
        resume: go on from the last whole checkpoint, if there is one.
        callbacks: further callbacks.

    Returns:
        The model, with its adapter if there is one, and what turned texts into tokens.

    Raises:
        InputError: pairs of several attributes, or anything wrong with model, settings or folder, before training
            starts.
    """
    trainer, text = skew_trainer(training, settings, train, held_out, folder, callbacks)
    start(trainer, training, train, resume, form="skew", pairs_of_numbers=settings.pairs, score=settings.temperature)
    return trainer.accelerator.unwrap_model(trainer.model), text


def save_skew(model: Any, text: RewardText, training: RewardTraining, settings: SkewSettings, folder: Path) -> None:
    """Save a trained model, its tokenizer and what it is, as safetensors and JSON.

    Args:
        model: what :func:`train_skew` returned.
        text: likewise.
        training: what it was trained with; an adapter's file names its base.
        settings: likewise.
        folder: made if it is not there.
    """
    base = None if training.lora is None else base_name(training.base)
    if base is None:
        model.save_pretrained(str(folder))
    else:
        model.peft_config["default"].base_model_name_or_path = base
        model.save_pretrained(str(folder), save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)  # the library's own card, which says nothing
    text.tokenizer.save_pretrained(str(folder))
    SkewFile(settings.pairs, settings.temperature, base, int(text.max_length or 0)).save(folder)
