"""Try a recipe of reward models without training: every setting, the texts, and one step of a small random model."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slhf.data import UnreachableError
from slhf.errors import InputError
from slhf.policies.load import load_tokenizer
from slhf.runs.reward_build import VERDICT, build_pairs, build_skew, build_training
from slhf.runs.reward_recipe import SKEW, RewardRecipe
from slhf.runs.trial import DryRun, no_gpu_changes, small_config, tokenizer_of

if TYPE_CHECKING:
    from slhf.training.reward_pairs import RewardPairs
    from slhf.training.reward_setup import RewardTraining

PAIRS = 2
"""Pairs of the trial step."""

TRIAL = {
    "max_steps": 1,
    "per_device_train_batch_size": PAIRS,
    "gradient_accumulation_steps": 1,
    "eval_strategy": "no",
    "save_strategy": "no",
    "load_best_model_at_end": False,
    "logging_steps": 1,
    "report_to": "none",
}
"""Arguments of the trial step."""


def reward_dry_run(recipe: RewardRecipe) -> DryRun:
    """Check all of a recipe of reward models that can be checked on this machine.

    Args:
        recipe: the settings.

    Returns:
        What was checked, and what could not be.

    Raises:
        InputError: something that was checked is wrong.
    """
    from slhf.training.reward_robust import check_robust

    report = DryRun([f"settings of {recipe.source}"])
    changes = no_gpu_changes(recipe, report)
    pairs = _pairs(recipe, report)
    tokenizer = tokenizer_of(recipe, report)
    config = small_config(recipe, report)
    labels = {"heads": len(pairs.attributes), SKEW: 2 * build_skew(recipe).pairs}.get(recipe.form, 1)
    if recipe.robust is not None:
        check_robust(build_training(recipe), pairs)
        report.checked.append(f"worst case of each step: {recipe.robust.words()}")
    training = dataclasses.replace(
        build_training(recipe),
        args={**recipe.args, **changes, **TRIAL},
        model=_random(config, labels),
        tokenizer=tokenizer or load_tokenizer("toy"),
    )
    with tempfile.TemporaryDirectory(prefix="slhf-dry-run-") as folder:
        _step(recipe, training, pairs, Path(folder))
    report.checked.append(f"one step of a random {config.model_type} model, cut to {config.num_hidden_layers} layers")
    return report


def _pairs(recipe: RewardRecipe, report: DryRun) -> RewardPairs:
    try:
        train, held_out = build_pairs(recipe.data)
    except UnreachableError as error:
        report.unchecked.append(f"data: {error}; two made-up pairs stood in")
        return _stand_in(tuple(recipe.data.attributes or [VERDICT]))
    for what, pairs in (("training", train), ("held-out", held_out)):
        counts = ", ".join(f"{a} {len(pairs.of(a)):,}" for a in pairs.attributes)
        report.checked.append(f"{what} pairs: {counts}")
    return train


def _stand_in(attributes: tuple[str, ...]) -> RewardPairs:
    from slhf.training.reward_pairs import RewardPairs

    prompts = ("What is 2 plus 2?", "Name a colour.")
    return RewardPairs(attributes, prompts, ("It is 4.", "Red."), ("No.", "Well."), np.ones((2, len(attributes))))


def _random(config: Any, labels: int) -> Any:
    import torch
    from transformers import AutoModelForSequenceClassification

    config.num_labels = labels
    return AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)


def _step(recipe: RewardRecipe, training: RewardTraining, pairs: RewardPairs, folder: Path) -> None:
    """Train one step.

    Raises:
        InputError: the trainer refuses the settings, or the loss is not a number.
    """
    from slhf.training.reward_adapters import adapter_trainer
    from slhf.training.reward_heads import heads_trainer
    from slhf.training.skew_training import skew_trainer

    try:
        if recipe.form == SKEW:
            trainer, _ = skew_trainer(training, build_skew(recipe), pairs.head(PAIRS), None, folder)
        elif recipe.form == "heads":
            trainer, _ = heads_trainer(training, pairs.head(PAIRS), None, folder)
        else:
            trainer, _ = adapter_trainer(training, pairs.of(pairs.attributes[0]).head(PAIRS), None, folder)
    except ValueError as error:  # PEFT's and transformers' own complaints name no recipe
        raise InputError(f"{recipe.source}: {error}") from error
    loss = trainer.train().training_loss
    if not math.isfinite(loss):
        raise InputError(f"the trial step gave a loss of {loss}")
