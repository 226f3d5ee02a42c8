"""A run of reward models from recipe to card, and what is refused before anything is trained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from tests.reward_fixtures import ATTRIBUTES, WORDS, classifier, rated, save_base
from tests.tiny import tokenizer

from slhf.errors import InputError
from slhf.judges.reward_models import reward_panel
from slhf.runs import reward_run
from slhf.runs.reward_build import build_pairs
from slhf.runs.reward_recipe import RewardRecipe, parse_reward_recipe
from slhf.runs.reward_run import train_reward
from slhf.types import Comparison


@pytest.fixture(scope="module")
def values(tmp_path_factory) -> dict:
    """A recipe that learns what "a" and brevity are in a second."""
    folder = tmp_path_factory.mktemp("reward")
    base = save_base(folder / "base")
    return {
        "name": "little",
        "model": str(base),
        "form": "heads",
        "data": {"train": str(rated(folder)), "attributes": list(ATTRIBUTES), "held_out": 0.4},
        "lora": {"r": 4, "alpha": 8},
        "args": {"num_train_epochs": 6, "per_device_train_batch_size": 16, "learning_rate": 1e-2, "use_cpu": True},
    }


def recipe(values: dict, **changes) -> RewardRecipe:
    data = {**values["data"], **changes.pop("data", {})}
    return parse_reward_recipe({**values, "data": data, **changes}, "little.yaml")


@pytest.fixture(scope="module", params=["heads", "adapters", "all weights"])
def finished(request, values, tmp_path_factory) -> tuple[Path, RewardRecipe, reward_run.RewardResult]:
    """A finished run of each form."""
    changes = {"form": "adapters"} if request.param == "adapters" else {}
    made = recipe(values, **changes, **({"lora": None} if request.param == "all weights" else {}))
    folder = tmp_path_factory.mktemp("run") / "run"
    return folder, made, train_reward(made, folder)


def test_rewards_are_learnt_and_told(finished):
    folder, _, result = finished
    assert set(result.reports) == set(ATTRIBUTES)
    for report in result.reports.values():
        assert report.accuracy.mean > 0.8
        assert report.accuracy.low > 0.6
        assert report.log_loss < 0.6
    written = json.loads((folder / "result.json").read_text())
    assert written["attributes"] == result.as_dict()["attributes"]
    assert json.loads((folder / "model" / "metrics.json").read_text())["attributes"] == written["attributes"]
    card = (folder / "model" / "README.md").read_text()
    for name, report in result.reports.items():
        assert f"| {name} | " in card
        assert str(report.accuracy) in card
    assert "nan" not in card
    assert not list(folder.rglob("*.partial"))
    assert [p.name for p in (folder / "model").rglob("*") if p.suffix in (".bin", ".pt", ".pth", ".pkl")] == []


def test_the_run_is_a_judge(finished):
    """Less is preferred among equals, and "a" is: a higher reward is the better one, of verbosity too."""
    folder, made, _ = finished
    panel = reward_panel(str(folder))
    assert panel.names == ATTRIBUTES
    say, hush = Comparison("say a one b", "a a a", "b b b"), Comparison("say a one b", "c", "c d d d")
    votes = panel.per_annotator([say, hush])
    assert votes[0, 0] == 1.0
    assert votes[1, 1] == 1.0
    held_out = build_pairs(made.data)[1].of("verbosity")
    asked = [Comparison(*key) for key in zip(held_out.prompts, held_out.first, held_out.second, strict=True)]
    accuracy = panel.per_annotator(asked)[1].mean()
    assert accuracy == pytest.approx(
        json.loads((folder / "result.json").read_text())["attributes"]["verbosity"]["accuracy"]["mean"]
    )


def test_held_out_prompts_are_not_trained_on(values):
    train, held_out = build_pairs(recipe(values).data)
    assert set(train.prompts).isdisjoint(held_out.prompts)
    assert len(set(train.prompts)) + len(set(held_out.prompts)) == 48
    again = recipe(values, data={"eval": values["data"]["train"], "train_split": "train", "eval_split": "train"})
    with pytest.raises(InputError, match=r"every training pair of 'helpfulness' is of a held-out prompt"):
        build_pairs(again.data)


def test_a_finished_run_is_not_written_over(finished, values):
    folder, made, result = finished
    with pytest.raises(InputError, match="already holds this run; continue it with --resume"):
        train_reward(made, folder)
    with pytest.raises(InputError, match=r"different run \(centring: 0.01 there, 0.5 here\)"):
        train_reward(parse_reward_recipe({**made.as_dict(), "centring": 0.5}, "x.yaml"), folder, resume=True)
    before = (folder / "model" / "slhf_reward.json").stat().st_mtime_ns
    again = train_reward(made, folder, resume=True)  # nothing is left to train: only the test is made again
    assert again.as_dict()["attributes"] == result.as_dict()["attributes"]
    assert (folder / "model" / "slhf_reward.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("form", ["heads", "adapters"])
def test_a_run_stopped_between_trainings_goes_on(values, tmp_path, monkeypatch, form):
    """Stopped after the last weights were written and before the folder had its name; then resumed."""
    made = recipe(values, form=form, args={**values["args"], "max_steps": 3})
    whole = train_reward(made, tmp_path / "whole")

    def stopped(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(reward_run, "_finish", stopped)
    with pytest.raises(KeyboardInterrupt):
        train_reward(made, tmp_path / "part")
    monkeypatch.undo()
    assert not (tmp_path / "part" / "model").exists()
    with pytest.raises(InputError, match="continue it with --resume"):
        train_reward(made, tmp_path / "part")
    resumed = train_reward(made, tmp_path / "part", resume=True)
    assert resumed.as_dict()["attributes"] == whole.as_dict()["attributes"]
    assert reward_panel(str(tmp_path / "part")).identity == reward_panel(str(tmp_path / "whole")).identity


def test_a_run_does_not_go_on_with_other_pairs(values, tmp_path, monkeypatch):
    file = tmp_path / "rated.jsonl"
    lines = Path(values["data"]["train"]).read_text().splitlines(keepends=True)
    file.write_text("".join(lines))
    made = recipe(values, data={"train": str(file)}, args={**values["args"], "max_steps": 2})
    monkeypatch.setattr(reward_run, "_heads", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        train_reward(made, tmp_path / "run")
    monkeypatch.undo()
    file.write_text("".join(lines[6:]))
    with pytest.raises(InputError, match="begun with other pairs"):
        train_reward(made, tmp_path / "run", resume=True)


def test_kept_ties_reach_the_heads(values, tmp_path):
    made = recipe(values, data={"ties": "half"})
    train, _ = build_pairs(made.data)
    labels = train.preference[~np.isnan(train.preference)]
    assert set(labels.tolist()) == {0.0, 0.5, 1.0}
    with pytest.raises(InputError, match=r"data.ties=drop"):
        train_reward(recipe(values, form="adapters", data={"ties": "half"}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_pairs_without_attributes_have_one_reward(values, tmp_path):
    train, _ = build_pairs(recipe(values).data)
    mine = train.of("verbosity")
    file = tmp_path / "pairs.jsonl"
    rows = zip(mine.prompts, mine.first, mine.second, strict=True)
    file.write_text("".join(json.dumps({"prompt": x, "chosen": a, "rejected": b}) + "\n" for x, a, b in rows))
    made = recipe(values, data={"train": str(file), "attributes": None}, args={**values["args"], "max_steps": 2})
    result = train_reward(made, tmp_path / "run")
    assert list(result.reports) == ["preference"]


def _write(path: Path, rows: list[dict]) -> dict:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"train": str(path)}


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("missing attribute", r"no column|attribute|verbosity"),
        ("unknown attribute", r"no attribute 'verbose'.*Did you mean 'verbosity'\?"),
        ("all ties", r"no pair stays.*ties"),
        ("one prompt", r"no prompt falls|no pair stays|one prompt"),
        ("no such file", r"there is no data file"),
        ("no such model", r"there is no such folder"),
        ("no adapter", r"needs a section lora"),
        ("a model with a head", r"has a head with 1 outputs already, and 2 are wanted"),
    ],
)
def test_wrong_input_is_refused_before_training(values, tmp_path, what, message, monkeypatch):
    rows = [json.loads(line) for line in Path(values["data"]["train"]).read_text().splitlines()]
    changes: dict = {}
    if what == "missing attribute":
        changes["data"] = _write(tmp_path / "d.jsonl", [{k: v for k, v in r.items() if k != "verbosity"} for r in rows])
    if what == "unknown attribute":
        changes["data"] = {"attributes": ["helpfulness", "verbose"]}
    if what == "all ties":
        changes["data"] = _write(tmp_path / "d.jsonl", [{**r, "verbosity": 1} for r in rows])
    if what == "one prompt":
        changes["data"] = _write(tmp_path / "d.jsonl", [{**r, "prompt": "say a"} for r in rows[:12]])
    if what == "no such file":
        changes["data"] = {"train": str(tmp_path / "nothing.jsonl")}
    if what == "no such model":
        changes["model"] = str(tmp_path / "nothing")
    if what == "a model with a head":
        changes["model"] = str(tmp_path / "classifier")
        classifier().save_pretrained(changes["model"])
        tokenizer(WORDS).save_pretrained(changes["model"])
    if what == "no adapter":
        changes |= {"form": "adapters", "lora": None}
    monkeypatch.setattr("transformers.Trainer.train", lambda *args, **kwargs: pytest.fail("it started"))
    with pytest.raises(InputError, match=message):
        train_reward(recipe(values, **changes), tmp_path / "run")
    # nothing is left that would stand in the way of the next try (a head of the wrong size is seen when it is loaded)
    assert (tmp_path / "run").exists() == (what == "a model with a head")


def test_the_recipe_beside_a_run_makes_it_again(finished):
    folder, made, _ = finished
    stored = yaml.safe_load((folder / "recipe.yaml").read_text())
    assert parse_reward_recipe(stored, "x.yaml").as_dict() == made.as_dict()


@pytest.mark.parametrize("form", ["heads", "skew"])
def test_the_card_names_the_adversary_and_the_run_goes_on(values, tmp_path, form):
    data = {"attributes": ["verbosity"]} if form == "skew" else {}
    made = recipe(values, form=form, data=data, robust={"window": [-4, 4], "epsilon": 0.05})
    result = train_reward(made, tmp_path)
    assert all(report.accuracy.mean > 0.8 for report in result.reports.values())
    card = (tmp_path / "model" / "README.md").read_text()
    assert "The worst case of each step's margins was minimised: margins moved within [-4, 4], ε = 0.05 a pair." in card
    kept = parse_reward_recipe(yaml.safe_load((tmp_path / "recipe.yaml").read_text()), "x.yaml")
    assert train_reward(kept, tmp_path, resume=True).as_dict()["attributes"] == result.as_dict()["attributes"]
    other = recipe(values, form=form, data=data, robust={"window": [-4, 4], "epsilon": 0.1})
    with pytest.raises(InputError, match=r"different run \(robust\.epsilon: 0.05 there, 0.1 here\)"):
        train_reward(other, tmp_path, resume=True)
