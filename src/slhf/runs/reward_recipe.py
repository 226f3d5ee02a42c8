"""A recipe for reward models: which pairs, which form, how they are trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from slhf.errors import InputError, suggestion
from slhf.judges.reward_weights import FORMS as REWARD_FORMS
from slhf.robust.ball import Ball
from slhf.runs.recipe import REWARD, LoraSettings, find_recipe, shipped_files
from slhf.runs.sections import arguments, check_ranges, lora_checks, section
from slhf.runs.strict import long_form, override, read_yaml
from slhf.settings import typed

SKEW = "skew"
"""A model of the preference itself, which may run in a circle, in place of rewards."""

FORMS = (*REWARD_FORMS, SKEW)
"""What can be trained."""

ROBUST_FORMS = ("heads", SKEW)
"""What can be trained against an adversary."""

CENTRING = 0.01
"""λ where none is given."""


@dataclass(frozen=True)
class RewardData:
    """Which pairs to train and to test on.

    Attributes:
        train: a set of preferences as ``load_pairs`` names it.
        eval: the held-out pairs; the same set if None.
        train_split: its training part; None is "train", or all of a local file if ``eval`` is another.
        eval_split: its held-out part; None is "held_out", or all of a local file that ``eval`` names.
        attributes: what responses are rated on; a reward model each, and one alone for ``form: skew``. None: one, of
            the pairs' own verdict.
        ties: ``drop``, ``half`` (kept at ½; ``form: adapters`` cannot learn from them) or ``split`` (a fair coin).
        invalid: ``error`` refuses a pair that cannot be used, ``drop`` leaves it out and says how many there were.
        train_limit: at most so many training pairs of each attribute.
        eval_limit: at most so many held-out pairs of each attribute.
        held_out: expected share of held-out prompts where the set has no splits.
        seed: of that split, and of the coin.
    """

    train: str
    eval: str | None = None
    train_split: str | None = None
    eval_split: str | None = None
    attributes: list[str] | None = None
    ties: str = "drop"
    invalid: str = "error"
    train_limit: int | None = None
    eval_limit: int | None = None
    held_out: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class RewardRecipe:
    """One run's settings, checked.

    Attributes:
        source: the file they came from, for error messages.
        name: names the run's default folder.
        model: what to start from: ``toy``, a path, or a hub name.
        data: pairs.
        form: ``adapters``, one adapter an attribute on one base, ``heads``, one model with a head an attribute, or
            ``skew``, a model of the preference itself, which may run in a circle.
        dimension: of ``form: skew`` only: numbers that embed a response, even; 8 if None.
        centring: λ, the weight of (r + r′)² in the loss; ``form: skew`` has none.
        robust: ``epsilon`` with ``window``, ``flip_cost`` or both: what SGPO's adversary may do to the margins of each
            step (:class:`slhf.robust.ball.Ball`). None: the plain loss. Not with ``form: adapters``.
        max_length: longest text, tokens; a longer one loses its beginning. As much as the model holds if None.
        lora: the adapter, or None to train all weights (not with ``form: adapters``).
        args: fields of ``transformers.TrainingArguments`` that were given.
        model_config: the model's architecture, for ``--dry-run`` where its files are out of reach.
        description: for people.
        output: the run's folder; ``runs/NAME`` if None.
    """

    source: str
    name: str
    model: str
    data: RewardData
    form: str = "adapters"
    dimension: int | None = None
    centring: float = CENTRING
    robust: Ball | None = None
    max_length: int | None = None
    lora: LoraSettings | None = None
    args: dict[str, Any] = field(default_factory=dict)
    model_config: dict[str, Any] | None = None
    description: str = ""
    output: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as they are kept beside a run: all but where they came from and go to."""
        values = dataclasses.asdict(self)
        del values["source"], values["output"]
        if self.robust is not None:
            values["robust"] = self.robust.as_dict()  # a window as a list, as files hold it
        return values

    def as_yaml(self) -> str:
        """Return the settings as a recipe file that makes the same run again."""
        return yaml.safe_dump(self.as_dict(), sort_keys=False, allow_unicode=True, width=100)


def shipped_reward_recipes() -> dict[str, Path]:
    """Return the recipes of reward models that come with the package, by name."""
    return {name: path for name, path in shipped_files().items() if name.startswith(REWARD)}


def find_reward_recipe(name: str | Path) -> Path:
    """Return the file of a recipe given by path or by the name of one that comes with the package.

    Raises:
        InputError: there is none.
    """
    return find_recipe(name, shipped_reward_recipes())


