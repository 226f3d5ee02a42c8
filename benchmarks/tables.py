"""From timed rounds to ratios and a Markdown table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks.case import Case
from benchmarks.measure import PHASES
from benchmarks.roof import work

Round = dict[str, dict[str, Any]]
"""One record of each contender, as ``contender.py`` prints it."""

LESS = {
    "rloo": "TRL `RLOOTrainer`: one role, so half the completions a step, and the shorter half",
    "plain": "(a) the procedure written plainly: both roles, everything trained; nothing less",
    "slhf": "this package",
    "trl_nash": "TRL 1.13 `NashMDTrainer`: samples as many answers, trains as many; its log-probabilities are those at "
    "temperature 1, its mixture has the adapter on in both models, and both write into one cache",
}


def ratio(mine: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> dict[str, float]:
    """Return other / mine: the ratio of the medians over all rounds, and its range over single rounds.

    >>> ratio([[1.0, 1.0], [2.0, 2.0]], [[3.0, 3.0], [4.0, 4.0]])
    {'median': 2.3333333333333335, 'low': 2.0, 'high': 3.0}
    """
    rounds = [statistics.median(b) / statistics.median(a) for a, b in zip(mine, other, strict=True)]
    everything = [statistics.median([x for each in side for x in each]) for side in (other, mine)]
    return {"median": everything[0] / everything[1], "low": min(rounds), "high": max(rounds)}


def summarise(rounds: Sequence[Round], roofs: dict[str, Any]) -> dict[str, Any]:
    """Return each contender's medians over all rounds, and the ratios against ``slhf``."""
    names = list(rounds[0])
    out: dict[str, Any] = {name: _one([r[name] for r in rounds], roofs) for name in names}
    if "slhf" in names:
        for name in names:
            if name != "slhf":
                out[name] |= _against(rounds, name, out)
    return out


def _one(records: Sequence[dict[str, Any]], roofs: dict[str, Any]) -> dict[str, Any]:
    steps = [step for record in records for step in record["steps"]]
    middle = {key: statistics.median(step[key] for step in steps) for key in steps[0]}
    case = Case(**records[0]["case"])
    roof = roofs[case.dtype]
    needed = work(case)
    floor = needed.floor(roof["bandwidth"], roof["arithmetic"])
    training = middle["forward"] + middle["backward"]
    return {
        **middle,
        "memory_mib": statistics.median(r["peak_mib"] - r["idle_mib"] for r in records),
        "completions": records[0]["completions"],
        "completions_per_second": records[0]["completions"] / middle["wall"],
        "floor": floor,
        "bandwidth_share": needed.decode_bytes / roof["bandwidth"] / middle["generate"],
        "arithmetic_share": needed.train_flops / roof["arithmetic"] / training,
    }


def _against(rounds: Sequence[Round], name: str, summary: dict[str, Any]) -> dict[str, Any]:
    def times(who: str, clock: str) -> list[list[float]]:
        return [[step[clock] for step in r[who]["steps"]] for r in rounds]

    slower = ratio(times("slhf", "wall"), times(name, "wall"))
    share = summary["slhf"]["completions"] / summary[name]["completions"]
    memory = [above_idle(r["slhf"]) / above_idle(r[name]) for r in rounds]  # below 1: this package needs less
    return {
        "step_ratio": slower,
        "cpu_ratio": ratio(times("slhf", "cpu"), times(name, "cpu")),
        "completion_ratio": {key: value * share for key, value in slower.items()},
        "memory_ratio": {"median": statistics.median(memory), "low": min(memory), "high": max(memory)},
    }


def above_idle(record: dict[str, Any]) -> float:
    """Return a process's peak memory above what it held after its imports, MiB."""
    return record["peak_mib"] - record["idle_mib"]


def _range(value: dict[str, float]) -> str:
    return f"{value['median']:.2f} ({value['low']:.2f}–{value['high']:.2f})"


def title(case: Case) -> str:
    """Return what a person calls a case."""
    batch = f"micro-batch {case.micro_batch} × accumulation {case.accumulation}"
    return f"{case.size}, {case.new_tokens} new tokens ({case.lengths}), {case.dtype}, {batch}"


def markdown(results: dict[str, Any]) -> str:
    """Return the tables of a results file: one block a case."""
    machine = results["machine"]
    lines = [
        f"# {results['name']}, {results['date']}",
        "",
        f"{machine['cpu']} ({machine['capability']}), {machine['cores']} cores, "
        f"{machine['gpu'] or 'no GPU'}, {machine['system']}. "
        f"Threads: {results['cases'][0]['rounds'][0][results['contenders'][0]]['case']['threads']}.",
        "",
    ]
    lines += [f"- `{name}`: {LESS[name]}; {_versions(results, name)}" for name in results["contenders"]]
    lines += ["", *_roofs(results), ""]
    for block in results["cases"]:
        lines += _block(block)
    return "\n".join(lines).rstrip() + "\n"


def _versions(results: dict[str, Any], name: str) -> str:
    record = results["cases"][0]["rounds"][0][name]
    return ", ".join(f"{k} {v}" for k, v in record["versions"].items() if k != "slhf" or name == "slhf")


def _roofs(results: dict[str, Any]) -> list[str]:
    return [
        f"Roof in {dtype}: {r['arithmetic'] / 1e9:.0f} GFLOP/s, {r['bandwidth'] / 1e9:.1f} GB/s."
        for dtype, r in results["roofs"].items()
    ]


def _block(block: dict[str, Any]) -> list[str]:
    rounds, summary = block["rounds"], block["summary"]
    name, record = next(iter(rounds[0].items()))
    case = Case(**record["case"])
    columns = ["wall", "cpu", *PHASES, "other"]
    head = [
        *(f"{c} s" for c in columns),
        "floor s",
        "MiB above idle",
        "completions/s",
        "of bandwidth",
        "of arithmetic",
    ]
    lines = [
        f"## {title(case)}",
        "",
        f"Medians of {len(rounds)} rounds × {case.steps} steps after {case.warmup} of warm-up, a process each.",
        "",
        "| contender | " + " | ".join(head) + " |",
        "|---" * (len(head) + 1) + "|",
    ]
    for name, one in summary.items():
        cells = [f"{one[c]:.2f}" for c in columns]
        cells += [f"{sum(one['floor'].values()):.2f}", f"{one['memory_mib']:.0f}"]
        cells += [f"{one['completions_per_second']:.2f}"]
        cells += [f"{100 * one['bandwidth_share']:.0f} %", f"{100 * one['arithmetic_share']:.0f} %"]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    compared = [(n, one) for n, one in summary.items() if "step_ratio" in one]
    if compared:
        lines += [
            "",
            "| against | time of a step | its CPU time | time of a completion | memory above idle |",
            "|---|---|---|---|---|",
        ]
    for name, one in compared:
        lines.append(
            f"| {name} / slhf | {_range(one['step_ratio'])} | {_range(one['cpu_ratio'])} "
            f"| {_range(one['completion_ratio'])} "
            f"| {_range(one['memory_ratio'])} (slhf / {name}) |"
        )
    for name in summary:
        options = rounds[0][name]["case"]["options"]
        if options:
            lines += ["", f"Settings of `{name}` alone: {options}."]
    return [*lines, ""]
