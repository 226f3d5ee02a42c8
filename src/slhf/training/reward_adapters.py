"""A reward model as one adapter on a base, trained by TRL: the paper's form, one adapter an attribute."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PrinterCallback, TrainerCallback

from slhf.errors import InputError
from slhf.judges.reward_text import RewardText, padded
from slhf.training.reward_pairs import RewardPairs
from slhf.training.reward_setup import RewardTraining, listeners, prepared, start, training_arguments


def check_adapters(training: RewardTraining, train: RewardPairs) -> None:
    """Refuse what this form cannot train.

    Raises:
        InputError: there is to be an adversary, TRL is not installed, there is no adapter, or a pair's verdict is not
            plain.
    """
    if training.robust is not None:
        raise InputError("robust: form: adapters has the loss of TRL's trainer; take form=heads or form=skew")
    try:
        import trl  # noqa: F401
    except ImportError as error:
        raise InputError('form: adapters are trained by TRL, which is not here: pip install "slhf[reward]"') from error
    if training.lora is None:
        raise InputError("form: adapters needs a section lora; without one, take form=heads, which trains all weights")
    labelled = train.preference[~np.isnan(train.preference)]
    if not np.isin(labelled, (0.0, 1.0)).all():
        raise InputError(
            "form: adapters learns from plain verdicts, and some pairs are ties or shares of votes; leave ties out "
            "(data.ties=drop), or take form=heads"
        )


def adapter_trainer(
    training: RewardTraining,
    train: RewardPairs,
    held_out: RewardPairs | None,
    folder: Path,
    callbacks: list[TrainerCallback] | None = None,
) -> tuple[Any, RewardText]:
    """Return TRL's trainer of one adapter, everything checked.

    Args:
        training: the settings.
        train: pairs of one attribute, the chosen response first.
        held_out: pairs for evaluations along the way.
        folder: of checkpoints and metrics.
        callbacks: further callbacks.

    Raises:
        InputError: anything wrong with the model or the settings.
    """
    check_adapters(training, train)
    _report_to_nobody()
    from trl import RewardConfig, RewardTrainer  # pyright: ignore[reportPrivateImportUsage]

    more = {
        "center_rewards_coefficient": training.centring,
        "disable_dropout": False,  # the adapter's own dropout is a setting of the paper, and would go too
        "max_length": None,  # texts are cut already, alike in both forms
    }
    args = training_arguments(RewardConfig, training, folder, **more)
    model, text = prepared(training, 1, args.seed)
    trainer: Any = RewardTrainer(
        model=model,
        args=args,
        data_collator=lambda rows: adapter_batch(rows, text.padding),
        train_dataset=_dataset(train, text),
        eval_dataset=None if held_out is None else _dataset(held_out, text),
        processing_class=text.tokenizer,
        peft_config=copy.deepcopy(training.lora),  # PEFT writes into it
        callbacks=listeners(folder, callbacks),
    )
    trainer.model.config.get_text_config().pad_token_id = text.padding  # TRL takes the tokenizer's
    trainer.remove_callback(PrinterCallback)  # it prints metrics to stdout; ours go to files and bars
    return trainer, text


def train_adapter(
    training: RewardTraining,
    train: RewardPairs,
    held_out: RewardPairs | None,
    folder: Path,
    *,
    resume: bool = False,
    callbacks: list[TrainerCallback] | None = None,
) -> tuple[Any, RewardText]:
    """Train one adapter on pairs of one attribute.

    Args:
        training: the settings.
        train: pairs of one attribute, the chosen response first.
        held_out: pairs for evaluations along the way.
        folder: of checkpoints and metrics.
        resume: go on from the last whole checkpoint, if there is one.
        callbacks: further callbacks.

    Returns:
        The model with its adapter, and what turned texts into tokens.

    Raises:
        InputError: anything wrong with model, settings or folder, before training starts.
    """
    trainer, text = adapter_trainer(training, train, held_out, folder, callbacks)
    start(trainer, training, train, resume)
    return trainer.accelerator.unwrap_model(trainer.model), text


def adapter_batch(rows: Sequence[dict[str, Any]], padding: int) -> dict[str, Any]:
    """Put pairs into one batch the way TRL reads it: the chosen responses, then the rejected ones."""
    return padded([row["chosen_ids"] for row in rows] + [row["rejected_ids"] for row in rows], padding)


def _dataset(pairs: RewardPairs, text: RewardText) -> Any:
    from datasets import Dataset

    rows = pairs.rows(text)
    return Dataset.from_list([{"chosen_ids": r["chosen_ids"], "rejected_ids": r["rejected_ids"]} for r in rows])


def _report_to_nobody() -> None:
    """Keep TRL from telling the hub that a trainer was made: nothing leaves a machine that its user did not name."""
    from huggingface_hub import constants

    constants.HF_HUB_DISABLE_TELEMETRY = True
