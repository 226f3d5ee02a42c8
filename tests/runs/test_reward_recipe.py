"""Recipes of reward models are read as strictly as those of games."""

from __future__ import annotations

import pytest
import yaml

from slhf.data import UnreachableError
from slhf.errors import InputError
from slhf.robust.ball import Ball
from slhf.runs.recipe import load_recipe, shipped_recipes
from slhf.runs.reward_build import build_pairs, build_training
from slhf.runs.reward_dry_run import reward_dry_run
from slhf.runs.reward_recipe import load_reward_recipe, parse_reward_recipe, shipped_reward_recipes

SHORT = {"model": "toy", "data": "toy"}


def test_shipped_recipes_are_found(root):
    names = tuple(shipped_reward_recipes())
    assert names == ("reward-helpsteer2", "reward-toy")
    assert not set(names) & set(shipped_recipes())
    assert {p.stem for p in (root / "recipes").glob("reward-*.yaml")} == set(names)
    for name in names:
        recipe = load_reward_recipe(name)
        assert recipe.name == name
        assert recipe.description
        assert recipe.data.attributes == ["helpfulness", "correctness", "coherence", "complexity", "verbosity"]


def test_the_published_settings():
    """App. D.1: Qwen2.5-1.5B, LoRA 32/64/.1, five epochs of batches of 32, learning rate 1e-4, λ = .01."""
    recipe = load_reward_recipe("reward-helpsteer2")
    assert recipe.model == "Qwen/Qwen2.5-1.5B"
    assert (recipe.form, recipe.centring) == ("adapters", 0.01)
    lora = build_training(recipe).lora
    assert (lora.r, lora.lora_alpha, lora.lora_dropout, lora.task_type) == (32, 64, 0.1, "SEQ_CLS")
    args = recipe.args
    assert (args["num_train_epochs"], args["per_device_train_batch_size"], args["learning_rate"]) == (5, 32, 1e-4)
    with pytest.raises(UnreachableError, match="HelpSteer2"):
        build_pairs(recipe.data)


def test_a_short_recipe_has_the_published_defaults():
    recipe = parse_reward_recipe(SHORT, "folder/short.yaml")
    assert (recipe.name, recipe.form, recipe.centring, recipe.lora) == ("short", "adapters", 0.01, None)
    assert (recipe.data.train, recipe.data.ties, recipe.data.attributes) == ("toy", "drop", None)
    again = parse_reward_recipe(yaml.safe_load(recipe.as_yaml()), "again.yaml")
    assert again.as_dict() == recipe.as_dict()


