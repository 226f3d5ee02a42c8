"""What trials of recipes share: the findings, and stand-ins for what is out of reach."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slhf.errors import InputError, suggestion
from slhf.policies.load import load_tokenizer, resolve, stands_on
from slhf.runs.recipe import Recipe

if TYPE_CHECKING:
    from slhf.runs.align_recipe import AlignRecipe
    from slhf.runs.reward_recipe import RewardRecipe

LAYERS = 2
"""Layers of a trial's model; all other dimensions are the model's own."""


@dataclass
class DryRun:
    """What a trial found.

    Attributes:
        checked: what was tried and is in order.
        unchecked: what could not be tried on this machine, and why.
    """

    checked: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)


def no_gpu_changes(recipe: Recipe | RewardRecipe | AlignRecipe, report: DryRun) -> dict[str, Any]:
    """Return the arguments that differ on a machine without a GPU, and note what they leave unchecked."""
    import torch

    if torch.cuda.is_available():
        return {}
    wanted = [name for name in ("bf16", "fp16", "tf32") if recipe.args.get(name)]
    report.unchecked += [f"{name} arithmetic: no GPU here" for name in wanted]
    return dict.fromkeys(wanted, False) | {"use_cpu": True}


def tokenizer_of(recipe: Recipe | RewardRecipe | AlignRecipe, report: DryRun) -> Any:
    """Return the recipe's tokenizer; None where it is on a hub out of reach, which is noted.

    Raises:
        InputError: there is none, or nothing could stand in for its model.
    """
    try:
        return load_tokenizer(recipe.model)
    except InputError as error:
        if recipe.model_config is None or not _is_hub_name(recipe.model):
            raise
        report.unchecked.append(
            f"tokenizer, chat template and prompt lengths of {recipe.model}: {error}; the embedded tokenizer stood in"
        )
        return None


def small_config(recipe: Recipe | RewardRecipe | AlignRecipe, report: DryRun) -> Any:
    """Return the model's architecture, cut to a few layers; the recipe's own where the model is out of reach.

    Raises:
        InputError: there is no such model, or ``model_config`` is none.
    """
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(resolve(stands_on(recipe.model)))
        report.checked.append(f"architecture of {recipe.model}")
    except (OSError, ValueError) as error:  # InputError is one
        if recipe.model_config is None or not _is_hub_name(recipe.model):
            raise InputError(f"{recipe.source}: model: {error}") from error
        config = _from_settings(recipe)
        report.unchecked.append(f"weights and configuration of {recipe.model}: model_config of the recipe stood in")
    config = copy.deepcopy(config)
    config.num_hidden_layers = min(LAYERS, config.num_hidden_layers)
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[: config.num_hidden_layers]
    return config


def _from_settings(recipe: Recipe | RewardRecipe | AlignRecipe) -> Any:
    from transformers import AutoConfig

    settings = dict(recipe.model_config or {})
    kind = settings.pop("model_type", None)
    try:
        default = AutoConfig.for_model(kind)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{recipe.source}: model_config.model_type: transformers knows no {kind!r}") from error
    known = set(default.to_dict())
    for key in settings:
        if key not in known:
            raise InputError(
                f"{recipe.source}: model_config.{key}: a {kind} model has no such setting.{suggestion(key, known)}"
            )
    return AutoConfig.for_model(kind, **settings)


def _is_hub_name(model: str) -> bool:
    return model != "toy" and not Path(model).exists() and model.count("/") == 1 and not model.startswith((".", "/"))
