"""Try a recipe without training: every setting, the template, and one step of a small random model."""

from __future__ import annotations

import copy
import math
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slhf.data import UnreachableError
from slhf.errors import InputError, suggestion
from slhf.judges import Judge, RuleJudge
from slhf.policies.load import load_tokenizer, resolve
from slhf.runs.build import build_algorithm, build_arguments, build_data, build_judge, build_lora
from slhf.runs.recipe import Recipe

if TYPE_CHECKING:
    from slhf.training import GameTrainer

LAYERS, PROMPTS, NEW_TOKENS = 2, 2, 8
"""Size of the trial step; all other dimensions are the model's own."""


@dataclass
class DryRun:
    """What a trial found.

    Attributes:
        checked: what was tried and is in order.
        unchecked: what could not be tried on this machine, and why.
    """

    checked: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)


def dry_run(recipe: Recipe) -> DryRun:
    """Check all of a recipe that can be checked on this machine.

    Args:
        recipe: the settings.

    Returns:
        What was checked, and what could not be.

    Raises:
        InputError: something that was checked is wrong.
    """
    report = DryRun([f"settings of {recipe.source}"])
    judge = _judge(recipe, report)
    with tempfile.TemporaryDirectory(prefix="slhf-dry-run-") as folder:
        changes = _no_gpu_changes(recipe, report)
        arguments = build_arguments(recipe, folder, **changes)
        report.checked.append("training arguments")
        data = _data(recipe, report)
        tokenizer = _tokenizer(recipe, report)
        config = _config(recipe, report)
        if data is not None and tokenizer is not None:
            _trainer(recipe, config, tokenizer, judge, arguments, *data)
            report.checked.append("template, and the length of every prompt")
        trial = build_arguments(recipe, folder, **(changes | _trial_changes(recipe, arguments)))
        prompts = _STAND_IN_PROMPTS if data is None else data[0].select(range(min(PROMPTS, len(data[0]))))
        _step(_trainer(recipe, config, tokenizer or load_tokenizer("toy"), judge, trial, prompts, None))
        report.checked.append(
            f"one step of a random {config.model_type} model, cut to {config.num_hidden_layers} layers"
        )
    return report


_STAND_IN_PROMPTS = [{"prompt": "What is 2 plus 2?"}, {"prompt": "Name a colour."}]


def _judge(recipe: Recipe, report: DryRun) -> Judge:
    if recipe.judge.given:
        judge = build_judge(recipe)
        report.checked.append(f"judge {judge.name!r}")
        return judge
    report.unchecked.append("judge: the recipe leaves it to you (judge.callable=FILE.py:NAME); a rule stood in")
    return RuleJudge(lambda prompt, response, columns: len(response), name="longer")


def _no_gpu_changes(recipe: Recipe, report: DryRun) -> dict[str, Any]:
    import torch

    if torch.cuda.is_available():
        return {}
    wanted = [name for name in ("bf16", "fp16", "tf32") if recipe.args.get(name)]
    report.unchecked += [f"{name} arithmetic: no GPU here" for name in wanted]
    return dict.fromkeys(wanted, False) | {"use_cpu": True}


def _trial_changes(recipe: Recipe, arguments: Any) -> dict[str, Any]:
    return {
        "max_steps": 1,
        "per_device_train_batch_size": PROMPTS,
        "gradient_accumulation_steps": 1,
        "max_new_tokens": min(NEW_TOKENS, arguments.max_new_tokens),
        "min_new_tokens": 0,
        "eval_strategy": "no",
        "save_strategy": "no",
        "load_best_model_at_end": False,
        "logging_steps": 1,
        "report_to": "none",
    }


def _data(recipe: Recipe, report: DryRun) -> Any:
    try:
        train, held_out = build_data(recipe.data)
    except UnreachableError as error:
        report.unchecked.append(f"data: {error}")
        return None
    report.checked.append(f"data: {len(train)} training and {len(held_out)} held-out prompts")
    return train, held_out


def _tokenizer(recipe: Recipe, report: DryRun) -> Any:
    try:
        return load_tokenizer(recipe.model)
    except InputError as error:
        if recipe.model_config is None or not _is_hub_name(recipe.model):
            raise
        report.unchecked.append(
            f"tokenizer, chat template and prompt lengths of {recipe.model}: {error}; the embedded tokenizer stood in"
        )
        return None


def _config(recipe: Recipe, report: DryRun) -> Any:
    """Return the architecture, cut to a few layers."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(resolve(recipe.model))
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


def _from_settings(recipe: Recipe) -> Any:
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


def _trainer(
    recipe: Recipe, config: Any, tokenizer: Any, judge: Any, arguments: Any, train: Any, held_out: Any
) -> GameTrainer:
    import torch
    from transformers import AutoModelForCausalLM, PrinterCallback

    from slhf.training import GameTrainer

    torch.manual_seed(arguments.seed)
    try:
        trainer = GameTrainer(
            model=AutoModelForCausalLM.from_config(config, dtype=torch.float32),
            judge=judge,
            algorithm=build_algorithm(recipe),
            args=arguments,
            train_dataset=train,
            eval_dataset=held_out,
            processing_class=tokenizer,
            peft_config=build_lora(recipe),
        )
    except ValueError as error:  # PEFT's and transformers' own complaints name no recipe
        raise InputError(f"{recipe.source}: {error}") from error
    trainer.remove_callback(PrinterCallback)
    return trainer


def _step(trainer: GameTrainer) -> None:
    """Train one step.

    Raises:
        InputError: the loss or a weight is not a number afterwards.
    """
    loss = trainer.train().training_loss
    weights = [p for p in trainer.policy.model.parameters() if p.requires_grad]
    if not math.isfinite(loss) or not all(bool(p.isfinite().all()) for p in weights):
        raise InputError(f"the trial step gave a loss of {loss}, or weights that are not numbers")