def test_an_adversary_is_read_kept_and_tried():
    values = {**SHORT, "form": "heads", "robust": {"window": [-4, 4], "epsilon": 0.05}}
    recipe = parse_reward_recipe(values, "r.yaml")
    assert recipe.robust == build_training(recipe).robust == Ball(0.05, window=(-4.0, 4.0))
    again = parse_reward_recipe(yaml.safe_load(recipe.as_yaml()), "r.yaml")
    assert again.robust == recipe.robust
    found = reward_dry_run(load_reward_recipe("reward-toy", ["form=heads", "robust.epsilon=0.4", "robust.flip_cost=2"]))
    assert "worst case of each step: labels flipped at a cost of 2, ε = 0.4 a pair" in found.checked
    pieces = [*("form=heads", "robust.epsilon=0.4", "robust.flip_cost=2"), "args.gradient_accumulation_steps=4"]
    with pytest.raises(InputError, match="4 × 1 pieces are not"):
        reward_dry_run(load_reward_recipe("reward-toy", pieces))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"modle": "toy"}, r"r.yaml: modle: there is no such setting. Did you mean 'model'\?"),
        ({"model": None}, r"'model'|expected str"),
        ({"data": None}, "setting 'data' is missing"),
        ({"data": 3}, "data: expected a section"),
        ({"data": {"ties": "drop"}}, r"data.train: this setting is missing"),
        ({"data": {"train": "toy", "atributes": ["x"]}}, r"Did you mean 'attributes'\?"),
        ({"data": {"train": "toy", "attributes": []}}, "give at least one"),
        ({"data": {"train": "toy", "attributes": ["x", "x"]}}, "each once"),
        ({"data": {"train": "toy", "held_out": 1.0}}, r"data.held_out: must lie between"),
        ({"data": {"train": "toy", "train_limit": 1}}, r"data.train_limit: must be at least 2"),
        ({"form": "head"}, r"form: 'head' is not one of adapters, heads, skew. Did you mean 'heads'\?"),
        ({"form": "skw"}, r"Did you mean 'skew'\?"),
        ({"form": "skew", "dimension": 3}, r"dimension: must be an even number from 2, got 3"),
        ({"form": "skew", "dimension": 0}, r"dimension: must be an even number from 2, got 0"),
        ({"form": "skew", "dimension": "wide"}, r"dimension: expected int"),
        ({"form": "skew", "centring": 0.5}, r"centring: form: skew has no rewards to centre"),
        ({"form": "skew", "data": {"train": "toy", "attributes": ["a", "b"]}}, r"learns one verdict a pair, got"),
        ({"form": "heads", "dimension": 8}, r"dimension: a setting of form: skew; form: heads learns rewards"),
        ({"centring": -0.1}, "centring: must be 0 or more"),
        ({"centring": "much"}, "centring: expected float"),
        ({"robust": {"window": [-4, 4]}}, r"r.yaml: robust.epsilon: this setting is missing"),
        ({"robust": {"epsilon": 0.1}}, r"r.yaml: robust.neither a window nor a flip_cost"),
        ({"robust": {"epsilon": 0.1, "widow": [-4, 4]}}, r"robust.widow: .* Did you mean 'window'\?"),
        ({"robust": {"epsilon": "much", "flip_cost": 1}}, r"robust.epsilon: expected float"),
        ({"robust": {"epsilon": 0.1, "window": [4, -4]}}, r"robust.window is \(4, -4\); its lower edge"),
        ({"robust": True}, "robust: expected a section"),
        ({"robust": {"epsilon": 0.1, "flip_cost": 1}}, r"robust: form: adapters .* form=heads or form=skew"),
        ({"max_length": 2}, "max_length: must be at least 8"),
        ({"lora": {"rank": 3}}, r"lora.rank: there is no such setting"),
        ({"lora": {"r": 0}}, r"lora.r: must be at least 1"),
        ({"args": {"lerning_rate": 1}}, r"Did you mean 'learning_rate'\?"),
        ({"args": {"learning_rate": "fast"}}, r"args.learning_rate: expected float"),
        ({"args": {"output_dir": "x"}}, "the run decides this"),
        ({"judge": "toy"}, "slhf train r.yaml"),
    ],
)
def test_what_is_wrong_is_named(change, message):
    with pytest.raises(InputError, match=message):
        parse_reward_recipe({**SHORT, **change}, "r.yaml")


def test_each_kind_of_recipe_names_the_command_of_the_other():
    with pytest.raises(InputError, match="trains reward models: slhf reward train"):
        load_recipe("reward-toy")
    with pytest.raises(InputError, match="trains a game: slhf train"):
        load_reward_recipe("quickstart")
    with pytest.raises(InputError, match=r"package are reward-helpsteer2, reward-toy. Did you mean 'reward-toy'\?"):
        load_reward_recipe("reward-tyo")


SMALL = ("hidden_size=64", "vocab_size=2000", "intermediate_size=96", "num_attention_heads=4")


@pytest.mark.parametrize(
    ("name", "form"), [("reward-helpsteer2", "adapters"), ("reward-helpsteer2", "heads"), ("reward-toy", "adapters")]
)
def test_shipped_recipes_can_be_tried_anywhere(name, form):
    """Of the paper's model, all but the sizes: with these it takes half a minute."""
    sizes = [f"model_config.{size}" for size in SMALL] if name == "reward-helpsteer2" else []
    found = reward_dry_run(load_reward_recipe(name, [f"form={form}", *sizes]))
    kind = "qwen2" if name == "reward-helpsteer2" else "llama"
    assert any(f"one step of a random {kind} model" in line for line in found.checked)
    missing = " ".join(found.unchecked)
    assert ("HelpSteer2" in missing) == ("Qwen2.5-1.5B" in missing) == (name == "reward-helpsteer2")
