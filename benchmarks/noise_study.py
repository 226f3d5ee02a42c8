"""Wrong labels against losses: held-out win rates when a share of the seed pairs' labels is flipped.

    python -m benchmarks.noise_study                     # 175 cells; goes on where it was stopped
    python -m benchmarks.noise_study --iterations 1      # with one round of the model's own labels

Run from the project root. A cell is one run of the recipe ``toy-ssapo`` on one thread: a share of flips, a loss and a
seed. Each is one line of ``cells.jsonl`` in ``--folder``; what stands there is not made again. The same pairs are drawn
for a seed whatever the loss, and what is flipped at one share is flipped at all larger ones. When all cells are there,
the table goes to ``benchmarks/results`` and the curve to ``--figure``.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import logging
import math
import os
import shutil
import sys
import time
import warnings
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from benchmarks.measure import machine

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
FIGURE = ROOT / "docs" / "how-to" / "noise-study.svg"

MODES: dict[str, list[str]] = {
    "dpo": ["{}=dpo"],
    "cdpo": ["{}=cdpo"],
    "rdpo": ["{}=rdpo"],
    "spa": ["{}=spa"],
    "sgpo": ["{}=sgpo", "{}.window=[-2.0,2.0]", "{}.epsilon=0.05"],
    "sgpo, narrow window": ["{}=sgpo", "{}.window=[-0.5,0.5]", "{}.epsilon=0.05"],
    "flip": ["{}=flip", "{}.epsilon=0.1", "{}.flip_cost=0.5"],
}
"""Losses and their settings, the same for the seed stage and the iterations; β is the recipe's."""

FLIPS = (0.0, 0.1, 0.2, 0.3, 0.4)


def main(arguments: list[str]) -> Path | None:
    """Make the cells that are missing; once all are there, write table and curve and return the results' path."""
    asked = parse(arguments)
    cells = [Cell(*c) for c in product(asked.flips, asked.modes, range(asked.seeds))]
    kept = read(asked.folder / "cells.jsonl")
    for number, one in enumerate(cells):
        if one.key(asked) not in kept:
            print(f"{number + 1}/{len(cells)}: {one}", file=sys.stderr, flush=True)
            found = one.run(asked)
            kept[found["key"]] = found
            with (asked.folder / "cells.jsonl").open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(found) + "\n")
        if asked.only and number + 1 == asked.only:
            return None
    rows = [kept[one.key(asked)] for one in cells]
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    path = asked.results / f"{date}-{asked.name}.json"
    table = summary(rows, asked)
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {"date": date, "machine": machine(), "changes": asked.changes, "iterations": asked.iterations}
    path.write_text(json.dumps({**told, "cells": rows, "table": table}, indent=1) + "\n")
    path.with_suffix(".md").write_text(markdown(table, asked))
    draw(table, asked.figure)
    print(path.with_suffix(".md").read_text())
    return path


class Cell:
    """One run: a share of flipped labels, a loss, a seed."""

    def __init__(self, flips: float, mode: str, seed: int):
        self.flips, self.mode, self.seed = flips, mode, seed

    def __str__(self) -> str:
        return f"{self.mode}, {self.flips:.0%} flipped, seed {self.seed}"

    def changes(self, asked: argparse.Namespace) -> list[str]:
        """Return what is different from the recipe."""
        loss = [change.format(key) for key in ("seed_loss", "loss") for change in MODES[self.mode]]
        return [
            *(f"iterations={asked.iterations}", "evaluation.split=test", *loss),
            *(f"seed.flipped={self.flips}", f"args.seed={self.seed}", *asked.changes),
        ]

    def key(self, asked: argparse.Namespace) -> str:
        """Return what tells the cell from all others."""
        return " ".join(self.changes(asked))

    def run(self, asked: argparse.Namespace) -> dict[str, Any]:
        """Make the cell, from where it was stopped if it was."""
        from slhf.runs.align_recipe import load_align_recipe
        from slhf.runs.align_run import align

        words = "".join(letter if letter.isalnum() else "-" for letter in self.mode)
        folder = asked.folder / "runs" / f"{words}-{self.flips}-{self.seed}"
        start = time.process_time()
        with contextlib.redirect_stdout(sys.stderr):
            recipe = load_align_recipe("toy-ssapo", self.changes(asked))
            shutil.rmtree(folder, ignore_errors=True)
            values = align(recipe, folder, page=False).values
        shutil.rmtree(folder)
        rates = [row["win_rates"]["base"]["mean"] for row in values["iterations"]]
        return {
            "key": self.key(asked),
            "flips": self.flips,
            "mode": self.mode,
            "seed": self.seed,
            "rates": rates,
            "cpu_seconds": round(time.process_time() - start, 1),
        }


