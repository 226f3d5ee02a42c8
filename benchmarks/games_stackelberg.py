"""Times the Stackelberg solver: many small games in batch, one large game; writes JSON and a table.

    python -m benchmarks.games_stackelberg

Run from the project root. Every timing is the public ``stackelberg_equilibrium`` from a float64 array to
the finished result: validation, both policies, values, ties and the certificate. Each cell is a fresh
process with one thread; memory is the kernel's high-water mark over what the process held just before the
matrix existed, so the matrix counts. Processor seconds stand beside wall seconds: on a machine that others
use as well, only the first say what the solver costs.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
MIB = 1024.0  # /proc counts in KiB


def main(arguments: list[str]) -> Path | None:
    """Run every cell asked for; return the path of the results."""
    asked = parse(arguments)
    if asked.cell:
        print(json.dumps(cell(**json.loads(asked.cell))))
        return None
    results: dict[str, Any] = {
        "name": asked.name,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "repeats": asked.repeats,
        "cells": [],
    }
    for tau in asked.taus:
        for prompts, actions in ((asked.games, 3), (1, asked.actions)):
            case = {"prompts": prompts, "actions": actions, "tau": tau, "repeats": asked.repeats, "seed": asked.seed}
            results["cells"].append(fresh(case))
    path = asked.results / f"{results['date']}-{asked.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")
    path.with_suffix(".md").write_text(markdown(results))
    print(path.with_suffix(".md").read_text())
    return path


def fresh(case: dict[str, Any]) -> dict[str, Any]:
    """Run one cell in a process of its own, on one thread."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-m", "benchmarks.games_stackelberg", "--cell", json.dumps(case)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | threads, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"cell {case} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def cell(prompts: int, actions: int, tau: float, repeats: int, seed: int) -> dict[str, Any]:
    """Time one size at one price for both players, and read the peak of the first solution's memory."""
    from slhf.games import stackelberg_equilibrium

    stackelberg_equilibrium([[0.5, 0.7], [0.3, 0.5]], tau_leader=tau, tau_follower=tau)  # what is loaded lazily
    reset = reset_peak()
    idle = memory("VmRSS")
    p = games(prompts, actions, seed)
    built = memory("VmHWM")
    walls, cpus, peak = [], [], 0.0
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        solved = stackelberg_equilibrium(p, tau_leader=tau, tau_follower=tau)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
        peak = peak or memory("VmHWM") - idle
        worst = max(solved.gaps.follower, solved.gaps.leader, solved.gaps.duality)
        del solved
    return {
        "prompts": prompts,
        "actions": actions,
        "tau": tau,
        "wall": walls,
        "cpu": cpus,
        "largest_gap": worst,
        "matrix_mib": p.nbytes / 2**20,
        "peak_mib": peak,
        "peak_of_building_mib": built - idle,
        "mark_reset": reset,
    }


def games(prompts: int, actions: int, seed: int) -> Any:
    """Draw preference matrices in place: building them must not need more memory than solving them."""
    import numpy as np

    rng = np.random.default_rng(seed)
    p = np.empty((prompts, actions, actions))
    for y in range(actions):
        p[:, y, y] = 0.5
        p[:, y, y + 1 :] = rng.random((prompts, actions - y - 1))
        p[:, y + 1 :, y] = 1.0 - p[:, y, y + 1 :]
    return p if prompts > 1 else p[0]


def reset_peak() -> bool:
    """Reset the kernel's high-water mark of this process; False where it does not let us."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def memory(field: str) -> float:
    """Read VmRSS or VmHWM of this process, MiB; Linux only."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field + ":")) / MIB


def machine() -> dict[str, Any]:
    """Return what a timing depends on: processor, cores, load, versions."""
    from importlib import metadata

    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return {
        "cpu": next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown"),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "versions": {name: metadata.version(name) for name in ("numpy", "scipy", "slhf")}
        | {"python": sys.version.split()[0]},
    }


def markdown(results: dict[str, Any]) -> str:
    """Return the table of a results file."""
    about, versions = results["machine"], results["machine"]["versions"]
    lines = [
        f"# {results['name']}, {results['date']}",
        "",
        f"{about['cpu']}, {about['cores']} cores, one thread, load {about['load']:.1f} at the start: others use the "
        f"machine too. Python {versions['python']}, NumPy {versions['numpy']}, SciPy {versions['scipy']}.",
        "",
        f"Public `stackelberg_equilibrium`, validation and certificate included, τ_L = τ_F. {results['repeats']} "
        "repeats in one fresh process a row: best (median).",
        "",
        "| games | actions | τ | processor s | wall s | games a processor second | peak / matrix | largest gap |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in results["cells"]:
        cpu, wall = ([min(one[key]), statistics.median(one[key])] for key in ("cpu", "wall"))
        lines.append(
            f"| {one['prompts']:,} | {one['actions']:,} | {one['tau']:g} | {cpu[0]:.3f} ({cpu[1]:.3f}) "
            f"| {wall[0]:.3f} ({wall[1]:.3f}) | {one['prompts'] / cpu[0]:,.3g} "
            f"| {one['peak_mib'] / one['matrix_mib']:.2f} | {one['largest_gap']:.1e} |"
        )
    lines += ["", "Peak: memory above that before the matrix was made, the matrix counted."]
    return "\n".join(lines) + "\n"


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", type=int, default=1_000_000, help="three-action games in the batch")
    parser.add_argument("--actions", type=int, default=3000, help="actions of the large game")
    parser.add_argument("--taus", type=lambda text: [float(t) for t in text.split(",")], default=[0.0, 1e-3, 0.1, 1e3])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", default="games-stackelberg", help="name of the results file")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--cell", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
