"""What is wrong with preferences, with a judge or with its server, said on the command line with exit code 2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from tests.chat_server import TEMPLATE, says, serving
from tests.reward_fixtures import classifier, rated, save_base

from slhf.cli import main
from slhf.data import load_pairs
from slhf.data.helpsteer2 import ATTRIBUTES
from slhf.training.reward_pairs import joined


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return save_base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def slhf(capsys):
    """Run a command in this process; returns exit code, stdout, and stderr as one line."""

    def call(*arguments) -> tuple[int, str, str]:
        code = main([str(a) for a in arguments])
        streams = capsys.readouterr()
        return code, streams.out, " ".join(streams.err.split())

    return call


@pytest.fixture
def recipe(base, tmp_path):
    """Write a recipe of one short training."""

    def write(data: Path, **changes) -> Path:
        values = {
            "model": str(base),
            "form": "heads",
            "data": {"train": str(data), "attributes": ["verbosity"]},
            "args": {"max_steps": 1, "per_device_train_batch_size": 4, "use_cpu": True, "save_strategy": "no"},
        }
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump({**values, **changes}))
        return path

    return write


def changed(folder: Path, place: int, **fields) -> Path:
    """Write rated responses of which one row is different; a field that is ... is left out of it."""
    rows = [json.loads(line) for line in rated(folder).read_text().splitlines()]
    rows[place] = {k: v for k, v in {**rows[place], **fields}.items() if v is not ...}
    path = folder / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("form", ["heads", "skew"])
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"verbosity": None}, "row 7: verbosity is None; it is a whole number from 0 to 4: mend the field"),
        ({"verbosity": ...}, "row 7: verbosity is None; it is a whole number from 0 to 4: mend the field"),
        ({"verbosity": "much"}, "In row 7, verbosity is 'much', which is no number"),
        ({"verbosity": 2.5}, "row 7: verbosity is 2.5; it is a whole number from 0 to 4"),
        ({"verbosity": 9}, "row 7: verbosity is 9; it is a whole number from 0 to 4"),
        ({"response": " "}, "row 7: response is empty; write the response or leave the row out"),
    ],
)
def test_a_rating_that_is_none_names_its_row(slhf, recipe, tmp_path, form, fields, message):
    path = recipe(changed(tmp_path, 7, **fields))
    code, out, err = slhf("reward", "train", path, f"form={form}", "--output", tmp_path / "run")
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()


def test_an_attribute_that_no_row_has(slhf, recipe, tmp_path):
    rows = [json.loads(line) for line in rated(tmp_path).read_text().splitlines()]
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps({k: v for k, v in r.items() if k != "verbosity"}) + "\n" for r in rows))
    code, out, err = slhf("reward", "train", recipe(path), "--output", tmp_path / "run")
    assert (code, out) == (2, "")
    assert "Nearest is helpsteer2" in err
    assert err.endswith("missing there: 'verbosity' (number)")


def test_all_pairs_tied(slhf, recipe, tmp_path):
    rows = [json.loads(line) | dict.fromkeys(ATTRIBUTES, 2) for line in rated(tmp_path).read_text().splitlines()]
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, out, err = slhf("reward", "train", recipe(path), "--output", tmp_path / "run")
    assert (code, out) == (2, "")
    assert "no pair stays; left out:" in err
    assert "ties='half' keeps ties" in err


def test_verdicts_of_a_single_class_are_no_mistake(tmp_path):
    """That the first always won says nothing: pairs are named by their texts, and half of them turned are the same."""
    rows = [{"prompt": f"x{i}", "response_a": f"y{i}", "response_b": f"z{i}", "winner": "a"} for i in range(12)]
    path, other = tmp_path / "one.jsonl", tmp_path / "both.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for row in rows[::2]:
        row.update(response_a=row["response_b"], response_b=row["response_a"], winner="b")
    other.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert joined({"p": load_pairs(path)}).digest() == joined({"p": load_pairs(other)}).digest()


def test_a_template_of_a_single_verdict_is_refused(slhf, tmp_path, pairs):
    for verdicts in ({"A": 1}, {"A": 1, "B": 1}):
        front = f"---\nverdicts: {json.dumps(verdicts)}\n---\n"
        (tmp_path / "one.txt").write_text(front + "[user]\n{prompt} {first} {second}\n")
        judge = chat(tmp_path, base_url="http://127.0.0.1:1/v1", template=str(tmp_path / "one.txt"))
        code, out, err = slhf("judge", "audit", judge, "--pairs", pairs, "--store", ":memory:")
        assert (code, out) == (2, "")
        assert "verdicts" in err


def test_texts_longer_than_the_model_are_cut_at_the_front_and_it_is_said(slhf, recipe, tmp_path, caplog):
    path = recipe(rated(tmp_path), max_length=8)
    code, _, err = slhf("reward", "train", path, "--output", tmp_path / "run", "--json")
    assert code == 0, err
    assert "of a longer text the last 8 are read (max_length)" in caplog.text
    code, out, err = slhf("reward", "train", recipe(rated(tmp_path), max_length=4), "--output", tmp_path / "other")
    assert (code, out) == (2, "")
    assert "max_length: must be at least 8 tokens, got 4" in err


@pytest.fixture
def pairs(tmp_path) -> Path:
    path = tmp_path / "pairs.jsonl"
    rows = [{"prompt": f"say {i}", "chosen": "a " * (1 + i % 3), "rejected": "b"} for i in range(12)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_pair_longer_than_a_critic_is_refused(slhf, pairs, base, tmp_path):
    """A critic that saw a part of a pair would compare something else: nothing is cut, and the prompt is named."""
    made = classifier()
    made.config.max_position_embeddings = 8
    made.save_pretrained(tmp_path / "critic")
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "critic")
    judge = tmp_path / "judge.yaml"
    judge.write_text(yaml.safe_dump({"name": "pair_classifier", "model": str(tmp_path / "critic")}))
    code, out, err = slhf("judge", "audit", judge, "--pairs", pairs, "--store", ":memory:")
    assert (code, out) == (2, "")
    assert "the question about prompt 'say 0' has" in err
    assert "and the critic holds 8; lower max_new_tokens, leave long prompts out" in err


def chat(folder: Path, **settings) -> Path:
    (folder / "letter.txt").write_text(TEMPLATE)
    path = folder / "judge.yaml"
    path.write_text(yaml.safe_dump({"name": "chat", "model": "m", "template": str(folder / "letter.txt"), **settings}))
    return path


def test_a_server_that_answers_with_another_model(slhf, pairs, tmp_path):
    with serving(lambda body: {**says("A"), "model": "other"}) as server:
        judge = chat(tmp_path, base_url=server.url, concurrency=1)
        code, out, err = slhf("judge", "audit", judge, "--pairs", pairs, "--store", tmp_path / "s.sqlite")
        assert (code, out) == (2, "")
        assert "was asked for the model 'm' and answers as 'other'" in err
        assert "answers_as: 'other'" in err
        assert len(server.requests) == 1
        code, out, err = slhf("judge", "stats", tmp_path / "s.sqlite", "--json")
        assert json.loads(out)["counts"]["judgements"] == 0, "nothing is kept under a name that is not its own"
        judge = chat(tmp_path, base_url=server.url, answers_as="other")
        code, out, err = slhf("judge", "audit", judge, "--pairs", pairs, "--store", tmp_path / "s.sqlite", "--json")
        assert code == 0, err


def test_a_server_that_stops_is_an_error_among_several_judges_too(slhf, pairs, tmp_path):
    """A judge that cannot judge these pairs is a line of the table; one that stopped half way is not: it goes on."""
    with serving(lambda body: {**says("A"), "model": "other"}) as server:
        judge = chat(tmp_path, base_url=server.url)
        code, out, err = slhf("judge", "audit", "stories", judge, "--pairs", pairs, "--store", tmp_path / "s.sqlite")
    assert (code, out) == (2, "")
    assert "answers as 'other'" in err


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "needs a key: put it into the environment variable OPENAI_API_KEY"),
        ({"key_env": "MY_KEY"}, "needs a key: put it into the environment variable MY_KEY"),
        ({"base_url": "http://127.0.0.1:1/v1", "max_cost": 1.0}, "max_cost=1.0 needs price_in and price_out"),
        ({"base_url": "http://127.0.0.1:1/v1", "max_cost": 1.0, "price_in": 2.0}, "needs price_in and price_out"),
    ],
)
def test_no_key_and_no_price(slhf, pairs, tmp_path, monkeypatch, settings, message):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "MY_KEY"):
        monkeypatch.delenv(name, raising=False)
    code, out, err = slhf("judge", "audit", chat(tmp_path, **settings), "--pairs", pairs, "--store", ":memory:")
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize(
    ("judges", "message"),
    [
        (
            ("stories", "stories"),
            "two judges are called 'stories' (stories and stories); tell them apart by LABEL=st",
        ),
        (("a=stories", "a=toy"), "two judges are called 'a'"),
        (("stories", "storeis"), "Did you mean 'stories'"),
        (("exact_match", "toy"), "none of the 2 judges can judge these pairs; exact_match: check 'exact_match' needs"),
        (("exact_match",), "check 'exact_match' needs the column 'answer'"),
    ],
)
def test_judges_that_cannot_be_compared(slhf, pairs, judges, message):
    code, out, err = slhf("judge", "audit", *judges, "--pairs", pairs, "--store", ":memory:")
    assert (code, out) == (2, "")
    assert message in err
