"""The adversary's benchmark times what it says, finds the programme's value and writes tables and a curve."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.robust import cases, parse
from benchmarks.robust_cells import CELLS, margins, timed

from benchmarks import robust


def test_every_size_is_timed_in_every_way() -> None:
    asked = parse(["--sizes", "10,100", "--programme", "10", "--pairs", "2", "--devices", "cpu"])
    kinds = [case["what"] for case in cases(asked)]
    assert {kind: kinds.count(kind) for kind in kinds} == {"exact": 8, "tensors": 4, "step": 1, "programme": 1}


def test_timings_are_those_of_one_run() -> None:
    calls = []
    found = timed(lambda: calls.append(np.sort(margins(20_000))), repeats=3)
    assert len(found["wall"]) == len(found["cpu"]) == 3
    assert (len(calls) - 2) % 3 == 0
    assert 1e-5 < min(found["wall"]) < 1.0


def in_this_process(case: dict[str, Any]) -> dict[str, Any]:
    given = dict(case)
    return CELLS[given.pop("what")](**given)


def test_a_small_run_writes_results_tables_and_a_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robust, "fresh", in_this_process)
    small = ["--sizes", "50,500", "--programme", "50", "--pairs", "2", "--model", "nano", "--repeats", "2"]
    path = robust.main(
        [*small, "--devices", "cpu", "--results", str(tmp_path), "--figure", str(tmp_path / "curve.svg")]
    )
    assert path is not None
    cells = json.loads(path.read_text())["cells"]
    by_kind = {kind: [c for c in cells if c["what"] == kind] for kind in ("exact", "tensors", "step", "programme")}
    assert [len(found) for found in by_kind.values()] == [8, 4, 1, 1]
    for one in by_kind["exact"]:
        assert one["certificate"] < 1e-12
        same = next(t for t in by_kind["tensors"] if (t["size"], t["flips"]) == (one["size"], one["flips"]))
        assert same["value"] == pytest.approx(one["value"], rel=1e-6)
    assert by_kind["programme"][0]["apart"] < 1e-8
    table = path.with_suffix(".md").read_text()
    assert table.count("| 500 |") == 4
    assert "| nano | 2 |" in table
    assert (tmp_path / "curve.svg").read_text().startswith("<?xml")


def test_a_cell_runs_in_a_process_of_its_own_and_a_missing_device_is_said() -> None:
    case = {"what": "exact", "size": 50, "method": "sort", "flips": False, "repeats": 1}
    found = robust.fresh(case)
    assert found["certificate"] < 1e-12
    assert found["value"] == in_this_process(case)["value"]
    if not torch.cuda.is_available():
        missing = {"what": "tensors", "size": 50, "device": "cuda", "flips": False, "repeats": 1}
        assert in_this_process(missing) == {"not_run": "no CUDA device"}
