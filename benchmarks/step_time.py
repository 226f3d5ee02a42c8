"""Times an optimiser step of every contender, interleaved, and writes JSON and a table.

    python -m benchmarks.step_time --peer-python PATH/TO/TRL/bin/python
    python -m benchmarks.step_time --game nash_md --new-tokens 128 --peer-python PATH/TO/TRL-1.13/bin/python

Run from the project root. Each cell of the table is a process of its own; the processes of a
case take turns, so that a change of the machine's pace hits them alike.

The `--device cuda` path (Qwen2.5-0.5B's architecture, random weights, bfloat16, batch 32) is
written but has never been run: no GPU was at hand when it was made. Its roofs are those of
one H200.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.case import GAMES, PEERS, Case
from benchmarks.measure import machine
from benchmarks.roof import H200
from benchmarks.tables import markdown, summarise, title

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def main(arguments: list[str]) -> Path:
    """Run every case asked for; return the path of the results."""
    asked = parse(arguments)
    results: dict[str, Any] = {
        "name": asked.name,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "contenders": asked.contenders,
        "roofs": roofs(asked),
        "cases": [],
    }
    path = asked.results / f"{results['date']}-{asked.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    for case in cases(asked):
        print(title(case), flush=True)
        block: dict[str, Any] = {"rounds": []}
        results["cases"].append(block)
        for number in range(asked.rounds):
            block["rounds"].append(one_round(asked, case, number))
            block["summary"] = summarise(block["rounds"], results["roofs"])
            write(path, results)  # after every round: an interrupted run keeps what it measured
    print(path.with_suffix(".md").read_text())
    return path


def one_round(asked: argparse.Namespace, case: Case, number: int) -> dict[str, Any]:
    """Run each contender once, starting with another one every round."""
    shift = number % len(asked.contenders)
    order = asked.contenders[shift:] + asked.contenders[:shift]
    done = {}
    for name in order:
        done[name] = record = run(asked, replace(case, contender=name, options=asked.set.get(name, {})))
        walls = ", ".join(f"{step['wall']:.2f}" for step in record["steps"])
        print(f"  round {number + 1} {name}: {walls} s", flush=True)
    return {name: done[name] for name in asked.contenders}


def run(asked: argparse.Namespace, case: Case) -> dict[str, Any]:
    """Run one contender in a process of its own and return what it printed."""
    python = asked.peer_python if case.contender in PEERS else sys.executable
    return _last_json([python, "-m", "benchmarks.contender", *case.arguments()], case.threads)


def _last_json(command: list[str], threads: int) -> dict[str, Any]:
    environment = os.environ | {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "passive",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        tail = "\n".join(done.stderr.splitlines()[-20:])
        raise SystemExit(f"{' '.join(command[1:])} failed with status {done.returncode}:\n{tail}")
    return json.loads(lines[-1])


def roofs(asked: argparse.Namespace) -> dict[str, Any]:
    """Return the machine's roofs: measured on a processor, one H200's on a GPU."""
    if asked.device == "cuda":
        return {asked.dtype: H200}
    # one type alone: where bfloat16 is emulated, its matrix product takes a minute
    settings = [f"--threads={asked.threads}", f"--dtype={asked.dtype}"]
    return _last_json([sys.executable, "-m", "benchmarks.roof", *settings], asked.threads)


def cases(asked: argparse.Namespace) -> list[Case]:
    """Return one case for each model, answer length and kind of length."""
    return [
        Case(
            game=asked.game,
            size=size,
            new_tokens=new_tokens,
            lengths=lengths,
            micro_batch=asked.micro_batch,
            accumulation=asked.accumulation,
            dtype=asked.dtype,
            device=asked.device,
            threads=asked.threads,
            warmup=asked.warmup,
            steps=asked.steps,
        )
        for size, new_tokens, lengths in itertools.product(asked.sizes, asked.new_tokens, asked.lengths)
    ]


def write(path: Path, results: dict[str, Any]) -> None:
    """Write the results and, beside them, their table."""
    path.write_text(json.dumps(results, indent=1) + "\n")
    path.with_suffix(".md").write_text(markdown(results))


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line; on a GPU the defaults are those of the larger model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words, numbers = (lambda text: text.split(",")), (lambda text: [int(n) for n in text.split(",")])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--game", choices=[game for game in GAMES if game != "pairs"], default="stackelberg")
    parser.add_argument("--contenders", type=words, help="default: all of the game")
    parser.add_argument("--sizes", type=words, help="nano, tiny, small, qwen2.5-0.5b (default: tiny,small)")
    parser.add_argument("--new-tokens", type=numbers, help="default: 64,128")
    parser.add_argument("--lengths", type=words, default=["fixed"], help="fixed, varied")
    parser.add_argument("--dtype", choices=["fp32", "bf16"])
    parser.add_argument("--micro-batch", type=int, help="default: 8")
    parser.add_argument("--accumulation", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peer-python", help="Python of the peer's environment, benchmarks/peers/")
    parser.add_argument("--set", action="append", default=[], metavar="CONTENDER.OPTION=VALUE")
    parser.add_argument("--name", help="name of the results file")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    asked = parser.parse_args(arguments)
    gpu = asked.device == "cuda"
    asked.sizes = asked.sizes or (["qwen2.5-0.5b"] if gpu else ["tiny", "small"])
    asked.new_tokens = asked.new_tokens or ([128, 512] if gpu else [64, 128])
    asked.dtype = asked.dtype or ("bf16" if gpu else "fp32")
    asked.micro_batch = asked.micro_batch or (32 if gpu else 8)
    asked.name = (
        asked.name or f"step-{asked.game}-{asked.device}-{asked.dtype}-{asked.micro_batch}x{asked.accumulation}"
    )
    known = GAMES[asked.game]
    asked.contenders = asked.contenders or list(known)
    unknown = set(asked.contenders) - set(known)
    if unknown:
        parser.error(f"unknown contenders {', '.join(sorted(unknown))} of {asked.game}; known: {', '.join(known)}")
    for peer in PEERS.intersection(asked.contenders):
        if not asked.peer_python:
            parser.error(f"{peer} needs --peer-python; benchmarks/README.md says how its environment is made")
    asked.set = options(asked.set)
    return asked


def options(pairs: list[str]) -> dict[str, dict[str, Any]]:
    """Read ``contender.option=value``; the value as JSON if it is JSON, as text otherwise."""
    found: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        contender, _, option = name.partition(".")
        try:
            read = json.loads(value)
        except json.JSONDecodeError:
            read = value
        found.setdefault(contender, {})[option] = read
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
