"""Thousands of requests nobody well-meaning sends, to a real `slhf serve`: by hand, and by schemathesis.

    python -m benchmarks.serve_fuzz --schemathesis fuzz/bin/schemathesis --requests 10000

Run from the project root. schemathesis (`benchmarks/peers/fuzz.txt`, in an environment of its own) makes its requests
from the server's own `/openapi.json` and holds the replies against it. The server must not fail, hang or grow, and
must answer as before afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import serve_mix
from benchmarks.measure import machine, versions
from benchmarks.serve_hostile import answer, attacks, complaint
from benchmarks.serve_process import ServerProcess, running, slhf_server
from benchmarks.serve_storm import alone

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
LEFT_OUT = {
    "positive_data_acceptance": "a schema cannot say which fields need one another; such bodies are refused",
}
"""Checks that are not asked for, and why."""


def main(arguments: list[str]) -> Path:
    """Attack, and return the path of the results."""
    asked = parse(arguments)
    results: dict[str, Any] = {
        "name": asked.name,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine() | {"versions": versions()},
        "left_out": LEFT_OUT,
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with running(slhf_server("toy", folder, None, "--max-tokens", "8")) as server:
            results |= attacked(server, folder, asked)
        results["failures_in_log"] = failures(folder)
    path = asked.results / f"{results['date']}-{asked.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    path.with_suffix(".md").write_text(markdown(results))
    print(path.with_suffix(".md").read_text())
    return path


def attacked(server: ServerProcess, folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Attack a server, and return what came of it."""
    bodies = [body | {"max_tokens": min(8, body["max_tokens"])} for body in serve_mix.mixed("m", 40, asked.seed)]
    before = asyncio.run(alone(server.port, bodies))
    by_hand(server, 1)  # what is prepared once for every kind of request is no growth
    memory, files = [server.memory()], server.files()
    found: dict[str, Any] = {"by_hand": by_hand(server, asked.by_hand)}
    memory.append(server.memory())
    found["slow"] = slowly(server, asked.slow)
    found["schemathesis"] = by_schema(server, folder, asked)
    memory.append(server.memory())
    again = asyncio.run(alone(server.port, bodies))
    return found | {
        "alive": server.alive,
        "answers_inside": inside(server),
        "answers_that_differ": sum(a.texts != b.texts or not b.ended for a, b in zip(before, again, strict=True)),
        "memory_mib": memory,
        "files": [files, server.files()],
    }


def inside(server: ServerProcess) -> int:
    """Return how many answers are still being made, once those that were just sent are put away."""
    found, until = 1, time.monotonic() + 5.0
    while found and time.monotonic() < until:
        health = urllib.request.urlopen(f"http://127.0.0.1:{server.port}/health", timeout=20).read()
        found = int(json.loads(health)["answers_inside"])
    return found


def by_hand(server: ServerProcess, times: int) -> dict[str, Any]:
    """Send the list by hand, so often, and return what was wrong and how long the slowest took."""
    wrong, slowest, sent = [], 0.0, 0
    for _ in range(times):
        for attack in attacks():
            sent += 1
            try:
                status, content, seconds = answer(server.port, attack)
            except TimeoutError:
                wrong.append(f"{attack.name}: neither an answer nor an end")
                continue
            slowest = max(slowest, seconds)
            if found := complaint(attack, status, content):
                wrong.append(f"{attack.name}: {found}")
    return {"sent": sent, "wrong": wrong, "slowest_s": slowest}


def slowly(server: ServerProcess, count: int) -> dict[str, Any]:
    """Open connections that send a byte every other second, and ask on another one meanwhile."""
    waits, ended = [], 0
    with ExitStack() as stack:
        lines = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60)) for _ in range(count)
        ]
        until = time.monotonic() + 36.0
        while time.monotonic() < until:
            for line in lines:
                try:
                    line.sendall(b"G"[: len(waits) % 2])
                except OSError:
                    ended += 1
                    lines.remove(line)
            began = time.monotonic()
            urllib.request.urlopen(f"http://127.0.0.1:{server.port}/health", timeout=20).read()
            waits.append(time.monotonic() - began)
            time.sleep(2.0)
        for line in lines:
            line.settimeout(5.0)
            try:
                ended += b"408" in line.recv(100) or not line.recv(1)
            except (TimeoutError, ConnectionResetError):
                continue
    return {"connections": count, "cut_off": ended, "slowest_other_s": max(waits)}


