"""The server in front of other servers: what it passes on, what it tells of their faults, and who leaves."""

from __future__ import annotations

import http.client
import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai import OpenAI
from tests.serving_fixtures import small_policy
from tests.serving_server import Served, served

from chat_server import fails, says, serving, streams
from games import likes_b
from slhf.policies import CausalPolicy
from slhf.serving import Budget, Refiner, Remote, Server
from slhf.serving.request_fields import Limits

KEY = "SLHF_TEST_KEY"


def behind(url: str, name: str = "m", budget: Budget | None = None, **settings: Any) -> Refiner:
    server = Server(name, url, KEY, **{"timeout": 20.0, "pause": 0.01, "retries": 1, "patience": 0.05, **settings})
    return Refiner(Remote(server, budget or Budget()), judge=likes_b)


def user(text: str) -> Any:
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
def policy() -> CausalPolicy:
    return small_policy()


@pytest.fixture(scope="module")
def chained(policy: CausalPolicy) -> Iterator[tuple[Served, Served]]:
    """A server of our own, and another one in front of it."""
    with served(Refiner(policy)) as inner, served(behind(inner.url, "m:leader")) as outer:
        yield inner, outer


def test_a_server_of_our_own_behind_another(chained: tuple[Served, Served], policy: CausalPolicy) -> None:
    inner, outer = chained
    for fields in ({}, {"max_tokens": 3}, {"stop": ["d"]}):
        _, _, there = inner.ask(model="m:leader", temperature=0, **fields)
        _, _, here = outer.ask(model="m:leader", temperature=0, **fields)
        assert here["choices"][0]["message"] == there["choices"][0]["message"]
        assert here["choices"][0]["finish_reason"] == there["choices"][0]["finish_reason"]
        assert here["usage"] == there["usage"]
    first = Refiner(policy).refine("a b", steps=0, temperature=0.0).text
    asked = [*user("a b"), {"role": "assistant", "content": first}, *user("Improve the previous answer!")]
    _, _, refined = outer.ask(model="m:refine-1", temperature=0)
    second = Refiner(policy).refine(asked, steps=0, temperature=0.0).text
    assert refined["choices"][0]["message"]["content"] == second


