"""From a recipe's settings to the objects that run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slhf.data import load_prompts
from slhf.errors import InputError
from slhf.judges import Judge, judge_from
from slhf.runs.recipe import DataSettings, Recipe, algorithms

if TYPE_CHECKING:
    from datasets import Dataset
    from peft import LoraConfig

    from slhf.runs.align_recipe import AlignRecipe
    from slhf.runs.reward_recipe import RewardData, RewardRecipe
    from slhf.training import GameArguments, GameTrainer


log = logging.getLogger(__name__)


def build_data(settings: DataSettings) -> tuple[Dataset, Dataset]:
    """Return the training and the held-out prompts; a prompt held out for either purpose is not trained on.

    Raises:
        InputError: a data set cannot be loaded, or every training prompt is also held out.
    """
    train_split, eval_split = splits_of(settings)
    train = _load(settings, settings.train, train_split, settings.train_limit)
    held_out = _load(settings, settings.eval or settings.train, eval_split, settings.eval_limit)
    test = build_test_data(settings)
    kept_out = {repr(prompt) for data in (held_out, test) if data is not None for prompt in data["prompt"]}
    rows = [i for i, prompt in enumerate(train["prompt"]) if repr(prompt) not in kept_out]
    if not rows:
        raise InputError(f"every training prompt of {settings.train!r} is also held out; nothing is left to train on")
    if len(rows) < len(train):
        log.warning("%d prompts are held out and left out of training", len(train) - len(rows))
        train = train.select(rows, keep_in_memory=True)
    return train, held_out


def build_test_data(settings: DataSettings) -> Dataset | None:
    """Return the prompts of the table at the end, or None where they are the held-out ones.

    Raises:
        InputError: the data set cannot be loaded, or has no such split.
    """
    if settings.test_split is None:
        return None
    return _load(settings, settings.eval or settings.train, settings.test_split, settings.eval_limit)


def _load(settings: DataSettings, source: str, split: str | None, limit: int | None) -> Dataset:
    return load_prompts(
        source,
        split,
        limit,
        prompt_column=settings.prompt_column,
        held_out=settings.held_out,
        seed=settings.seed,
    )


def splits_of(settings: DataSettings | RewardData) -> tuple[str | None, str | None]:
    """Fill in the splits that were not named: all rows of a file that serves one purpose only."""
    train_split, eval_split = settings.train_split, settings.eval_split
    if settings.eval is None or settings.eval == settings.train:
        return train_split or "train", eval_split or "held_out"
    if eval_split is None and not Path(settings.eval).is_file():
        eval_split = "held_out"
    return train_split, eval_split


def build_judge(recipe: Recipe) -> Judge:
    """Return the recipe's judge.

    Raises:
        InputError: there is no such judge, it cannot be imported, or its settings make no sense.
    """
    if not recipe.judge:
        raise InputError(
            f"{recipe.source}: judge: this recipe leaves the judge to you; give judge.callable=FILE.py:NAME, "
            f"a callable (prompts, first, second) -> P(first is preferred), or judge=NAME"
        )
    return judge_from(recipe.judge, f"{recipe.source}: judge")


def build_algorithm(recipe: Recipe) -> Any:
    """Return the recipe's algorithm with its settings."""
    settings = dict(recipe.algorithm)
    return algorithms()[settings.pop("name")](**settings)


def build_arguments(recipe: Recipe, output_dir: str | Path, **changes: Any) -> GameArguments:
    """Return the recipe's training arguments.

    Args:
        recipe: the settings.
        output_dir: the run's folder.
        changes: arguments to set otherwise.

    Raises:
        InputError: a combination of values that makes no sense.
    """
    from slhf.training import GameArguments

    settings = {**recipe.args, **changes, "output_dir": str(output_dir), "disable_tqdm": True}
    try:
        return GameArguments(**settings)
    except (ValueError, TypeError, ImportError) as error:  # what transformers raises for bad combinations
        raise InputError(f"{recipe.source}: args: {error}") from error


def build_lora(recipe: Recipe | RewardRecipe | AlignRecipe, task: str = "CAUSAL_LM") -> LoraConfig | None:
    """Return the recipe's adapter as PEFT wants it, or None where all weights train.

    Args:
        recipe: the settings.
        task: PEFT's word for what the model does.
    """
    if recipe.lora is None:
        return None
    from peft import LoraConfig

    lora = recipe.lora
    return LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules,
        task_type=task,
    )


def build_trainer(recipe: Recipe, output_dir: str | Path, callbacks: list[Any] | None = None) -> GameTrainer:
    """Return a trainer, everything in the recipe loaded and checked.

    Raises:
        InputError: anything wrong with model, data, judge or settings.
    """
    from transformers import PrinterCallback

    from slhf.training import GameTrainer

    judge = build_judge(recipe)
    args = build_arguments(recipe, output_dir)
    train, held_out = build_data(recipe.data)
    trainer = GameTrainer(
        model=recipe.model,
        judge=judge,
        algorithm=build_algorithm(recipe),
        args=args,
        train_dataset=train,
        eval_dataset=held_out,
        peft_config=build_lora(recipe),
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)  # it prints metrics to stdout; ours go to files and bars
    return trainer
