"""Leader or Follower behind a server: what it is asked, what comes of it, and what is never told."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from tests.serving_server import served

from chat_server import fails, says, serving
from slhf.errors import BudgetError, IncompleteError, InputError
from slhf.policies import CausalPolicy, Sampling, chain
from slhf.serving import Budget, Refiner, Remote, Server
from slhf.serving.remote_player import RemotePlayer


def remote(url: str, **settings: Any) -> Server:
    return Server("m", url, "SLHF_TEST_KEY", **{"timeout": 20.0, "pause": 0.01, **settings})


def test_a_remote_leader_and_a_follower_of_ones_own(small: CausalPolicy) -> None:
    with serving(lambda body: says(" d c \n", usage=(7, 3))) as server:
        found = Refiner(Remote(remote(server.url)), follower=small).refine("a b", steps=2, seed=3, max_new_tokens=6)
        (answers,) = chain(small, ["a b"], steps=2, answers=["d c"], sampling=Sampling((), 6), seed=3)
        assert [step.text for step in found.steps] == [answer.text for answer in answers]
        assert [list(step.tokens) for step in found.steps][1:] == [answer.tokens for answer in answers][1:]
        assert found.steps[0].count == 3
        assert found.prompt_tokens == 7
        (request,) = server.requests
    assert request["messages"] == [{"role": "user", "content": "a b"}]
    assert request["max_tokens"] == 6
    assert "temperature" not in request


def test_a_remote_follower_sees_the_turns(small: CausalPolicy) -> None:
    with serving(lambda body: says(f"b {len(body['messages'])}")) as server:
        asked = Remote(remote(server.url), instruction="Do better.", limit_name="max_completion_tokens")
        refiner = Refiner(small, follower=asked)
        turns = [{"role": "system", "content": "s"}, {"role": "user", "content": "a b"}]
        conversation = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}, turns[1]]
        found = refiner.refine(conversation, steps=2, temperature=0.5, top_p=0.9, max_new_tokens=4, stop_texts=("zz",))
        first, second = server.requests
    leader = {"role": "assistant", "content": found.steps[0].text}
    assert first["messages"] == [*conversation, leader, {"role": "user", "content": "Do better."}]
    assert second["messages"][3] == {"role": "assistant", "content": "b 5"}
    assert (first["temperature"], first["top_p"], first["stop"]) == (0.5, 0.9, ["zz"])
    assert first["max_completion_tokens"] == 4
    assert first["seed"] != second["seed"]


def test_a_server_of_our_own_is_a_model_like_any_other(small: CausalPolicy) -> None:
    """The Leader over HTTP and the Follower here answer as both do here, where nothing is drawn."""
    here = Refiner(small).refine("a b", steps=2, temperature=0.0)
    with served(Refiner(small)) as server:
        there = Refiner(Remote(Server("m:leader", server.url)), follower=small)
        found = there.refine("a b", steps=2, temperature=0.0)
    assert found.steps[0].text == here.steps[0].text
    (answers,) = chain(small, ["a b"], steps=2, answers=[here.steps[0].text], sampling=Sampling((), 6, temperature=0.0))
    assert [step.text for step in found.steps] == [answer.text for answer in answers]


def test_its_words_are_streamed_in_one_piece() -> None:
    with serving(lambda body: says("one two")) as server:
        events = list(Refiner(Remote(remote(server.url))).stream("a", steps=1))
    assert [getattr(event, "text", None) for event in events[:-1]] == ["one two", None, "one two", None]


def test_no_more_at_once_than_the_server_takes() -> None:
    with serving(lambda body: says("one")) as server:
        Refiner(Remote(remote(server.url, concurrency=3))).refine(["a"] * 12, steps=1)
        assert len(server.requests) == 24
        assert server.most_at_once <= 3


def test_the_key_is_sent_and_never_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("SLHF_TEST_KEY", "very-secret")
    caplog.set_level(logging.DEBUG)
    with serving(lambda body: fails(400, "the key very-secret is not liked")) as server:
        with pytest.raises(IncompleteError) as raised:
            Refiner(Remote(remote(server.url))).refine("a")
        assert server.keys == ["Bearer very-secret"]
    assert "very-secret" not in str(raised.value)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("slhf")]
    assert "very-secret" not in "\n".join(ours)


def test_budget_and_faults() -> None:
    answers = iter([fails(503, "loading"), says("one")])
    with serving(lambda body: next(answers)) as server:
        found = Refiner(Remote(remote(server.url), budget=Budget(calls=5))).refine("a", steps=0)
        assert found.text == "one"  # asked again
    with serving(lambda body: says("one")) as server:
        refiner = Refiner(Remote(remote(server.url), budget=Budget(calls=2)))
        with pytest.raises(BudgetError, match="max_calls=2"):
            refiner.refine("a", steps=5)
    assert isinstance(refiner.leader, RemotePlayer)
    assert refiner.leader.spent.calls == 2


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match="limit_name='most'"):
        Remote(Server("m"), limit_name="most")
    with serving(lambda body: says("one")) as server:
        with pytest.raises(InputError, match="log-probabilities are not to be had"):
            Refiner(Remote(remote(server.url))).refine("a", top_logprobs=1)
        assert not server.requests
