"""``form: skew`` from a recipe to a judge: a circle that no reward can learn, and a line that rewards learn as well."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import yaml
from tests import tiny
from tests.reward_fixtures import rated, save_base

from slhf.errors import InputError
from slhf.judges import judge_from, preferences
from slhf.judges.reward_models import reward_panel
from slhf.runs import reward_run
from slhf.runs.reward_dry_run import reward_dry_run
from slhf.runs.reward_recipe import RewardRecipe, parse_reward_recipe
from slhf.runs.reward_run import train_reward
from slhf.types import Comparison

WORDS = ("<end>", "say", "a", "b", "c", "d", "e", "f", "rock", "paper", "scissors", "and", "<pad>")
CIRCLE = (("paper", "rock"), ("scissors", "paper"), ("rock", "scissors"))


@pytest.fixture(scope="module")
def circle(tmp_path_factory) -> dict:
    """A recipe on pairs of which each prompt has a whole circle."""
    folder = tmp_path_factory.mktemp("circle")
    tiny.tokenizer(WORDS).save_pretrained(folder / "base")
    tiny.model(len(WORDS), hidden=32, scale=0.2).save_pretrained(folder / "base")
    prompts = [f"say {a} and {b}" for a, b in product("abcdef", repeat=2)]
    rows = [{"prompt": x, "chosen": y, "rejected": z} for x in prompts for y, z in CIRCLE]
    (folder / "circle.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {
        "name": "circle",
        "model": str(folder / "base"),
        "form": "skew",
        "dimension": 2,
        "data": {"train": str(folder / "circle.jsonl"), "held_out": 0.4},
        "args": {"max_steps": 60, "per_device_train_batch_size": 18, "learning_rate": 5e-3, "use_cpu": True, "seed": 1}
        | {"save_strategy": "no"},
    }


def recipe(values: dict, **changes) -> RewardRecipe:
    return parse_reward_recipe({**values, **changes}, "circle.yaml")


@pytest.fixture(scope="module")
def trained(circle, tmp_path_factory) -> tuple[Path, reward_run.RewardResult]:
    folder = tmp_path_factory.mktemp("run") / "run"
    return folder, train_reward(recipe(circle), folder)


def test_a_circle_is_learnt(trained):
    folder, result = trained
    (report,) = result.reports.values()
    assert report.pairs >= 30
    assert report.accuracy.mean > 0.99
    assert report.log_loss < 0.1
    judge = judge_from({"name": "skew", "model": str(folder)})
    p = preferences(judge, [Comparison("say a and f", y, z) for y, z in CIRCLE])
    assert (p > 0.9).all(), "each beats the next, all the way round"


def test_rewards_get_at_most_two_thirds_of_a_circle(circle, tmp_path):
    """Proof: r(1) − r(2), r(2) − r(3) and r(3) − r(1) add up to 0, so they are not all above 0.

    If one is below 0, at most two of the three pairs are right; if none is, all are 0, and three ties count 3/2. So
    whatever the rewards are, at most 2 of the 3 pairs of each prompt.
    """
    result = train_reward(recipe(circle, form="heads", dimension=None), tmp_path / "run")
    (report,) = result.reports.values()
    assert report.pairs % 3 == 0, "whole circles are held out"
    assert report.accuracy.mean <= 2 / 3 + 1e-12
    assert report.log_loss >= np.log(2) - 1e-9, "log-odds that add up to 0 cost no less than none, by Jensen"


def test_the_card_and_the_result_say_what_it_is(trained):
    folder, result = trained
    card = (folder / "model" / "README.md").read_text()
    for words in ("# Preference model: circle", "prefer in circles", "embedded as 2 numbers", "judge.name=skew"):
        assert words in card
    assert str(result.reports["preference"].accuracy) in card
    assert "nan" not in card
    written = json.loads((folder / "result.json").read_text())
    assert (written["form"], written["dimension"], written["base"]) == ("skew", 2, written["base"])
    assert json.loads((folder / "model" / "slhf_skew.json").read_text())["pairs"] == 1
    stored = yaml.safe_load((folder / "recipe.yaml").read_text())
    assert parse_reward_recipe(stored, "x.yaml").dimension == 2
    assert not [p.name for p in folder.rglob("*") if p.suffix in (".bin", ".pt", ".pth", ".pkl", ".partial")]


def test_the_report_is_what_the_judge_says(trained, circle):
    folder, result = trained
    judge = judge_from({"name": "skew", "model": str(folder)})
    held_out = reward_run.build_pairs(recipe(circle).data)[1].of("preference")
    p = judge.prefer([Comparison(*key) for key in zip(held_out.prompts, held_out.first, held_out.second, strict=True)])
    report = result.reports["preference"]
    assert report.accuracy.mean == pytest.approx((p > 0.5).mean())
    assert report.log_loss == pytest.approx(-np.log(p).mean(), rel=1e-6)


def test_a_run_stopped_before_it_had_its_name_goes_on(circle, tmp_path, monkeypatch):
    args = {**circle["args"], "max_steps": 4, "save_strategy": "steps", "save_steps": 2}
    made = recipe(circle, args=args, dimension=None, lora={"r": 2, "alpha": 4})
    whole = train_reward(made, tmp_path / "whole")

    def stopped(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("slhf.training.skew_training.save_skew", stopped)
    with pytest.raises(KeyboardInterrupt):
        train_reward(made, tmp_path / "part")
    monkeypatch.undo()
    resumed = train_reward(made, tmp_path / "part", resume=True)
    assert resumed.as_dict()["attributes"] == whole.as_dict()["attributes"]
    one, two = (judge_from({"name": "skew", "model": str(tmp_path / name)}) for name in ("whole", "part"))
    assert one.identity == two.identity  # type: ignore[attr-defined]
    assert not (tmp_path / "whole" / "model" / "model.safetensors").exists(), "an adapter alone"


def test_a_folder_of_the_other_kind_names_its_judge(trained):
    with pytest.raises(InputError, match="a preference model: it is the judge 'skew'"):
        reward_panel(str(trained[0]))


def test_a_trial(circle):
    found = reward_dry_run(recipe(circle))
    assert any("one step of a random llama model" in line for line in found.checked)


@pytest.mark.slow
def test_on_a_line_it_is_no_worse_than_rewards(tmp_path):
    """One attribute puts responses in a line; the same base, steps and pairs, seeds 0 and 1."""
    base, file = save_base(tmp_path / "base"), rated(tmp_path)
    accuracy = {
        form: [
            train_reward(
                parse_reward_recipe(
                    {
                        "model": str(base),
                        "form": form,
                        "data": {"train": str(file), "attributes": ["verbosity"], "held_out": 0.4},
                        "args": {"max_steps": 40, "per_device_train_batch_size": 16, "learning_rate": 1e-2}
                        | {"use_cpu": True, "seed": seed, "save_strategy": "no"},
                    },
                    "line.yaml",
                ),
                tmp_path / f"{form}{seed}",
            )
            .reports["verbosity"]
            .accuracy
            for seed in range(2)
        ]
        for form in ("skew", "heads")
    }
    skew, reward = (np.mean([found.mean for found in accuracy[form]]) for form in ("skew", "heads"))
    assert reward > 0.8
    assert skew >= reward - max(found.stderr for found in accuracy["heads"])
