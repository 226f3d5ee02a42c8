"""``slhf judge`` as people use it: a language model audited against people, stopped, gone on with, and exported."""

from __future__ import annotations

import json

import pytest
import yaml
from tests.chat_server import TEMPLATE, fails, says, serving, shown

from slhf.cli import main


@pytest.fixture
def slhf(capsys):
    def call(*arguments):
        code = main([str(a) for a in arguments])
        streams = capsys.readouterr()
        return code, streams.out, streams.err

    return call


@pytest.fixture
def settings(tmp_path):
    """Write a file of judge settings for a test's server."""
    (tmp_path / "letter.txt").write_text(TEMPLATE, encoding="utf-8")

    def write(server, **more):
        path = tmp_path / "judge.yaml"
        values = {"name": "chat", "model": "m", "base_url": server.url, "template": str(tmp_path / "letter.txt")}
        path.write_text(yaml.safe_dump({**values, "pause": 0.001, "concurrency": 2, **more}), encoding="utf-8")
        return path

    return write


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.jsonl"
    rows = [{"prompt": f"x{i}", "chosen": "long" * (1 + i % 3), "rejected": "abc"[: 1 + i % 2]} for i in range(24)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def leaning(body):
    """The longer response; but on every fourth prompt whatever stands first."""
    prompt, first, second = shown(body)
    return says("A" if int(prompt[1:]) % 4 == 0 or len(first) > len(second) else "B")


def test_an_audit_against_people(slhf, settings, pairs, tmp_path):
    store = tmp_path / "store.sqlite"
    with serving(leaning) as server:
        command = ("judge", "audit", settings(server), "--pairs", pairs, "--store", store)
        code, out, err = slhf(*command, "--json")
        assert code == 0, err
        found = json.loads(out)
        assert (found["judge"], found["pairs"], found["skipped"]) == ("m/letter", 24, 0)
        assert found["below_averaging"] is True
        assert found["flips"]["mean"] == 0.25
        assert found["first_shown"]["mean"] == 0.5 + 0.25 / 2
        assert found["ties"]["mean"] == 0.25
        assert found["agreement"]["mean"] == 0.75 + 0.25 / 2
        assert found["length"]["longer"]["mean"] == 0.75 + 0.25 / 2
        assert found["people"]["slope"]["estimate"]["mean"] is None  # people always took the longer: no finite slope
        assert found["spent"]["calls"] == len(server.requests) == 3 * 24
        code, out, err = slhf(*command)
        assert code == 0, err
        assert len(server.requests) == 3 * 24  # all of it was kept
        table = " ".join(out.replace("│", " ").split())
        assert "m/letter: 24 pairs" in table
        assert "verdict changes with the order 0.250" in table


def test_a_budget_stops_an_audit_which_goes_on_with_a_higher_one(slhf, settings, pairs, tmp_path):
    store = tmp_path / "store.sqlite"
    with serving(leaning) as server:
        command = ("--pairs", pairs, "--store", store, "--json")
        code, out, err = slhf("judge", "audit", settings(server, max_calls=30), *command)
        assert (code, out) == (2, "")
        assert "max_calls=30 is spent" in err
        code, out, err = slhf("judge", "audit", settings(server), *command)
        assert code == 0, err
        assert json.loads(out)["spent"]["calls"] == 3 * 24 - 30


def test_what_a_store_holds_and_as_a_table(slhf, settings, pairs, tmp_path):
    from datasets import Dataset

    store, table = tmp_path / "store.sqlite", tmp_path / "judgements.parquet"
    with serving(leaning) as server:
        assert slhf("judge", "audit", settings(server), "--pairs", pairs, "--store", store)[0] == 0
    code, out, err = slhf("judge", "stats", store, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["counts"] == {"answers": 0, "judgements": 72, "scores": 0}
    assert [(j["judge"], j["judgements"], j["prompts"]) for j in found["judges"]] == [
        ("m/letter (one order)", 48, 24),
        ("m/letter (one order, again)", 24, 24),
    ]
    assert found["size"] >= store.stat().st_size > 0
    code, out, err = slhf("judge", "stats", store)
    assert "72 judgements" in out

    code, out, err = slhf("judge", "export", store, "--output", table, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {"output": str(table), "judgements": 72}
    rows = Dataset.from_parquet(str(table), keep_in_memory=True, cache_dir=str(tmp_path / "cache"))
    assert isinstance(rows, Dataset)
    assert rows.column_names == ["judge", "identity", "prompt", "first", "second", "p"]
    texts = {(c["prompt"], c["first"], c["second"]): c["p"] for c in rows if c["judge"] == "m/letter (one order)"}
    for prompt, first, second in texts:
        fair = float(len(first) > len(second))
        assert texts[prompt, first, second] == (1.0 if int(prompt[1:]) % 4 == 0 else fair)
    assert sorted(path.name for path in tmp_path.glob("*.parquet*")) == ["judgements.parquet"]


def test_answers_of_two_contenders(slhf, tmp_path):
    for name, size in (("short", 1), ("long", 3)):
        rows = [{"prompt": f"x{i}", "answer": "word " * size + str(i)} for i in range(12)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    judge = tmp_path / "mine.py"
    judge.write_text("def longer(x, y, z):\n    return [float(len(a) > len(b)) for a, b in zip(y, z)]\n")
    files = [tmp_path / "short.jsonl", tmp_path / "long.jsonl"]
    code, out, err = slhf("judge", "audit", f"{judge}:longer", "--store", ":memory:", "--json", "--answers", *files)
    assert code == 0, err
    found = json.loads(out)
    assert (found["pairs"], found["people"], found["spent"]) == (12, None, None)
    assert found["length"]["longer"]["mean"] == 1.0


MINE = """
def longer(x, y, z):
    return [float(len(a) > len(b)) for a, b in zip(y, z)]
def first(x, y, z):
    return [1.0 for _ in x]
"""


@pytest.fixture
def labelled(tmp_path):
    """PandaLM's form: two people want the longer answer, the third the second one, the longer half the time."""
    rows = [
        {"instruction": f"x{i}", "input": "", "response1": "a" * (1 + i % 2), "response2": "b" * (2 - i % 2)}
        | {"annotator1": 1 + (i + 1) % 2, "annotator2": 1 + (i + 1) % 2, "annotator3": 2}
        for i in range(20)
    ]
    (tmp_path / "mine.py").write_text(MINE)
    path = tmp_path / "labelled.json"
    path.write_text(json.dumps(rows))
    return path


def test_several_judges_beside_people(slhf, labelled, tmp_path, monkeypatch):
    """Worked out by hand: on half the pairs all three agree, on the others the third is alone."""
    monkeypatch.setenv("COLUMNS", "160")
    judges = (f"long={tmp_path / 'mine.py'}:longer", f"{tmp_path / 'mine.py'}:first", "exact_match")
    command = ("judge", "audit", *judges, "--pairs", labelled, "--store", tmp_path / "s.sqlite")
    code, out, err = slhf(*command, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert set(found) == {"judges", "among_people"}
    among, each = found["among_people"]["among"], found["among_people"]["each"]
    assert among["person"]["mean"] == pytest.approx(0.5 * 1 + 0.5 / 3)
    # left out where the third is alone: either of the two meets a tie, the third meets two against it
    assert among["others"]["mean"] == pytest.approx(0.5 * 1 + 0.5 * (0.5 + 0.5 + 0) / 3)
    assert [one["person"]["mean"] for one in each] == pytest.approx([0.75, 0.75, 0.5])
    assert [one["others"]["mean"] for one in each] == pytest.approx([0.75, 0.75, 0.5])
    long, first, exact = found["judges"]
    assert [long["label"], first["label"], exact["label"]] == ["long", "mine.py:first", "exact_match"]
    assert long["voters"]["person"]["mean"] == pytest.approx((1 + 2 / 3) / 2)
    assert long["voters"]["majority"]["mean"] == long["agreement"]["mean"] == 1.0
    assert long["voters"]["beside"]["mean"] == pytest.approx((1 + 2 / 3) / 2 - (1 + 1 / 3) / 2)
    assert (first["voters"]["ties"]["mean"], first["voters"]["person"]["mean"]) == (1.0, 0.5)
    assert (first["flips"]["mean"], first["first_shown"]["mean"]) == (1.0, 1.0), "a planted leaning is found"
    assert "needs the column 'answer'" in exact["refused"]
    assert "pairs" not in exact

    code, out, err = slhf(*command)
    assert code == 0, err
    table = " ".join(out.replace("│", " ").split())
    assert "person 3 20 0.500 ±" in table
    assert "long 20 0.833 ±" in table
    assert "exact_match – cannot judge them" in table
    assert "½ for a tie against a side and 0 for opposite sides, for judges and people alike" in table
    assert "exact_match: check 'exact_match' needs the column" in table

    code, out, err = slhf("judge", "audit", judges[0], *command[5:], "--json")
    assert code == 0, err
    alone = json.loads(out)
    assert alone["among_people"] == found["among_people"]
    assert {k: alone[k] for k in long} == long
    code, out, err = slhf("judge", "audit", judges[0], *command[5:])
    assert "people: agree with one person 0.667" in " ".join(out.replace("│", " ").split())


def test_several_judges_where_single_votes_are_not_known(slhf, pairs, tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    judges = (f"{tmp_path / 'mine.py'}:longer", "stories")
    code, out, err = slhf("judge", "audit", *judges, "--pairs", pairs, "--store", tmp_path / "s.sqlite")
    assert code == 0, err
    table = " ".join(out.replace("│", " ").split())
    assert "mine.py:longer 24" in table
    assert "opposite sides" not in table


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("audit", "toy"), "an audit needs pairs"),
        (("audit", "toy", "--pairs", "{pairs}", "--answers", "a.jsonl"), "an audit needs pairs"),
        (("audit", "tpy", "--pairs", "{pairs}"), "Did you mean 'toy'"),
        (("audit", "toy", "--pairs", "{pairs}", "--limit", "5"), "at least 10 different prompts"),
        (("audit", "toy", "--answers", "{answers}"), "answers of two contenders, got 1"),
        (("audit", "toy", "--answers", "{answers}", "{others}"), "no prompt in common"),
        (("stats", "nowhere.sqlite"), "there is no store nowhere.sqlite"),
        (("stats", "{pairs}"), "is no store of answers and judgements"),
        (("export", "nowhere.sqlite", "-o", "x.parquet"), "there is no store nowhere.sqlite"),
        (("export", "nowhere.sqlite", "-o", "x.csv"), "a name that ends in .parquet"),
        (("export", "nowhere.sqlite", "-o", "no/such/x.parquet"), "the folder does not exist"),
    ],
)
def test_bad_input(slhf, pairs, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    for name, prompt in (("answers", "x"), ("others", "z")):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"prompt": prompt, "answer": "y"}) + "\n")
    places = {"pairs": pairs, "answers": tmp_path / "answers.jsonl", "others": tmp_path / "others.jsonl"}
    code, out, err = slhf("judge", *(a.format(**places) for a in arguments))
    assert (code, out) == (2, "")
    assert message in " ".join(err.split())
    assert "Traceback" not in err


def test_an_empty_store_has_nothing_to_export(slhf, tmp_path):
    from slhf.evaluation import Store

    Store(tmp_path / "empty.sqlite").close()
    code, _, err = slhf("judge", "export", tmp_path / "empty.sqlite", "-o", tmp_path / "x.parquet")
    assert code == 2
    assert "holds no judgements" in err


def test_the_servers_words_and_no_key(slhf, settings, pairs, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-never-shown")
    with serving(lambda body: fails(401, "sk-never-shown is not allowed here")) as server:
        code, out, err = slhf("judge", "audit", settings(server), "--pairs", pairs, "--store", tmp_path / "s.sqlite")
    assert (code, out) == (2, "")
    assert "401: … is not allowed here" in err
    assert "sk-never" not in err