def read(path: Path) -> dict[str, dict[str, Any]]:
    """Return the cells that were made; a line that was being written when a process died is left out."""
    found: dict[str, dict[str, Any]] = {}
    path.parent.mkdir(parents=True, exist_ok=True)
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if text and not text.endswith("\n"):
        text = text[: text.rfind("\n") + 1]
        path.write_text(text, encoding="utf-8")
    for line in text.splitlines():
        row = json.loads(line)
        found[row["key"]] = row
    return found


def summary(rows: Sequence[dict[str, Any]], asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Return each loss's mean over seeds at each share, after the last iteration, with a 95 % interval."""
    table = []
    for mode, flips in product(asked.modes, asked.flips):
        rates = np.array([row["rates"][-1] for row in rows if row["mode"] == mode and row["flips"] == flips])
        stderr = float(rates.std(ddof=1) / math.sqrt(len(rates))) if len(rates) > 1 else math.nan
        half = float(student.ppf(0.975, len(rates) - 1)) * stderr if len(rates) > 1 else math.nan
        mean = float(rates.mean())
        table.append(
            {"mode": mode, "flips": flips, "mean": mean, "stderr": stderr, "low": mean - half, "high": mean + half}
        )
    return table


def markdown(table: Sequence[dict[str, Any]], asked: argparse.Namespace) -> str:
    """Return the table."""
    after = "the seed stage alone" if asked.iterations == 0 else f"iteration {asked.iterations}"
    head = "".join(f" {flips:.0%} flipped |" for flips in asked.flips)
    lines = [
        f"# Held-out win rate over the base, {after}",
        "",
        f"Mean over {asked.seeds} seeds ± one standard error; 400 test prompts of the embedded world.",
        "",
        f"| loss |{head}",
        "|---|" + "---|" * len(asked.flips),
    ]
    for mode in asked.modes:
        cells = (row for row in table if row["mode"] == mode)
        lines.append(f"| {mode} |" + "".join(f" {row['mean']:.3f} ± {row['stderr']:.3f} |" for row in cells))
    return "\n".join(lines) + "\n"


def draw(table: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the curves with their intervals."""
    from slhf.evaluation import Estimates
    from slhf.reports.line_figures import Axis, Line, line_figure
    from slhf.reports.pictures import save_figure

    lines = []
    for mode in dict.fromkeys(row["mode"] for row in table):
        own = [row for row in table if row["mode"] == mode]
        mean, stderr, low, high = (np.array([row[k] for row in own]) for k in ("mean", "stderr", "low", "high"))
        lines.append(Line(mode, np.array([100 * row["flips"] for row in own]), Estimates(mean, stderr, low, high, 0)))
    figure = line_figure(lines, Axis("labels flipped, %"), "win rate over base (95 % interval over seeds)")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_figure(figure, path)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=float, nargs="+", default=list(FLIPS), help="shares of flipped labels")
    parser.add_argument("--modes", nargs="+", choices=list(MODES), default=list(MODES), help="losses")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each; seeds 0, 1, …")
    parser.add_argument("--iterations", type=int, default=0, help="rounds of the model's own labels")
    parser.add_argument("--changes", nargs="*", default=[], help="further overrides of the recipe")
    parser.add_argument("--only", type=int, default=0, help="stop after so many cells")
    parser.add_argument("--folder", type=Path, default=Path("runs/noise-study"), help="where cells are kept")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the table goes")
    parser.add_argument("--figure", type=Path, default=FIGURE, help="where the curve goes")
    parser.add_argument("--name", default="noise-study", help="of the results")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    warnings.simplefilter("ignore")
    logging.getLogger("slhf").setLevel(logging.ERROR)
    import torch
    from transformers.utils import logging as hub_logging

    torch.set_num_threads(1)
    hub_logging.disable_progress_bar()
    main(sys.argv[1:])
