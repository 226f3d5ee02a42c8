"""Times judges: a panel of reward models, judgements that were kept, and a language model behind a server.

    python -m benchmarks.judges

Run from the project root. One thread; contenders take turns, another one first each round; a ratio is that of the
medians over all rounds. Processor seconds stand beside wall seconds: on a machine that others use as well, only the
first say what a judge costs. The server runs in a process of its own, so the last part wants two free cores.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import judges_chat, judges_kept, judges_panel
from benchmarks.measure import machine, versions

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
QUIET = "taskset -c 0,1 python -m benchmarks.judges --pairs 1000 --rounds 5"


def main(arguments: list[str]) -> Path:
    """Time every part, and return the path of the results."""
    asked = parse(arguments)
    results: dict[str, Any] = {
        "name": asked.name,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine() | {"versions": versions(), "load": os.getloadavg()[0]},
        "hidden": asked.hidden,
        "layers": asked.layers,
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        results["kept"] = judges_kept.measure(folder, asked.kept, asked.rounds)
        results["chat"] = judges_chat.measure(folder, asked.slots, asked.service, asked.seconds, asked.rounds)
        sizes = (asked.hidden, asked.layers, asked.pairs, asked.toys)
        results["panel"] = judges_panel.measure(folder, *sizes, asked.rounds)
    path = asked.results / f"{results['date']}-{asked.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")
    path.with_suffix(".md").write_text(markdown(results))
    print(path.with_suffix(".md").read_text())
    return path


def middle(rounds: list[dict[str, float]], clock: str) -> float:
    """Return the median over rounds, seconds."""
    return statistics.median(one[clock] for one in rounds)


def markdown(results: dict[str, Any]) -> str:
    """Return the tables of a results file."""
    about = results["machine"]
    lines = [
        f"# {results['name']}, {results['date']}",
        "",
        f"{about['cpu']}, {about['cores']} cores, one thread, load {about['load']:.1f} at the start: where "
        f"that is above the number of cores, wall seconds are disturbed. torch {about['versions']['torch']}, Python "
        f"{about['versions']['python']}. On a quiet machine: `{QUIET}`.",
        *_panel(results),
        *_kept(results["kept"]),
        *_chat(results["chat"]),
    ]
    return "\n".join(lines) + "\n"


def _panel(results: dict[str, Any]) -> list[str]:
    lines = [
        "",
        "## Five reward models",
        "",
        f"A random Llama of {results['layers']} layers of {results['hidden']}, or the embedded model; five adapters of "
        "rank 8 on it, or five heads. Random prompts and responses of 20 to 208 tokens together, or the embedded "
        "preference data. `adapters` and `heads` are this package's panel; "
        "`plain` is an adapter at a time, a text at a time. Medians of "
        f"{len(results['panel'][0]['rounds'])} rounds; more than 1× is faster than `plain`.",
        "",
        "| pairs | contender | processor s | wall s | × `plain`, processor | × `plain`, wall |",
        "|---|---|---|---|---|---|",
    ]
    for part in results["panel"]:
        plain = [one["plain"] for one in part["rounds"]]
        for who in part["rounds"][0]:
            mine = [one[who] for one in part["rounds"]]
            cells = [f"{middle(mine, clock):.2f}" for clock in ("cpu", "wall")]
            cells += [f"{middle(plain, clock) / middle(mine, clock):.2f}" for clock in ("cpu", "wall")]
            lines.append(f"| {part['count']:,}, {part['pairs']} | {who} | {' | '.join(cells)} |")
    differ = max(part["differ"] for part in results["panel"])
    return [*lines, "", f"Preferences of `adapters` and `plain` differ by at most {differ:.1g}."]


def _kept(kept: dict[str, Any]) -> list[str]:
    lines = [
        "",
        "## Judgements that were kept",
        "",
        f"{kept['count']:,} judgements in one file, all looked up; medians.",
        "",
        "| how | a processor second | a wall second |",
        "|---|---|---|",
    ]
    for how, rounds in kept["ways"].items():
        lines.append(
            f"| {how} | " + " | ".join(f"{kept['count'] / middle(rounds, c):,.0f}" for c in ("cpu", "wall")) + " |"
        )
    return lines


def _chat(sizes: list[dict[str, Any]]) -> list[str]:
    lines = [
        "",
        "## A language model behind a server",
        "",
        f"The server takes {1000 * sizes[0]['service']:.0f} ms a question and serves so many at once; its pace is the "
        "limit. Twice as many questions are under way. `bare` sends the same bytes each time and reads nothing: what "
        "the machine allows. `a core's` is what one undisturbed core could ask, 1 / processor seconds a question.",
        "",
        "| at once | limit, questions a second | `bare` | `slhf` | `slhf` / limit | `slhf` / `bare` "
        "| processor ms a question | a core's |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in sizes:
        number, spent = one["questions"], one["spent"]
        bare, mine = (number / middle(spent[who], "wall") for who in ("bare", "slhf"))
        cost = middle(spent["slhf"], "cpu") / number
        lines.append(
            f"| {one['slots']} | {one['limit']:,.0f} | {bare:,.0f} | {mine:,.0f} | {mine / one['limit']:.1%} | "
            f"{mine / bare:.1%} | {1000 * cost:.2f} | {1 / cost:,.0f} |"
        )
    return lines


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=90, help="pairs the panel judges")
    parser.add_argument("--toys", type=int, default=1000, help="pairs of the embedded data it judges")
    parser.add_argument("--hidden", type=int, default=256, help="channels of the reward models")
    parser.add_argument("--layers", type=int, default=4, help="their layers")
    parser.add_argument("--kept", type=int, default=100_000, help="judgements in the store")
    parser.add_argument("--slots", type=lambda text: [int(n) for n in text.split(",")], default=[2, 4, 8, 16])
    parser.add_argument("--service", type=float, default=0.02, help="the server's seconds a question")
    parser.add_argument("--seconds", type=float, default=4.0, help="how long the server would take at its limit")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--name", default="judges", help="name of the results file")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
