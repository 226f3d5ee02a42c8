"""A run of alignment on a little model: its files, its numbers against independent ones, and going on."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests import tiny as little
from tests.align_fixtures import write_lines

import slhf.runs.align_run as align_run
from slhf.data import load_pairs
from slhf.data.pair_files import read_rows
from slhf.errors import InputError
from slhf.policies import load_policy
from slhf.robust import adversary
from slhf.runs.align_recipe import parse_align_recipe
from slhf.runs.align_run import align
from slhf.training.pairs import PairTrainer

STAGES = [
    "0-adversary", "0-evaluate", "0-seed", "0-update",
    "1-adversary", "1-evaluate", "1-label", "1-sample", "1-update",
    "2-adversary", "2-evaluate", "2-label", "2-sample", "2-update",
]  # fmt: skip


def values_of(folder: Path) -> dict[str, Any]:
    """What a run found, without what may differ between two runs of one recipe."""
    return {k: v for k, v in json.loads((folder / "result.json").read_text()).items() if k != "seconds"}


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    """All weights of a run's last model."""
    return {k: v for path in sorted((folder / "model").glob("*.safetensors")) for k, v in load_file(path).items()}


def same(first: Path, second: Path) -> None:
    """Two runs left the same: numbers, pairs, margins, model, to the last bit."""
    assert values_of(first) == values_of(second)
    a, b = weights_of(first), weights_of(second)
    assert a.keys() == b.keys()
    assert len(a) > 0
    assert all(torch.equal(a[key], b[key]) for key in a)
    files = sorted(p.relative_to(first) for p in first.glob("stages/*/*.parquet"))
    assert len(files) == 9
    assert all(read_rows(first / file) == read_rows(second / file) for file in files)


@pytest.fixture(autouse=True)
def no_page(request, monkeypatch):
    """Drawing takes longer than a run; the fixture below is made with it, once."""
    request.getfixturevalue("finished")
    monkeypatch.setattr("slhf.reports.page.Page.write", lambda self, folder: Path(folder))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, request):
    """One finished run and its recipe's values, made once."""
    folder = tmp_path_factory.mktemp("aligned")
    tiny = folder / "tiny"
    from tests import run_fixtures

    little.tokenizer(run_fixtures.WORDS).save_pretrained(tiny)
    little.model(len(run_fixtures.WORDS), layers=2).save_pretrained(tiny)
    from tests.align_fixtures import align_values

    values = align_values.__wrapped__(tiny, folder)
    align(parse_align_recipe(values, "t.yaml"), folder / "run")
    return values, folder / "run"


def test_every_stage_leaves_its_files(finished):
    _, run = finished
    assert sorted(p.name for p in (run / "stages").iterdir()) == STAGES
    assert len((run / "stages" / "1-sample" / "answers.jsonl").read_text().splitlines()) == 28
    pairs = load_pairs(run / "stages" / "1-label" / "pairs.parquet")
    counts = json.loads((run / "stages" / "1-label" / "counts.json").read_text())
    assert len(pairs) == counts["pairs"] <= 14
    assert len(pairs) + sum(v for k, v in counts["left_out"].items() if k != "empty answers") == 14
    assert min(pairs["margin"]) > 0
    assert set(pairs["preference"]) == {1.0}
    assert not list(run.glob("stages/*/checkpoint-*"))
    assert (run / "model").resolve() == (run / "stages" / "2-update" / "model").resolve()
    load_policy(run)


def test_margins_and_the_adversary_are_what_they_should_be(finished):
    """Margins by a plain forward of the saved model and of the base; weights by the adversary itself."""
    values, run = finished
    rows = read_rows(run / "stages" / "2-adversary" / "adversary.parquet")
    policy = load_policy(run / "stages" / "1-update" / "model")
    base = load_policy(values["model"])
    for row in rows[::5]:
        context = policy.roles.leader_context(row["prompt"])
        both = [policy.roles.answer_tokens(row[side]) for side in ("chosen", "rejected")]
        pi, ref = (little.sequence_log_probs(p.model, context, both).detach().double() for p in (policy, base))
        ratio = (pi - ref).numpy()
        assert row["margin_before"] == pytest.approx(0.5 * (ratio[0] - ratio[1]), abs=1e-5)
    xi = np.array([row["margin_before"] for row in rows])
    worst = adversary(xi, window=(-1.0, 1.0), epsilon=0.05)
    told = json.loads((run / "stages" / "2-adversary" / "counts.json").read_text())
    assert told["value"] == pytest.approx(worst.value, abs=1e-12)
    assert told["multiplier"] == pytest.approx(worst.multiplier, abs=1e-12)
    assert told["certificate"] == pytest.approx(0.0, abs=1e-10)
    assert told["mean_loss"] == pytest.approx(np.mean([math.log1p(math.exp(-x)) for x in xi]), abs=1e-12)
    np.testing.assert_allclose([row["moved"] for row in rows], worst.moved)
    np.testing.assert_allclose([row["weight"] for row in rows], worst.weights * len(rows))
    assert worst.moved.sum() > 0


