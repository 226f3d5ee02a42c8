"""What is refused, by name and in OpenAI's shape; and what happens when clients, models or judges misbehave."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from tests.serving_fixtures import small_policy
from tests.serving_server import Served, served

from slhf.errors import InputError
from slhf.policies import CausalPolicy
from slhf.serving import Refiner
from slhf.serving.app import AppSettings
from slhf.serving.request_fields import Limits
from slhf.serving.server import key_for, listening

LONG = Limits(max_steps=4000, max_tokens=50)


@pytest.fixture(scope="module")
def policy() -> CausalPolicy:
    return small_policy()


@pytest.fixture(scope="module")
def server(policy: CausalPolicy) -> Iterator[Served]:
    with served(Refiner(policy, max_batch=2), max_batch=2, max_queue=2, max_body=4000, limits=LONG) as found:
        yield found


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"temprature": 1}, "temprature", "Did you mean 'temperature'"),
        ({"top_k": 3}, "top_k", "there is no field 'top_k'"),
        ({"user": "me"}, "user", "there is no field 'user'"),
        ({"tools": [{"type": "function"}]}, "tools", "tools is not supported"),
        ({"response_format": {"type": "json_object"}}, "response_format", "not supported"),
        ({"frequency_penalty": 0.5}, "frequency_penalty", "not supported"),
        ({"messages": None}, "messages", "a list of turns"),
        ({"messages": []}, "messages", "at least one turn"),
        ({"messages": "a"}, "messages", "a list of turns"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages", r"messages[0].role: 'tool'"),
        ({"messages": [*user("a"), {"role": "assistant", "content": "b"}]}, "messages", "must be the user's"),
        ({"messages": [{"role": "user", "content": "a", "name": "x"}]}, "messages", "messages[0].name"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages", "only parts of text"),
        ({"messages": user("a " * 130)}, "messages", "the model holds 128"),
        ({"model": None}, "model", "model is missing"),
        ({"model": 3}, "model", "a text is needed"),
        ({"n": 0}, "n", "from 1 to 8"),
        ({"n": 5}, "n", "more than the 4 there is room for"),
        ({"n": True}, "n", "a whole number"),
        ({"max_tokens": 51}, "max_tokens", "from 1 to 50"),
        ({"max_tokens": 2, "max_completion_tokens": 3}, "max_completion_tokens", "differ"),
        ({"temperature": 2.5}, "temperature", "from 0 to 2"),
        ({"top_p": 0}, "top_p", "more than 0"),
        ({"seed": "x"}, "seed", "a whole number"),
        ({"stop": ["a"] * 5}, "stop", "at most 4"),
        ({"stop": ""}, "stop", "none of them empty"),
        ({"top_logprobs": 2}, "top_logprobs", "needs logprobs=true"),
        ({"logprobs": 2}, "logprobs", "true or false"),
        ({"stream_options": {}}, "stream_options", "needs stream=true"),
        ({"stream": True, "stream_options": {"x": 1}}, "stream_options.x", "no such field"),
        ({"refine": {"step": 1}}, "refine.step", "Did you mean 'steps'"),
        ({"refine": {"steps": 4001}}, "refine.steps", "from 0 to 4000"),
        ({"refine": {"return": "first"}}, "refine.return", "one of last, best, all"),
        ({"refine": {"return": "best"}}, "refine.return", "needs a judge"),
        ({"refine": 3}, "refine", "an object"),
        ({"refine": {"answer": " \n"}}, "refine.answer", "is empty"),
        ({"refine": {"answer": 3}}, "refine.answer", "a text is needed"),
        ({"refine": {"answer": "a", "steps": 0}}, "refine.answer", "at least one"),
        ({"model": "m:leader", "refine": {"answer": "a"}}, "refine.answer", "at least one"),
        ({"refine": {"answer": "a " * 130}}, "messages", "the model holds 128"),
        ({"model": "m:leader", "refine": {"steps": 1}}, "refine.steps", "says that already"),
    ],
)
def test_what_is_refused_names_the_field(server: Served, fields: dict[str, Any], param: str, words: str) -> None:
    status, _, body = server.ask(**fields)
    assert (status, body["error"]["param"]) == (400, param)
    assert words in body["error"]["message"]
    assert body["error"]["type"] == "invalid_request_error"


def test_other_refusals(server: Served) -> None:
    path, json_type = "/v1/chat/completions", {"content_type": "application/json"}
    status, _, body = server.ask(model="gpt")
    assert (status, body["error"]["code"]) == (404, "model_not_found")
    status, _, body = server.ask(messages=user("a " * 130))
    assert body["error"]["code"] == "context_length_exceeded"
    assert server.ask(messages=user("a" * 5000))[0] == 413
    assert server.raw("POST", path, b"{}")[0] == 415
    assert server.raw("POST", path, b"{}", content_type="text/plain")[0] == 415
    for wrong in (b"{", b"[]", b"\xff", b'{"seed": NaN}', b'{"\\ud800": 1}', b"[" * 3000):
        status, _, content = server.raw("POST", path, wrong, **json_type)
        assert (status, json.loads(content)["error"]["type"]) == (400, "invalid_request_error")
    assert server.raw("GET", path)[0] == 405
    assert server.raw("GET", "/v1/nothing")[0] == 404
    assert server.raw("GET", "/v1/models", host="evil.example")[0] == 403
    assert server.raw("GET", "/v1/models", host=f"[::1]:{server.port}")[0] == 200


def test_a_body_of_no_known_length_is_cut_off(server: Served) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + b"1388\r\n" + b"a" * 5000 + b"\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def inside(server: Served) -> int:
    return json.loads(server.raw("GET", "/health")[2])["answers_inside"]


def wait_until_empty(server: Served, seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while inside(server) and time.monotonic() < until:
        time.sleep(0.01)
    assert inside(server) == 0


def leave_early(server: Served, **fields: Any) -> socket.socket:
    """Send a request that would take long, and return the open connection once it is being answered."""
    body = json.dumps({"model": "m", "messages": user("a b"), "refine": {"steps": 4000}, **fields}).encode()
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    connection.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
    while not inside(server):
        time.sleep(0.005)
    return connection


@pytest.mark.parametrize("stream", [False, True])
def test_who_leaves_is_not_computed_for(server: Served, caplog: pytest.LogCaptureFixture, stream: bool) -> None:
    caplog.set_level(logging.INFO, "slhf.serving.requests")
    connection = leave_early(server, stream=stream, n=2)
    if stream:
        assert connection.recv(20).startswith(b"HTTP/1.1 200")
    began = time.monotonic()
    connection.close()
    wait_until_empty(server)
    for thread in threading.enumerate():
        if thread.name == "decoder":
            thread.join(timeout=20)
    # four thousand steps would take far longer
    assert time.monotonic() - began < 15
    lines = [json.loads(record.getMessage()) for record in caplog.records]
    assert 499 in [line["status"] for line in lines if line["event"] == "request"]


def test_a_full_server_says_when_to_come_back(server: Served) -> None:
    connections = [leave_early(server, n=2), leave_early(server, n=2, stream=True)]
    while inside(server) < 4:
        time.sleep(0.005)
    try:
        status, headers, body = server.ask()
        assert (status, body["error"]["type"], body["error"]["code"]) == (429, "rate_limit_error", "server_busy")
        assert 1 <= int(headers["retry-after"]) <= 60
        assert server.raw("GET", "/v1/models")[0] == 200
    finally:
        for connection in connections:
            connection.close()
    wait_until_empty(server)
    assert server.ask()[0] == 200


def test_a_key(policy: CausalPolicy, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with served(Refiner(policy), key="very-secret") as server:
        assert server.raw("GET", "/health")[0] == 200
        for path in ("/v1/models", "/metrics", "/v1/chat/completions"):
            for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic very-secret"}):
                status, found, body = server.raw("GET", path, **headers)
                assert (status, json.loads(body)["error"]["code"]) == (401, "invalid_api_key")
                assert found["www-authenticate"] == "Bearer"
        with openai.OpenAI(base_url=server.url, api_key="very-secret", max_retries=0) as client:
            assert client.chat.completions.create(model="m", messages=user("a")).choices  # type: ignore[arg-type]
        assert server.raw("GET", "/v1/models", authorization="Bearer very-secret", host="example.org")[0] == 200
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("slhf", "uvicorn"))]
    assert ours
    assert "very-secret" not in "\n".join(ours)


@pytest.mark.parametrize("log_text", [False, True])
def test_the_log_holds_texts_only_if_asked(
    policy: CausalPolicy, caplog: pytest.LogCaptureFixture, log_text: bool
) -> None:
    caplog.set_level(logging.INFO, "slhf.serving.requests")
    with served(Refiner(policy), log_text=log_text) as server:
        _, _, reply = server.ask(messages=user("c d d c"), seed=1)
        server.ask(messages=user("c d d c"), seed=-0.5)
    lines = [json.loads(record.getMessage()) for record in caplog.records]
    assert [line["status"] for line in lines] == [200, 400]
    assert lines[0]["completion_tokens"] == reply["usage"]["completion_tokens"]
    assert lines[0]["id"] == reply["id"]
    assert ("c d d c" in json.dumps(lines)) == log_text
    assert lines[0].get("answers") == ([reply["choices"][0]["message"]["content"]] if log_text else None)


def test_a_judge_that_fails(policy: CausalPolicy, caplog: pytest.LogCaptureFixture) -> None:
    """The failure is told, in a stream too; neither reply nor log quotes the prompt, as the judge's message does."""
    caplog.set_level(logging.INFO, "slhf.serving.requests")
    with served(Refiner(policy, judge=lambda prompts, first, second: [7.0] * len(prompts))) as server:
        # two answers that are the same are a tie, and no judge is asked
        chains = ((seed, Refiner(policy).refine("a b", steps=1, seed=seed).steps) for seed in range(50))
        seed = next(seed for seed, (first, second) in chains if first.text != second.text)
        status, _, body = server.ask(seed=seed)
        assert (status, body["error"]["type"], body["error"]["code"]) == (500, "server_error", "server_failed")
        with openai.OpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
            stream = client.chat.completions.create(model="m", messages=user("a b"), seed=seed, stream=True)  # type: ignore[call-overload]
            with pytest.raises(openai.APIError, match="the server failed: JudgeError"):
                list(stream)
        assert server.ask(model="m:leader")[0] == 200
    assert "a b" not in caplog.text
    assert "server_failed" in caplog.text


