"""SIGKILL under load: every pick that was acknowledged is in the file, once and whole."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from benchmarks.serve_process import free_port

from slhf.serving.picks import PickStore

KILLS = 5


def posted(port: int, path: str, body: object) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def pick(number: int) -> dict[str, object]:
    """A pick of a few kilobytes; each is another one."""
    text = f"answer {number} " * 100
    turns = [{"role": "user", "content": f"question {number}?"}]
    return {
        "session": f"s{number % 7}",
        "messages": turns,
        "chosen": text,
        "rejected": [f"no {number}", "x" * 999],
        "model": "m",
    }


NURSERY = """
import os, sys
import torch, transformers, uvicorn
from slhf.cli import main
import slhf.runs.judges, slhf.runs.remote_models, slhf.serving.app, slhf.policies.load
print("ready", flush=True)
for line in sys.stdin:
    if not (pid := os.fork()):
        main(["serve", "--model", "toy", "--name", "m", "--picks", "picks.sqlite", "--port", line.strip()])
        os._exit(0)
    print(pid, flush=True)
    os.waitpid(pid, 0)
"""
"""A process that has everything imported, and becomes a server for every port it is told: starting is then quick."""


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Any]:
    with (tmp_path / "log").open("wb") as log:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [sys.executable, "-c", NURSERY],
            stdin=pipe,
            stdout=pipe,
            stderr=log,
            cwd=tmp_path,
            env=environment,
            text=True,
        )
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
            process.stdin.close()  # type: ignore[union-attr]


def begun(nursery: Any) -> tuple[int, int]:
    """Start a server; return its process and port once it answers."""
    port = free_port()
    nursery.stdin.write(f"{port}\n")
    nursery.stdin.flush()
    pid = int(nursery.stdout.readline())
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            posted(port, "/health", {})
            return pid, port
        except OSError:
            time.sleep(0.02)
    raise AssertionError("the server does not answer")


class Clients:
    """Threads that post picks, and some that have answers streamed, until the server is gone."""

    def __init__(self, port: int, first: int):
        self.stored: dict[int, int] = {}  # number of the pick → the number it was acknowledged with
        self.tried: set[int] = set()
        self._port, self._next, self._lock = port, first, threading.Lock()
        self._threads = [threading.Thread(target=work) for work in [self._pick] * 4 + [self._stream] * 2]
        for thread in self._threads:
            thread.start()

    def _pick(self) -> None:
        while True:
            with self._lock:
                number = self._next
                self._next += 1
                self.tried.add(number)
            try:
                status, content = posted(self._port, "/v1/picks", pick(number))
            except (OSError, http.client.HTTPException):
                return
            assert status == 201
            self.stored[number] = json.loads(content)["id"]

    def _stream(self) -> None:
        body = {"model": "m", "messages": [{"role": "user", "content": "Please add 6 and 4."}], "stream": True}
        while True:
            try:
                posted(self._port, "/v1/chat/completions", body)
            except (OSError, http.client.HTTPException):
                return

    def join(self) -> None:
        """Wait until all have noticed."""
        for thread in self._threads:
            thread.join(timeout=30)
            assert not thread.is_alive()


@pytest.mark.slow
def test_no_acknowledged_pick_is_lost_or_doubled_or_half(tmp_path: Path, nursery: Any) -> None:
    """Five kills, each at a moment drawn from a seed, in the midst of writing; the file goes on to the next server."""
    stored: dict[int, int] = {}
    tried: set[int] = set()
    for seed in range(KILLS):
        pid, port = begun(nursery)
        clients = Clients(port, first=10_000 * seed)
        try:
            while len(clients.stored) < 3:
                time.sleep(0.005)
            time.sleep(random.Random(seed).uniform(0.0, 0.5))
        finally:
            os.kill(pid, signal.SIGKILL)
            clients.join()
        stored |= clients.stored
        tried |= clients.tried
        check(tmp_path / "picks.sqlite", stored, tried)


def check(path: Path, stored: dict[int, int], tried: set[int]) -> None:
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    numbers = connection.execute("SELECT id, chosen FROM picks").fetchall()
    connection.close()
    found = {int(chosen.split()[1]): number for number, chosen in numbers}
    assert len(found) == len(numbers)  # none twice
    assert {number: found.get(number) for number in stored} == stored  # each there, under the number it was told
    assert set(found) <= tried
    with PickStore(path) as store:
        picks = list(store.rows())
    assert len(picks) == len(found)
    for one in picks:  # whole, those too whose acknowledgement the kill cut off
        number = int(one.chosen.split()[1])
        sent = pick(number)
        assert (one.session, one.prompt, one.chosen) == (sent["session"], f"question {number}?", sent["chosen"])
        assert list(one.rejected) == sent["rejected"]
