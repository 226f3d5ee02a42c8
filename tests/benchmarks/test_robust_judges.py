"""The study of robust judges: its cells are recipes that can be read, kept cells are kept, tables are the means."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from benchmarks.robust_judges import BALLS, FLIPS, LABELS, accuracy, interval, main, wrong

from benchmarks import robust_judges
from slhf.runs.annotate import Annotation
from slhf.runs.reward_recipe import load_reward_recipe
from slhf.training.reward_pairs import RewardPairs


def test_every_loss_is_a_recipe_and_every_kind_of_labels_an_annotation() -> None:
    for ball in BALLS.values():
        changes = [] if ball is None else [f"robust={json.dumps(ball)}"]
        recipe = load_reward_recipe("reward-toy", ["form=heads", *changes])
        assert (recipe.robust is None) == (ball is None)
    for settings in LABELS.values():
        Annotation("toy", "toy", "x.jsonl", **settings)


def test_larger_shares_hold_the_smaller_ones_flips() -> None:
    texts = [tuple(f"{kind} {n}" for n in range(1000)) for kind in ("x", "y", "z")]
    labels = np.random.default_rng(0).choice([0.0, 1.0, np.nan], (1000, 2))
    pairs = RewardPairs(("a", "b"), *texts, labels)  # type: ignore[call-arg]
    clean, some, more = (wrong(pairs, share, 3) for share in FLIPS)
    assert clean.prompts == some.prompts == more.prompts
    changed = [np.nan_to_num(found.preference - clean.preference).any(axis=1) for found in (some, more)]
    assert not (changed[0] & ~changed[1]).any()
    either = ~np.isnan(clean.preference).all(axis=1)
    assert changed[0].sum() == pytest.approx(0.2 * either.sum(), rel=0.1)
    assert wrong(pairs, 0.0, 4).prompts != clean.prompts


def test_accuracy_and_interval() -> None:
    assert accuracy(np.array([1.0, -1.0, 2.0, 3.0]), np.array([1.0, 1.0, 0.0, np.nan])) == pytest.approx(1 / 3)
    mean, half = interval([0.76, 0.77])
    assert mean == pytest.approx(0.765)
    assert half == pytest.approx(0.005 * 12.7062, rel=1e-4)  # Student's t, one degree
    assert math.isnan(interval([0.7])[1])


def test_cells_that_were_made_are_not_made_again(tmp_path, monkeypatch) -> None:
    made = []

    def learnt(cell, folder):
        made.append(json.dumps(cell))
        value = 0.9 - 0.2 * cell["flips"] + 0.01 * cell["seed"] + 0.05 * (cell["loss"] == "flips")
        return {"accuracy": {"helpfulness": value, "correctness": 0.8}}

    def followed(cell, folder):
        made.append(json.dumps(cell))
        return {"pairs": 100, "left_out": {}, "rates": {"after > before": 0.5 + 0.02 * cell["seed"]}}

    monkeypatch.setattr(robust_judges, "RUN", {"heads": learnt, "follower": followed})
    folder = tmp_path / "cells"
    arguments = ["--parts", "heads", "follower", "--seeds", "2", "--runs", "2", "--folder", str(folder)]
    arguments += ["--results", str(tmp_path)]
    assert main([*arguments, "--only", "5"]) is None
    with (folder / "cells.jsonl").open("a") as lines:
        lines.write('{"key": "half a li')  # what a kill leaves
    path = main(arguments)
    assert path is not None
    assert len(made) == len(set(made)) == 2 * 3 * 3 + 2 * len(LABELS)
    table = path.with_suffix(".md").read_text()
    assert "| flips − plain | +0.050 ± 0.000 | +0.050 ± 0.000 | +0.050 ± 0.000 |" in table
    assert "| plain | 0.905 ± 0.064 | 0.865 ± 0.064 | 0.825 ± 0.064 |" in table
    assert "| judge | 100 | 0.510 ± 0.127 |" in table
    assert len(json.loads(path.read_text())["cells"]) == len(made)