def load_reward_recipe(name: str | Path, overrides: Collection[str] = ()) -> RewardRecipe:
    """Read a recipe of reward models and check every setting in it.

    Args:
        name: a file, or the name of a recipe that comes with the package.
        overrides: ``key.sub=value`` assignments, applied before the check.

    Raises:
        InputError: no such file or recipe, an unknown setting, or a value of the wrong type or
            range; the message names the file and the key.
    """
    path = find_reward_recipe(name)
    return parse_reward_recipe(override(read_yaml(path), overrides), str(path))


def parse_reward_recipe(values: Mapping[str, Any], source: str) -> RewardRecipe:
    """Check the settings of a recipe of reward models.

    Args:
        values: the recipe as a mapping.
        source: where it came from, for error messages.

    Raises:
        InputError: a setting is missing, unknown, or of the wrong type or range.
    """
    from transformers import TrainingArguments

    start = f"{source}: "
    for key in ("judge", "algorithm"):
        if key in values:
            raise InputError(f"{start}a recipe with the section {key!r} trains a game: slhf train {source}")
    hints = {k: v for k, v in get_type_hints(RewardRecipe).items() if k != "source"}
    known = typed(values, {**hints, "data": Any, "lora": Any, "args": Any, "robust": Any}, start)
    for key in ("model", "data"):
        if known.get(key) is None:
            raise InputError(f"{start}the setting {key!r} is missing; a recipe of reward models needs a model and data")
    try:
        sections = [long_form(key, known.pop(key, None)) for key in ("data", "lora", "args", "robust")]
    except InputError as error:
        raise InputError(f"{start}{error}") from error
    data, lora, args, robust = sections
    recipe = RewardRecipe(
        source=source,
        data=section(RewardData, data, f"{start}data."),
        lora=section(LoraSettings, lora, f"{start}lora.") if values.get("lora") is not None else None,
        robust=_ball(robust, f"{start}robust.") if values.get("robust") is not None else None,
        args=arguments(TrainingArguments, args, f"{start}args."),
        **{"name": Path(source).stem, **{k: v for k, v in known.items() if v is not None}},
    )
    _check(recipe, start)
    return recipe


def _ball(values: Mapping[str, Any], where: str) -> Ball:
    try:
        return section(Ball, values, where)
    except InputError as error:
        told = str(error)
        raise InputError(told if told.startswith(where) else f"{where}{told}") from error


def _check(recipe: RewardRecipe, start: str) -> None:
    data = recipe.data
    if recipe.form not in FORMS:
        raise InputError(
            f"{start}form: {recipe.form!r} is not one of {', '.join(FORMS)}.{suggestion(recipe.form, FORMS)}"
        )
    if not 0 <= recipe.centring < float("inf"):
        raise InputError(f"{start}centring: must be 0 or more, got {recipe.centring}")
    if recipe.robust is not None and recipe.form not in ROBUST_FORMS:
        raise InputError(
            f"{start}robust: form: {recipe.form} is trained by TRL's trainer, whose loss is its own; take "
            f"{' or '.join(f'form={form}' for form in ROBUST_FORMS)}, or leave robust out"
        )
    _check_skew(recipe, start)
    if recipe.max_length is not None and recipe.max_length < 8:
        raise InputError(f"{start}max_length: must be at least 8 tokens, got {recipe.max_length}")
    if data.attributes is not None and (not data.attributes or len(set(data.attributes)) < len(data.attributes)):
        raise InputError(f"{start}data.attributes: give at least one, each once, got {data.attributes}")
    checks = [
        ("data.train_limit", data.train_limit is None or data.train_limit >= 2, "must be at least 2"),
        ("data.eval_limit", data.eval_limit is None or data.eval_limit >= 2, "must be at least 2"),
        ("data.held_out", 0 < data.held_out < 1, "must lie between 0 and 1"),
    ]
    check_ranges(recipe, start, [*checks, *lora_checks(recipe.lora)])


def _check_skew(recipe: RewardRecipe, start: str) -> None:
    attributes = recipe.data.attributes
    if recipe.form != SKEW:
        if recipe.dimension is not None:
            raise InputError(f"{start}dimension: a setting of form: {SKEW}; form: {recipe.form} learns rewards")
        return
    if recipe.dimension is not None and (recipe.dimension < 2 or recipe.dimension % 2):
        raise InputError(f"{start}dimension: must be an even number from 2, got {recipe.dimension}")
    if recipe.centring != CENTRING:
        raise InputError(f"{start}centring: form: {SKEW} has no rewards to centre; leave it out")
    if attributes is not None and len(attributes) > 1:
        raise InputError(
            f"{start}data.attributes: form: {SKEW} learns one verdict a pair, got {attributes}; choose one, or train "
            "one model each"
        )
