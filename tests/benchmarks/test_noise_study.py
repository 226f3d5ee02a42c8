"""The noise study: its cells are recipes that can be read, what was made is kept, and the table is the means."""

from __future__ import annotations

import json
import math

import pytest
from benchmarks.noise_study import MODES, Cell, main, parse, read, summary

from slhf.runs.align_recipe import load_align_recipe


@pytest.mark.parametrize("mode", list(MODES))
def test_every_cell_is_a_recipe(mode: str) -> None:
    asked = parse(["--iterations", "1"])
    recipe = load_align_recipe("toy-ssapo", Cell(0.2, mode, 3).changes(asked))
    assert (recipe.iterations, recipe.seed.flipped, recipe.random_seed) == (1, 0.2, 3)
    assert recipe.seed_loss == recipe.loss
    assert recipe.evaluation is not None
    assert recipe.evaluation.split == "test"


def test_cells_that_were_made_are_not_made_again(tmp_path, monkeypatch) -> None:
    made = []

    def run(self, asked):
        made.append(str(self))
        rate = 0.8 - 0.1 * self.flips + 0.01 * self.seed
        return {"key": self.key(asked), "flips": self.flips, "mode": self.mode, "seed": self.seed, "rates": [0.5, rate]}

    monkeypatch.setattr(Cell, "run", run)
    folder = tmp_path / "cells"
    arguments = ["--flips", "0", "0.4", "--modes", "dpo", "flip", "--seeds", "2", "--folder", str(folder)]
    arguments += ["--results", str(tmp_path), "--figure", str(tmp_path / "curve.svg")]
    assert main([*arguments, "--only", "3"]) is None
    with (folder / "cells.jsonl").open("a") as lines:
        lines.write('{"key": "half a li')  # what a kill leaves
    path = main(arguments)
    assert path is not None
    assert len(made) == len(set(made)) == 8
    assert len(read(folder / "cells.jsonl")) == 8
    table = {(row["mode"], row["flips"]): row for row in json.loads(path.read_text())["table"]}
    assert table["flip", 0.4]["mean"] == pytest.approx(0.765)
    assert table["flip", 0.4]["stderr"] == pytest.approx(0.005)  # of .76 and .77
    assert table["flip", 0.4]["high"] - 0.765 == pytest.approx(0.005 * 12.7062, rel=1e-4)  # Student's t, one degree
    assert "| dpo | 0.805 ± 0.005 | 0.765 ± 0.005 |" in path.with_suffix(".md").read_text()
    assert (tmp_path / "curve.svg").read_text().lstrip().startswith("<?xml")


def test_one_seed_has_no_interval() -> None:
    asked = parse(["--flips", "0", "--modes", "dpo", "--seeds", "1"])
    (row,) = summary([{"mode": "dpo", "flips": 0.0, "rates": [0.7]}], asked)
    assert row["mean"] == 0.7
    assert math.isnan(row["stderr"])
