"""Every field of a chat completion does what it says, whole and streamed, by OpenAI's client and by curl."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from benchmarks.serve_asks import Seen, folded, through_client
from benchmarks.serve_probes import PROBES, STREAM_ONLY, TEXT, WHOLE_ONLY
from tests.serving_server import Served, served

from slhf.policies import CausalPolicy
from slhf.serving import Refiner
from slhf.serving.chat_request import ASKS_NOTHING, FIELDS
from slhf.serving.request_fields import Limits

REFUSED = [
    "`frequency_penalty`",
    "`presence_penalty`",
    "`logit_bias`",
    "`response_format`",
    "`tools`",
    "`user`",
    "a field misspelt (`temprature`)",
    "a value of another type (`temperature`)",
    "a value out of range (`n`)",
    "more than the model holds (`messages`)",
]


@pytest.fixture(scope="module")
def server(toy: CausalPolicy) -> Iterator[Served]:
    with served(Refiner(toy), limits=Limits(steps=0)) as found:
        yield found


def by_curl(port: int, fields: dict[str, Any]) -> Seen:
    """Ask with curl; the status comes last, on a line of its own."""
    done = subprocess.run(
        ["curl", "-sN", "--json", "@-", "-w", "\n%{http_code}", f"http://127.0.0.1:{port}/v1/chat/completions"],
        input=json.dumps(fields),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    body, _, status = done.stdout.rpartition("\n")
    if status != "200":
        return Seen(int(status), error=body)
    if not fields.get("stream"):
        return folded([json.loads(body)])
    events = [event.removeprefix("data: ") for event in body.split("\n\n") if event.strip()]
    assert events.pop() == "[DONE]"
    return folded(json.loads(event) for event in events)


WAYS = {"client": through_client, "curl": by_curl}


KINDS = {"whole": [n for n in PROBES if n not in STREAM_ONLY], "streamed": [n for n in PROBES if n not in WHOLE_ONLY]}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in KINDS.items() for name in names])
@pytest.mark.parametrize("way", WAYS)
def test_every_field_does_what_it_says(server: Served, name: str, way: str, kind: str) -> None:
    if way == "curl" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")

    def ask(**fields: Any) -> Seen:
        more = {"stream": True} if kind == "streamed" else {}
        return WAYS[way](server.port, {"model": "m", "messages": TEXT, **more, **fields})

    expected = "refused (400)" if name in REFUSED else "honoured"
    assert PROBES[name](ask) == ("refused (404)" if name == "a model that is not there" else expected)


def test_no_field_is_left_out() -> None:
    tried = " ".join(PROBES)
    assert not [field for field in FIELDS if f"`{field}" not in tried and field not in ("model", "stream")]
    assert set(REFUSED) <= set(PROBES)
    assert {"frequency_penalty", "presence_penalty", "logit_bias", "response_format", "tools"} <= set(ASKS_NOTHING)


def test_a_stream_comes_in_pieces(server: Served) -> None:
    ask = partial(through_client, server.port)
    whole = ask({"model": "m", "messages": TEXT, "temperature": 0})
    pieces = ask({"model": "m", "messages": TEXT, "temperature": 0, "stream": True})
    assert pieces.text == whole.text
    assert whole.pieces == 1 < pieces.pieces
