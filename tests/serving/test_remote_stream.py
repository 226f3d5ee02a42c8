"""A model behind a server says its words as they come: pieces, ends, faults, and listeners that leave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chat_server import fails, says, serving, streams
from slhf.errors import IncompleteError
from slhf.judges.chat_failure import UnansweredError
from slhf.serving import Budget, Refiner, Remote, Server, StepEvent, TokenEvent
from slhf.serving.remote_player import RemotePlayer
from slhf.serving.steps import Event


def remote(url: str, budget: Budget | None = None, **settings: Any) -> Remote:
    server = Server("m", url, "SLHF_TEST_KEY", **{"timeout": 20.0, "pause": 0.01, **settings})
    return Remote(server, budget or Budget())


def told(events: list[Event], step: int = 0) -> list[str]:
    return [event.text for event in events if isinstance(event, TokenEvent) and event.step == step]


def test_words_come_as_the_server_says_them() -> None:
    """The pieces are told before the reply is complete, and joined they are the reply without blanks at its ends."""
    times: list[float] = []

    def slow(body: dict[str, Any]) -> Iterator[bytes]:
        for piece in streams(" one", " two ", "", "three \n", usage=(7, 3)):
            yield piece
            time.sleep(0.1)

    with serving(slow) as server:
        events = []
        for event in Refiner(remote(server.url)).stream("a", steps=0):
            times.append(time.monotonic())
            events.append(event)
        (request,) = server.requests
    assert told(events) == ["one", " two", " three"]
    (step,) = [event.step for event in events if isinstance(event, StepEvent)]
    assert (step.text, step.finish_reason, step.count) == ("one two three", "stop", 3)
    assert times[-1] - times[0] > 0.25  # three pieces and the end came after the first
    assert request["stream"] is True
    assert request["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("answer", "pieces", "reason"),
    [
        (lambda: streams("a b", "c", ended="length"), ["a b", "c"], "length"),
        (lambda: streams("a b", "c", usage=None), ["a b", "c"], "stop"),
        (lambda: streams("a b", "c", end=False), ["a b", "c"], "stop"),  # without its last word
        (lambda: streams("a sto", "p b", "c", ended="length"), ["a"], "stop"),  # a server that knows no stop texts
        (lambda: streams("a st", "op"), ["a"], "stop"),
        (lambda: says("a b"), ["a b"], "stop"),  # a server that knows no streams
        (lambda: streams(), [], "stop"),
    ],
)
def test_what_servers_send(answer: Callable[[], Any], pieces: list[str], reason: str) -> None:
    with serving(lambda body: answer()) as server:
        events = list(Refiner(remote(server.url)).stream("x", steps=0, stop_texts=("stop",)))
        whole = Refiner(remote(server.url, retries=0)).stream("x", steps=0, stop_texts=("stop",))
        assert [event for event in whole if isinstance(event, TokenEvent)] == events[: len(pieces)]
    assert told(events) == pieces
    (step,) = [event.step for event in events if isinstance(event, StepEvent)]
    assert (step.text, step.finish_reason) == ("".join(pieces), reason)


def test_a_fault_before_the_first_word_is_tried_again() -> None:
    answers = iter([fails(503), streams("x", ended=None)[:1], b"{", streams("one", " two")])
    with serving(lambda body: (200, {}, found) if isinstance(found := next(answers), bytes) else found) as server:
        refiner = Refiner(remote(server.url, Budget(calls=9)))
        events = list(refiner.stream("a", steps=0))
    assert told(events) == ["one", " two"]
    assert isinstance(refiner.leader, RemotePlayer)
    assert refiner.leader.spent.retries == 3
    assert refiner.leader.spent.completion_tokens == 1


def error_event(message: str) -> bytes:
    return b'data: {"error": {"message": "%s", "type": "server_error"}}\n\n' % message.encode()


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (streams("one ", "two", ended=None), "the stream ends before the answer does"),
        ([*streams("one ", "two", ended=None, usage=None, end=False), error_event("very-secret is full")], "… is full"),
        ([*streams("one ", "two", ended=None, usage=None, end=False), b"data: {\n\n"], "a piece is not JSON"),
        ([*streams("one ", "two", ended=None, usage=None, end=False), b"data: 3\n\n"], "AttributeError"),
    ],
)
def test_a_fault_after_it_says_where_the_answer_broke(
    pieces: list[bytes], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLHF_TEST_KEY", "very-secret")
    said: list[Event] = []
    with serving(lambda body: pieces) as server:
        with pytest.raises(UnansweredError, match=f"broke off an answer: after 7 characters: .*{words}"):
            said.extend(Refiner(remote(server.url)).stream("a", steps=0))
        assert len(server.requests) == 1  # what was told cannot be taken back, so it is not tried again
    assert told(said) == ["one", " two"]


def test_another_model_is_refused_before_it_says_a_word() -> None:
    said: list[Event] = []
    with (
        serving(lambda body: streams("one", model="other")) as server,
        pytest.raises(IncompleteError, match="asked for the model 'm' and answers as 'other'"),
    ):
        said.extend(Refiner(remote(server.url)).stream("a", steps=0))
    assert not said


@pytest.mark.parametrize("asynchronous", [False, True])
def test_who_leaves_is_not_worked_for(asynchronous: bool) -> None:
    """A reader who goes away closes the request; the server sees it at its next words."""

    def endless(body: dict[str, Any]) -> Iterator[bytes]:
        yield streams()[0]
        while True:
            yield streams("more ", ended=None, usage=None, end=False)[1]
            time.sleep(0.01)

    async def listen(refiner: Refiner) -> None:
        stream = refiner.astream("a", steps=0)
        await anext(stream)
        await stream.aclose()

    with serving(endless) as server:
        refiner = Refiner(remote(server.url))
        if asynchronous:
            asyncio.run(listen(refiner))
        else:
            stream = refiner.stream("a", steps=0)
            assert next(stream)
            stream.close()  # type: ignore[attr-defined]
        until = time.monotonic() + 20
        while not server.left and time.monotonic() < until:
            time.sleep(0.01)
        assert server.left == 1


def test_no_more_streams_at_once_than_the_server_takes() -> None:
    def slow(body: dict[str, Any]) -> Any:
        time.sleep(0.02)
        return streams("one")

    async def listen(refiner: Refiner) -> None:
        async def one() -> None:
            async for _ in refiner.astream("a", steps=1):
                pass

        await asyncio.gather(*(one() for _ in range(9)))

    with serving(slow) as server:
        refiner = Refiner(remote(server.url, concurrency=2))
        for _ in range(2):  # each time in an event loop of its own
            asyncio.run(listen(refiner))
        assert len(server.requests) == 36
        assert server.most_at_once == 2
        assert refiner.leader.waiting == 0


def test_whether_it_is_there() -> None:
    async def states(player: RemotePlayer) -> list[str | None]:
        return [await player.absent(), await player.absent()]

    with serving(lambda body: says("one")) as server:
        there = RemotePlayer(remote(server.url))
        assert asyncio.run(states(there)) == [None, None]
        assert asyncio.run(there.models()) == ["m"]
        gone = RemotePlayer(remote(server.url, retries=0, patience=0.0))
    first, second = asyncio.run(states(gone))
    assert first is not None
    assert "no connection" in first
    assert first == second
    assert asyncio.run(there.absent()) is None  # believed for a few seconds
    with pytest.raises(UnansweredError, match="has not answered"):
        Refiner(gone.remote).refine("a")