def by_schema(server: ServerProcess, folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Let schemathesis ask until so many requests are made, with another seed each time."""
    made, failed, seeds, reports = 0, [], [], []
    while made < asked.requests:
        seed, report = asked.seed + len(seeds) + 1, folder / f"report-{len(seeds)}.json"
        seeds.append(seed)
        command = [str(asked.schemathesis.absolute()), "run", f"http://127.0.0.1:{server.port}/openapi.json"]
        command += ["--seed", str(seed), "-n", str(asked.examples), "--checks", "all"]
        command += ["--exclude-checks", ",".join(LEFT_OUT), "--continue-on-failure", "--no-shrink"]
        command += ["--phases", "examples,coverage,fuzzing", "--request-timeout", "20"]
        command += ["--report", "json", "--report-json-path", str(report)]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=folder)
        if not report.is_file():
            raise RuntimeError(f"schemathesis failed: {ended.stdout[-500:]} {ended.stderr[-500:]}")
        told = json.loads(report.read_text())
        made += told["test_cases"]["generated"]
        failed += [f"{one['title']}: {', '.join(one['operations'])}" for one in told["failures"]]
        if told["failures"]:
            reports.append(ended.stdout[-6000:])
        print(seed, made, failed, file=sys.stderr, flush=True)
    return {
        "version": told["schemathesis_version"],
        "requests": made,
        "seeds": seeds,
        "failures": failed,
        "operations": told["operations"]["tested"],
        "reports": reports,
    }


def failures(folder: Path) -> int:
    """Return how many requests the server itself says it failed on."""
    (log,) = folder.glob("slhf-*.log")
    return sum('"status": 500' in line for line in log.read_text().splitlines())


def markdown(results: dict[str, Any]) -> str:
    """Return the table of a results file."""
    hand, schema, memory = results["by_hand"], results["schemathesis"], results["memory_mib"]
    rows = {
        "sent by hand": hand["sent"],
        "of them answered wrongly, or not": len(hand["wrong"]),
        "slowest of them": f"{hand['slowest_s']:.2f} s",
        f"made by schemathesis {schema['version']}, {schema['operations']} operations": schema["requests"],
        "its complaints": "; ".join(schema["failures"]) or 0,
        "slow connections, cut off": f"{results['slow']['connections']}, {results['slow']['cut_off']}",
        "slowest request beside them": f"{results['slow']['slowest_other_s']:.2f} s",
        "status 500 in the server's log": results["failures_in_log"],
        "alive afterwards, answers inside": f"{results['alive']}, {results['answers_inside']}",
        "of 40 answers, differing afterwards": results["answers_that_differ"],
        "memory before, after the list, after all": ", ".join(f"{one:.0f}" for one in memory) + " MiB",
        "open files before and after": ", ".join(map(str, results["files"])),
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    checks = "\n".join(f"- `{name}`: {why}" for name, why in results["left_out"].items())
    return (
        f"# {results['name']}, {results['date']}\n\n`slhf serve --model toy --max-tokens 8`, a process of its own.\n\n"
        f"| what | |\n|---|---|\n{table}\n\nAll of schemathesis' checks but\n\n{checks}\n"
    )


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", default="serve-fuzz")
    parser.add_argument("--schemathesis", type=Path, required=True, help="the program, of an environment of its own")
    parser.add_argument("--requests", type=int, default=10_000, help="by schemathesis, at least")
    parser.add_argument("--examples", type=int, default=200, help="an operation and seed")
    parser.add_argument("--by-hand", type=int, default=3, help="times the list is sent")
    parser.add_argument("--slow", type=int, default=100, help="slow connections")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    os.environ.pop("SLHF_API_KEY", None)
    main(sys.argv[1:])
