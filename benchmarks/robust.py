"""Times SGPO's exact adversary against the number of margins, and against the linear programme it replaces.

    python -m benchmarks.robust --figure docs/reference/robust-speed.svg

Run from the project root. Every timing is a public call from an array or tensor of margins to the finished
result: checks, value, multiplier, weights, certificate; with tensors, the backward pass too. Each cell is a
fresh process with one thread. The programme is the tests' own oracle (tests/robust_oracles.py), six tangents
a pair, solved once by HiGHS. Processor seconds stand beside wall seconds: on a machine that others use as
well, only the first say what something costs.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.games_stackelberg import RESULTS, ROOT, machine
from benchmarks.robust_cells import CELLS
from benchmarks.robust_tables import markdown, save_curve


def main(arguments: list[str]) -> Path | None:
    """Run every cell asked for; return the path of the results."""
    asked = parse(arguments)
    if asked.cell:
        case = json.loads(asked.cell)
        print(json.dumps(CELLS[case.pop("what")](**case)))
        return None
    results: dict[str, Any] = {
        "name": asked.name,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "repeats": asked.repeats,
        "cells": [],
    }
    path = asked.results / f"{results['date']}-{asked.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    for case in cases(asked):
        print(" ".join(f"{key}={value}" for key, value in case.items()), file=sys.stderr, flush=True)
        results["cells"].append(case | fresh(case))
        path.write_text(json.dumps(results, indent=1) + "\n")
    path.with_suffix(".md").write_text(markdown(results))
    if asked.figure:
        save_curve(results, asked.figure)
    print(path.with_suffix(".md").read_text())
    return path


def cases(asked: argparse.Namespace) -> list[dict[str, Any]]:
    """List the cells, the quick ones first."""
    found: list[dict[str, Any]] = []
    repeats = {"repeats": asked.repeats}
    for size in asked.sizes:
        for flips in (False, True):
            found += [
                {"what": "exact", "size": size, "method": method, "flips": flips} | repeats
                for method in ("sort", "select")
            ]
            found += [
                {"what": "tensors", "size": size, "device": device, "flips": flips} | repeats
                for device in asked.devices
            ]
    found += [{"what": "step", "pairs": pairs, "size": asked.model} | repeats for pairs in asked.pairs]
    return found + [
        {"what": "programme", "size": size, "solver": solver} | repeats
        for size in asked.programme
        for solver in asked.solvers
    ]


def fresh(case: dict[str, Any]) -> dict[str, Any]:
    """Run one cell in a process of its own, on one thread."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-m", "benchmarks.robust", "--cell", json.dumps(case)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | threads, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"cell {case} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""

    def numbers(text: str) -> list[int]:
        return [int(float(t)) for t in text.split(",") if t]

    def words(text: str) -> list[str]:
        return [t for t in text.split(",") if t]

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=numbers, default=[32, 100, 1000, 4096, 10**4, 10**5, 10**6, 10**7])
    parser.add_argument("--programme", type=numbers, default=[100, 1000, 10**4], help="sizes of the linear programme")
    parser.add_argument("--solvers", type=words, default=["highs-ipm"], help="of HiGHS: highs-ipm, highs-ds")
    parser.add_argument("--pairs", type=numbers, default=[8, 32], help="pairs of a training step")
    parser.add_argument("--model", default="tiny", help="its model, a name in benchmarks/models.py")
    parser.add_argument("--devices", type=words, default=["cpu", "cuda"], help="of the tensors")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--name", default="robust", help="name of the results file")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--figure", type=Path, help="also draw time against the number of margins, .svg or .png")
    parser.add_argument("--cell", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
