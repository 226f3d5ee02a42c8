"""One run of alignment from few labels: seed, then sample, label, adversary, update, again and again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slhf.data.pair_files import read_rows, write_rows
from slhf.errors import InputError
from slhf.evaluation import Store
from slhf.evaluation.store import Watch, unwatched
from slhf.judges import judge_from
from slhf.runs.align_checks import IMPLICIT, check_whole
from slhf.runs.align_data import (
    AlignData,
    Row,
    build_align_data,
    farthest_pairs,
    flipped,
    fresh_prompts,
    key_of,
    random_pairs,
    seed_count,
)
from slhf.runs.align_lengths import check_lengths
from slhf.runs.align_models import Models
from slhf.runs.align_recipe import AlignRecipe
from slhf.runs.align_stages import (
    ADVERSARY,
    ANSWERS,
    BASE,
    COUNTS,
    EVALUATE,
    LABEL,
    PAIRS,
    RATES,
    SAMPLE,
    SEED,
    UPDATE,
    begun,
    name_of,
    note,
    read_json,
    stage,
    stage_folder,
)
from slhf.runs.align_steps import MODEL, Bars, Loop, adversary, evaluate, label, sample, update
from slhf.runs.align_trainer import REFERENCE, build_pair_arguments
from slhf.runs.folder import RESULT, folder_of, open_folder, write_json, write_text
from slhf.runs.run import versions

KEPT, DATA = "answers.sqlite", "data.sha256"


@dataclass(frozen=True)
class AlignResult:
    """What a finished run leaves.

    Attributes:
        folder: where everything was written.
        values: pairs, adversary and win rates an iteration, as ``result.json`` has them.
        seconds: wall time of this call.
    """

    folder: Path
    values: dict[str, Any]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return what the command prints with ``--json``."""
        return {**self.values, "seconds": round(self.seconds, 1), "run": str(self.folder)}


def align(
    recipe: AlignRecipe,
    output: str | Path | None = None,
    *,
    resume: bool = False,
    page: bool = True,
    bars: Bars | None = None,
    watch: Watch = unwatched,
) -> AlignResult:
    """Align a model by a recipe, and write every stage, the result and a page.

    Args:
        recipe: the settings.
        output: the run's folder; the recipe's own, or ``runs/NAME``, if None.
        resume: go on with the same run where it stopped.
        page: draw the page.
        bars: makes the callbacks of each training, a progress bar say.
        watch: told how far answering, labelling and judging are.

    Raises:
        InputError: anything wrong with the recipe, the data or the folder, before training starts.
    """
    start = time.perf_counter()
    models = Models(use_cpu=bool(recipe.args.get("use_cpu")))
    data, count = _checked(recipe, models, folder_of(recipe, output))
    folder = open_folder(recipe, output, resume=resume)
    if begun(folder) and not resume:
        raise InputError(f"{folder} already holds this run; continue it with --resume, or choose another --output")
    _same_data(folder, data)
    with Store(folder / KEPT, watch) as store:
        loop = Loop(recipe, store, data.held_out, models, folder / REFERENCE, bars or (lambda what: []))
        seeds = read_rows(stage(folder, 0, SEED, lambda f: _seed(loop, data, count, f)) / PAIRS)
        pools = fresh_prompts(recipe, data.pool, seeds)
        model = _iteration(loop, folder, 0, seeds, recipe.model)
        for t, pool in enumerate(pools, start=1):
            model = _iteration(loop, folder, t, _new_pairs(loop, folder, t, model, pool), model)
    values = summary(folder, recipe)
    _link_model(folder, recipe.iterations)
    write_json(folder / RESULT, {**values, "versions": versions(), "description": recipe.description})
    if page:
        from slhf.runs.align_page import align_page

        align_page(folder, recipe).write(folder)
    return AlignResult(folder, values, time.perf_counter() - start)


def _checked(recipe: AlignRecipe, models: Models, folder: Path) -> tuple[AlignData, int]:
    """Return what the run reads and how many seed pairs it takes, everything checked."""
    check_judges(recipe)
    check_whole(recipe)
    data = build_align_data(recipe)
    count = seed_count(recipe.seed, len(data.labelled), recipe.source)
    if recipe.seed.choose == "random":  # the other choice needs the model first
        drawn = random_pairs(data.labelled, count, recipe.random_seed)
        fresh_prompts(recipe, data.pool, [data.labelled[i] for i in drawn])
    check_lengths(recipe, models.policy(recipe.model), data)
    for seeding in (True, False):
        build_pair_arguments(recipe, folder, seeding=seeding)
    return data, count


def _same_data(folder: Path, data: AlignData) -> None:
    """Mark a run with what it reads; one that went on with other prompts would be neither's.

    Raises:
        InputError: the files have changed since the run began.
    """
    mark, digest = folder / DATA, data.digest() + "\n"
    if mark.is_file() and mark.read_text(encoding="utf-8") != digest:
        raise InputError(
            f"{folder} was begun with other pairs or prompts than the recipe names now; choose another --output"
        )
    write_text(mark, digest)