def test_a_model_that_fails_and_recovers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "slhf.serving.requests")
    policy = small_policy()
    engine = policy.engine("leader")
    plain, left = engine.logits, [3]

    def logits(hidden: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise RuntimeError("out of memory")
        return plain(hidden)

    engine.logits = logits  # type: ignore[method-assign]
    policy.engine = lambda role, **_: engine  # type: ignore[method-assign, assignment]
    with served(Refiner(policy)) as server:
        statuses = [server.ask(seed=1, refine={"steps": 4})[0] for _ in range(3)]
    assert statuses == [500, 200, 200]
    (failed, *_) = [json.loads(record.getMessage()) for record in caplog.records]
    assert failed["message"] == "out of memory"
    assert any("logits" in frame for frame in failed["cause"])


def test_one_choice_that_fails_ends_the_others(policy: CausalPolicy) -> None:
    """Of two chains, one comes to a text its judge fails on; the other must not go on for four thousand steps."""
    asked: list[str] = []

    def judge(prompts: list[str], first: list[str], second: list[str]) -> list[float]:
        asked.extend(first)
        return [0.7 if len(asked) < 20 else 7.0 for _ in prompts]

    with served(Refiner(policy, judge=judge), limits=LONG) as server:
        began = time.monotonic()
        assert server.ask(seed=3, n=2, refine={"steps": 4000})[0] == 500
        wait_until_empty(server)
        for thread in threading.enumerate():
            if thread.name == "decoder":
                thread.join(timeout=20)
                assert not thread.is_alive()
        assert time.monotonic() - began < 15


def test_a_token_that_cannot_be_told_ends_its_stream_alone(
    server: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from slhf.serving import chat
    from slhf.serving.steps import TokenEvent

    caplog.set_level(logging.INFO, "slhf.serving.requests")
    plain, told = chat.pieces, [0]

    def broken(bodies: Any, index: int, event: Any) -> Any:
        told[0] += isinstance(event, TokenEvent)
        if bodies.request.asked.seed == 13 and told[0] > 2:
            raise ZeroDivisionError("no such token")
        return plain(bodies, index, event)

    want = server.ask(seed=5)[2]["choices"]
    monkeypatch.setattr(chat, "pieces", broken)
    with openai.OpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
        stream = client.chat.completions.create(model="m:leader", messages=user("a b"), seed=13, stream=True)  # type: ignore[call-overload]
        with pytest.raises(openai.APIError, match="the server failed: ZeroDivisionError"):
            list(stream)
    assert server.ask(seed=5)[2]["choices"] == want
    wait_until_empty(server)
    lines = [json.loads(record.getMessage()) for record in caplog.records]
    assert [line["status"] for line in lines if line["event"] == "request"] == [200, 500, 200]


def test_whoever_is_not_done_when_the_server_leaves_is_cut_off(
    policy: CausalPolicy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "slhf.serving.requests")
    with served(Refiner(policy), limits=LONG, drain=1.0) as server:
        whole, stream = leave_early(server), leave_early(server, stream=True)
        while inside(server) < 2:
            time.sleep(0.005)
    with whole, stream:
        assert whole.recv(20).startswith(b"HTTP/1.1 503")
        assert stream.recv(20).startswith(b"HTTP/1.1 200")
    ours = [record for record in caplog.records if record.name == "slhf.serving.requests"]
    lines = [line for record in ours if (line := json.loads(record.getMessage())).get("steps") == 4000]
    assert [(line["status"], line["error"]) for line in lines] == [(503, "server_stopping")] * 2


def test_a_model_without_a_length_needs_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CausalPolicy, "max_length", None)
    policy = small_policy()
    with pytest.raises(InputError, match="set --max-tokens"), served(Refiner(policy)):
        pass
    with served(Refiner(policy), limits=Limits(max_tokens=5)) as server:
        assert server.ask(max_tokens=5)[0] == 200


def test_addresses_and_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLHF_API_KEY", raising=False)
    assert key_for("127.0.0.1") is None
    with pytest.raises(InputError, match="there is no key: put one into the environment variable SLHF_API_KEY"):
        key_for("0.0.0.0")
    monkeypatch.setenv("SLHF_API_KEY", " k ")
    assert key_for("0.0.0.0") == "k"
    with listening("127.0.0.1", 0) as taken, pytest.raises(InputError, match=r"cannot listen on 127\.0\.0\.1, port"):
        listening("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(InputError, match="port=70000"):
        listening("127.0.0.1", 70000)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "a b"}, "no blanks and no colon"),
        ({"name": "a:b"}, "no blanks and no colon"),
        ({"max_batch": 0}, "max_batch=0"),
        ({"max_queue": -1}, "max_queue=-1"),
        ({"drain": float("inf")}, "drain=inf"),
        ({"limits": Limits(steps=9)}, "steps=9 is more than max_steps=8"),
        ({"limits": Limits(max_tokens=0)}, "max_tokens=0"),
        ({"limits": Limits(max_choices=0)}, "max_choices=0"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        AppSettings(**{"name": "m", **settings})
