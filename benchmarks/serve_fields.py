"""Which fields of a chat completion are honoured, ignored or refused: `slhf serve` beside `transformers serve`.

    python -m benchmarks.serve_fields --peer-python peer/bin/python

starts both on the embedded model, sends every field to both as raw HTTP and through OpenAI's client, whole and
streamed, and judges by what comes back, not by what is said to be supported.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.serve_asks import Seen, raw, sent, through_client
from benchmarks.serve_probes import PROBES, STREAM_ONLY, TEXT, WHOLE_ONLY
from slhf import toy

WAYS = {"raw": raw, "client": through_client}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", required=True, help="python of an environment with transformers[serving]")
    parser.add_argument("--port", type=int, default=8741, help="of the first server; the second takes the next")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    with TemporaryDirectory() as made:
        found = compared(chosen.peer_python, chosen.port, sampling_model(Path(made)))
    write(found, chosen.output / f"{date.today()}-serve-fields")


def sampling_model(folder: Path) -> str:
    """Copy the embedded model, with the word that makes `transformers serve` sample: without it, it never does."""
    shutil.copytree(toy.model_path(), folder / "toy")
    file = folder / "toy" / "generation_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"do_sample": True}), encoding="utf-8")
    return str(folder / "toy")


def compared(python: str, port: int, folder: str) -> dict[str, dict[str, str]]:
    """Start one server after the other, and return what each does with every field."""
    own = [sys.executable, "-m", "slhf.cli", "serve", "--model", folder, "--name", "toy", "--steps", "0"]
    own += ["--port", str(port), "--picks", str(Path(folder).with_name("picks.sqlite"))]
    peer = [str(Path(python).with_name("transformers")), "serve", folder, "--device", "cpu"]
    peer += ["--dtype", "float32", "--host", "127.0.0.1", "--port", str(port + 1)]
    found: dict[str, dict[str, str]] = {}
    with running(own, port, "toy"):
        found["slhf serve"] = probed(port, "toy")
    with running(peer, port + 1, folder):
        found["transformers serve"] = probed(port + 1, folder)
    return found


@contextmanager
def running(command: list[str], port: int, model: str) -> Iterator[None]:
    """Run a server while the block lasts, once it answers."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 180
            body = json.dumps({"model": model, "messages": TEXT, "max_tokens": 1}).encode()
            while True:
                try:
                    status, content = sent(port, body)
                    assert status == 200, content
                    break
                except ConnectionError:
                    if process.poll() is not None or time.monotonic() > until:
                        raise SystemExit(f"{command[0]} does not answer") from None
                    time.sleep(0.5)
            yield
        finally:
            process.terminate()


def probed(port: int, model: str) -> dict[str, str]:
    """Return what one server does with everything, in one word where all ways agree."""
    found = {}
    for name in PROBES:
        found[name] = in_one(judged(name, port, model))
        print(f"{port} {name}: {found[name]}", file=sys.stderr, flush=True)
    return found


def judged(name: str, port: int, model: str) -> dict[str, str]:
    """Try one field in every way."""
    found = {}
    for way, ask in WAYS.items():
        for stream in (False, True):
            if not (stream and name in WHOLE_ONLY) and not (not stream and name in STREAM_ONLY):
                found[f"{way}, {'streamed' if stream else 'whole'}"] = PROBES[name](
                    partial(asked, ask, port, model, stream)
                )
    return found


def asked(ask: Any, port: int, model: str, stream: bool, /, **fields: Any) -> Seen:
    """Ask the prompt with further fields."""
    more = {"stream": True} if stream else {}
    return ask(port, {"model": model, "messages": TEXT, **more, **fields})


def in_one(found: dict[str, str]) -> str:
    """Return one word where all ways agree, and otherwise which way did what.

    >>> in_one({"raw, whole": "honoured", "raw, streamed": "ignored"})
    'honoured (raw, whole); ignored (raw, streamed)'
    """
    ways: dict[str, list[str]] = {}
    for way, what in found.items():
        ways.setdefault(what, []).append(way)
    if len(ways) == 1:
        return next(iter(ways))
    return "; ".join(f"{what} ({' and '.join(some)})" for what, some in ways.items())


def write(found: dict[str, dict[str, str]], path: Path) -> None:
    """Write the table, as JSON and for people."""
    versions = {name: version(name) for name in ("slhf", "openai", "transformers")}
    path.with_suffix(".json").write_text(
        json.dumps({"versions": versions, "fields": found}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    lines = [f"| | {' | '.join(f'`{name}`' for name in found)} |", "|---" * (len(found) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(column[name] for column in found.values())} |" for name in PROBES]
    said = ", ".join(f"{name} {number}" for name, number in versions.items())
    path.with_suffix(".md").write_text(
        "# Fields of a chat completion\n\n" + "\n".join(lines) + f"\n\nVersions: {said}.\n", encoding="utf-8"
    )
    print(path.with_suffix(".md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
