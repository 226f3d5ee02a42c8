"""Requests nobody well-meaning sends: each is refused or answered, none hangs, fails the server or outlives it."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from benchmarks.serve_hostile import answer, asking, attacks, complaint
from tests.serving_fixtures import small_policy
from tests.serving_server import Served, served

from slhf.serving import Refiner
from slhf.serving.heads import Patient
from slhf.serving.request_fields import Limits


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served(Refiner(small_policy()), limits=Limits(max_tokens=8)) as found:
        yield found


def test_the_whole_list(server: Served) -> None:
    before = server.ask(seed=1)[2]["choices"]
    wrong, names = {}, []
    for attack in attacks():
        status, content, seconds = answer(server.port, attack)
        names.append(attack.name)
        found = complaint(attack, status, content)
        if found or seconds > 10:
            wrong[attack.name] = (found, seconds, content[:200])
    assert wrong == {}
    assert len(set(names)) == len(names) > 400
    assert server.ask(seed=1)[2]["choices"] == before
    assert json.loads(server.raw("GET", "/health")[2])["answers_inside"] == 0


def test_every_refusal_of_a_field_names_it(server: Served) -> None:
    for field in ("refine", "stream", "n", "stop", "temperature", "seed", "max_tokens"):
        status, _, body = server.ask(**{field: {"a": []}})
        assert (status, body["error"]["param"].split(".")[0]) == (400, field)


def test_two_requests_in_one_go_are_both_answered(server: Served) -> None:
    body = json.dumps(asking(seed=1)).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    head += f"content-length: {len(body)}\r\n"
    first, last = f"{head}\r\n".encode() + body, f"{head}connection: close\r\n\r\n".encode() + body
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(first + last)
        content = b""
        while part := connection.recv(65536):
            content += part
    assert content.count(b"HTTP/1.1 200") == 2
    assert content.count(b'"object":"chat.completion"') == 2


class Wire:
    """A transport that remembers what is written and whether it was closed."""

    def __init__(self) -> None:
        self.written, self.closed = b"", False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def inner(cycle: Any = None) -> Any:
    """An HTTP protocol that has seen a request, or none."""
    ignored = dict.fromkeys(("connection_made", "connection_lost", "data_received"), lambda *_: None)
    return SimpleNamespace(cycle=cycle, **ignored)


@pytest.mark.parametrize("before", [None, SimpleNamespace(response_complete=True)])
def test_heads_that_take_for_ever_or_have_no_end(before: Any) -> None:
    async def slow() -> Wire:
        wire, patient = Wire(), Patient(inner(before), seconds=0.05)
        patient.connection_made(wire)  # type: ignore[arg-type]
        for _ in range(6):
            patient.data_received(b"x")
            await asyncio.sleep(0.02)
        return wire

    async def large() -> Wire:
        wire, patient = Wire(), Patient(inner(before), most=100)
        patient.connection_made(wire)  # type: ignore[arg-type]
        for _ in range(11):
            patient.data_received(b"x" * 100_000)
        return wire

    for work, status in ((slow, b"408"), (large, b"431")):
        wire = asyncio.run(work())
        assert wire.closed
        # after an answer, another one that nobody waits for would be taken for the next request's
        assert wire.written.startswith(b"HTTP/1.1 " + status) == (before is None)


def test_bodies_may_take_their_time() -> None:
    async def body() -> Wire:
        wire, protocol = Wire(), inner()
        patient = Patient(protocol, seconds=0.02, most=100)
        patient.connection_made(wire)  # type: ignore[arg-type]
        protocol.data_received = lambda _: setattr(protocol, "cycle", SimpleNamespace(response_complete=False))
        for _ in range(4):
            patient.data_received(b"x" * 100_000)
            protocol.data_received = lambda _: None
            await asyncio.sleep(0.02)
        return wire

    assert not asyncio.run(body()).closed


def test_idle_and_slow_connections_keep_nobody_out(server: Served) -> None:
    lines = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(200)]
    try:
        for number, line in enumerate(lines):
            line.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nx-slow: "[: number % 70])
        began = time.monotonic()
        assert server.ask(seed=1)[0] == 200
        assert time.monotonic() - began < 5
    finally:
        for line in lines:
            line.close()


def test_attackers_and_others_at_once(server: Served) -> None:
    """While one sends the list, what others ask is answered as if they were alone."""
    alone = server.ask(seed=3, n=2)[2]["choices"]
    over, told = threading.Event(), []

    def others() -> None:
        while not over.is_set():
            told.append(server.ask(seed=3, n=2)[2]["choices"])

    thread = threading.Thread(target=others)
    thread.start()
    try:
        some = list(attacks())[::4]
        for number, attack in enumerate(itertools.cycle(some)):
            answer(server.port, attack)
            if number >= len(some) and len(told) > 5:
                break
    finally:
        over.set()
        thread.join()
    assert all(one == alone for one in told)
