"""The page of a run of alignment, from the files its stages left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from slhf.data.pair_files import read_rows
from slhf.evaluation import Estimates
from slhf.evaluation.answers import judged_text
from slhf.reports import Page, Part, answers_part
from slhf.reports.alignment import (
    margins_part,
    recipe_part,
    stages_part,
    touched_part,
    weights_part,
    win_rates_part,
)
from slhf.reports.margin_figures import Margins
from slhf.runs.align_recipe import AlignRecipe
from slhf.runs.align_stages import (
    ADVERSARY,
    AFTER,
    BASE,
    COUNTS,
    EVALUATE,
    LABEL,
    MARGINS,
    RATES,
    SEED,
    UPDATE,
    name_of,
    read_json,
    stage_folder,
)

SHOWN = 8


def align_page(folder: Path, recipe: AlignRecipe) -> Page:
    """Return the page of a finished run.

    Args:
        folder: of the run.
        recipe: its settings.
    """
    numbers = range(recipe.iterations + 1)
    parts: list[Part] = []
    if recipe.evaluation is not None:
        parts.append(_win_rates(folder, recipe.iterations))
    parts.append(stages_part([_row(folder, t) for t in numbers]))
    updates = [_margins(folder, t) for t in numbers]
    parts += [margins_part(updates), weights_part(updates)]
    touched = [row for row in _touched(folder, recipe.iterations) if row["moved"] > 0]
    if touched:
        parts.append(touched_part(touched))
    if recipe.evaluation is not None:
        parts.append(_answers(folder, recipe.iterations))
    parts.append(recipe_part(recipe.as_yaml()))
    return Page(f"Alignment from few labels: {recipe.name}", parts, recipe.description)


def _win_rates(folder: Path, last: int) -> Part:
    """Return the rates of each stage's policy over the base, and of each iteration's over the seed stage's."""
    table = read_json(stage_folder(folder, last, EVALUATE) / RATES)["table"]
    against = {row["name"]: row["against"] for row in table}
    rates = {"the base": [against[name_of(t)][BASE] for t in range(last + 1)]}
    if last:
        rates["the seed stage"] = [against[name_of(t)][SEED] for t in range(1, last + 1)]
    return win_rates_part({name: _estimates(found) for name, found in rates.items()}, list(range(last + 1)))


def _estimates(found: list[dict[str, float]]) -> Estimates:
    mean, stderr, low, high = (np.array([row[k] for row in found]) for k in ("mean", "stderr", "low", "high"))
    return Estimates(mean, stderr, low, high, int(found[0]["count"]))


def _row(folder: Path, t: int) -> dict[str, Any]:
    new = read_json(stage_folder(folder, t, LABEL if t else SEED) / COUNTS)
    told = read_json(stage_folder(folder, t, ADVERSARY) / COUNTS)
    without = {"multiplier": None, "value": None} if not told["epsilon"] else {}  # there is no adversary
    return {"name": name_of(t), **told, **without, "new_pairs": new["pairs"]}


def _margins(folder: Path, t: int) -> Margins:
    before = read_rows(stage_folder(folder, t, ADVERSARY) / MARGINS)
    after = read_rows(stage_folder(folder, t, UPDATE) / AFTER)
    xi, weight, moved = (np.array([row[k] for row in before]) for k in ("margin_before", "weight", "moved"))
    told = read_json(stage_folder(folder, t, ADVERSARY) / COUNTS)
    ends = np.array([row["margin_after"] for row in after])
    return Margins(name_of(t), xi, ends, weight, moved, told["multiplier"] if told["epsilon"] else 0.0)


def _touched(folder: Path, last: int) -> list[dict[str, Any]]:
    rows = read_rows(stage_folder(folder, last, ADVERSARY) / MARGINS)
    return [{**row, "prompt": judged_text(row["prompt"])} for row in rows]


def _answers(folder: Path, last: int) -> Part:
    """Return the first held-out prompts with the answers of base, seed stage and last iteration."""
    from slhf.evaluation.answer_files import answers_by_prompt

    names = list(dict.fromkeys([BASE, SEED, name_of(last)]))
    files = {
        name: stage_folder(folder, last if name == name_of(last) else 0, EVALUATE) / f"{name}.jsonl" for name in names
    }
    answers = {name: answers_by_prompt(path) for name, path in files.items()}
    prompts = list(answers[BASE])[:SHOWN]
    columns = [(name, [answers[name][prompt][0] for prompt in prompts]) for name in names]
    return answers_part(prompts, columns)