def check_judges(recipe: AlignRecipe) -> None:
    """Refuse judges that cannot be made.

    Raises:
        InputError: says which, and why.
    """
    if recipe.label.get("name") != IMPLICIT:
        judge_from(recipe.label, f"{recipe.source}: label")
    if recipe.evaluation is not None:
        judge_from(recipe.evaluation.judge, f"{recipe.source}: evaluation.judge")


def summary(folder: Path, recipe: AlignRecipe) -> dict[str, Any]:
    """Return what a run's stages found: pairs, adversary and win rates an iteration."""
    found = []
    for t in range(recipe.iterations + 1):
        row: dict[str, Any] = {"iteration": t}
        row |= {"new_pairs": read_json(stage_folder(folder, t, LABEL if t else SEED) / COUNTS)}
        row |= {"adversary": read_json(stage_folder(folder, t, ADVERSARY) / COUNTS)}
        rates = stage_folder(folder, t, EVALUATE) / RATES
        if rates.is_file():
            row |= {"win_rates": _against_others(read_json(rates), name_of(t))}
        found.append(row)
    return {"iterations": found}


def _link_model(folder: Path, last: int) -> None:
    """Let ``model`` in the run's folder be the last stage's, where every command looks for it."""
    link = folder / MODEL
    if not link.is_symlink():
        link.symlink_to(stage_folder(Path(), last, UPDATE) / MODEL, target_is_directory=True)


def _against_others(rates: dict[str, Any], name: str) -> dict[str, Any]:
    """Return how often one contender is preferred to each other one."""
    return next(row["against"] for row in rates["table"] if row["name"] == name)


def _seed(loop: Loop, data: AlignData, count: int, folder: Path) -> None:
    """Choose the seed pairs, and write them."""
    recipe = loop.recipe
    if recipe.seed.choose == "farthest":
        from slhf.policies.embeddings import prompt_embeddings

        prompts = list({key_of(row["prompt"]): row["prompt"] for row in data.labelled}.values())
        found = prompt_embeddings(loop.models.policy(recipe.model), prompts)
        embeddings = {key_of(prompt): vector for prompt, vector in zip(prompts, found, strict=True)}
        chosen = farthest_pairs(data.labelled, embeddings, count, recipe.random_seed)
    else:
        chosen = random_pairs(data.labelled, count, recipe.random_seed)
    rows = flipped([data.labelled[i] for i in chosen], recipe.seed.flipped, recipe.random_seed)
    write_rows(folder / PAIRS, rows)
    note(folder / COUNTS, {"pairs": len(rows), "of": len(data.labelled), "flipped": recipe.seed.flipped})


def _new_pairs(loop: Loop, folder: Path, t: int, model: str, pool: Sequence[Row]) -> list[Row]:
    """Return an iteration's own pairs."""
    answers = stage(folder, t, SAMPLE, lambda f: sample(loop, model, pool, f)) / ANSWERS
    return read_rows(stage(folder, t, LABEL, lambda f: label(loop, model, pool, answers, f)) / PAIRS)


def _iteration(loop: Loop, folder: Path, t: int, new: Sequence[Row], model: str) -> str:
    """Let the adversary look at the pairs, train on them, evaluate; return the new policy."""
    recipe = loop.recipe
    settings = recipe.loss if t else recipe.seed_loss
    rows = merged(folder, recipe, t, new)
    stage(folder, t, ADVERSARY, lambda f: adversary(loop, model, rows, settings, f))
    begin = recipe.model if recipe.start == "sft" else model
    trained = str(stage(folder, t, UPDATE, lambda f: update(loop, begin, rows, f, seeding=not t)) / MODEL)
    if recipe.evaluation is not None:
        files = {name_of(k): stage_folder(folder, k, EVALUATE) / f"{name_of(k)}.jsonl" for k in range(t)}
        if t:
            files = {BASE: stage_folder(folder, 0, EVALUATE) / f"{BASE}.jsonl"} | files
        models = {name_of(t): trained} if t else {BASE: recipe.model, SEED: trained}
        stage(folder, t, EVALUATE, lambda f: evaluate(loop, models, files, f))
    return trained


def merged(folder: Path, recipe: AlignRecipe, t: int, new: Sequence[Row]) -> list[Row]:
    """Return the pairs iteration ``t`` trains on, each with the iteration it is from.

    Args:
        folder: of the run.
        recipe: says which pairs are merged, and whether their preferences are taken as 1.
        t: number of the iteration.
        new: its own pairs.
    """
    earlier = {"all": range(t), "seed_and_newest": range(min(t, 1)), "newest": range(0)}[recipe.merge]
    rows: list[Row] = []
    for k in earlier:
        rows += _pairs(read_rows(stage_folder(folder, k, LABEL if k else SEED) / PAIRS), k, recipe.hard)
    return rows + _pairs(new, t, recipe.hard)


def _pairs(rows: Sequence[Row], iteration: int, hard: bool) -> list[Row]:
    texts = ("prompt", "chosen", "rejected")
    return [
        {
            **{name: row[name] for name in texts},
            "preference": 1.0 if hard else row["preference"],
            "iteration": iteration,
        }
        for row in rows
    ]
