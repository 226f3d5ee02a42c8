"""Which names a server may answer by, and that another model's answer is no answer."""

from __future__ import annotations

import asyncio

import pytest
from tests.chat_server import says, serving

from slhf.errors import IncompleteError
from slhf.judges.chat_budget import Budget, Spent
from slhf.judges.chat_client import ChatClient
from slhf.judges.chat_server import Server

REQUEST = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}


def replied(server: Server, spent: Spent | None = None):
    async def ask():
        async with ChatClient(server, Budget(), spent or Spent()) as client:
            return await client.complete(REQUEST)

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("m", "m"),
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("claude-latest", "claude-20241022"),
        ("gpt-4", "gpt-4-0613"),
        ("Qwen/Qwen2.5-7B-Instruct", "qwen2.5-7b-instruct"),
        ("llama-3.1-8b", "/models/Llama-3.1-8B.gguf"),
        ("Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-7B-Instruct@main"),
        ("m", None),
        ("m", ""),
    ],
)
def test_the_same_model_by_another_name(asked, said):
    with serving(lambda body: {**says("A"), "model": said}) as server:
        assert replied(Server(asked, server.url)).text == "A"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("m", "n"),
        ("gpt-4o", "gpt-4o-mini"),
        ("gpt-4o", "gpt-4o-mini-2024-07-18"),
        ("llama-8b", "llama-70b"),
        ("gpt-4-0613", "gpt-4-1106"),
        ("claude-2", "claude-3"),
        ("gpt-4", "gpt-4-32k"),
        ("a-v0.2", "a-v0.3"),
    ],
)
def test_an_answer_of_another_model_is_no_answer(asked, said):
    """Judgements are kept under the name that was asked for: another model's would be taken for its."""
    spent = Spent()
    with serving(lambda body: {**says("A"), "model": said}) as server:
        with pytest.raises(IncompleteError, match=f"asked for the model '{asked}' and answers as '{said}'.*answers_as"):
            replied(Server(asked, server.url), spent=spent)
        assert spent.calls == len(server.requests) == 1, "it is not asked again: it would say the same"
        assert replied(Server(asked, server.url, answers_as=said)).text == "A"
    with (
        serving(lambda body: {**says("A"), "model": asked}) as server,
        pytest.raises(IncompleteError, match=f"the model '{said}' and answers as '{asked}'"),
    ):
        replied(Server(asked, server.url, answers_as=said))
