"""From a recipe of alignment to the trainer of one stage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slhf.errors import InputError
from slhf.runs.align_checks import build_loss
from slhf.runs.align_recipe import AlignRecipe
from slhf.runs.build import build_lora

if TYPE_CHECKING:
    from slhf.training.pair_arguments import PairArguments
    from slhf.training.pairs import PairTrainer

REFERENCE = "reference"
"""Folder of a run in which the SFT model's log-probabilities are kept, for all stages."""


def build_pair_arguments(recipe: AlignRecipe, folder: Path, *, seeding: bool, **changes: Any) -> PairArguments:
    """Return the training arguments of a stage.

    Args:
        recipe: the settings.
        folder: of the stage.
        seeding: whether it is the seed stage, which may have its own.
        changes: arguments to set otherwise.

    Raises:
        InputError: a combination of values that makes no sense.
    """
    from slhf.training.pair_arguments import PairArguments

    own = recipe.seed_args if seeding else {}
    reference = {"reference": recipe.model} if recipe.lora is None else {}
    fixed = {"output_dir": str(folder), "disable_tqdm": True}
    try:
        return PairArguments(**{**reference, **recipe.args, **own, **changes, **fixed})
    except (ValueError, TypeError, ImportError) as error:  # what transformers raises for bad combinations
        raise InputError(f"{recipe.source}: args: {error}") from error


def build_pair_trainer(
    recipe: AlignRecipe,
    model: Any,
    rows: Sequence[dict[str, Any]],
    args: PairArguments,
    *,
    seeding: bool,
    tokenizer: Any = None,
    callbacks: list[Any] | None = None,
) -> PairTrainer:
    """Return the trainer of a stage, everything checked.

    Args:
        recipe: the settings.
        model: what to start from; a folder that holds an adapter goes on with it.
        rows: pairs.
        args: the stage's arguments.
        seeding: whether it is the seed stage, which has its own loss.
        tokenizer: needed with a model object.
        callbacks: further callbacks.

    Raises:
        InputError: anything wrong with model, pairs or settings.
    """
    from peft import PeftModel
    from transformers import PrinterCallback

    from slhf.policies.load import resolve
    from slhf.training.pairs import PairTrainer

    settings, where = (recipe.seed_loss, "seed_loss") if seeding else (recipe.loss, "loss")
    fresh = not isinstance(model, PeftModel) and (not isinstance(model, str) or model == recipe.model)
    trainer = PairTrainer(
        model=model,
        loss=build_loss(settings, f"{recipe.source}: {where}."),
        args=args,
        train_dataset=list(rows),
        processing_class=tokenizer,
        peft_config=build_lora(recipe) if fresh else None,
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)  # it prints metrics to stdout; ours go to files and bars
    if isinstance(trainer.policy.model, PeftModel) and isinstance(model, str):
        for config in trainer.policy.model.peft_config.values():
            # whenever it saves, PEFT looks for the base's settings under this name; the saved name is ours
            config.base_model_name_or_path = resolve(recipe.model)
    return trainer
