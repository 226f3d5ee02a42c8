"""Times Nash equilibria of random games against QuantEcon, Nashpy and SciPy's linear programmes.

    python -m benchmarks.games_nash --peer-python PATH/TO/PEERS/bin/python

Run from the project root. Every timing is a process of its own that solves one game several times, after a
first time that is not counted (QuantEcon compiles then; what that took is reported apart). The processes take
turns, another one first each round, and the time is the processor's, so that other work on the machine hurts
little. Everyone gets the same game; exploitability is computed here, from each policy as it was returned.
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
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
OURS = ("slhf", "slhf-tau", "highs-ds", "highs-ipm")
PEERS = ("quantecon-minmax", "quantecon-lemke-howson", "nashpy")
WHAT = {
    "slhf": "`nash_equilibrium(p)`: interior-point linear programme, then exact on its support",
    "slhf-tau": "`nash_equilibrium(p, tau=0.05)`",
    "highs-ds": "`scipy.optimize.linprog`, HiGHS dual simplex, without presolve, in its fastest form (value known)",
    "highs-ipm": "the same with HiGHS's interior point",
    "quantecon-minmax": "`quantecon.optimize.minmax`, compiled linear programme",
    "quantecon-lemke-howson": "`quantecon.game_theory.lemke_howson`, compiled",
    "nashpy": "`nashpy.Game.linear_program`, which solves one linear programme a player",
}


def game(actions: int, seed: int) -> np.ndarray:
    """Return preferences that are uniform on [0, 1] and have no structure."""
    upper = np.triu(np.random.default_rng(seed).random((actions, actions)), 1)
    p = upper + np.tril(1.0 - upper.T, -1)
    np.fill_diagonal(p, 0.5)
    return p


def solver(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from preferences to a policy; what it needs is imported here, outside the timing."""
    if name.startswith("slhf"):
        from slhf.games.nash import nash_equilibrium

        tau = 0.05 if name == "slhf-tau" else 0.0
        return lambda p: nash_equilibrium(p, tau=tau).policy
    if name.startswith("highs"):
        return lambda p: _highs(p, name)
    if name == "quantecon-minmax":
        from quantecon.optimize import minmax

        return lambda p: minmax(p - 0.5)[1]
    if name == "quantecon-lemke-howson":
        from quantecon.game_theory import NormalFormGame, Player, lemke_howson

        return lambda p: lemke_howson(NormalFormGame((Player(p), Player(p))))[0]
    from nashpy import Game

    return lambda p: Game(p - 0.5, 0.5 - p).linear_program()[0]


def _highs(p: np.ndarray, method: str) -> np.ndarray:
    from scipy.optimize import linprog

    n = len(p)
    solved = linprog(-np.ones(n), A_ub=p, b_ub=np.ones(n), method=method, options={"presolve": False})
    return solved.x / solved.x.sum()


def one(name: str, actions: int, repeats: int, seed: int) -> dict[str, Any]:
    """Time one contender in this process."""
    solve, p = solver(name), game(actions, seed)
    begun = time.process_time()
    solve(game(actions, seed + 1))
    first, times, policy = time.process_time() - begun, [], np.zeros(actions)
    for _ in range(repeats):
        begun = time.process_time()
        policy = np.asarray(solve(p))
        times.append(time.process_time() - begun)
    return {"seconds": times, "first": first, "exploitability": _left(p, policy, name), "versions": _versions()}


def _left(p: np.ndarray, policy: np.ndarray, name: str) -> float:
    """Return what a best reply gains, by the definition."""
    tau, values = (0.05 if name == "slhf-tau" else 0.0), (p - 0.5) @ policy
    if not tau:
        return float(values.max())
    worth = tau * np.log(np.exp(values / tau).mean())
    return float(worth + tau * (policy @ np.log(np.maximum(policy, 1e-300) * len(p))))


def _versions() -> dict[str, str]:
    known = {d.metadata["Name"].lower(): d.version for d in metadata.distributions()}
    return {name: known[name] for name in ("numpy", "scipy", "numba", "quantecon", "nashpy") if name in known}


