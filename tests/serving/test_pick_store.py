"""The file of picks: nothing acknowledged is lost, nothing is half there, and what it exports can be trained on."""

from __future__ import annotations

import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from slhf.errors import InputError
from slhf.evaluation import Store
from slhf.serving.picks import NotStoredError, Pick, PickStore

TURNS = (
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "Name a colour."},
)


def pick(chosen: str = "red", *rejected: str, session: str = "s", prompt: Any = "a?", when: float = 1.5) -> Pick:
    return Pick(session, prompt, chosen, rejected or ("blue",), "m", when)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"session": ""}, "session=''"),
        ({"session": "a b"}, "1 to 64 of the characters"),
        ({"session": "a" * 65}, "1 to 64"),
        ({"session": "ä"}, "1 to 64"),
        ({"session": "s\n"}, "1 to 64"),
        ({"prompt": ""}, "the prompt is empty"),
        ({"prompt": [{"role": "assistant", "content": "x"}]}, "must be the user's"),
        ({"chosen": " "}, "chosen: a text is needed"),
        ({"chosen": "\ud800"}, "half a character"),
        ({"rejected": ()}, "rejected: 0 answers"),
        ({"rejected": tuple(map(str, range(65)))}, "rejected: 65 answers"),
        ({"rejected": ("x", "y")}, r"rejected\[1\] is the chosen answer"),
        ({"rejected": ("x", "")}, r"rejected\[1\]: a text is needed"),
        ({"rejected": (3,)}, r"rejected\[0\]: a text is needed"),
        ({"model": ""}, "model: a text is needed"),
        ({"model": "m" * 201}, "201 characters"),
        ({"when": float("nan")}, "when=nan"),
    ],
)
def test_what_is_no_pick_is_refused_by_name(fields: dict[str, Any], words: str) -> None:
    good = {"session": "s", "prompt": "a?", "chosen": "y", "rejected": ("x",), "model": "m", "when": 0.0}
    with pytest.raises(InputError, match=words):
        Pick(**{**good, **fields})


def test_what_went_in_comes_out(tmp_path: Path) -> None:
    path = tmp_path / "picks.sqlite"
    one = pick("red\0\u2028\U0001f600", "blue", "green", "blue", prompt=TURNS)
    two = pick("x", session="other", prompt=[{"role": "user", "content": "b?"}])
    with PickStore(path) as store:
        assert not path.exists()  # before the first pick
        assert list(store.rows()) == []
        assert [store.add(one), store.add(two)] == [1, 2]
        assert list(store.rows()) == [one, two]
        assert list(store.rows("other")) == [two]
        assert list(store.rows("nobody")) == []
    assert path.stat().st_mode & 0o777 == 0o600  # nobody else's to read
    with PickStore(path) as again:
        assert again.add(one) == 3
        assert list(again.rows()) == [one, two, one]
    assert one.rejected == ("blue", "green")  # one named twice counts once
    assert two.prompt == "b?"  # a lone user turn is its text
    connection = sqlite3.connect(path)
    shown = connection.execute("SELECT id, chosen, rejected FROM pairs ORDER BY id, rejected").fetchall()
    connection.close()
    assert shown == [(1, one.chosen, "blue"), (1, one.chosen, "green"), (2, "x", "blue"), *(
        (3, one.chosen, colour) for colour in ("blue", "green")
    )]  # fmt: skip


