"""The model a command line names: a folder, an address, or a file of a server's settings."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import pytest

from chat_server import ChatServer, says, serving
from slhf.errors import InputError
from slhf.runs.remote_models import called, model_of
from slhf.serving import Budget, Refiner, Remote, Server


def asked(text: str, server: ChatServer, models: list[str]) -> Remote:
    server.models = models
    found = model_of(text)
    assert isinstance(found, Remote)
    return found


@pytest.mark.parametrize("text", ["toy", "runs/quickstart", "owner/name"])
def test_other_models_are_left_as_they_are(text: str) -> None:
    assert model_of(text) == text
    assert called(text) == text.rpartition("/")[2]


def test_an_address(caplog: pytest.LogCaptureFixture) -> None:
    with serving(lambda body: says("b")) as server:
        alone = asked(server.url, server, ["owner/m"])
        assert (alone.server.model, alone.server.base_url) == ("owner/m", server.url)
        assert Refiner(asked(server.url, server, ["m"])).refine("a", steps=0).text == "b"
        assert server.requests[-1]["model"] == "m"
        named = asked(f"{server.url}#big:7b", server, ["small", "big:7b"])
        assert named.server.model == "big:7b"
        assert called(named) == "big-7b"
        assert not caplog.records
        caplog.set_level(logging.WARNING)
        assert asked(f"{server.url}#smal", server, ["small"]).server.model == "smal"
    assert "lists no model 'smal'" in caplog.text
    assert "Did you mean 'small'" in caplog.text


@pytest.mark.parametrize(("models", "words"), [(["a", "b"], "it serves a, b"), ([], "it does not tell what it serves")])
def test_a_server_of_several_models_needs_a_name(models: list[str], words: str) -> None:
    with serving(lambda body: says("b")) as server, pytest.raises(InputError, match=f"{server.url}#NAME.*{words}"):
        asked(server.url, server, models)


def test_a_server_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    address = f"http://127.0.0.1:{port}/v1"
    with pytest.raises(InputError, match=rf"{address} does not answer: no connection.*Start that server first"):
        model_of(f"{address}#m")


def test_a_server_that_is_there_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with pytest.raises(InputError, match=rf"{address} does not answer: it timed out"):
            model_of(f"{address}#m")


def test_a_key_that_is_refused_or_exposed(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "very-secret")
    with serving(lambda body: says("b")) as server:
        server.listed = 401
        with pytest.raises(InputError, match=rf"{server.url} does not accept the key: 401.*OPENAI_API_KEY") as raised:
            model_of(f"{server.url}#m")
    assert "very-secret" not in str(raised.value)
    assert Server("m", "http://models.example/v1").exposes_key()
    assert not Server("m", "https://models.example/v1").exposes_key()
    assert not Server("m", server.url).exposes_key()
    assert not caplog.records


def test_a_file_of_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "backend.yaml"
    monkeypatch.setenv("MY_KEY", "very-secret")
    with serving(lambda body: says("b")) as server:
        file.write_text(
            f"model: m\nbase_url: {server.url}\nkey_env: MY_KEY\ntimeout: 7\nlimit_name: max_completion_tokens\n"
            "instruction: Better!\nextra: {reasoning_effort: low}\nmax_calls: 5\n",
            encoding="utf-8",
        )
        found = model_of(str(file))
        assert isinstance(found, Remote)
        Refiner(found).refine("a", steps=1, max_new_tokens=3)
        assert server.keys == ["Bearer very-secret"] * 2
        second = server.requests[1]
    assert (second["max_completion_tokens"], second["reasoning_effort"]) == (3, "low")
    assert second["messages"][-1]["content"] == "Better!"
    assert found.budget == Budget(calls=5)
    assert (found.server.timeout, found.server.patience) == (7.0, 5.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("modle: m\n", r"backend.yaml: modle: .*Did you mean 'model'"),
        ("model: m\ntimeout: soon\n", r"backend.yaml: timeout: expected"),
        ("model: m\ncalls: 3\n", r"backend.yaml: calls: there is no such setting.*max_calls"),
        ("model: m\nlimit_name: most\n", "limit_name='most'"),
        ("model: m\nbase_url: http://me:secret@h/v1\n", "holds a secret"),
        ("model: m\nbase_url: nowhere\n", "is no address"),
        ("- m\n", "is a mapping of settings"),
    ],
)
def test_files_that_are_refused(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "backend.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words) as raised:
        model_of(str(file))
    assert "me:secret" not in str(raised.value)


def test_an_address_that_holds_a_password_is_not_repeated() -> None:
    with pytest.raises(InputError, match="holds a secret") as raised:
        model_of("http://me:very-secret@localhost:1/v1#m")
    assert "very-secret" not in str(raised.value)
