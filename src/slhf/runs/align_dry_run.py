"""Try a recipe of alignment without training: settings, data, and one turn of the loop with a small random model."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from pathlib import Path
from typing import Any

from slhf.data import UnreachableError
from slhf.errors import InputError, NotTrainedError
from slhf.policies.load import load_tokenizer
from slhf.runs.align_checks import check_whole
from slhf.runs.align_data import AlignData, build_align_data, fresh_prompts, random_pairs, seed_count
from slhf.runs.align_recipe import AlignRecipe
from slhf.runs.align_run import check_judges
from slhf.runs.align_trainer import build_pair_arguments, build_pair_trainer
from slhf.runs.trial import DryRun, no_gpu_changes, small_config, tokenizer_of

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

_STAND_IN = [
    {"prompt": "What is 2 plus 2?", "chosen": "It is 4.", "rejected": "No.", "preference": 1.0},
    {"prompt": "Name a colour.", "chosen": "Red.", "rejected": "Well.", "preference": 1.0},
]


def align_dry_run(recipe: AlignRecipe) -> DryRun:
    """Check all of a recipe of alignment that can be checked on this machine.

    Args:
        recipe: the settings.

    Returns:
        What was checked, and what could not be.

    Raises:
        InputError: something that was checked is wrong.
    """
    report = DryRun([f"settings of {recipe.source}"])
    _judges(recipe, report)
    changes = no_gpu_changes(recipe, report)
    data = _data(recipe, report)
    tokenizer = tokenizer_of(recipe, report)
    config = small_config(recipe, report)
    check_whole(recipe)
    seeds = _STAND_IN if data is None else data.labelled[:PAIRS]
    with tempfile.TemporaryDirectory(prefix="slhf-dry-run-") as folder:
        for seeding in (True, False):
            build_pair_arguments(recipe, Path(folder), seeding=seeding, **changes)
        report.checked.append("training arguments")
        model = _random(config)
        for seeding in (True, False):
            model = _step(recipe, model, tokenizer or load_tokenizer("toy"), seeds, Path(folder), changes, seeding)
    report.checked.append(
        f"a step of the seed stage and one of an iteration, by a random {config.model_type} model cut to "
        f"{config.num_hidden_layers} layers"
    )
    return report


def _judges(recipe: AlignRecipe, report: DryRun) -> None:
    try:
        check_judges(recipe)
    except NotTrainedError as error:
        report.unchecked.append(str(error))
    else:
        report.checked.append("who labels, and who judges")


def _data(recipe: AlignRecipe, report: DryRun) -> AlignData | None:
    try:
        data = build_align_data(recipe)
    except UnreachableError as error:
        report.unchecked.append(f"data: {error}; two made-up pairs stood in")
        return None
    count = seed_count(recipe.seed, len(data.labelled), recipe.source)
    seeds = [data.labelled[i] for i in random_pairs(data.labelled, count, recipe.random_seed)]
    fresh_prompts(recipe, data.pool, seeds)
    report.checked.append(
        f"data: {count:,} seed pairs of {len(data.labelled):,}; {sum(recipe.sizes):,} pool prompts of "
        f"{len(data.pool):,}; {len(data.held_out):,} held-out prompts"
    )
    return data


def _random(config: Any) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


def _step(
    recipe: AlignRecipe,
    model: Any,
    tokenizer: Any,
    rows: list[dict[str, Any]],
    folder: Path,
    changes: dict[str, Any],
    seeding: bool,
) -> Any:
    """Train one step, and return the model.

    Raises:
        InputError: the trainer refuses the settings, or the loss is not a number.
    """
    own = dataclasses.replace(recipe, seed_args={k: v for k, v in recipe.seed_args.items() if k not in TRIAL})
    trial = build_pair_arguments(own, folder, seeding=seeding, **(changes | TRIAL), reference=None)
    try:
        trainer = build_pair_trainer(own, model, rows, trial, seeding=seeding, tokenizer=tokenizer)
    except ValueError as error:  # PEFT's and transformers' own complaints name no recipe
        raise InputError(f"{recipe.source}: {error}") from error
    loss = trainer.train().training_loss
    if not math.isfinite(loss):
        raise InputError(f"the trial step gave a loss of {loss}")
    return trainer.accelerator.unwrap_model(trainer.model)
