"""What both forms of reward models are trained with: the model, the texts, the arguments, the way on after a stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainingArguments, set_seed

from slhf.errors import InputError
from slhf.judges.reward_text import RewardText
from slhf.judges.reward_weights import classifier, reads_last_token, usable_length
from slhf.policies.load import load_tokenizer, resolve
from slhf.robust.ball import Ball
from slhf.training import checkpoints
from slhf.training.callbacks import MetricsFile
from slhf.training.reward_checkpoints import WholeCheckpoints
from slhf.training.reward_pairs import RewardPairs

PairLoss = Callable[..., tuple[torch.Tensor, dict[str, torch.Tensor]]]
"""``(first, second, labels, count=…) → (loss, metrics)``."""

DEFAULTS: Mapping[str, Any] = {
    "num_train_epochs": 5,
    "per_device_train_batch_size": 32,
    "per_device_eval_batch_size": 32,
    "learning_rate": 1e-4,
    "logging_steps": 10,
    "save_strategy": "epoch",
    "save_total_limit": 1,
    "report_to": "none",
    # TRL's own defaults differ from transformers' here; both forms train alike
    "bf16": False,
    "activation_checkpointing": False,
}
"""Settings of the paper (App. D.1), and what a run needs; a recipe's ``args`` go before them."""


@dataclass(frozen=True)
class RewardTraining:
    """How reward models are trained, whatever their form.

    Attributes:
        base: ``toy``, a folder or a hub name.
        args: fields of ``transformers.TrainingArguments``; see ``DEFAULTS``.
        lora: the adapter, a ``peft.LoraConfig``; None trains all weights.
        centring: λ, see :func:`slhf.objectives.reward_loss`.
        max_length: longest text, tokens; as much as the model holds if None.
        robust: what an adversary may do to the margins of a step, see ``reward_robust``; None: there is none.
        model: a model to train in place of the base's weights, for trials.
        tokenizer: its tokenizer.
    """

    base: str
    args: Mapping[str, Any] = field(default_factory=dict)
    lora: Any = None
    centring: float = 0.01
    max_length: int | None = None
    robust: Ball | None = None
    model: Any = None
    tokenizer: Any = None


def training_arguments(kind: type[Any], training: RewardTraining, folder: Path, **more: Any) -> Any:
    """Return arguments with the defaults of reward models filled in.

    Raises:
        InputError: a combination of values that makes no sense.
    """
    always = {"output_dir": str(folder), "disable_tqdm": True, "remove_unused_columns": False}
    settings = {**DEFAULTS, **training.args, **more, **always}
    if "gradient_checkpointing" in settings:  # transformers' former word, which its new one would silently override
        settings["activation_checkpointing"] = settings.pop("gradient_checkpointing")
    try:
        return kind(**settings)
    except (ValueError, TypeError, ImportError) as error:  # what transformers raises for bad combinations
        raise InputError(f"args: {error}") from error


def check_base(training: RewardTraining) -> None:
    """Refuse a base that is not there, or whose texts have no end, before anything is loaded or written.

    Raises:
        InputError: says which.
    """
    if training.model is None:
        resolve(training.base)
    RewardText(training.tokenizer if training.tokenizer is not None else load_tokenizer(training.base))


def prepared(training: RewardTraining, labels: int, seed: int) -> tuple[Any, RewardText]:
    """Load a base with a fresh head, and what turns texts into its tokens.

    Args:
        training: the settings.
        labels: outputs of the head.
        seed: of the head's and, after this, the adapter's first weights.

    Raises:
        InputError: there is no such model, or its tokenizer has no end token.
    """
    check_base(training)
    tokenizer = training.tokenizer if training.tokenizer is not None else load_tokenizer(training.base)
    set_seed(seed)
    model = training.model if training.model is not None else classifier(resolve(training.base), labels)
    text = RewardText(tokenizer, usable_length(model, training.max_length))
    reads_last_token(model, text)
    model.config.use_cache = False
    return model, text


def start(trainer: Any, training: RewardTraining, pairs: RewardPairs, resume: bool, **told: Any) -> None:
    """Train, or go on from the last whole checkpoint to the same result.

    Args:
        trainer: any trainer on ``transformers.Trainer``, not started.
        training: the settings.
        pairs: what it trains on, for telling runs apart.
        resume: go on where there is a checkpoint.
        told: further settings that tell runs apart.

    Raises:
        InputError: the folder holds a different run, or this one and ``resume`` is off.
    """
    args: TrainingArguments = trainer.args
    more = {"pairs": pairs.digest(), "centring": training.centring, "max_length": training.max_length, **told}
    if training.robust is not None:
        more["robust"] = training.robust.as_dict()
    mine = checkpoints.settings_that_matter(args, trainer.model, {**more, "base": training.base})
    folder = Path(str(args.output_dir))
    chosen = checkpoints.choose(resume and bool(checkpoints.whole_checkpoints(folder)), folder, mine)
    trainer.accelerator.wait_for_everyone()  # all have chosen before anything is removed
    if trainer.is_world_process_zero():
        checkpoints.remove_partial(folder)
    # older checkpoints go when the new one is known to be whole, which the trainer cannot tell
    limit, args.save_total_limit = args.save_total_limit, None
    trainer.add_callback(WholeCheckpoints(folder, mine, limit))
    trainer.train(resume_from_checkpoint=chosen)


def base_name(base: str) -> str:
    """Return a base as it is written beside what stands on it: a folder by its full path, any other name as it is."""
    if base == "toy" or not Path(base).expanduser().is_dir():
        return base
    return str(Path(resolve(Path(base).expanduser())).resolve())


def listeners(folder: Path, callbacks: list[TrainerCallback] | None) -> list[TrainerCallback]:
    """Return the callbacks of a trainer: the file of metrics, and the caller's own."""
    return [MetricsFile(folder), *(callbacks or [])]
