"""Recipes of alignment are read strictly, and those that come with the package can be tried anywhere."""

from __future__ import annotations

import copy

import pytest
import yaml

from slhf.errors import InputError
from slhf.runs.align_dry_run import align_dry_run
from slhf.runs.align_recipe import load_align_recipe, parse_align_recipe
from slhf.runs.recipe import load_recipe, shipped_align_recipes, shipped_recipes

NAMES = ("stories-ssapo", "toy-ssapo", "ultrafeedback-llama-3-8b-ssapo", "ultrafeedback-mistral-7b-ssapo")


def test_shipped_recipes_are_found(root):
    assert tuple(shipped_align_recipes()) == NAMES
    assert not set(NAMES) & set(shipped_recipes())
    assert {p.stem for p in (root / "recipes").glob("*-ssapo.yaml")} == set(NAMES)
    for name in NAMES:
        recipe = load_align_recipe(name)
        assert (recipe.name, recipe.label) == (name, {"name": "implicit"})
        assert recipe.description
        assert recipe.loss["name"] == "sgpo"


@pytest.mark.parametrize(
    ("name", "rate", "beta", "sizes", "epochs"),
    [
        ("ultrafeedback-mistral-7b-ssapo", 5e-7, 0.1, [8000, 20000, 30000], 3),
        ("ultrafeedback-llama-3-8b-ssapo", 1e-6, 0.05, [8000, 20000], 1),
    ],
)
def test_the_published_settings(name, rate, beta, sizes, epochs):
    """Seed 2K, T = .7, 300 tokens, ε = .01, batches of 32, cosine, warm-up .1, texts of 2,048 tokens."""
    recipe = load_align_recipe(name)
    assert (recipe.seed.limit, recipe.sizes) == (2000, sizes)
    sampling = recipe.sampling
    assert (sampling.answers, sampling.temperature, sampling.max_new_tokens) == (2, 0.7, 300)
    assert (recipe.loss["epsilon"], recipe.loss["beta"], recipe.seed_loss["beta"]) == (0.01, beta, beta)
    args = {**recipe.args, **recipe.seed_args}
    assert (args["learning_rate"], args["num_train_epochs"], args["per_device_train_batch_size"]) == (rate, epochs, 32)
    assert (args["lr_scheduler_type"], args["warmup_steps"], args["max_length"]) == ("cosine", 0.1, 2048)


