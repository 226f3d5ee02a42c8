"""``slhf picks``, and the way from what people pick back to training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slhf.cli import main
from slhf.data import load_pairs
from slhf.data.summary import summarise
from slhf.serving.picks import Pick, PickStore
from slhf.toy import prompts

RECIPE = """
model: toy
form: heads
data: {{train: {pairs}}}
args: {{max_steps: 1, per_device_train_batch_size: 8, use_cpu: true}}
"""


@pytest.fixture(scope="module")
def picked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What four people picked over sixty prompts: the right answer, of three."""
    path = tmp_path_factory.mktemp("picked") / "picks.sqlite"
    with PickStore(path) as store:
        for number, row in enumerate(prompts()[::7][:60]):
            chosen, rejected = f"It is {row['answer']}.", ("It is not known.", "You know, I like to talk.")
            store.add(Pick(f"u{number % 4}", row["prompt"], chosen, rejected, "toy", 86_400.0 * number))
    return path


@pytest.fixture(scope="module")
def pairs(picked: Path) -> Path:
    output = picked.with_name("pairs.jsonl")
    assert main(["picks", "export", str(picked), "--output", str(output)]) == 0
    return output


def test_export_and_stats(picked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "pairs.jsonl"
    assert main(["picks", "export", str(picked), "-o", str(output), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"output": str(output), "pairs": 120}
    assert len(output.read_text(encoding="utf-8").splitlines()) == 120
    assert main(["picks", "stats", str(picked), "--json"]) == 0
    expected = {"picks": 60, "pairs": 120, "sessions": 4, "prompts": 60, "models": {"toy": 60}}
    assert json.loads(capsys.readouterr().out) == {**expected, "first": 0.0, "last": 59 * 86_400.0}
    assert main(["picks", "stats", str(picked)]) == 0
    assert "1970-01-01 00:00 UTC to 1970-03-01 00:00 UTC" in capsys.readouterr().out


def test_wrong_input_exits_2(picked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty.sqlite"
    empty.touch()
    for arguments, message in (
        (["stats", str(tmp_path / "none.sqlite")], "slhf serve makes one"),
        (["stats", str(Path(__file__))], "cannot be read as a file of picks"),
        (["export", str(picked), "-o", str(tmp_path / "pairs.csv")], "ends in .jsonl"),
        (["export", str(picked), "-o", str(tmp_path / "nowhere" / "pairs.jsonl")], "make it first"),
        (["export", str(empty), "-o", str(tmp_path / "pairs.jsonl")], "holds no picks"),
    ):
        assert main(["picks", *arguments]) == 2
        assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "pairs.jsonl").exists()
    assert main(["picks", "stats", str(empty), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["first"] is None


def test_the_export_is_preference_data_like_any_other(pairs: Path) -> None:
    summary = summarise(str(pairs))
    assert (summary.format, summary.pairs, summary.prompts) == ("conversations", 120, 60)
    assert not summary.left_out
    first = load_pairs(str(pairs))[0]
    assert (first["chosen"], first["preference"]) == ("It is " + prompts()[0]["answer"] + ".", 1.0)


def test_rewards_alignment_and_the_game_take_it_as_it_is(pairs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = pairs.with_name("reward.yaml")
    recipe.write_text(RECIPE.format(pairs=pairs), encoding="utf-8")
    for arguments, said in (
        (["reward", "train", str(recipe)], "training pairs: preference 112"),
        (
            ["align", "toy-ssapo", f"seed.data={pairs}", "seed.attribute=null", "seed.share=1.0"],
            "120 seed pairs of 120",
        ),
        (["train", "quickstart", f"data.train={pairs}"], "data: 56 training"),
    ):
        assert main([*arguments, "--dry-run", "--json"]) == 0
        assert said in " ".join(json.loads(capsys.readouterr().out)["checked"])
