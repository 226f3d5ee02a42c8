"""Times an optimiser step of DPO against TRL's trainer, processes taking turns, and writes JSON and a table.

    python -m benchmarks.pair_step

Run from the project root. Both have the same weights, pairs, adapter, optimiser, precision and thread, as in
``step_time``; each pair is new, so both score it under the reference, too.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.case import GAMES, Case
from benchmarks.measure import machine
from benchmarks.step_time import RESULTS, one_round, options
from benchmarks.tables import above_idle, ratio

CELLS = ("tiny:128:64:fixed", "tiny:128:64:varied", "tiny:512:64:fixed", "tiny:64:128:fixed", "small:128:64:fixed")
"""Model, tokens of a prompt, tokens of a response, kind of length."""
QUIET = "taskset -c 1 python -m benchmarks.pair_step --rounds 5"


def main(arguments: list[str]) -> Path:
    """Run every cell asked for; return the path of the results."""
    asked = parse(arguments)
    results: dict[str, Any] = {
        "name": asked.name,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine() | {"load": os.getloadavg()[0]},
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
            block["summary"] = summarise(block["rounds"])
            path.write_text(
                json.dumps(results, indent=1) + "\n"
            )  # after every round: an interrupted run keeps what it measured
            path.with_suffix(".md").write_text(markdown(results))
    print(path.with_suffix(".md").read_text())
    return path


def cases(asked: argparse.Namespace) -> list[Case]:
    """Return one case for each cell and precision."""
    found = []
    for cell, dtype in itertools.product(asked.cells, asked.dtype):
        size, prompt, response, lengths = cell.split(":")
        found.append(
            Case(
                game="pairs",
                contender="pair_slhf",
                size=size,
                prompt_tokens=int(prompt),
                new_tokens=int(response),
                lengths=lengths,
                dtype=dtype,
                device=asked.device,
                micro_batch=asked.micro_batch,
                accumulation=asked.accumulation,
                warmup=asked.warmup,
                steps=asked.steps,
            )
        )
    return found


def summarise(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Return each contender's medians over all rounds, and TRL's over ours."""
    out: dict[str, Any] = {}
    for name in rounds[0]:
        records = [one[name] for one in rounds]
        steps = [step for record in records for step in record["steps"]]
        out[name] = {key: statistics.median(step[key] for step in steps) for key in steps[0]}
        out[name]["memory_mib"] = statistics.median(map(above_idle, records))
    if {"pair_slhf", "pair_trl"} <= set(out):
        for clock in ("wall", "cpu"):
            mine, theirs = ([[step[clock] for step in one[name]["steps"]] for one in rounds] for name in GAMES["pairs"])
            out[f"{clock}_ratio"] = ratio(mine, theirs)
        memory = [above_idle(one["pair_trl"]) / above_idle(one["pair_slhf"]) for one in rounds]
        out["memory_ratio"] = {"median": statistics.median(memory), "low": min(memory), "high": max(memory)}
    return out


def title(case: Case) -> str:
    """Return what a person calls a case."""
    what = f"prompts of {case.prompt_tokens}, responses of {case.new_tokens} tokens ({case.lengths})"
    return f"{case.size}, {what}, {case.dtype}, {case.micro_batch} × {case.accumulation} pairs"


def markdown(results: dict[str, Any]) -> str:
    """Return the table of a results file."""
    about = results["machine"]
    versions = next(iter(results["cases"][0]["rounds"][0].values()))["versions"]
    lines = [
        f"# {results['name']}, {results['date']}",
        "",
        f"{about['gpu'] or about['cpu']}, one thread, load {about['load']:.1f} at the start: where that is above the "
        "number of cores, wall seconds are disturbed and processor seconds say more. torch "
        f"{versions['torch']}, transformers {versions['transformers']}, TRL {versions.get('trl', 'not here')}. Medians "
        "of all rounds; a ratio is TRL's over ours (more than 1 is in our favour), with its range over single rounds. "
        f"Memory is the high-water mark above what the imports held. On a quiet machine: `{QUIET}`.",
        "",
        "| case | ours s | TRL s | wall | processor | ours MiB | TRL MiB | memory |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for block in results["cases"]:
        first = next(iter(block["rounds"][0].values()))
        summary, cells = block["summary"], [title(Case(**first["case"]))]
        ours, theirs = (summary.get(name) for name in GAMES["pairs"])
        cells += [f"{one['wall']:.2f}" if one else "–" for one in (ours, theirs)]
        cells += [_range(summary.get(f"{clock}_ratio")) for clock in ("wall", "cpu")]
        cells += [f"{one['memory_mib']:,.0f}" if one else "–" for one in (ours, theirs)]
        lines.append("| " + " | ".join([*cells, _range(summary.get("memory_ratio"))]) + " |")
    return "\n".join(lines) + "\n"


def _range(value: dict[str, float] | None) -> str:
    return f"{value['median']:.2f} ({value['low']:.2f}–{value['high']:.2f})" if value else "–"


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = lambda text: text.split(",")  # noqa: E731
    parser.add_argument("--cells", type=words, default=list(CELLS), help="size:prompt:response:fixed|varied, by commas")
    parser.add_argument("--contenders", type=words, default=list(GAMES["pairs"]))
    parser.add_argument("--dtype", type=words, default=["fp32"], help="fp32, bf16, or both")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--micro-batch", type=int, default=8, help="pairs")
    parser.add_argument("--accumulation", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--peer-python", default=sys.executable, help="Python of an environment with TRL 1.16")
    parser.add_argument("--set", action="append", default=[], metavar="CONTENDER.OPTION=VALUE")
    parser.add_argument("--name", default="pair-step", help="name of the results file")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    asked = parser.parse_args(arguments)
    unknown = set(asked.contenders) - set(GAMES["pairs"])
    if unknown:
        parser.error(f"unknown contenders {', '.join(sorted(unknown))}; known: {', '.join(GAMES['pairs'])}")
    asked.set = options(asked.set)
    return asked


if __name__ == "__main__":
    main(sys.argv[1:])
