"""A run's folder: whose it is, and whether a run may go on in it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from slhf.errors import InputError
from slhf.runs.recipe import Recipe

if TYPE_CHECKING:
    from slhf.runs.align_recipe import AlignRecipe
    from slhf.runs.reward_recipe import RewardRecipe

RECIPE, RESULT, METRICS, SAMPLES, REPORT = (
    "recipe.yaml",
    "result.json",
    "metrics.jsonl",
    "samples.jsonl",
    "report.html",
)
MODEL = "model"

_FOR_PEOPLE = ("name", "description")  # a run is the same whatever it is called


def open_folder(
    recipe: Recipe | RewardRecipe | AlignRecipe, output: str | Path | None = None, *, resume: bool = False
) -> Path:
    """Return the run's folder, made and marked with the recipe.

    Args:
        recipe: the run's settings.
        output: the folder; the recipe's own, or ``runs/NAME``, if None.
        resume: go on with the run that is there.

    Raises:
        InputError: the folder holds a different run (the message names the settings), the same
            run without ``resume``, something that is no run, or nothing to resume.
    """
    folder = folder_of(recipe, output)
    if not first_process():
        return folder
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; the output of a run is a folder")
    mark = folder / RECIPE
    if mark.is_file() and list(folder.iterdir()) == [mark]:
        pass  # a run that never started, for want of its data say, claims nothing
    elif mark.is_file():
        check_same(recipe, folder)
        if not resume and (list(folder.glob("**/checkpoint-*")) or (folder / RESULT).is_file()):
            raise InputError(f"{folder} already holds this run; continue it with --resume, or choose another --output")
    elif folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty and holds no run (no {RECIPE}); choose another --output")
    elif resume:
        raise InputError(f"{folder} holds no run to resume (no {RECIPE}); leave --resume out to start one")
    folder.mkdir(parents=True, exist_ok=True)
    write_text(mark, recipe.as_yaml())
    return folder


def folder_of(recipe: Recipe | RewardRecipe | AlignRecipe, output: str | Path | None = None) -> Path:
    """Return where a run goes: ``output``, or the recipe's own folder, or ``runs/NAME``."""
    return Path(output or recipe.output or Path("runs", recipe.name)).expanduser()


def first_process() -> bool:
    """Tell whether this is the only process, or the first of those a launcher started: the one that writes."""
    return os.environ.get("RANK", "0") == "0"


def fresh_folder(stem: str | Path) -> Path:
    """Return ``stem``, or the first of ``stem-2``, ``stem-3``, … where nothing is yet."""
    stem = Path(stem)
    names = (stem if number == 1 else stem.with_name(f"{stem.name}-{number}") for number in count(1))
    return next(path for path in names if not path.exists())


def write_text(path: Path, text: str) -> None:
    """Write a file in one step: a reader, or a full disk, never meets half of it."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON file in one step."""
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def check_same(recipe: Recipe | RewardRecipe | AlignRecipe, folder: Path) -> None:
    """Refuse a folder that holds a run of other settings.

    Raises:
        InputError: with the settings that differ.
    """
    mark = folder / RECIPE
    stored = _flat(yaml.safe_load(mark.read_text(encoding="utf-8")))
    mine = _flat(recipe.as_dict())
    keys = [k for k in sorted({*stored, *mine}) if k not in _FOR_PEOPLE and stored.get(k) != mine.get(k)]
    if keys:
        listed = "; ".join(f"{k}: {stored.get(k)!r} there, {mine.get(k)!r} here" for k in keys)
        raise InputError(
            f"{mark.parent} holds a different run ({listed}); choose another --output, or use its settings"
        )


def _flat(values: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(values, Mapping) or not values:
        return {prefix[:-1]: values}
    return {k: v for key, value in values.items() for k, v in _flat(value, f"{prefix}{key}.").items()}
