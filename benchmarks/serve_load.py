"""A server under load: 32 clients for two minutes, and its pace against one client at a time and `transformers serve`.

    python -m benchmarks.serve_load --peer peer/bin/transformers

Run from the project root. The server has one processor and the clients the other. Every different request is answered
alone before, and what it is answered under load is held against that. Blocks of the contenders take turns; a ratio is
the median of those of single rounds. Processor milliseconds stand beside wall seconds: on a machine that others use as
well, only the first say what a server costs.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import serve_mix
from benchmarks.measure import machine, versions
from benchmarks.serve_process import ServerProcess, peer_server, running, slhf_server
from benchmarks.serve_report import markdown
from benchmarks.serve_storm import Storm, alone, flatness, pace, storm, verdict
from slhf import toy

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def main(arguments: list[str]) -> Path:
    """Measure, and return the path of the results."""
    asked = parse(arguments)
    results: dict[str, Any] = {
        "name": asked.name,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine() | {"versions": versions(), "load": os.getloadavg()[0]},
        "settings": {key: str(value) for key, value in vars(asked).items() if not isinstance(value, Path)},
    }
    os.sched_setaffinity(0, {asked.client_core})  # after the machine was asked how many it has
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        results["load"] = under_load(folder, asked)
        results["blocks"] = blocks(folder, asked)
    results["machine"]["load_after"] = os.getloadavg()[0]
    path = asked.results / f"{results['date']}-{asked.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    path.with_suffix(".md").write_text(markdown(results))
    print(path.with_suffix(".md").read_text())
    return path


def under_load(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Answer many clients, some of whom leave, and compare."""
    with running(slhf_server(asked.model, folder, asked.server_core)) as server:
        bodies = serve_mix.mixed("m", asked.requests, asked.seed)
        references = asyncio.run(alone(server.port, bodies))
        broken = [reply.fault for reply in references if not reply.ended]
        if broken:
            raise RuntimeError(f"a request fails already alone: {broken[0]}")
        again = asyncio.run(alone(server.port, bodies[:40]))
        files = server.files()
        found = storm(
            server, bodies, clients=asked.clients, seconds=asked.seconds, leaving=asked.leaving, seed=asked.seed
        )
        after = asyncio.run(alone(server.port, bodies[:40]))
        return {
            "alone_twice_differ": sum(a.texts != b.texts for a, b in zip(references, again, strict=False)),
            "alone_after_differ": sum(a.texts != b.texts for a, b in zip(references, after, strict=False)),
            "files": [files, server.files()],
            "alive": server.alive,
            **verdict(found, references),
            "pace": pace(found),
            "memory": flatness(found.memory),
            "seen": found.memory,
        }


def blocks(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Time the contenders in turns."""
    with ExitStack() as stack:

        def start(server: ServerProcess) -> ServerProcess:
            stack.enter_context(running(server))
            return server

        ours = start(slhf_server(asked.model, folder, asked.server_core))
        servers = {"slhf": ours}
        if asked.peer is not None:
            peer, core, name = asked.peer.absolute(), asked.server_core, _folder(asked.model)
            servers["peer"] = start(peer_server(peer, name, folder, core))
            servers["peer, batching"] = start(peer_server(peer, name, folder, core, "--continuous-batching"))
        rounds: list[dict[str, dict[str, Any]]] = []
        for number in range(-1, asked.rounds):  # the first round warms up and is left out
            found = {name: block() for name, block in _rotated(contenders(servers, asked, number), number)}
            if number >= 0:
                rounds.append(found)
            print(number, {name: round(one["tokens_s"]) for name, one in found.items()}, file=sys.stderr, flush=True)
        return {"rounds": rounds, "ratios": ratios(rounds), "equal": equal(servers, asked)}


def contenders(
    servers: dict[str, ServerProcess], asked: argparse.Namespace, number: int
) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return what is timed in one round, by name."""
    mixed = serve_mix.mixed("m", asked.requests, asked.seed)
    plain = serve_mix.plain("m:leader", asked.requests, asked.seed)
    theirs = serve_mix.plain(_folder(asked.model), asked.requests, asked.seed)

    def timed(server: ServerProcess, bodies: list[dict[str, Any]], clients: int) -> Callable[[], dict[str, Any]]:
        def block() -> dict[str, Any]:
            others = [one for one in servers.values() if one is not server]
            with ExitStack() as stack:
                for other in others:
                    stack.enter_context(other.asleep())
                found = storm(server, bodies, clients=clients, seconds=asked.block, leaving=0.0, seed=number)
            return pace(found) | {"faults": _faults(found)}

        return block

    ours = servers["slhf"]
    named = {
        "mixed, 1 client": timed(ours, mixed, 1),
        f"mixed, {asked.clients} clients": timed(ours, mixed, asked.clients),
        "plain, 1 client": timed(ours, plain, 1),
        f"plain, {asked.clients} clients": timed(ours, plain, asked.clients),
    }
    for name, server in servers.items():
        if server is not ours:
            named[f"{name}, {asked.clients} clients"] = timed(server, theirs, asked.clients)
    return named


def ratios(rounds: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, float]]:
    """Return how many times as many tokens a second, and a processor second, as each slower contender."""
    names = list(rounds[0])
    pairs = [(names[1], names[0]), (names[3], names[2]), *((names[3], peer) for peer in names[4:])]
    found = {}
    for mine, other in pairs:
        for unit in ("tokens_s", "tokens_cpu_s"):
            each = [one[mine][unit] / one[other][unit] for one in rounds]
            found[f"{mine} / {other}, {unit}"] = {"median": median(each), "low": min(each), "high": max(each)}
    return found


def equal(servers: dict[str, ServerProcess], asked: argparse.Namespace) -> dict[str, Any]:
    """Return how many of the plain requests all servers answer with the same text."""
    texts = {}
    for name, server in servers.items():
        model = "m:leader" if name == "slhf" else _folder(asked.model)
        bodies = serve_mix.plain(model, min(100, asked.requests), asked.seed)
        texts[name] = [reply.texts[0].strip() for reply in asyncio.run(alone(server.port, bodies))]
    mine = texts.pop("slhf")
    same = {name: sum(a == b for a, b in zip(mine, other, strict=True)) for name, other in texts.items()}
    return {"of": len(mine), **same}


def _rotated(named: dict[str, Callable[[], dict[str, Any]]], by: int) -> list[tuple[str, Callable[[], dict[str, Any]]]]:
    items = list(named.items())
    by %= len(items)
    return [*items[by:], *items[:by]]


def _faults(found: Storm) -> int:
    return sum(bool(reply.fault) or not reply.ended for _, reply in found.replies)


def _folder(model: str) -> str:
    return str(toy.model_path()) if model == "toy" else str(Path(model).absolute())


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", default="serve-load")
    parser.add_argument("--model", default="toy", help="a model's folder with a chat template, or toy")
    parser.add_argument("--peer", type=Path, help="the program transformers of the peer's environment")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=120.0, help="of the load")
    parser.add_argument("--leaving", type=float, default=0.15, help="share of clients who leave before the end")
    parser.add_argument("--requests", type=int, default=240, help="different ones")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--block", type=float, default=10.0, help="seconds of a contender's turn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--client-core", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