def test_updates_train_on_all_pairs_so_far(finished):
    _, run = finished
    stages = run / "stages"
    own = [len(read_rows(stages / f"{t}-{'label' if t else 'seed'}" / "pairs.parquet")) for t in range(3)]
    assert own[0] == 12
    for t in range(3):
        rows = read_rows(stages / f"{t}-adversary" / "adversary.parquet")
        assert [row["iteration"] for row in rows] == [k for k in range(t + 1) for _ in range(own[k])]
        assert len(read_rows(stages / f"{t}-update" / "margins-after.parquet")) == len(rows)
    assert all(row["margin_before"] == 0.0 for row in read_rows(stages / "0-adversary" / "adversary.parquet"))


def test_win_rates_are_the_judges(finished):
    _, run = finished
    rates = json.loads((run / "stages" / "2-evaluate" / "rates.json").read_text())
    assert rates["names"] == ["base", "seed", "iteration-1", "iteration-2"]
    answers = {
        name: [row["answer"] for row in read_rows(run / "stages" / f"{t}-evaluate" / f"{name}.jsonl")]
        for name, t in (("base", 0), ("iteration-2", 2))
    }
    p = [0.5 + 0.4 * (("a" in y) - ("a" in z)) for y, z in zip(answers["iteration-2"], answers["base"], strict=True)]
    found = values_of(run)["iterations"][2]["win_rates"]["base"]
    assert found["mean"] == pytest.approx(np.mean(p), abs=1e-12)
    assert found["stderr"] == pytest.approx(np.std(p, ddof=1) / math.sqrt(len(p)), abs=1e-12)


def test_the_page_shows_it(finished):
    _, run = finished
    page = (run / "report.html").read_text()
    for words in ("Win rates", "Margins", "Weights", "What the adversary touched most", "Answers side by side", "λ*"):
        assert words in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert sorted(p.name for p in (run / "figures").glob("*.png")) == ["margins.png", "weights.png", "win-rates.png"]


def test_interrupted_in_every_stage_it_ends_the_same(finished, tmp_path, monkeypatch):
    """Every kind of stage is interrupted once, in the middle or when it was about to be whole, and gone on from."""
    values, whole = finished
    recipe, made, left = parse_align_recipe(values, "t.yaml"), align_run.stage, list(INTERRUPTED)

    def broken(run, iteration, name, make):
        def half(folder):
            (folder / "half-written.parquet").write_bytes(b"PAR1")
            if name == "update":  # it ends in its third step, and leaves checkpoints
                monkeypatch.setattr("slhf.training.pairs.PairTrainer.log", _interrupt)
            make(folder)
            raise KeyboardInterrupt

        if [iteration, name] in left:
            left.remove([iteration, name])
            return made(run, iteration, name, half)
        return made(run, iteration, name, make)

    monkeypatch.setattr(align_run, "stage", broken)
    log = PairTrainer.log
    for number in range(len(INTERRUPTED)):
        with pytest.raises(KeyboardInterrupt):
            align(recipe, tmp_path / "run", resume=number > 0)
        monkeypatch.setattr("slhf.training.pairs.PairTrainer.log", log)
        if number == 0:
            with pytest.raises(InputError, match="continue it with --resume"):
                align(recipe, tmp_path / "run")
    assert not left
    align(recipe, tmp_path / "run", resume=True)
    for partial in tmp_path.glob("run/stages/*/half-written.parquet"):
        partial.unlink()
    same(whole, tmp_path / "run")


INTERRUPTED = [
    [0, "seed"],
    [0, "update"],
    [1, "sample"],
    [1, "label"],
    [1, "adversary"],
    [1, "update"],
    [2, "evaluate"],
]


def _interrupt(self, *args, **kwargs):
    if self.state.global_step >= 2:
        raise KeyboardInterrupt