def test_what_is_stored_makes_the_same_run(align_values):
    recipe = parse_align_recipe(align_values, "folder/t.yaml")
    again = parse_align_recipe(yaml.safe_load(recipe.as_yaml()), "again.yaml")
    assert again.as_dict() == recipe.as_dict()
    assert recipe.sizes == [14, 10]
    assert recipe.seed_loss == {"name": "dpo", "beta": 0.1}
    short = {k: align_values[k] for k in ("model", "seed", "pool")}
    short["seed"] = short["seed"]["data"]
    defaults = parse_align_recipe({**short, "pool": {**short["pool"], "size": 3}}, "folder/short.yaml")
    assert (defaults.name, defaults.iterations, defaults.loss["name"], defaults.merge) == ("short", 3, "sgpo", "all")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("modle", "x", r"t\.yaml: modle: there is no such setting\. Did you mean 'model'"),
        ("model", None, "the setting 'model' is missing"),
        ("seed", None, "the setting 'seed' is missing"),
        ("seed.dta", "x", r"seed\.dta: .*Did you mean 'data'"),
        ("seed.share", 0.5, r"seed: give share or limit, not both"),
        ("seed.limit", 0, r"seed\.limit: must be at least 1"),
        ("seed.choose", "farest", r"seed\.choose: 'farest' is not one of random, farthest\. Did you mean 'farthest'"),
        ("seed.flipped", 1.5, r"seed\.flipped: must lie between 0 and 1"),
        ("pool", None, r"pool: 2 iterations need prompts to label"),
        ("pool.size", [3], r"pool\.size: 1 numbers for 2 iterations"),
        ("pool.size", [3, 0], r"pool\.size: every iteration takes at least 1 prompt"),
        ("pool.size", "many", r"pool\.size: expected"),
        ("iterations", -1, r"iterations: must be 0 or more"),
        ("sampling.answers", 1, r"sampling\.answers: must be at least 2"),
        ("sampling.temperature", 0.0, r"sampling\.temperature: must be positive"),
        ("label", "implict", r"no judge called 'implict'.*Did you mean 'implicit'"),
        ("label", {"name": "implicit", "beta": 1}, r"label\.beta: there is no such setting"),
        ("loss", "spgo", r"loss\.name: there is no loss 'spgo'.*Did you mean 'sgpo'"),
        ("loss.epsilonn", 0.1, r"loss\.epsilonn: .*Did you mean 'epsilon'"),
        ("loss.window", [1.0, -1.0], r"loss\..*window"),
        ("loss.epsilon", -0.1, r"loss\..*epsilon"),
        ("seed_loss", {"beta": 0.1}, r"seed_loss\.name: this setting is missing"),
        ("hard", False, r"hard: the loss 'sgpo' takes plain verdicts"),
        ("merge", "some", r"merge: 'some' is not one of all, seed_and_newest, newest"),
        ("start", "stf", r"start: 'stf' is not one of previous, sft\. Did you mean 'sft'"),
        ("lora.r", 0, r"lora\.r: must be at least 1"),
        ("args.lerning_rate", 1, r"args\.lerning_rate: .*Did you mean 'learning_rate'"),
        ("seed_args.output_dir", "x", r"seed_args\.output_dir: the run decides this"),
        ("evaluation.judge", None, r"evaluation\.judge: this setting is missing"),
        ("evaluation.samples", 0, r"evaluation\.samples: must be at least 1"),
    ],
)
def test_wrong_settings_are_named(align_values, path, value, message):
    values = copy.deepcopy(align_values)
    *sections, key = path.split(".")
    here = values
    for section in sections:
        here = here.setdefault(section, {})
    if value is None:
        del here[key]
    else:
        here[key] = value
    with pytest.raises(InputError, match=message):
        parse_align_recipe(values, "t.yaml")


def test_each_kind_of_recipe_names_the_command_of_the_other():
    with pytest.raises(InputError, match="aligns a model from few labels: slhf align"):
        load_recipe("toy-ssapo")
    with pytest.raises(InputError, match="section 'judge' and no seed is one of slhf train"):
        load_align_recipe("quickstart")
    with pytest.raises(InputError, match="section 'data' and no seed is one of slhf reward train"):
        load_align_recipe("reward-toy")
    with pytest.raises(InputError, match=r"Did you mean 'toy-ssapo'\?"):
        load_align_recipe("toy-sapo")


SMALL = ("hidden_size=64", "vocab_size=2000", "intermediate_size=96", "num_attention_heads=4", "num_key_value_heads=2")


@pytest.mark.parametrize("name", ["ultrafeedback-mistral-7b-ssapo", "ultrafeedback-llama-3-8b-ssapo"])
def test_shipped_recipes_can_be_tried_anywhere(name):
    found = align_dry_run(load_align_recipe(name, [f"model_config.{change}" for change in SMALL]))
    told = "\n".join(found.unchecked)
    assert "argilla/ultrafeedback-binarized-preferences-cleaned" in told
    assert "two made-up pairs stood in" in told
    assert any("a step of the seed stage and one of an iteration" in line for line in found.checked)


def test_a_local_recipe_is_tried_with_its_own_data():
    found = align_dry_run(load_align_recipe("toy-ssapo"))
    assert "data: 199 seed pairs of 3,982; 900 pool prompts of 1,100; 400 held-out prompts" in found.checked
    assert not found.unchecked or all("arithmetic" in line for line in found.unchecked)
