"""``slhf serve``: what it refuses before it loads a model, and how it ends."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from slhf.cli import main
from slhf.serving.server import listening

PROMPT = "What is 2 plus 3?"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "0.0.0.0"], "put one into the environment variable SLHF_API_KEY"),
        (["--name", "a:b"], "no blanks and no colon"),
        (["--steps", "9"], "steps=9 is more than max_steps=8"),
        (["--judge", "toi"], "Did you mean 'toy'"),
        (["--max-batch", "0"], "max_batch=0"),
        (["--model", "./nowhere"], "nowhere"),
        (["--picks", "./nowhere/picks.sqlite"], "the folder does not exist"),
        (["--picks", __file__], "cannot be read as a file of picks"),
    ],
)
def test_wrong_input_exits_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLHF_API_KEY", raising=False)
    model = [] if "--model" in arguments else ["--model", "toy"]
    assert main(["serve", *model, "--port", "0", *arguments]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert message in " ".join(streams.err.split())


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with listening("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--model", "toy", "--port", str(port)]) == 2
    assert f"cannot listen on 127.0.0.1, port {port}" in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_sigterm_lets_requests_under_way_finish() -> None:
    command = [sys.executable, "-m", "slhf.cli", "serve", "--model", "toy", "--port", "0", "--judge", "toy"]
    environment = {**os.environ, "SLHF_API_KEY": "very-secret"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stderr is not None
        first = json.loads(next(line for line in server.stderr if line.startswith("{")))
        assert first["event"] == "listening"
        port = int(first["url"].rpartition(":")[2].partition("/")[0])
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.extend(server.stderr or []))
        reader.start()
        with asked(port, {"model": "toy:refine-3", "n": 4, "stream": True, "seed": 1}) as stream:
            assert stream.status == 200
            stream.readline()
            server.send_signal(signal.SIGTERM)
            rest = stream.read().decode()
        assert rest.endswith("data: [DONE]\n\n")
        assert rest.count('"finish_reason":"') == 4
        assert server.wait(timeout=60) == 0
        reader.join(timeout=60)
    with pytest.raises(ConnectionRefusedError), asked(port, {"model": "toy"}):
        pass
    logged = [json.loads(line) for line in lines if line.startswith("{")]
    assert [line["event"] for line in logged] == ["plain_model", "request", "stopped"]  # nobody trained toy to refine
    assert logged[1]["status"] == 200
    assert "very-secret" not in "".join(lines)
    assert PROMPT not in "".join(lines)


@contextmanager
def asked(port: int, fields: dict[str, Any]) -> Iterator[http.client.HTTPResponse]:
    """Send a request, and yield the response as soon as it begins."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    body = {"messages": [{"role": "user", "content": PROMPT}], **fields}
    headers = {"Content-Type": "application/json", "Authorization": "Bearer very-secret"}
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        with connection.getresponse() as response:
            yield response
    finally:
        connection.close()
