"""A recipe: everything that makes a run, as one file of settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

import yaml

import slhf
from slhf.errors import InputError, suggestion
from slhf.judges import checked_settings
from slhf.runs.sections import arguments, check_ranges, lora_checks, section
from slhf.runs.strict import long_form, override, read_yaml
from slhf.settings import typed


@dataclass(frozen=True)
class DataSettings:
    """Which prompts to train and to evaluate on.

    Attributes:
        train: a data set as ``load_prompts`` names it.
        eval: the held-out prompts; the same data set if None.
        train_split: its training part; None is "train", or all of a local file if ``eval`` is another.
        eval_split: its held-out part; None is "held_out", or all of a local file that ``eval`` names.
        test_split: the part for the table at the end, where settings were chosen by looking at
            ``eval_split``; None is ``eval_split`` again.
        train_limit: at most so many training prompts.
        eval_limit: at most so many held-out prompts, in each of the two parts.
        prompt_column: the column that holds the prompts.
        held_out: expected share of held-out prompts where the data set has no splits.
        seed: of that split.
    """

    train: str
    eval: str | None = None
    train_split: str | None = None
    eval_split: str | None = None
    test_split: str | None = None
    train_limit: int | None = None
    eval_limit: int | None = 200
    prompt_column: str = "prompt"
    held_out: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class LoraSettings:
    """A low-rank adapter.

    Attributes:
        r: rank.
        alpha: scale of the update is alpha / r.
        dropout: share of adapter inputs dropped in training.
        target_modules: names of the layers it goes on; "all-linear" is all but the head.
    """

    r: int = 16
    alpha: int = 32
    dropout: float = 0.0
    target_modules: str | list[str] = "all-linear"


@dataclass(frozen=True)
class Recipe:
    """One run's settings, checked.

    Attributes:
        source: the file they came from, for error messages.
        name: names the run's default folder.
        model: ``toy``, a path, or a hub name.
        data: prompts.
        judge: who prefers: ``name`` and the judge's own settings, or ``callable``; empty where that is left to
            whoever runs the recipe.
        algorithm: ``name`` and the algorithm's own settings.
        lora: the adapter, or None to train all weights.
        args: the settings of ``GameArguments`` that were given; all others keep their defaults.
        model_config: the model's architecture, for ``--dry-run`` where its files are out of reach.
        description: for people.
        output: the run's folder; ``runs/NAME`` if None.
    """

    source: str
    name: str
    model: str
    data: DataSettings
    judge: dict[str, Any]
    algorithm: dict[str, Any]
    lora: LoraSettings | None = None
    args: dict[str, Any] = field(default_factory=dict)
    model_config: dict[str, Any] | None = None
    description: str = ""
    output: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as they are kept beside a run: all but where they came from and go to."""
        values = dataclasses.asdict(self)
        del values["source"], values["output"]
        return values

    def as_yaml(self) -> str:
        """Return the settings as a recipe file that makes the same run again."""
        return yaml.safe_dump(self.as_dict(), sort_keys=False, allow_unicode=True, width=100)


REWARD = "reward-"
"""What the names of shipped recipes of reward models start with."""

ALIGN = "-ssapo"
"""What the names of shipped recipes of alignment from few labels end with."""


def algorithms() -> dict[str, type]:
    """Return the algorithms a recipe may name."""
    from slhf.algorithms import ALGORITHMS

    return ALGORITHMS


def shipped_files() -> dict[str, Path]:
    """Return all recipes that come with the package, those of reward models included, by name."""
    package = Path(slhf.__file__).parent
    for folder in (package / "recipes", package.parents[1] / "recipes"):  # installed; a checkout
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return {}


def shipped_recipes() -> dict[str, Path]:
    """Return the recipes of games that come with the package, by name."""
    others = {name for name in shipped_files() if name.startswith(REWARD) or name.endswith(ALIGN)}
    return {name: path for name, path in shipped_files().items() if name not in others}


def shipped_align_recipes() -> dict[str, Path]:
    """Return the recipes of alignment from few labels that come with the package, by name."""
    return {name: path for name, path in shipped_files().items() if name.endswith(ALIGN)}


