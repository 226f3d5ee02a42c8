"""One run from recipe to report."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slhf.evaluation import Tournament
from slhf.reports import write_report
from slhf.runs.build import build_test_data, build_trainer
from slhf.runs.folder import MODEL, RESULT, first_process, open_folder, write_json
from slhf.runs.recipe import Recipe

if TYPE_CHECKING:
    from slhf.training import GameTrainer

CONTENDERS = ("base", "leader", "follower")
PAIRS = (("leader", "base"), ("follower", "base"), ("follower", "leader"))
PACKAGES = ("slhf", "torch", "transformers", "peft", "accelerate", "datasets", "numpy")


@dataclass(frozen=True)
class RunResult:
    """What a finished run leaves.

    Attributes:
        folder: where everything was written.
        table: base, Leader and Follower against each other on the held-out prompts.
        samples: a dict a held-out prompt: prompt, base, leader, follower.
        seconds: wall time of this call.
    """

    folder: Path
    table: Tournament
    samples: list[dict[str, Any]]
    seconds: float

    def win_rates(self) -> dict[str, dict[str, float]]:
        """Return ``{"leader_vs_base": {"mean": …, "stderr": …}, …}``."""
        return {f"{a}_vs_{b}": self.table.rate(a, b).as_dict() for a, b in PAIRS}

    def as_dict(self) -> dict[str, Any]:
        """Return what the commands print with ``--json``."""
        return {"win_rates": self.win_rates(), "seconds": round(self.seconds, 1), "run": str(self.folder)}


def run(
    recipe: Recipe,
    output: str | Path | None = None,
    *,
    resume: bool = False,
    callbacks: list[Any] | None = None,
) -> RunResult:
    """Train by a recipe, compare on held-out prompts, and write model, result and report.

    Args:
        recipe: the settings.
        output: the run's folder; the recipe's own, or ``runs/NAME``, if None.
        resume: go on from the last whole checkpoint of the same run.
        callbacks: transformers callbacks, a progress bar say.

    Raises:
        InputError: anything wrong with the recipe or the folder, before training starts.
    """
    start = time.perf_counter()
    folder = open_folder(recipe, output, resume=resume)
    trainer = build_trainer(recipe, folder, callbacks)
    test = _test_rows(trainer, recipe)
    trainer.train(resume_from_checkpoint=resume and _has_checkpoint(folder))
    result = _finish(trainer, test, recipe, folder, start)
    if first_process():
        write_report(folder)
    return result


def _has_checkpoint(folder: Path) -> bool:
    from slhf.training.checkpoints import whole_checkpoints

    return bool(whole_checkpoints(folder))


def _test_rows(trainer: GameTrainer, recipe: Recipe) -> Any:
    """Return the prompts of the table, checked before training starts; None for the trainer's own."""
    from slhf.training.setup import checked_rows

    return checked_rows(build_test_data(recipe.data), "data.test_split", trainer.policy, trainer.args)


def _finish(trainer: GameTrainer, test: Any, recipe: Recipe, folder: Path, start: float) -> RunResult:
    trainer.save_model(str(folder / MODEL))
    held_out = trainer.held_out(test)
    result = RunResult(folder, table_of(held_out.samples), held_out.samples, time.perf_counter() - start)
    if not first_process():
        return result
    write_json(
        folder / RESULT,
        {
            **result.as_dict(),
            "table": result.table.as_rows(),
            "prompts": len(held_out.samples),
            "steps": trainer.state.global_step,
            "judge": trainer.judge.name,
            "description": recipe.description,
            "samples": held_out.samples[:8],
            "versions": versions(),
        },
    )
    return result


def table_of(samples: list[Mapping[str, Any]] | list[dict[str, Any]]) -> Tournament:
    """Return the round robin from held-out rows that carry ``leader_vs_base`` and the other rates."""
    table = np.full((len(CONTENDERS), len(CONTENDERS), len(samples)), 0.5)
    for first, second in PAIRS:
        p = np.array([row[f"{first}_vs_{second}"] for row in samples])
        a, b = CONTENDERS.index(first), CONTENDERS.index(second)
        table[a, b], table[b, a] = p, 1.0 - p
    return Tournament(CONTENDERS, table)


def versions() -> dict[str, str]:
    """Return the versions of the packages a run rests on."""
    return {name: metadata.version(name) for name in PACKAGES}
