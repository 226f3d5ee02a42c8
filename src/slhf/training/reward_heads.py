"""One reward model with a head an attribute, all trained together: one forward scores everything."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from slhf.judges.reward_text import RewardText, padded
from slhf.training.metrics import Meter
from slhf.training.reward_pairs import RewardPairs
from slhf.training.reward_robust import check_robust, reward_pair_loss
from slhf.training.reward_setup import PairLoss, RewardTraining, listeners, prepared, start, training_arguments


class HeadsTrainer(Trainer):
    """Trains all outputs of a sequence classifier on pairs.

    Args:
        loss: takes the outputs of the first and of the second responses, the labels, and ``count=``, what to
            divide the sum by; returns the loss and metrics, :func:`slhf.objectives.reward_loss` say.
        settings: everything else, as ``transformers.Trainer`` takes it.
    """

    def __init__(self, loss: PairLoss, **settings: Any):
        super().__init__(**settings, compute_loss_func=self._pair_loss)
        self._loss = loss
        self._meters = {"": Meter(), "eval_": Meter()}

    def _pair_loss(self, outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        first, second = outputs.logits.float().chunk(2)
        loss, metrics = self._loss(first, second, labels, count=num_items_in_batch)
        self._meters["" if torch.is_grad_enabled() else "eval_"].add_all(metrics)
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add accuracy and margin to a log."""
        for prefix, meter in self._meters.items():
            if f"{prefix}loss" in logs:
                logs = {**logs, **{f"{prefix}{k}": v for k, v in meter.drain(self.accelerator).items()}}
        super().log(logs, start_time)


def heads_trainer(
    training: RewardTraining,
    train: RewardPairs,
    held_out: RewardPairs | None,
    folder: Path,
    callbacks: list[TrainerCallback] | None = None,
) -> tuple[HeadsTrainer, RewardText]:
    """Return a trainer of one model with a head for each attribute of the pairs, everything checked.

    Args:
        training: the settings.
        train: pairs to train on.
        held_out: pairs for evaluations along the way.
        folder: of checkpoints and metrics.
        callbacks: further callbacks.

    Raises:
        InputError: anything wrong with the model or the settings.
    """
    loss = reward_pair_loss(training)
    return pair_trainer(training, len(train.attributes), loss, train, held_out, folder, callbacks)


def pair_trainer(
    training: RewardTraining,
    outputs: int,
    loss: PairLoss,
    train: RewardPairs,
    held_out: RewardPairs | None,
    folder: Path,
    callbacks: list[TrainerCallback] | None = None,
) -> tuple[HeadsTrainer, RewardText]:
    """Return a trainer of a sequence classifier on pairs, everything checked.

    Args:
        training: the settings.
        outputs: numbers a response.
        loss: as :class:`HeadsTrainer` takes it.
        train: pairs to train on.
        held_out: pairs for evaluations along the way.
        folder: of checkpoints and metrics.
        callbacks: further callbacks.

    Raises:
        InputError: anything wrong with the model or the settings.
    """
    check_robust(training, train)
    args = training_arguments(TrainingArguments, training, folder)
    model, text = prepared(training, outputs, args.seed)
    if training.lora is not None:
        model = get_peft_model(model, copy.deepcopy(training.lora))  # PEFT writes into it
        if args.activation_checkpointing:
            model.enable_input_require_grads()
    trainer = HeadsTrainer(
        loss,
        model=model,
        args=args,
        data_collator=lambda rows: pair_batch(rows, text.padding),
        train_dataset=train.rows(text),
        eval_dataset=None if held_out is None else held_out.rows(text),
        callbacks=listeners(folder, callbacks),
    )
    trainer.remove_callback(PrinterCallback)  # it prints metrics to stdout; ours go to files and bars
    return trainer, text


def train_heads(
    training: RewardTraining,
    train: RewardPairs,
    held_out: RewardPairs | None,
    folder: Path,
    *,
    resume: bool = False,
    callbacks: list[TrainerCallback] | None = None,
) -> tuple[Any, RewardText]:
    """Train one model with a head for each attribute of the pairs.

    Args:
        training: the settings.
        train: pairs to train on.
        held_out: pairs for evaluations along the way.
        folder: of checkpoints and metrics.
        resume: go on from the last whole checkpoint, if there is one.
        callbacks: further callbacks.

    Returns:
        The model, with its adapter if there is one, and what turned texts into tokens.

    Raises:
        InputError: anything wrong with model, settings or folder, before training starts.
    """
    trainer, text = heads_trainer(training, train, held_out, folder, callbacks)
    start(trainer, training, train, resume)
    return trainer.accelerator.unwrap_model(trainer.model), text


def pair_batch(rows: Sequence[dict[str, Any]], padding: int) -> dict[str, Any]:
    """Put pairs into one batch: the chosen responses, then the rejected ones, padded on the right; and labels."""
    texts = [row["chosen_ids"] for row in rows] + [row["rejected_ids"] for row in rows]
    return {**padded(texts, padding), "labels": torch.tensor([row["labels"] for row in rows], dtype=torch.float32)}