def load_recipe(name: str | Path, overrides: Collection[str] = ()) -> Recipe:
    """Read a recipe and check every setting in it.

    Args:
        name: a file, or the name of a recipe that comes with the package.
        overrides: ``key.sub=value`` assignments, applied before the check.

    Raises:
        InputError: no such file or recipe, an unknown setting, or a value of the wrong type or
            range; the message names the file and the key.
    """
    path = find_recipe(name)
    return parse_recipe(override(read_yaml(path), overrides), str(path))


def find_recipe(name: str | Path, shipped: Mapping[str, Path] | None = None) -> Path:
    """Return the file of a recipe given by path or by the name of one that comes with the package.

    Args:
        name: path or name.
        shipped: the recipes to tell about where there is no such one; those of games if None.

    Raises:
        InputError: there is none.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return path
    everything = shipped_files()
    if str(name) in everything:
        return everything[str(name)]
    known = shipped_recipes() if shipped is None else shipped
    raise InputError(
        f"there is no recipe {str(name)!r}: no file {path.resolve()}, and the recipes that come with the "
        f"package are {', '.join(known)}.{suggestion(str(name), known)}"
    )


def parse_recipe(values: Mapping[str, Any], source: str) -> Recipe:
    """Check the settings of a recipe.

    Args:
        values: the recipe as a mapping.
        source: where it came from, for error messages.

    Raises:
        InputError: a setting is missing, unknown, or of the wrong type or range.
    """
    from slhf.training import GameArguments

    hints = get_type_hints(Recipe)
    del hints["source"]
    plain = {key: hints[key] for key in ("name", "model", "description", "output")}
    sections = {key: hint for key, hint in hints.items() if key not in plain}
    start = f"{source}: "
    if "form" in values and "judge" not in values:
        raise InputError(f"{start}this recipe trains reward models: slhf reward train {source}")
    if "seed" in values and "judge" not in values:
        raise InputError(f"{start}this recipe aligns a model from few labels: slhf align {source}")
    for key in ("model", "data", "judge"):
        if values.get(key) is None:
            raise InputError(f"{start}the setting {key!r} is missing; a recipe needs a model, data and a judge")
    unchecked = dict.fromkeys(sections, Any)
    known = typed(values, plain | unchecked, start)
    try:
        parts = {key: long_form(key, known[key]) for key in sections if known.get(key) is not None}
    except InputError as error:
        raise InputError(f"{start}{error}") from error
    recipe = Recipe(
        source=source,
        name=known.get("name") or Path(source).stem,
        model=known["model"],
        description=known.get("description", ""),
        output=known.get("output"),
        data=section(DataSettings, parts["data"], f"{start}data."),
        judge=_judge(parts["judge"], f"{start}judge"),
        algorithm=_algorithm(parts.get("algorithm", {}), f"{start}algorithm."),
        lora=section(LoraSettings, parts["lora"], f"{start}lora.") if "lora" in parts else None,
        args=arguments(GameArguments, parts.get("args", {}), f"{start}args."),
        model_config=parts.get("model_config"),
    )
    _check_ranges(recipe, start)
    return recipe


def _judge(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    given = {key: value for key, value in values.items() if key not in ("name", "callable") or value is not None}
    return checked_settings(given, where) if given else {}


def _algorithm(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    name = values.get("name", "stackelberg_gda")
    known = algorithms()
    if name not in known:
        raise InputError(
            f"{where}name: there is no algorithm {name!r}; known: {', '.join(known)}.{suggestion(str(name), known)}"
        )
    kind = known[name]
    settings = typed({k: v for k, v in values.items() if k != "name"}, get_type_hints(kind), where)
    try:
        algorithm = kind(**settings)
    except InputError as error:
        raise InputError(f"{where}{error}") from error
    return {"name": name, **dataclasses.asdict(algorithm)}


def _check_ranges(recipe: Recipe, start: str) -> None:
    data = recipe.data
    checks = [
        ("data.train_limit", data.train_limit is None or data.train_limit >= 1, "must be at least 1"),
        ("data.eval_limit", data.eval_limit is None or data.eval_limit >= 2, "must be at least 2"),
        ("data.held_out", 0 < data.held_out < 1, "must lie between 0 and 1"),
    ]
    check_ranges(recipe, start, [*checks, *lora_checks(recipe.lora)])
