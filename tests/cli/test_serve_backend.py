"""``slhf serve`` in front of another server: what it needs to start, and a whole way through two real ones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from openai import InternalServerError, OpenAI
from tests.serving_server import served

from slhf.cli import main
from slhf.policies import load_policy
from slhf.serving import Refiner

PROMPT: Any = [{"role": "user", "content": "What is 2 plus 3?"}]


@pytest.mark.parametrize("option", ["--model", "--follower"])
def test_a_backend_that_is_down_exits_2(option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "backend.yaml"
    file.write_text("model: m\nbase_url: http://127.0.0.1:9/v1\n", encoding="utf-8")
    for named in ("http://127.0.0.1:9/v1#m", str(file)):
        model = [option, named] if option == "--model" else ["--model", "toy", option, named]
        assert main(["serve", *model, "--port", "0"]) == 2
        streams = capsys.readouterr()
        assert streams.out == ""
        assert "http://127.0.0.1:9/v1 does not answer: no connection" in " ".join(streams.err.split())
        assert "Start that server first" in " ".join(streams.err.split())


@pytest.mark.slow
def test_two_servers(tmp_path: Path) -> None:
    """The Leader behind one server, the Follower in the other; then the first goes away."""
    policy = load_policy("toy")
    here = Refiner(policy).refine("What is 2 plus 3?", steps=1, temperature=0.0)
    fields: Any = {"messages": PROMPT, "temperature": 0}
    with ExitStack() as stack:
        inner = stack.enter_context(served(Refiner(policy)))
        command = [sys.executable, "-m", "slhf.cli", "serve", "--model", f"{inner.url}#m:leader", "--follower", "toy"]
        options = ["--port", "0", "--name", "pair", "--picks", str(tmp_path / "picks.sqlite")]
        with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True, env=environment()) as outer:
            try:
                assert outer.stderr is not None
                url = json.loads(next(line for line in outer.stderr if line.startswith("{")))["url"]
                with OpenAI(base_url=url, api_key="none", max_retries=0, timeout=60) as client:
                    for name, step in (("pair:leader", here.steps[0]), ("pair:refine-1", here.steps[1])):
                        whole = client.chat.completions.create(model=name, **fields)
                        chunks = client.chat.completions.create(model=name, stream=True, **fields)
                        told = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
                        assert told == whole.choices[0].message.content == step.text
                    stack.close()  # it leaves
                    with pytest.raises(InternalServerError) as raised:
                        client.chat.completions.create(model="pair", **fields)
                assert raised.value.status_code == 503
                assert raised.value.code == "backend_down"
                assert raised.value.response.headers["retry-after"] == "5"
            finally:
                outer.send_signal(signal.SIGTERM)
                assert outer.wait(timeout=60) == 0


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "SLHF_API_KEY"}