def main(arguments: list[str]) -> None:
    """Run every contender in turn; write JSON and a table."""
    asked = _parse(arguments)
    if asked.one:
        print(json.dumps(one(asked.one, asked.actions, asked.repeats, asked.seed)))
        return
    from benchmarks.measure import machine  # needs torch, which a peer's environment lacks

    names = [*OURS, *(PEERS if asked.peer_python else ())]
    rounds: list[dict[str, Any]] = []
    for number in range(asked.rounds):
        shift = number % len(names)
        done = {name: _process(asked, name, seed=number) for name in names[shift:] + names[:shift]}
        rounds.append({name: done[name] for name in names})
        print(f"round {number + 1}:", {name: round(statistics.median(done[name]["seconds"]), 4) for name in names})
    results = {
        "name": f"games-nash-{asked.actions}",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "actions": asked.actions,
        "rounds": rounds,
        "summary": summarise(rounds),
    }
    path = asked.results / f"{results['date']}-{results['name']}.json"
    path.write_text(json.dumps(results, indent=1) + "\n")
    path.with_suffix(".md").write_text(markdown(results))
    print(path.with_suffix(".md").read_text())


def _process(asked: argparse.Namespace, name: str, seed: int) -> dict[str, Any]:
    python = asked.peer_python if name in PEERS else sys.executable
    options = [f"--one={name}", f"--actions={asked.actions}", f"--repeats={asked.repeats}", f"--seed={seed}"]
    single = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMBA")}
    command = [python, "-m", "benchmarks.games_nash", *options]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | single, capture_output=True, text=True, check=False
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{' '.join(command[1:])} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def summarise(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Return each contender's median, and its ratios to both of ours, paired by round."""
    out = {}
    for name in rounds[0]:
        middle = [statistics.median(r[name]["seconds"]) for r in rounds]
        out[name] = {
            "seconds": statistics.median(middle),
            "first": max(r[name]["first"] for r in rounds),
            "exploitability": max(r[name]["exploitability"] for r in rounds),
        }
        for ours in ("slhf", "slhf-tau"):
            ratios = [m / statistics.median(r[ours]["seconds"]) for m, r in zip(middle, rounds, strict=True)]
            out[name][f"over {ours}"] = [statistics.median(ratios), min(ratios), max(ratios)]
    return out


def markdown(results: dict[str, Any]) -> str:
    """Return the table of a results file."""
    rounds = results["rounds"]
    games, repeats = len(rounds), len(rounds[0]["slhf"]["seconds"])
    versions = {k: v for name in rounds[0] for k, v in rounds[0][name]["versions"].items()}
    lines = [
        f"# {results['name']}, {results['date']}",
        "",
        f"{results['machine']['cpu']}, one thread; {', '.join(f'{k} {v}' for k, v in sorted(versions.items()))}.",
        f"Random games of {results['actions']} actions, {games} rounds, another game each, the median of {repeats}"
        " after one that is not counted. Seconds of processor time; ratios are the median over rounds (lowest and",
        "highest). `first` is the uncounted one at its slowest, which contains compilation unless it was cached.",
        "",
        "| contender | seconds | over `slhf` | over `slhf-tau` | exploitability at most | first |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in results["summary"].items():
        over = ["{:.2f} ({:.2f}–{:.2f})".format(*row[f"over {ours}"]) for ours in ("slhf", "slhf-tau")]
        lines.append(
            f"| {name} | {row['seconds']:.4f} | {over[0]} | {over[1]} | {row['exploitability']:.1e} | "
            f"{row['first']:.2f} |"
        )
    return "\n".join([*lines, "", *(f"- `{name}`: {WHAT[name]}" for name in results["summary"])]) + "\n"


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", help="Python of the environment made from benchmarks/peers/games.txt")
    parser.add_argument("--actions", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--one", choices=[*OURS, *PEERS], help="time one contender in this process, print JSON")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
