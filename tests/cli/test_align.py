"""``slhf align`` and ``slhf annotate``: what is printed, what is written, and what wrong input says."""

from __future__ import annotations

import json

import pytest
import torch
import yaml
from peft import LoraConfig, get_peft_model

from slhf.cli import main
from slhf.data import load_pairs, load_prompts
from slhf.judges import named_judge
from slhf.policies import load_model, load_tokenizer
from slhf.types import Comparison


@pytest.fixture
def slhf(capsys):
    """Run a command in this process; returns exit code, stdout and stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(list(arguments))
        streams = capsys.readouterr()
        return code, streams.out, streams.err

    return call


@pytest.fixture
def align_file(align_values, tmp_path):
    """The little recipe as a file, with one iteration."""
    path = tmp_path / "tiny.yaml"
    values = {**align_values, "iterations": 1, "pool": {**align_values["pool"], "size": 14}}
    path.write_text(yaml.safe_dump(values))
    return str(path)


@pytest.fixture
def no_page(monkeypatch):
    """Drawing takes longer than the run."""
    monkeypatch.setattr("slhf.reports.page.Page.write", lambda self, folder: folder)


def test_align_prints_json_and_what_it_made_is_used_by_other_commands(
    slhf, align_file, align_values, tmp_path, no_page
):
    run = tmp_path / "run"
    code, out, err = slhf("align", align_file, "loss.epsilon=0.1", "--output", str(run), "--json")
    assert code == 0, err
    told = json.loads(out)
    assert [row["iteration"] for row in told["iterations"]] == [0, 1]
    assert told["iterations"][1]["adversary"]["epsilon"] == 0.1
    assert 0 <= told["iterations"][1]["win_rates"]["base"]["mean"] <= 1
    code, _, err = slhf("align", align_file, "loss.epsilon=0.1", "--output", str(run))
    assert code == 2
    assert "continue it with --resume" in err.replace("\n", " ")
    code, out, _ = slhf("align", align_file, "loss.epsilon=0.1", "--output", str(run), "--resume")
    assert code == 0
    assert "over base" in out
    pairs = tmp_path / "own.jsonl"
    arguments = ("--model", str(run), "--prompts", align_values["pool"]["data"], "--limit", "12", "--temperature", "1")
    code, out, err = slhf("annotate", *arguments, "--max-new-tokens", "4", "--out", str(pairs), "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["pairs"] == len(load_pairs(pairs)) > 0
    assert told["pairs"] + sum(v for k, v in told["left_out"].items() if "prompts" in k) == 12


def test_ctrl_c_says_how_to_go_on(slhf, align_file, tmp_path, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("slhf.runs.align_run._iteration", interrupted)
    code, _, err = slhf("align", align_file, "--output", str(tmp_path / "run"))
    assert code == 130
    assert "slhf align" in err
    assert "--resume" in err


def test_dry_run(slhf, align_file):
    code, out, _ = slhf("align", align_file, "--dry-run", "--json")
    assert code == 0
    assert "data: 12 seed pairs of 24; 14 pool prompts of 72; 16 held-out prompts" in json.loads(out)["checked"]


@pytest.mark.parametrize("name", ["pairs.parquet", "pairs.jsonl"])
def test_annotate_by_a_judge(slhf, tmp_path, name):
    """Every pair is what the judge says it is, of prompts as they were given; a second call is refused."""
    out = tmp_path / name
    arguments = ("annotate", "--model", "toy", "--by", "toy", "--split", "train", "--limit", "24", "--answers", "3")
    code, text, err = slhf(*arguments, "--out", str(out), "--json")
    assert code == 0, err
    pairs = load_pairs(out).to_list()
    assert json.loads(text)["pairs"] == len(pairs) > 3
    columns = {row["prompt"]: row for row in load_prompts("toy", "train", 24).to_list()}
    asked = [Comparison(r["prompt"], r["chosen"], r["rejected"], columns[r["prompt"]]) for r in pairs]
    assert named_judge("toy").prefer(asked).tolist() == pytest.approx([row["preference"] for row in pairs])
    code, _, err = slhf(*arguments, "--out", str(out))
    assert code == 2
    assert "is there already" in err


def test_annotate_by_the_follower(slhf, tmp_path):
    """The pairs are the answers and refinements a tournament would be given; a judge keeps those it agrees with."""
    from slhf.policies import Sampling, chain, load_policy

    arguments = ("annotate", "--model", "toy", "--by", "follower", "--split", "train", "--limit", "24")
    files = [tmp_path / "all.parquet", tmp_path / "agreed.parquet"]
    code, text, err = slhf(*arguments, "--out", str(files[0]), "--json")
    assert code == 0, err
    own = load_pairs(files[0]).to_list()
    told = json.loads(text)
    assert told["pairs"] == len(own) > 5
    assert told["pairs"] + sum(v for k, v in told["left_out"].items() if "prompts" in k) == 24
    assert slhf(*arguments, "--out", str(files[1]), "--agree", "toy", "--json")[0] == 0
    columns = {row["prompt"]: row for row in load_prompts("toy", "train", 24).to_list()}
    p = named_judge("toy").prefer(
        [Comparison(r["prompt"], r["chosen"], r["rejected"], columns[r["prompt"]]) for r in own]
    )
    texts = [(r["prompt"], r["chosen"], r["rejected"]) for r in own]
    agreed = load_pairs(files[1]).to_list()
    assert [(r["prompt"], r["chosen"], r["rejected"]) for r in agreed] == [
        t for t, value in zip(texts, p, strict=True) if value > 0.5
    ]
    assert [r["preference"] for r in agreed] == pytest.approx([value for value in p if value > 0.5])
    # nearly without chance, the refinement is what the chain says
    cold = tmp_path / "cold.jsonl"
    assert slhf(*arguments, "--temperature", "1e-4", "--out", str(cold), "--json")[0] == 0
    policy = load_policy("toy")
    for row in load_pairs(cold).to_list()[:4]:
        ((first, second),) = chain(policy, [row["prompt"]], sampling=Sampling((), 64, temperature=1e-4))
        assert (second.text, first.text) == (row["chosen"], row["rejected"])


@pytest.mark.parametrize("by", ["toy", "follower"])
def test_annotate_goes_on_where_it_stopped(slhf, tmp_path, monkeypatch, by):
    """Interrupted after its answers were kept, it generates none again and ends with the same file."""
    arguments = ("annotate", "--model", "toy", "--by", by, "--split", "train", "--limit", "16")
    assert slhf(*arguments, "--out", str(tmp_path / "whole.jsonl"))[0] == 0

    def interrupted(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"slhf.runs.annotate.label_by_{'judge' if by == 'toy' else by}", interrupted)
        code, _, err = slhf(*arguments, "--out", str(tmp_path / "again.jsonl"))
    assert code == 130
    assert "the same command goes on from there" in err.replace("\n", " ")
    monkeypatch.setattr("slhf.evaluation.answers._generated", interrupted)
    assert slhf(*arguments, "--out", str(tmp_path / "again.jsonl"))[0] == 0
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "x.json"), "ends in .parquet or .jsonl"),
        (("--out", "no/x.jsonl"), "does not exist; make it first"),
        (("--out", "x.jsonl"), "carries no adapter that could be switched off: name π_SFT by --reference"),
        (("--out", "x.jsonl", "--answers", "1"), "a pair needs two answers or more"),
        (("--out", "x.jsonl", "--temperature", "0"), "at 0 all answers are the same"),
        (("--out", "x.jsonl", "--by", "tyo"), "no judge called 'tyo'"),
        (("--out", "x.jsonl", "--by", "toy", "--reference", "toy"), "belongs to implicit rewards"),
        (("--out", "x.jsonl", "--by", "toy", "--prompts", "gone.jsonl"), "there is no data file"),
        (("--out", "x.jsonl", "--by", "folower"), "nor a judge. Did you mean 'follower'?"),
        (("--out", "x.jsonl", "--by", "follower", "--answers", "4"), "one answer and one refinement of it; take 2"),
        (("--out", "x.jsonl", "--by", "follower", "--agree", "tyo"), "no judge called 'tyo'"),
        (("--out", "x.jsonl", "--by", "toy", "--agree", "toy"), "filters what 'follower' labels"),
    ],
)
def test_annotate_refuses(slhf, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = slhf("annotate", "--model", "toy", *arguments)
    assert code == 2
    assert message in " ".join(err.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("toy-sapo",), "Did you mean 'toy-ssapo'?"),
        (("toy-ssapo", "loss=spgo"), "Did you mean 'sgpo'?"),
        (("toy-ssapo", "evaluation.split=train"), "are held out for the evaluation"),
        (("toy-ssapo", "pool.size=400"), "3 iterations take 1200 prompts"),
        (("toy-ssapo", "seed.attribute=colour"), "colour"),
    ],
)
def test_align_refuses_before_anything_starts(slhf, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = slhf("align", *arguments, "--output", "run")
    assert code == 2
    assert message in " ".join(err.split())
    assert not (tmp_path / "run" / "stages").exists()


@pytest.mark.parametrize("more", [("--output", "run"), ("--dry-run",)])
def test_align_wants_whole_weights_and_merge_makes_them(slhf, tmp_path, monkeypatch, more):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    adapted = get_peft_model(load_model("toy"), LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))
    adapted.save_pretrained("adapted")
    load_tokenizer("toy").save_pretrained("adapted")
    code, _, err = slhf("align", "toy-ssapo", "model=adapted", *more)
    assert code == 2
    assert "model: adapted is an adapter on another model" in err
    assert "slhf merge --model adapted --output merged" in err
    assert not (tmp_path / "run" / "stages").exists()
    code, out, _ = slhf("merge", "--model", "adapted", "--output", "merged", "--json")
    assert (code, json.loads(out)) == (0, {"model": "merged", "adapter": "default"})
    assert slhf("align", "toy-ssapo", "model=merged", "--dry-run")[0] == 0
    code, _, err = slhf("merge", "--model", "merged", "--output", "again")
    assert code == 2
    assert "carries no adapter" in err
