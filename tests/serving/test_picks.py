"""``/v1/picks``: what is stored, what is refused by name, and the way back to training."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.serving_fixtures import small_policy
from tests.serving_server import Served, served

from slhf.evaluation import Store
from slhf.serving import Refiner
from slhf.serving.picks import Pick, PickStore

GOOD: dict[str, Any] = {
    "session": "s-1",
    "messages": [{"role": "user", "content": [{"type": "text", "text": "a "}, {"type": "text", "text": "b"}]}],
    "chosen": "yes",
    "rejected": ["no", "never", "no"],
    "model": "m",
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("picks") / "picks.sqlite"


@pytest.fixture(scope="module")
def server(path: Path) -> Iterator[Served]:
    with served(Refiner(small_policy()), picks=path, max_body=10_000) as found:
        yield found


def post(server: Served, body: Any, **headers: str) -> tuple[int, dict[str, str], Any]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, found, reply = server.raw("POST", "/v1/picks", content, **{"content_type": "application/json", **headers})
    return status, found, json.loads(reply)


def exported(server: Served) -> list[Any]:
    status, headers, body = server.raw("GET", "/v1/picks")
    assert (status, headers["content-type"].partition(";")[0]) == (200, "application/jsonl")
    return [json.loads(line) for line in body.decode().splitlines()]


def test_a_pick_is_stored_and_comes_back_as_preferences(server: Served, path: Path) -> None:
    assert exported(server) == []
    assert not path.exists()
    status, _, reply = post(server, GOOD)
    assert (status, reply) == (201, {"id": 1, "pairs": 2})
    assert post(server, GOOD)[2]["id"] == 2  # sent again: no harm, it is one word
    with PickStore(path) as store:
        one, _ = store.rows("s-1")
    assert (one.prompt, one.chosen, one.rejected, one.model) == ("a b", "yes", ("no", "never"), "m")
    prompt, chosen = [{"role": "user", "content": "a b"}], [{"role": "assistant", "content": "yes"}]
    assert exported(server) == [
        {"prompt": prompt, "chosen": chosen, "rejected": [{"role": "assistant", "content": text}]}
        for text in ("no", "never")
    ]


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        *(({name: None}, name, f"{name} is missing") for name in GOOD),
        ({"sesion": "s"}, "sesion", "Did you mean 'session'"),
        ({"session": 3}, "session", "1 to 64"),
        ({"session": "../x"}, "session", "1 to 64"),
        ({"messages": "a"}, "messages", "a list of turns"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages", "is empty"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, "messages", "user's"),
        ({"chosen": ["yes"]}, "chosen", "a text is needed"),
        ({"chosen": " "}, "chosen", "a text is needed"),
        ({"rejected": "no"}, "rejected", "a list of texts"),
        ({"rejected": []}, "rejected", "among 2 to 65"),
        ({"rejected": [str(n) for n in range(65)]}, "rejected", "65 answers"),
        ({"rejected": ["no", "yes"]}, "rejected", "rejected[1] is the chosen answer"),
        ({"rejected": ["no", None]}, "rejected", "rejected[1]: a text is needed"),
        ({"model": "m" * 300}, "model", "at most 200"),
    ],
)
def test_what_is_refused_names_the_field(
    server: Served, path: Path, fields: dict[str, Any], param: str, words: str
) -> None:
    before = len(exported(server))
    status, _, body = post(server, {**GOOD, **fields})
    assert (status, body["error"]["param"]) == (400, param)
    assert words in body["error"]["message"]
    assert body["error"]["type"] == "invalid_request_error"
    assert len(exported(server)) == before


def test_other_refusals(server: Served) -> None:
    assert post(server, {**GOOD, "chosen": "y" * 11_000})[0] == 413
    assert post(server, GOOD, content_type="text/plain")[0] == 415
    assert post(server, b"[]")[2]["error"]["message"] == "the body must be a JSON object"
    assert post(server, b'{"session": "\\ud800"}')[0] == 400
    assert server.raw("DELETE", "/v1/picks")[0] == 405
    assert server.raw("GET", "/v1/picks", host="evil.example")[0] == 403


def test_a_pick_that_cannot_be_written_is_said_and_asked_for_again(tmp_path: Path) -> None:
    path = tmp_path / "picks.sqlite"
    with served(Refiner(small_policy()), picks=path) as server:
        assert post(server, GOOD)[0] == 201
        connection = sqlite3.connect(path)
        connection.execute("CREATE TRIGGER full BEFORE INSERT ON picks BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
        status, headers, body = post(server, GOOD)
        assert (status, body["error"]["code"], headers["retry-after"]) == (503, "pick_not_stored", "5")
        assert "disk is full" in body["error"]["message"]
        connection.execute("DROP TRIGGER full")
        connection.close()
        assert post(server, GOOD)[0] == 201


@pytest.mark.parametrize(("kind", "words"), [("text", "not a database"), ("other", "another program's database")])
def test_a_file_that_became_something_else_is_said(tmp_path: Path, kind: str, words: str) -> None:
    path = tmp_path / "picks.sqlite"
    with served(Refiner(small_policy()), picks=path) as server:
        if kind == "text":
            path.write_text("these are notes, and no database\n" * 100, encoding="utf-8")
        else:
            Store(path).close()
        for status, _, body in (post(server, GOOD), server.raw("GET", "/v1/picks")):
            error = (body if isinstance(body, dict) else json.loads(body))["error"]
            assert (status, error["type"]) == (503, "server_error")
            assert words in error["message"]


def test_nobody_without_the_key(tmp_path: Path) -> None:
    with served(Refiner(small_policy()), picks=tmp_path / "picks.sqlite", key="secret") as server:
        assert post(server, GOOD)[0] == 401
        assert server.raw("GET", "/v1/picks")[0] == 401
        assert post(server, GOOD, authorization="Bearer secret")[0] == 201
        status, _, body = server.raw("GET", "/v1/picks", authorization="Bearer secret")
        assert (status, len(body.splitlines())) == (200, 2)


def test_a_long_export_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "picks.sqlite"
    with PickStore(path) as store, served(Refiner(small_policy()), picks=path) as server:
        for number in range(60):
            store.add(Pick("s", f"{number}?", "yes " * 900, ("no " * 900, "ü" * 900), "m", 0.0))
        rows = exported(server)
        assert [row["prompt"][0]["content"] for row in rows[::2]] == [f"{number}?" for number in range(60)]
        assert len(rows) == 120


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_by_curl(server: Served, tmp_path: Path) -> None:
    body = json.dumps({**GOOD, "session": "curl"})
    made = subprocess.run(
        ["curl", "-s", "--json", body, f"{server.url}/picks"], capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(made.stdout)["pairs"] == 2
    got = tmp_path / "pairs.jsonl"
    subprocess.run(["curl", "-s", f"{server.url}/picks", "-o", str(got)], timeout=60, check=True)
    assert len(got.read_text(encoding="utf-8").splitlines()) >= 2
