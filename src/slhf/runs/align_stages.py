"""Stages of a run of alignment: a folder each, whole or not there, so that a run goes on from any moment."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from slhf.runs.folder import write_json

STAGES = "stages"
SEED, SAMPLE, LABEL, ADVERSARY, UPDATE, EVALUATE = "seed", "sample", "label", "adversary", "update", "evaluate"
"""What happens in an iteration, in this order; iteration 0 has the ``seed`` pairs and no ``sample`` nor ``label``."""

BASE = "base"
"""What the SFT model is called in tables."""

ANSWERS, PAIRS, MARGINS, COUNTS = "answers.jsonl", "pairs.parquet", "adversary.parquet", "counts.json"
AFTER, RATES = "margins-after.parquet", "rates.json"


def name_of(iteration: int) -> str:
    """Return what a stage's policy is called in tables: ``seed``, ``iteration-1``, …."""
    return f"iteration-{iteration}" if iteration else SEED


def stage_folder(run: Path, iteration: int, name: str) -> Path:
    """Return where a stage is kept: ``stages/1-sample`` say."""
    return run / STAGES / f"{iteration}-{name}"


def stage(run: Path, iteration: int, name: str, make: Callable[[Path], None]) -> Path:
    """Return a stage's folder; make it if it is not there.

    It is made beside its place and gets its name when it is whole, so a process that is killed leaves a stage that is
    done or one that is not. What is in the unfinished folder stays, for training has its checkpoints there.

    Args:
        run: the run's folder.
        iteration: number of the iteration.
        name: of the stage.
        make: writes the stage's files into the folder it is given.
    """
    folder = stage_folder(run, iteration, name)
    if not folder.is_dir():
        partial = folder.with_name(f"{folder.name}.partial")
        partial.mkdir(parents=True, exist_ok=True)
        make(partial)
        for checkpoint in partial.glob("checkpoint-*"):
            shutil.rmtree(checkpoint)  # they served to go on, and are many times the size of the rest
        partial.rename(folder)
    return folder


def begun(run: Path) -> bool:
    """Tell whether any stage was begun in a run's folder."""
    return (run / STAGES).is_dir() and any((run / STAGES).iterdir())


def read_json(path: Path) -> dict[str, Any]:
    """Return what a stage noted."""
    return json.loads(path.read_text(encoding="utf-8"))


def note(path: Path, values: Mapping[str, Any]) -> None:
    """Write what a stage found."""
    write_json(path, values)
