"""The server as its users meet it: OpenAI's own client, raw HTTP, and what comes back."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from openai import OpenAI
from tests.serving_fixtures import small_policy
from tests.serving_server import Served, served

from games import likes_b
from slhf.policies import CausalPolicy
from slhf.serving import Refinement, Refiner
from slhf.serving.measures import Measures

USER = {"role": "user", "content": "a b"}
PROMPTS = ["a", "a b c d", "c c", "b d", "d d d a"]


@pytest.fixture(scope="module")
def policy() -> CausalPolicy:
    return small_policy()


@pytest.fixture(scope="module")
def server(policy: CausalPolicy) -> Iterator[Served]:
    measures = Measures()
    refiner = Refiner(policy, judge=likes_b, max_batch=6, watch=measures.rows)
    with served(refiner, measures=measures, max_batch=6) as found:
        yield found


@pytest.fixture(scope="module")
def client(server: Served) -> Iterator[OpenAI]:
    with OpenAI(base_url=server.url, api_key="none", max_retries=0, timeout=60) as found:
        yield found


def expected(policy: CausalPolicy, prompt: Any, **more: Any) -> Refinement:
    return Refiner(policy, judge=likes_b).refine(prompt, **more)


@pytest.mark.parametrize(("model", "steps"), [("m", 1), ("m:leader", 0), ("m:refine-1", 1), ("m:refine-3", 3)])
def test_the_models_name_says_how_often_to_refine(client: OpenAI, policy: CausalPolicy, model: str, steps: int) -> None:
    reply = client.chat.completions.create(model=model, messages=[USER], seed=5)
    whole = expected(policy, "a b", steps=steps, seed=5)
    assert reply.model == model
    assert reply.choices[0].message.content == whole.steps[-1].text
    assert reply.choices[0].finish_reason == whole.steps[-1].finish_reason
    assert reply.usage is not None
    assert reply.usage.prompt_tokens == len(policy.roles.leader_context("a b"))
    assert reply.usage.completion_tokens == sum(len(step.tokens) for step in whole.steps)


def test_which_answer_is_returned(client: OpenAI, policy: CausalPolicy) -> None:
    seed = next(s for s in range(50) if expected(policy, "a b", steps=3, seed=s).best in (1, 2))
    whole = expected(policy, "a b", steps=3, seed=seed)

    def choice(gives: str) -> Any:
        body = {"refine": {"steps": 3, "return": gives}}
        return client.chat.completions.create(model="m", messages=[USER], seed=seed, extra_body=body).choices[0]

    assert choice("last").message.content == whole.steps[3].text
    assert choice("last").refine == {"step": 3, "steps": 3, "best": whole.best}
    assert choice("best").message.content == whole.text
    assert choice("best").refine["step"] == whole.best
    assert choice("all").message.content == whole.steps[3].text
    assert choice("all").refine["answers"] == [
        {
            "step": step.number,
            "content": step.text,
            "finish_reason": step.finish_reason,
            "completion_tokens": step.count,
            "preferred": step.preferred,
        }
        for step in whole.steps
    ]


@pytest.mark.parametrize("fields", [{}, {"model": "m:refine-2"}, {"refine": {"steps": 2, "return": "all"}}])
def test_somebodys_own_answer_is_refined(client: OpenAI, policy: CausalPolicy, fields: dict[str, Any]) -> None:
    named, refine = fields.get("model", "m"), {"answer": "d c", **fields.get("refine", {})}
    steps = 2 if fields else 1
    whole = expected(policy, "a b", steps=steps, seed=5, answer="d c")
    asked: dict[str, Any] = {"model": named, "messages": [USER], "seed": 5, "extra_body": {"refine": refine}}
    reply = client.chat.completions.create(**asked)
    assert reply.choices[0].message.content == whole.steps[-1].text != expected(policy, "a b", steps=steps, seed=5).text
    assert reply.usage is not None
    assert reply.usage.completion_tokens == whole.count
    chunks = list(client.chat.completions.create(**asked, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == whole.steps[-1].text
    if "return" in refine:
        told: Any = reply.choices[0]
        assert [one["content"] for one in told.refine["answers"]] == [step.text for step in whole.steps]
        assert told.refine["answers"][0] | {"content": "d c", "completion_tokens": 0} == told.refine["answers"][0]


def test_several_refinements_of_one_answer(client: OpenAI, policy: CausalPolicy) -> None:
    body = {"refine": {"answer": "d c"}}
    reply = client.chat.completions.create(model="m", messages=[USER], seed=2, n=4, extra_body=body)
    texts = [expected(policy, "a b", steps=1, seed=2, sample=i, answer="d c").steps[-1].text for i in range(4)]
    assert [choice.message.content for choice in reply.choices] == texts
    assert len(set(texts)) > 1


def test_one_seed_one_answer_alone_or_in_a_crowd(client: OpenAI, policy: CausalPolicy, server: Served) -> None:
    def ask(number: int) -> str | None:
        turn = {"role": "user", "content": PROMPTS[number % 5]}
        made = client.chat.completions.create(model="m:refine-2", messages=[turn], seed=number)
        return made.choices[0].message.content

    with ThreadPoolExecutor(20) as pool:
        crowd = list(pool.map(ask, range(40)))
    for number, text in enumerate(crowd):
        assert text == expected(policy, PROMPTS[number % 5], steps=2, seed=number).steps[-1].text
    assert [ask(number) for number in range(4)] == crowd[:4]
    rows = {k: float(v) for k, _, v in (line.rpartition(" ") for line in server.figures() if "batch_rows" in line)}
    together = rows["slhf_batch_rows_count"] - rows['slhf_batch_rows_bucket{le="4.0"}']
    assert together > 20  # tokens for which five or six answers were decoded at once
    assert rows['slhf_batch_rows_bucket{le="8.0"}'] == rows["slhf_batch_rows_count"]  # and never more


def test_several_choices(client: OpenAI, policy: CausalPolicy) -> None:
    reply = client.chat.completions.create(model="m", messages=[USER], seed=2, n=4)
    texts = [expected(policy, "a b", steps=1, seed=2, sample=i).steps[-1].text for i in range(4)]
    assert [choice.message.content for choice in reply.choices] == texts
    assert [choice.index for choice in reply.choices] == [0, 1, 2, 3]
    assert len(set(texts)) > 1


@pytest.mark.parametrize("gives", ["last", "best", "all"])
def test_a_stream_joins_to_the_whole(client: OpenAI, gives: str) -> None:
    wanted: dict[str, Any] = {
        "model": "m",
        "messages": [USER],
        "seed": 3,
        "n": 2,
        "logprobs": True,
        "top_logprobs": 2,
        "extra_body": {"refine": {"steps": 2, "return": gives}},
    }
    whole = client.chat.completions.create(**wanted)
    chunks = list(client.chat.completions.create(**wanted, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].usage == whole.usage
    assert not chunks[-1].choices
    for index, choice in enumerate(whole.choices):
        mine = [c.choices[0] for c in chunks if c.choices and c.choices[0].index == index]
        assert "".join(c.delta.content or "" for c in mine) == choice.message.content
        assert [c.finish_reason for c in mine if c.finish_reason] == [choice.finish_reason]
        told = [one for c in mine if c.logprobs for one in c.logprobs.content or []]
        assert choice.logprobs is not None
        assert choice.logprobs.content is not None
        assert [one.token for one in told] == [one.token for one in choice.logprobs.content]
        # the last bits may go by who else was decoded at the time
        expected_values = [one.logprob for one in choice.logprobs.content]
        assert [one.logprob for one in told] == pytest.approx(expected_values, abs=1e-5)
        assert mine[0].delta.role == "assistant"
        assert mine[-1].refine == choice.refine  # type: ignore[attr-defined]
        between = [c.refine for c in mine[:-1] if hasattr(c, "refine")]  # type: ignore[attr-defined]
        assert bool(between) == (gives == "all")
        for answer in choice.refine["answers"][:-1] if gives == "all" else []:  # type: ignore[attr-defined]
            assert "".join(b["content"] for b in between if b["step"] == answer["step"]) == answer["content"]


def test_sampling_fields(client: OpenAI, policy: CausalPolicy) -> None:
    def ask(**fields: Any) -> Any:
        return client.chat.completions.create(model="m:leader", messages=[USER], seed=7, **fields).choices[0]

    def own(**fields: Any) -> str:
        return expected(policy, "a b", steps=0, seed=7, **fields).text

    assert ask(temperature=0).message.content == own(temperature=0.0)
    assert ask(top_p=0.3).message.content == own(top_p=0.3)
    assert ask(max_tokens=2).message.content == own(max_new_tokens=2)
    assert ask(max_completion_tokens=2).finish_reason == "length"
    word = own(max_new_tokens=6).split()[2]
    cut = ask(stop=word)
    assert cut.message.content == own(stop_texts=(word,)) == own().partition(word)[0].strip()
    assert cut.finish_reason == "stop"
    assert ask(stop=["zz", word]).message.content == cut.message.content
    told = ask(temperature=0, logprobs=True, top_logprobs=1).logprobs.content
    assert [one.token for one in told] == [one.top_logprobs[0].token for one in told]
    assert bytes(told[0].bytes).decode() == told[0].token


def test_without_a_seed_answers_differ(client: OpenAI) -> None:
    texts = {client.chat.completions.create(model="m", messages=[USER]).choices[0].message.content for _ in range(8)}
    assert len(texts) > 1


def test_parts_of_text_and_values_that_ask_for_nothing(server: Served) -> None:
    parts = [{"role": "user", "content": [{"type": "text", "text": "a "}, {"type": "text", "text": "b"}], "name": None}]
    nothing = {"frequency_penalty": 0, "response_format": {"type": "text"}, "tools": [], "stop": None, "refine": None}
    status, _, one = server.ask(seed=1)
    assert status == 200
    _, _, other = server.ask(seed=1, messages=parts, **nothing)
    assert one["choices"] == other["choices"]
    _, _, negative = server.ask(seed=-1)
    assert negative["choices"]


def test_models_health_and_figures(client: OpenAI, server: Served) -> None:
    names = [model.id for model in client.models.list()]
    assert names == ["m", "m:leader", *(f"m:refine-{i}" for i in range(1, 9))]
    status, _, body = server.raw("GET", "/health")
    assert (status, json.loads(body)["status"]) == (200, "ok")

    def figures() -> dict[str, float]:
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in server.figures())}

    before = figures()
    _, _, reply = server.ask(seed=1)
    server.ask(seed=1.5)
    after = figures()
    for name, more in (
        ('slhf_requests_total{status="200"}', 1),
        ('slhf_tokens_total{kind="prompt"}', reply["usage"]["prompt_tokens"]),
        ('slhf_tokens_total{kind="completion"}', reply["usage"]["completion_tokens"]),
        ("slhf_request_seconds_count", 2),
    ):
        assert after[name] - before[name] == more
    assert after['slhf_requests_total{status="400"}'] - before.get('slhf_requests_total{status="400"}', 0) == 1
    assert after["slhf_answers_inside"] == after["slhf_answers_waiting"] == 0


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_by_curl(server: Served, policy: CausalPolicy) -> None:
    body = {"model": "m:refine-2", "messages": [USER], "seed": 4, "stream": True}
    done = subprocess.run(
        ["curl", "-sN", "--json", json.dumps(body), f"{server.url}/chat/completions"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    events = [line.removeprefix("data: ") for line in done.stdout.split("\n\n") if line]
    assert events[-1] == "[DONE]"
    text = "".join(json.loads(one)["choices"][0]["delta"].get("content", "") for one in events[:-1])
    assert text == expected(policy, "a b", steps=2, seed=4).steps[-1].text
