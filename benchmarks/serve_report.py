"""The tables of a load's results."""

from __future__ import annotations

from statistics import median
from typing import Any


def markdown(results: dict[str, Any]) -> str:
    """Return the tables of a results file."""
    about, settings = results["machine"], results["settings"]
    head = (
        f"# {results['name']}, {results['date']}\n\n{about['cpu']}, {about['cores']} cores, one for the server and one "
        f"for the clients; load {about['load']:.1f} before and {about['load_after']:.1f} after: where that is above "
        f"the number of cores, wall seconds are disturbed. Model {settings['model']}; torch "
        f"{about['versions']['torch']}, transformers {about['versions']['transformers']}.\n"
    )
    return "\n".join([head, _load(results["load"], settings), _blocks(results["blocks"])])


def _load(load: dict[str, Any], settings: dict[str, str]) -> str:
    pace, memory = load["pace"], load["memory"]
    rows = {
        "requests": load["sent"],
        "answered whole": load["finished"],
        "left by their clients": load["left"],
        "errors": load["faults"],
        "lost": load["lost"],
        "whole answers that differ from those alone": load["differ"],
        "of them another request's": load["crossed"],
        "left ones that do not begin like those alone": load["cut"],
        "answers, tokens a second": f"{pace['answers_s']:.1f}, {pace['tokens_s']:.0f}",
        "first text of a stream, p50, p95, p99": _times(pace, "first"),
        "whole answer, p50, p95, p99": _times(pace, "total"),
        "memory, second and last quarter": f"{memory['second_quarter']:.1f}, {memory['last_quarter']:.1f} MiB",
        "its slope after that, a minute": f"{memory['slope_mib_min']:+.2f} ± {memory['plus_minus']:.2f} MiB",
        "open files before and after": f"{load['files'][0]}, {load['files'][1]}",
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return (
        f"## {settings['clients']} clients for {float(settings['seconds']):.0f} seconds\n\n{settings['requests']} "
        f"different requests: 0 to 3 refinements, 4 to 48 tokens an answer, one to seven turns, half of them streamed, "
        f"a tenth with two answers; a client leaves early with probability {settings['leaving']}.\n\n"
        f"| what | |\n|---|---|\n{table}\n"
    )


def _times(pace: dict[str, float], kind: str) -> str:
    return ", ".join(f"{1000 * pace[f'{kind}_p{q}']:.0f}" for q in (50, 95, 99)) + " ms"


def _blocks(blocks: dict[str, Any]) -> str:
    rounds = blocks["rounds"]
    lines = [
        "| contender | answers/s | tokens/s | tokens an answer | server's processor ms an answer | p99, ms | errors |"
    ]
    lines.append("|---|---|---|---|---|---|---|")
    for name in rounds[0]:
        each = {key: median(one[name][key] for one in rounds) for key in rounds[0][name]}
        lines.append(
            f"| {name} | {each['answers_s']:.1f} | {each['tokens_s']:.0f} | {each['tokens'] / each['answers']:.1f} | "
            f"{each['cpu_ms_answer']:.2f} | {1000 * each['total_p99']:.0f} | {sum(r[name]['faults'] for r in rounds)} |"
        )
    found = [
        f"| {name.rpartition(', ')[0]} | {'processor' if name.endswith('cpu_s') else 'wall'} | {one['median']:.2f} | "
        f"{one['low']:.2f} to {one['high']:.2f} |"
        for name, one in blocks["ratios"].items()
    ]
    same = ", ".join(f"{name}: {count}" for name, count in blocks["equal"].items() if name != "of")
    return (
        f"## In turns\n\n`mixed` are the requests above, `plain` ask for the Leader's likeliest answer and no more; "
        f"`peer` is `transformers serve` with the same requests. Medians of {len(rounds)} rounds.\n\n"
        + "\n".join(lines)
        + "\n\n| tokens a second | clock | times | rounds |\n|---|---|---|---|\n"
        + "\n".join(found)
        + f"\n\nOf {blocks['equal']['of']} plain requests, so many texts are the same as ours: {same or '–'}.\n"
    )