def test_another_recipe_is_refused(finished):
    values, whole = finished
    other = parse_align_recipe({**values, "iterations": 1, "pool": {**values["pool"], "size": 5}}, "t.yaml")
    with pytest.raises(InputError, match=r"holds a different run \(iterations: 2 there, 1 here"):
        align(other, whole, resume=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"label": "judge", "loss": {"name": "dpo"}, "hard": False, "merge": "seed_and_newest", "start": "sft"},
        {"loss": {"name": "flip", "epsilon": 0.1, "flip_cost": 0.5}, "lora": None, "merge": "newest"},
        {"loss": {"name": "spa"}, "sampling": {"answers": 3, "temperature": 1.0, "max_new_tokens": 3}},
        {"iterations": 0, "evaluation": None, "pool": None},
    ],
    ids=["judge", "full-weights-flip", "spa", "seed-alone"],
)
def test_the_other_forms_of_the_loop(align_values, tmp_path, changes):
    values = {**align_values, "iterations": 1, **changes}
    if values["pool"]:
        values["pool"] = {**values["pool"], "size": 14}
    values["seed"] = {**values["seed"], "choose": "farthest"}
    if changes.get("label") == "judge":
        values["label"] = dict(align_values["evaluation"]["judge"])
    recipe = parse_align_recipe(values, "t.yaml")
    found = align(recipe, tmp_path / "run").as_dict()
    last = tmp_path / "run" / "stages" / f"{recipe.iterations}-adversary" / "adversary.parquet"
    rows = read_rows(last)
    kept = {"seed_and_newest": {0, 1}, "newest": {1}, "all": {0, 1} if recipe.iterations else {0}}[recipe.merge]
    assert {row["iteration"] for row in rows} == kept
    assert len(found["iterations"]) == recipe.iterations + 1
    after = read_rows(last.parents[1] / f"{recipe.iterations}-update" / "margins-after.parquet")
    assert max(abs(row["margin_after"]) for row in after) > 1e-4  # it was trained, and π_SFT is still the SFT model
    if changes.get("label") == "judge":
        own = [row["preference"] for row in rows if row["iteration"] == 1]
        assert own == pytest.approx([0.9] * len(own))
    if "flip" in str(changes.get("loss")):
        assert found["iterations"][1]["adversary"]["moved"] > 0


def test_a_run_does_not_go_on_with_other_data(align_values, tmp_path, monkeypatch):
    recipe = parse_align_recipe({**align_values, "iterations": 0, "evaluation": None}, "t.yaml")
    monkeypatch.setattr(align_run, "_iteration", _interrupted)
    with pytest.raises(KeyboardInterrupt):
        align(recipe, tmp_path / "run")
    with Path(align_values["seed"]["data"]).open("a") as lines:
        lines.write('{"prompt": "say a new", "chosen": "a", "rejected": "b"}\n')
    with pytest.raises(InputError, match="was begun with other pairs or prompts"):
        align(recipe, tmp_path / "run", resume=True)


def _interrupted(*args):
    raise KeyboardInterrupt


def test_nothing_to_learn_from(align_values, tmp_path):
    values = {**align_values, "iterations": 1, "pool": {**align_values["pool"], "size": 10}}
    values["sampling"] = {"answers": 2, "temperature": 1e-6, "max_new_tokens": 4}
    with pytest.raises(InputError, match=r"there is nothing to learn from: raise sampling\.temperature"):
        align(parse_align_recipe(values, "t.yaml"), tmp_path / "run")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("pool", r"t\.yaml: pool: the prompt .* has 126 tokens, and an answer 4 more; it may have 124: leave it out"),
        ("evaluation", r"t\.yaml: evaluation: the prompt .* has 126 tokens"),
        ("seed", r"t\.yaml: seed: the prompt .* has 130 tokens.*seed\.max_prompt_length=64"),
    ],
)
def test_prompts_too_long_are_found_before_training(align_values, tmp_path, section, message):
    long = {"prompt": " ".join(["a"] * (130 if section == "seed" else 126)), "chosen": "b", "rejected": "c"}
    rows = [*(json.loads(line) for line in Path(align_values[section]["data"]).read_text().splitlines()), long]
    if section != "seed":
        rows = [{"prompt": row["prompt"]} for row in rows]
    align_values[section]["data"] = write_lines(tmp_path / "long.jsonl", rows)
    with pytest.raises(InputError, match=message):
        align(parse_align_recipe(align_values, "t.yaml"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    if section == "seed":
        align_values["seed"]["max_prompt_length"] = 64
        recipe = parse_align_recipe({**align_values, "iterations": 0, "evaluation": None}, "t.yaml")
        assert align(recipe, tmp_path / "run").values["iterations"][0]["new_pairs"]["of"] == 24


def test_arguments_that_do_not_go_together_are_found_before_training(align_values, tmp_path):
    align_values["seed_args"] = {"temperature": -1.0}
    with pytest.raises(InputError, match=r"t\.yaml: args: temperature=-1"):
        align(parse_align_recipe(align_values, "t.yaml"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
