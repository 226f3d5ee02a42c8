"""Recipes are read strictly, and what is wrong in one is named by file and key."""

from __future__ import annotations

import copy
import math

import pytest
import yaml

from slhf import toy
from slhf.errors import InputError, NotTrainedError
from slhf.runs import load_recipe, shipped_recipes
from slhf.runs.build import (
    build_algorithm,
    build_arguments,
    build_data,
    build_judge,
    build_lora,
    build_test_data,
)
from slhf.runs.recipe import parse_recipe
from slhf.runs.strict import override, read_yaml

NAMES = (
    "helpsteer2-qwen2.5-0.5b",
    "helpsteer2-qwen2.5-1.5b",
    "helpsteer2-qwen2.5-3b",
    "quickstart",
    "stories",
    "toy-nash-md",
    "toy-rloo",
    "toy-verifiable",
)


def test_shipped_recipes_are_found_and_in_order(root):
    assert tuple(shipped_recipes()) == NAMES
    games = [
        p for p in sorted((root / "recipes").glob("*.yaml")) if not (p.stem[:7] == "reward-" or "-ssapo" in p.stem)
    ]
    assert [p.name for p in games] == [f"{n}.yaml" for n in NAMES]
    for name in NAMES:
        recipe = load_recipe(name)
        assert recipe.name == name
        assert recipe.description


def test_the_published_settings():
    """Paper §5 as listed in the theory notes: 1,000 steps of 32, η=1e-5, τ=.001, κ=5, LoRA 32/64/.1, T=.9, 512."""
    recipe = load_recipe("helpsteer2-qwen2.5-0.5b")
    algorithm, lora = build_algorithm(recipe), build_lora(recipe)
    assert (algorithm.kappa, algorithm.tau_leader, algorithm.tau_follower) == (5.0, 0.001, 0.001)
    assert lora is not None
    assert (lora.r, lora.lora_alpha, lora.lora_dropout) == (32, 64, 0.1)
    args = recipe.args
    assert (args["max_steps"], args["per_device_train_batch_size"], args["learning_rate"]) == (1000, 32, 1e-5)
    assert (args["temperature"], args["max_new_tokens"]) == (0.9, 512)
    assert recipe.data.train == "helpsteer2"
    assert recipe.judge == {"name": "reward_panel", "models": ["runs/reward-helpsteer2"]}
    with pytest.raises(NotTrainedError, match=r"judge: there are no reward models at .*train them first"):
        build_judge(recipe)


def test_a_recipe_may_leave_the_judge_open(recipe_values, tmp_path):
    recipe_values["judge"] = {"callable": None}
    file = tmp_path / "open.yaml"
    file.write_text(yaml.safe_dump(recipe_values))
    with pytest.raises(InputError, match=r"leaves the judge to you; give judge\.callable="):
        build_judge(load_recipe(file))


def test_a_recipe_becomes_settings(recipe_file, tmp_path):
    recipe = load_recipe(recipe_file)
    assert recipe.args["learning_rate"] == 1e-2  # text in YAML, a number here
    args = build_arguments(recipe, tmp_path / "run")
    assert args.max_new_tokens == 4
    assert args.output_dir == str(tmp_path / "run")
    assert build_algorithm(recipe).kappa == 2.0
    train, held_out = build_data(recipe.data)
    assert len(train) + len(held_out) == 24
    assert not set(train["prompt"]) & set(held_out["prompt"])


def test_overrides(recipe_file):
    recipe = load_recipe(
        recipe_file,
        [
            "args.learning_rate=3e-5",
            "lora=null",
            "judge=stories",
            "judge.soft=true",
            "data.train_limit=5",
            "description=words",
            "algorithm.kl=sequence",
        ],
    )
    assert recipe.args["learning_rate"] == 3e-5
    assert recipe.lora is None
    assert recipe.judge == {"name": "stories", "soft": True}
    assert build_judge(recipe).soft is True  # type: ignore[attr-defined]
    assert recipe.data.train_limit == 5
    assert recipe.algorithm["kl"] == "sequence"
    assert load_recipe(recipe_file, ["lora.r=8"]).lora.r == 8  # type: ignore[union-attr]
    assert load_recipe("stories", ["lora.r=8"]).lora.r == 8  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("off", "off"),
        ("true", True),
        ("False", False),
        ("1e-5", 1e-5),
        ("-2.5E+3", -2500.0),
        (".5", 0.5),
        ("3", 3),
        ("1e", "1e"),
        ("1.2.3", "1.2.3"),
        ("null", None),
        ("[a, 2]", ["a", 2]),
        (".inf", math.inf),
    ],
)
def test_words_and_numbers_are_yaml_1_2(tmp_path, text, value):
    assert override({}, [f"key={text}"]) == {"key": value}
    path = tmp_path / "one.yaml"
    path.write_text(f"key: {text}\n")
    assert read_yaml(path) == {"key": value}


def test_what_is_stored_makes_the_same_run(recipe_values):
    recipe = parse_recipe(recipe_values, "here.yaml")
    again = parse_recipe(yaml.safe_load(recipe.as_yaml()), "there.yaml")
    assert again.as_dict() == recipe.as_dict()