@pytest.mark.parametrize("gives", ["last", "best", "all"])
def test_a_stream_through_both_joins_to_the_whole(chained: tuple[Served, Served], gives: str) -> None:
    with OpenAI(base_url=chained[1].url, api_key="none", max_retries=0, timeout=60) as client:
        wanted: dict[str, Any] = {
            "model": "m",
            "messages": user("a b"),
            "seed": 3,
            "n": 2,
            "extra_body": {"refine": {"steps": 2, "return": gives}},
        }
        whole = client.chat.completions.create(**wanted)
        chunks = list(client.chat.completions.create(**wanted, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].usage == whole.usage
    for index, choice in enumerate(whole.choices):
        mine = [c.choices[0] for c in chunks if c.choices and c.choices[0].index == index]
        assert "".join(c.delta.content or "" for c in mine) == choice.message.content
        assert mine[-1].refine == choice.refine  # type: ignore[attr-defined]
    assert whole.choices[0].message.content != whole.choices[1].message.content


def test_what_is_passed_on() -> None:
    with serving(lambda body: says("b b", usage=(7, 3))) as backend, served(behind(backend.url)) as server:
        fields = {"temperature": 0.5, "top_p": 0.9, "max_completion_tokens": 5, "stop": "zz", "seed": 1}
        _, _, body = server.ask(model="m:leader", n=3, **fields)
        requests = list(backend.requests)
        server.ask(model="m:leader", n=3, **fields)
        again = backend.requests[3:]
        server.ask(model="m:leader")
        plain = backend.requests[6]
        assert [choice["message"]["content"] for choice in body["choices"]] == ["b b"] * 3
        assert body["usage"] == {"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16}
        figures = server.figures()
    assert 'slhf_tokens_total{kind="completion"} 21.0' in figures
    assert "slhf_answers_inside 0.0" in figures
    assert "slhf_answers_waiting 0.0" in figures
    for request in requests:
        assert (request["temperature"], request["top_p"], request["max_tokens"]) == (0.5, 0.9, 5)
        assert (request["stop"], request["model"]) == (["zz"], "m")
    assert len({request["seed"] for request in requests}) == 3
    assert {request["seed"] for request in requests} == {request["seed"] for request in again}
    assert set(plain) == {"model", "messages", "seed"}  # what nobody asked for is the backend's own


@pytest.mark.parametrize("stream", [False, True])
def test_log_probabilities_are_refused_by_name(stream: bool) -> None:
    with serving(lambda body: says("b")) as backend, served(behind(backend.url)) as server:
        status, _, body = server.ask(logprobs=True, top_logprobs=1, stream=stream)
        assert (status, body["error"]["param"], body["error"]["code"]) == (400, "logprobs", "unsupported_parameter")
        assert not backend.requests


def fault(status: int, param: str | None = None, **headers: str) -> Callable[[Any], Any]:
    content = {"error": {"message": "very-secret said no", "type": "t", "param": param, "code": None}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda body: (status, named, json.dumps(content).encode())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("answer", "status", "code", "param", "after", "words"),
    [
        (fault(400, "top_p"), 400, "backend_refused", "top_p", None, "… said no"),
        (fault(400, "input_tokens"), 400, "backend_refused", "messages", None, "… said no"),
        (fault(422, "weird"), 400, "backend_refused", None, None, "… said no"),
        (fault(401), 502, "backend_key", None, "60", "does not accept this server's key"),
        (fault(404), 502, "backend_failed", None, "5", "404: … said no"),
        (fault(429, retry_after="7"), 429, "backend_busy", None, "7", "… said no"),
        (fault(429, retry_after="0.02"), 429, "backend_busy", None, "1", "… said no"),
        (fault(500), 502, "backend_failed", None, "5", "500: … said no"),
        (fault(503), 503, "backend_down", None, "5", "503: … said no"),
        (lambda body: (200, {}, b"<html>"), 502, "backend_failed", None, "5", "no chat completion"),
        (lambda body: {**says("b"), "model": "other"}, 502, "backend_failed", None, "5", "answers as 'other'"),
    ],
)
def test_faults_are_told_as_what_they_are(
    answer: Callable[[Any], Any],
    status: int,
    code: str,
    param: str | None,
    after: str | None,
    words: str,
    stream: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(KEY, "very-secret")
    caplog.set_level(logging.DEBUG)
    with serving(answer) as backend, served(behind(backend.url)) as server:
        found, headers, raw = server.raw(
            "POST",
            "/v1/chat/completions",
            json.dumps({"model": "m", "messages": user("a"), "stream": stream}).encode(),
            content_type="application/json",
        )
        assert "very-secret" in backend.keys[0]
    assert (found, headers.get("retry-after")) == (status, after)  # of a stream too: it has not begun
    error = json.loads(raw)["error"]
    assert (error["code"], error["param"]) == (code, param)
    assert words in error["message"]
    assert backend.url in error["message"]
    assert b"very-secret" not in raw
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("slhf", "uvicorn"))]
    (line,) = [json.loads(text) for text in ours if '"event": "request"' in text]
    assert (line["status"], line["backend"]) == (status, backend.url)
    assert "very-secret" not in "".join(ours)


def test_a_spent_budget_is_told() -> None:
    with serving(lambda body: says("b")) as backend, served(behind(backend.url, budget=Budget(calls=1))) as server:
        assert server.ask(model="m:leader")[0] == 200
        status, headers, body = server.ask(model="m:leader")
        assert (status, body["error"]["code"]) == (429, "insufficient_quota")
        assert "retry-after" not in headers


def test_a_backend_that_goes_and_comes_back(policy: CausalPolicy) -> None:
    def health() -> dict[str, Any]:
        status, _, body = server.raw("GET", "/health")
        assert status == 200  # this server lives
        return json.loads(body)

    with serving(lambda body: says("b")) as backend:
        port = int(backend.url.rpartition(":")[2].partition("/")[0])
        refiner = Refiner(policy, follower=behind(backend.url).leader.remote)  # type: ignore[attr-defined]
        with served(refiner) as server:
            assert health()["status"] == "ok"
            assert server.ask()[0] == 200
    with served(refiner) as server:
        status, headers, body = server.ask()
        assert (status, body["error"]["code"], headers["retry-after"]) == (503, "backend_down", "5")
        assert backend.url in body["error"]["message"]
        assert health() == {"status": "degraded", "away": ["follower"], "model": "m", "answers_inside": 0}
        assert server.ask(model="m:leader")[0] == 200  # the Leader is here
        with serving(lambda body: says("b"), port=port):
            assert server.ask()[0] == 200
            assert health()["status"] == "ok"


def test_an_answer_that_breaks_off_ends_the_stream_with_the_reason() -> None:
    broken = streams("one ", "two ", "three", ended=None)
    with serving(lambda body: broken) as backend, served(behind(backend.url)) as server:
        _, _, raw = server.raw(
            "POST",
            "/v1/chat/completions",
            json.dumps({"model": "m:leader", "messages": user("a"), "stream": True}).encode(),
            content_type="application/json",
        )
    *events, last = [json.loads(one.removeprefix("data: ")) for one in raw.decode().split("\n\n") if one]
    assert "".join(event["choices"][0]["delta"].get("content", "") for event in events) == "one two three"
    assert last["error"]["code"] == "backend_failed"
    assert "after 13 characters" in last["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_who_leaves_is_not_worked_for(stream: bool) -> None:
    """A client that goes away makes this server close its own request to the backend."""

    def endless(body: dict[str, Any]) -> Iterator[bytes]:
        yield streams()[0]
        while True:
            yield streams("more ", ended=None, usage=None, end=False)[1]
            time.sleep(0.01)

    limits = Limits(max_tokens=50, judged=True)
    with serving(endless) as backend, served(behind(backend.url), limits=limits) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        body = json.dumps({"model": "m:leader", "messages": user("a"), "stream": stream})
        connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        if stream:
            assert connection.getresponse().read(200)
        until = time.monotonic() + 20
        while not backend.requests and time.monotonic() < until:
            time.sleep(0.01)
        connection.close()
        while not backend.left and time.monotonic() < until:
            time.sleep(0.01)
        assert backend.left == 1
        while json.loads(server.raw("GET", "/health")[2])["answers_inside"] and time.monotonic() < until:
            time.sleep(0.01)
        assert "slhf_answers_inside 0.0" in server.figures()


def test_no_more_at_once_than_the_backend_takes() -> None:
    def slow(body: dict[str, Any]) -> Any:
        time.sleep(0.03)
        return says("b")

    with serving(slow) as backend, served(behind(backend.url, concurrency=2)) as server:
        status, _, body = server.ask(model="m:leader", n=8)
        assert (status, len(body["choices"])) == (200, 8)
        assert backend.most_at_once == 2


def test_a_fault_of_one_moment_is_not_told() -> None:
    answers = iter([fails(500), says("b")])
    with serving(lambda body: next(answers)) as backend, served(behind(backend.url)) as server:
        assert server.ask(model="m:leader")[0] == 200