def test_the_export_is_conversational_and_the_last_word_counts(tmp_path: Path) -> None:
    with PickStore(tmp_path / "picks.sqlite") as store:
        for one in (
            pick("red", "blue", "green", prompt=TURNS),
            pick("blue", "red", prompt=TURNS),  # changed their mind about these two
            pick("red", "blue", prompt=TURNS, session="another"),  # somebody else has a word of their own
            pick("red", "green", prompt=TURNS),  # said before
            pick("red", "blue"),  # to another prompt
        ):
            store.add(one)
        stream = io.StringIO()
        assert store.export(stream) == 4
        assert store.export(tmp_path / "pairs.jsonl") == 4
    assert (tmp_path / "pairs.jsonl").read_text(encoding="utf-8") == stream.getvalue()
    rows = [json.loads(line) for line in stream.getvalue().splitlines()]
    system = [{"role": "system", "content": "Be brief."}, *TURNS[1:]]

    def row(prompt: Any, chosen: str, rejected: str) -> Any:
        chosen_turn, rejected_turn = ([{"role": "assistant", "content": text}] for text in (chosen, rejected))
        return {"prompt": prompt, "chosen": chosen_turn, "rejected": rejected_turn}

    assert rows == [
        row(system, "blue", "red"),
        row(system, "red", "blue"),
        row(system, "red", "green"),
        row([{"role": "user", "content": "a?"}], "red", "blue"),
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs.jsonl", "picks.sqlite"]


def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    text, other, newer, folder = (tmp_path / name for name in ("a.txt", "store.sqlite", "newer.sqlite", "folder"))
    text.write_text("these are notes, and no database\n" * 100, encoding="utf-8")
    Store(other).close()
    with PickStore(newer) as store:
        store.add(pick())
    connection = sqlite3.connect(newer)
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    folder.mkdir()
    for path, words in (
        (text, "is not a database; choose another file"),
        (other, "another program's database; choose another file"),
        (newer, "another version of this package .layout 2, here 1.; choose another file"),
        (folder, "unable to open"),
        (tmp_path / "nowhere" / "picks.sqlite", "the folder does not exist; make it first"),
    ):
        before = path.read_bytes() if path.is_file() else b""
        with pytest.raises(InputError, match=words):
            PickStore(path)
        assert not path.is_file() or path.read_bytes() == before
    empty = tmp_path / "empty.sqlite"
    empty.touch()
    with PickStore(empty) as store:
        assert (list(store.rows()), store.add(pick())) == ([], 1)


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with PickStore(tmp_path / "picks.sqlite") as store:
        store.add(pick())
        with pytest.raises(InputError, match="cannot be written"):
            store.export(tmp_path / "nowhere" / "pairs.jsonl")
        connection = sqlite3.connect(tmp_path / "picks.sqlite")
        connection.execute("CREATE TRIGGER full BEFORE INSERT ON picks BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
        connection.close()
        with pytest.raises(NotStoredError, match="the pick was not stored: disk is full"):
            store.add(pick())
        assert len(list(store.rows())) == 1


WRITER = """
import sys
from slhf.serving.picks import Pick, PickStore
store, who = PickStore(sys.argv[1]), sys.argv[2]
for number in range(int(sys.argv[3])):
    id = store.add(Pick(who, "a?", f"yes {number}", (f"no {number}" * 200, "neither"), "m", 0.0))
    print(id, number, flush=True)
"""


def writer(path: Path, who: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), who, str(count)], stdout=subprocess.PIPE, text=True
    )


def told_by(process: subprocess.Popen[str], lines: list[str]) -> list[tuple[int, int]]:
    """Read what else it says, and return (id, number) of each pick it was told is stored."""
    assert process.stdout is not None
    lines += process.stdout.readlines()
    process.stdout.close()
    process.wait(timeout=60)
    return [(int(line.split()[0]), int(line.split()[1])) for line in lines if line.endswith("\n")]


def test_many_write_at_once_and_one_of_them_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "picks.sqlite"
    patient, killed = writer(path, "patient", 40), writer(path, "killed", 100_000)
    assert killed.stdout is not None
    first = [killed.stdout.readline() for _ in range(30)]
    with PickStore(path) as store, ThreadPoolExecutor(8) as pool:
        mine = pool.map(lambda number: store.add(pick(f"mine {number}", session="me")), range(40))
        os.kill(killed.pid, signal.SIGKILL)
        ids = list(mine)
        told = {"patient": told_by(patient, []), "killed": told_by(killed, first)}
        assert (patient.returncode, killed.returncode) == (0, -signal.SIGKILL)
        assert {one.chosen for one in store.rows("me")} == {f"mine {number}" for number in range(40)}
        assert [number for _, number in told["patient"]] == list(range(40))
        for who, acknowledged in told.items():
            found = list(store.rows(who))
            assert [one.chosen for one in found[: len(acknowledged)]] == [f"yes {n}" for _, n in acknowledged]
            assert len(found) - len(acknowledged) in ((0, 1) if who == "killed" else (0,))  # stored, and not told
            assert all(len(one.rejected) == 2 for one in found)
            ids += [id for id, _ in acknowledged]
        assert len(set(ids)) == len(ids)