def _set(values, path, value):
    values = copy.deepcopy(values)
    *sections, key = path.split(".")
    here = values
    for section in sections:
        here = here.setdefault(section, {})
    if value is None:
        del here[key]
    else:
        here[key] = value
    return values


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("modle", "x", r"t\.yaml: modle: there is no such setting\. Did you mean 'model'"),
        ("args.lerning_rate", 1, r"t\.yaml: args\.lerning_rate: .*Did you mean 'learning_rate'"),
        ("args.learning_rate", "fast", r"args\.learning_rate: expected float, got str 'fast'"),
        ("args.max_steps", 1.5, r"args\.max_steps: expected int, got float 1\.5"),
        ("args.max_steps", [3], r"args\.max_steps: expected int, got list"),
        ("args.output_dir", "x", r"args\.output_dir: the run decides this; use output: or --output"),
        ("algorithm.kapa", 1, r"algorithm\.kapa: .*Did you mean 'kappa'"),
        ("algorithm.kappa", -1.0, r"algorithm\.kappa=-1\.0: must be a finite number"),
        ("algorithm.kl", "k3", r"t\.yaml: algorithm\."),
        ("algorithm.name", "stackelberg", r"no algorithm 'stackelberg'.*Did you mean 'stackelberg_gda'"),
        ("lora.rank", 3, r"lora\.rank: there is no such setting.*Known here: alpha, dropout, r, target_modules"),
        ("lora.r", 0, r"lora\.r: must be at least 1, got 0"),
        ("lora.dropout", 1.0, r"lora\.dropout: must lie in"),
        ("data.trian", "x", r"data\.trian: .*Did you mean 'train'"),
        ("data.train", None, r"data\.train: this setting is missing"),
        ("data.eval_limit", 1, r"data\.eval_limit: must be at least 2, got 1"),
        ("data.held_out", 2.0, r"data\.held_out: must lie between 0 and 1"),
        ("judge.nmae", "toy", r"judge\.nmae: .*Did you mean 'name'"),
        ("judge.name", "toy", r"judge: give either a name or a callable, not both"),
        ("model", None, "the setting 'model' is missing"),
        ("model", 3, "model: expected str, got int 3"),
        ("judge", None, "the setting 'judge' is missing"),
        ("lora", "small", r"t\.yaml: lora: expected a section of settings, got 'small'"),
        ("args", ["x"], r"t\.yaml: args: expected a section"),
    ],
)
def test_wrong_settings_are_named(recipe_values, path, value, message):
    with pytest.raises(InputError, match=message):
        parse_recipe(_set(recipe_values, path, value), "t.yaml")


def test_values_that_do_not_go_together(recipe_values, tmp_path):
    recipe = parse_recipe(_set(recipe_values, "args.temperature", -1.0), "t.yaml")
    with pytest.raises(InputError, match=r"t\.yaml: args: temperature=-1"):
        build_arguments(recipe, tmp_path)
    recipe = parse_recipe(_set(recipe_values, "args.lr_scheduler_type", "no-such"), "t.yaml")
    with pytest.raises(InputError, match=r"t\.yaml: args: .*no-such"):
        build_arguments(recipe, tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: [", "not valid YAML"),
        ("- a\n- b\n", "a recipe is a mapping of settings, got list"),
        ("", "a recipe is a mapping of settings, got NoneType"),
        ("model: a\nmodel: b\n", "the key 'model' stands twice"),
    ],
)
def test_files_that_are_no_recipes(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"(?s)bad\.yaml: .*{message}"):
        load_recipe(path)


def test_missing_files(recipe_file, tmp_path):
    with pytest.raises(InputError, match=r"no recipe 'storys'.*are helpsteer2.*Did you mean 'stories'"):
        load_recipe("storys")
    with pytest.raises(InputError, match=r"no recipe '.*none\.yaml'"):
        load_recipe(tmp_path / "none.yaml")
    gone = load_recipe(recipe_file, [f"data.train={tmp_path / 'gone.jsonl'}"])
    with pytest.raises(InputError, match=r"there is no data file .*gone\.jsonl"):
        build_data(gone.data)
    gone = load_recipe(recipe_file, ["judge.callable=gone.py:prefer"])
    with pytest.raises(InputError, match=r"tiny\.yaml: judge: .*there is no file .*gone\.py"):
        build_judge(gone)


@pytest.mark.parametrize("assignment", ["args.seed", "=3", "args..seed=3", "args.seed=[", "model.name.x=1"])
def test_overrides_that_are_none(recipe_file, assignment):
    with pytest.raises(InputError, match=r"override|expected a section"):
        load_recipe(recipe_file, [assignment])


def test_prompts_in_a_second_file_are_all_held_out_and_never_trained_on(recipe_values, tmp_path):
    other = tmp_path / "other.jsonl"
    other.write_text('{"prompt": "say a one"}\n{"prompt": "say new"}\n')
    recipe = parse_recipe(_set(recipe_values, "data.eval", str(other)), "t.yaml")
    train, held_out = build_data(recipe.data)
    assert held_out["prompt"][:] == ["say a one", "say new"]
    assert len(train) == 23
    assert "say a one" not in train["prompt"][:]
    assert build_test_data(recipe.data) is None
    everything = _set(recipe_values, "data.eval", recipe_values["data"]["train"])
    assert len(build_data(parse_recipe(everything, "t.yaml").data)[1]) < 24


def test_the_quickstart_chooses_on_validation_and_tests_on_test():
    data = load_recipe("quickstart").data
    train, held_out = build_data(data)
    test = build_test_data(data)
    assert held_out["prompt"][:] == [row["prompt"] for row in toy.prompts("validation")]
    assert test["prompt"][:] == [row["prompt"] for row in toy.prompts("test")]
    assert train["prompt"][:] == [row["prompt"] for row in toy.prompts("train")]


def test_prompts_of_the_table_are_not_trained_on_and_a_split_that_is_none_is_refused(recipe_values):
    values = _set(recipe_values, "data.test_split", "train")
    with pytest.raises(InputError, match="nothing is left to train on"):
        build_data(parse_recipe(values, "t.yaml").data)
    with pytest.raises(InputError, match="Did you mean 'test'"):
        build_test_data(parse_recipe(_set(recipe_values, "data.test_split", "tset"), "t.yaml").data)
