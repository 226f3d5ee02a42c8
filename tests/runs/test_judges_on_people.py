"""Every kind of judge on pairs that three people labelled each: one table, judges beside people."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tests.chat_server import TEMPLATE, says, serving, shown
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForSequenceClassification

from slhf.cli import main
from slhf.data import load_pairs
from slhf.judges import JUDGES

MINE = """
from slhf.judges import MatrixJudge
matrix = MatrixJudge(("rock", "paper"), [[0.5, 0.1], [0.9, 0.5]])
def longer(x, y, z):
    return [0.5 if len(a) == len(b) else float(len(a) > len(b)) for a, b in zip(y, z)]
def whole(x, y, columns):
    return y.rstrip().endswith((".", "!", "?"))
"""
PAIRS = 60


def planted(body):
    """The longer response; but on prompts of odd length whatever stands first."""
    prompt, first, second = shown(body)
    return says("A" if len(prompt) % 2 or len(first) > len(second) else "B")


@pytest.fixture(scope="module")
def pandalm(shared, tmp_path_factory) -> Path:
    """The real file, with columns for the checks: the text most people chose, and an instruction."""
    rows = json.loads((shared / "data" / "pandalm" / "testset-v1.json").read_text(encoding="utf-8"))
    for row in rows:
        lead = sum({0: 0, 1: 1, 2: -1}[row[f"annotator{n}"]] for n in (1, 2, 3))
        row["response1"], row["response2"] = str(row["response1"]), str(row["response2"])
        row["answer"] = row["response1"] if lead > 0 else row["response2"] if lead < 0 else ""
        row |= {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{"N": None}]}
        # the template of the tests divides by this sign
        for name in ("instruction", "input", "response1", "response2", "answer"):
            row[name] = row[name].replace("|", "/")
    path = tmp_path_factory.mktemp("pandalm") / "pandalm.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def models(stories, pandalm, tmp_path_factory) -> dict[str, Path]:
    """A panel and a preference model learnt from the other prompts, and two critics that know nothing."""
    folder = tmp_path_factory.mktemp("models")
    for form in ("heads", "skew"):
        values = {
            "model": str(stories),
            "form": form,
            "max_length": 256,
            "data": {"train": str(pandalm), "train_limit": 40, "eval_limit": 20},
            "args": {"max_steps": 3, "per_device_train_batch_size": 8, "learning_rate": 1e-3, "use_cpu": True}
            | {"save_strategy": "no", "eval_strategy": "no"},
        }
        (folder / f"{form}.yaml").write_text(yaml.safe_dump(values))
        assert main(["reward", "train", str(folder / f"{form}.yaml"), "--output", str(folder / form), "--json"]) == 0
    torch.manual_seed(0)
    longer = {"max_position_embeddings": 4096}  # a pair and its question are longer than the story model's 512 tokens
    AutoModelForCausalLM.from_pretrained(stories, **longer).save_pretrained(folder / "critic")
    made = LlamaForSequenceClassification.from_pretrained(folder / "critic", num_labels=1)
    made.save_pretrained(folder / "pair")
    for name in ("critic", "pair"):
        AutoTokenizer.from_pretrained(stories, model_max_length=4096).save_pretrained(folder / name)
    return {name: folder / name for name in ("heads", "skew", "critic", "pair")}


def written(folder: Path, models: dict[str, Path], address: str) -> dict[str, Path | str]:
    """Write a file of settings for each kind; returns label → what the command is given."""
    (folder / "mine.py").write_text(MINE)
    (folder / "letter.txt").write_text(TEMPLATE)
    (folder / "ab.txt").write_text(
        '---\nverdicts: {"[[A]]": 1, "[[B]]": 0}\n---\n[user]\n{prompt}\nA: {first}\nB: {second}\nBetter:'
    )
    settings = {
        "reward_panel": {"models": [str(models["heads"])]},
        "skew": {"model": str(models["skew"])},
        "critic": {"model": str(models["critic"]), "template": str(folder / "ab.txt"), "least_mass": 0.0},
        "pair_classifier": {"model": str(models["pair"])},
        "chat": {"model": "m", "base_url": address, "template": str(folder / "letter.txt")},
        "exact_match": {},
        "regex": {"pattern": r"[.!?]\s*\Z"},
        "json_schema": {"schema": {"type": "object"}},
        "ifeval": {},
        "check": {"function": f"{folder / 'mine.py'}:whole"},
        "mixture": {"judges": {"a": {"callable": f"{folder / 'mine.py'}:longer"}, "b": "stories"}},
        "toy": {},
        "stories": {},
        "toy_correct": {},
    }
    assert set(settings) == set(JUDGES), "every registered kind"
    if find_spec("lm_eval") is None or find_spec("langdetect") is None:
        del settings["ifeval"]  # its checks are lm-eval's; without it the judge is an error before anything starts
    for name, values in settings.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({"name": name, **values}))
    mine = {"longer": f"longer={folder / 'mine.py'}:longer", "matrix": f"matrix={folder / 'mine.py'}:matrix"}
    return {name: folder / f"{name}.yaml" for name in settings} | mine


@pytest.mark.slow
def test_a_table_of_all_kinds_beside_people(pandalm, models, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    with serving(planted) as server:
        given = written(tmp_path, models, server.url)
        command = ["judge", "audit", *map(str, given.values()), "--pairs", str(pandalm), "--split", "held_out"]
        command += ["--limit", str(PAIRS)]
        capsys.readouterr()
        assert main([*command, "--store", str(tmp_path / "s.sqlite"), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        asked = len(server.requests)
        assert main([*command, "--store", str(tmp_path / "s.sqlite")]) == 0
        assert len(server.requests) == asked, "the second time nobody is asked"
    table = " ".join(capsys.readouterr().out.replace("│", " ").split())
    judges = {one["label"]: one for one in found["judges"]}
    assert list(judges) == list(given)
    for label in ("toy", "toy_correct", "matrix"):
        assert judges[label]["refused"], "says that it cannot"
        assert f"{label} – cannot judge them" in table
    assert "does not know the response" in judges["matrix"]["refused"]

    pairs = load_pairs(pandalm, "held_out", PAIRS, ties="half").to_list()
    votes = [[int(np.sign(v - 0.5)) for v in row["chosen_votes"]] for row in pairs]
    among = found["among_people"]["among"]
    assert among["pairs"] == len(pairs) == PAIRS
    by_hand = [np.mean([1 - abs(v[i] - v[j]) / 2 for i in range(3) for j in range(3) if i != j]) for v in votes]
    assert among["person"]["mean"] == pytest.approx(np.mean(by_hand))
    assert [one["pairs"] for one in found["among_people"]["each"]] == [len(pairs)] * 3
    for label in set(given) - {"toy", "toy_correct", "matrix"}:
        said = judges[label]
        assert said["refused"] is None, said["refused"]
        assert said["voters"]["pairs"] == len(pairs), label
        assert 0.2 < said["voters"]["person"]["mean"] < 1.0
        assert said["voters"]["person"]["low"] <= said["voters"]["person"]["mean"] <= said["voters"]["person"]["high"]
        assert f"{label} {len(pairs)} {said['voters']['person']['mean']:.3f} ±" in table

    longer = [np.sign(len(row["chosen"]) - len(row["rejected"])) for row in pairs]
    expected = np.mean([np.mean([1 - abs(u - v) / 2 for v in said]) for u, said in zip(longer, votes, strict=True)])
    assert judges["longer"]["voters"]["person"]["mean"] == pytest.approx(expected)
    # who is told what most people chose agrees with them on every pair
    assert judges["exact_match"]["agreement"]["mean"] == judges["exact_match"]["voters"]["majority"]["mean"] == 1.0
    assert judges["exact_match"]["voters"]["beside"]["mean"] >= 0.0

    odd = np.mean([len(row["prompt"]) % 2 for row in pairs])
    same = np.mean([len(row["prompt"]) % 2 == 0 and len(row["chosen"]) == len(row["rejected"]) for row in pairs])
    assert judges["chat"]["flips"]["mean"] == pytest.approx(odd + same), "the planted leaning is found"
    assert judges["chat"]["first_shown"]["mean"] == pytest.approx(0.5 + odd / 2 - same / 2)
    assert judges["chat"]["spent"]["calls"] == 3 * len(pairs)
