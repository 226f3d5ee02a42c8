"""What was trained and saved answers the same when it is loaded again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from games import WORDS, lora, moved, snapshot, trainer
from slhf.errors import InputError
from slhf.policies import CausalPolicy, RoleSettings, Sampling, chain, load_model, load_policy, load_tokenizer
from slhf.policies.load import resolve
from tiny import CHAT, model, tokenizer

MODES: list[Any] = [
    pytest.param({}, id="full"),
    pytest.param({"peft": True}, id="lora"),
    pytest.param({"peft": True, "adapters": "per_role"}, id="per-role"),
]
PROMPTS = ["a", "a b c d a b", "c c", "d d"]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A base model on disk."""
    folder = tmp_path / "base"
    model(len(WORDS), layers=2, scale=0.5).save_pretrained(folder)
    tokenizer(WORDS, template=CHAT).save_pretrained(folder)
    return folder


def answers(policy: CausalPolicy) -> list[list[list[int]]]:
    greedy = Sampling((), 8, temperature=0.0)
    return [[a.tokens for a in c] for c in chain(policy, PROMPTS, steps=2, sampling=greedy)]


@pytest.mark.parametrize("mode", MODES)
def test_a_saved_model_answers_as_the_trained_one(tmp_path: Path, base: Path, mode: dict) -> None:
    given = {**mode, "peft": lora() if mode else None}
    made = trainer(tmp_path / "run", lm=str(base), tok=None, instruction="Improve the answer!", max_steps=6, **given)
    before, untrained = snapshot(made), answers(made.policy)
    made.train()
    assert moved(made, before)
    made.save_model(str(tmp_path / "run" / "model"))
    want = answers(made.policy)
    assert want != untrained
    for place in (tmp_path / "run", tmp_path / "run" / "model"):
        loaded = load_policy(place)
        assert answers(loaded) == want
        assert loaded.settings.instruction == "Improve the answer!"
        assert loaded.settings.max_new_tokens == 5
        assert loaded.settings.temperature == 0.9
        assert loaded.shared == made.policy.shared
    if mode:
        stored = list((tmp_path / "run" / "model").rglob("adapter_config.json"))
        assert len(stored) == (2 if "adapters" in mode else 1)
        for path in stored:
            assert json.loads(path.read_text())["base_model_name_or_path"] == str(base.resolve())
    # safetensors alone: no pickle, not even of the arguments
    assert not [f for f in (tmp_path / "run" / "model").rglob("*") if f.suffix in (".bin", ".pt", ".pth", ".pkl")]


@pytest.mark.parametrize("mode", MODES)
def test_a_run_goes_on_from_a_run_folder(tmp_path: Path, base: Path, mode: dict) -> None:
    """A trained model is a model like any other: it can be trained further."""
    given = {**mode, "peft": lora() if mode else None}
    made = trainer(tmp_path / "first", lm=str(base), **given)
    made.train()
    made.save_model(str(tmp_path / "first" / "model"))
    settings = {k: v for k, v in mode.items() if k == "adapters"}
    again = trainer(tmp_path / "second", lm=str(tmp_path / "first"), **settings)
    for name, value in snapshot(made).items():
        assert torch.equal(value, snapshot(again)[name])
    trainable = {n for n, p in again.model.named_parameters() if p.requires_grad}
    assert trainable == {n for n, p in made.model.named_parameters() if p.requires_grad}
    before = snapshot(again)
    again.train()
    assert moved(again, before)


def test_roles_that_cannot_be_had(base: Path, tmp_path: Path) -> None:
    trainer(tmp_path / "run", lm=str(base), peft=lora()).save_model(str(tmp_path / "run" / "model"))
    with pytest.raises(InputError, match="needs a peft_config"):
        trainer(tmp_path / "a", lm=str(base), adapters="per_role")
    with pytest.raises(InputError, match="one called 'follower'; the model carries 'default'"):
        trainer(tmp_path / "b", lm=str(tmp_path / "run"), adapters="per_role")
    with pytest.raises(InputError, match="already carries an adapter"):
        trainer(tmp_path / "c", lm=str(tmp_path / "run"), peft=lora())


def test_an_adapter_finds_a_base_that_moved_with_it(tmp_path: Path, base: Path) -> None:
    made = trainer(tmp_path / "run", lm=str(base), peft=lora())
    made.save_model(str(tmp_path / "run" / "model"))
    moved_to = Path(shutil.move(tmp_path / "run" / "model", tmp_path / "elsewhere"))
    shutil.move(base, moved_to / "base")
    config = moved_to / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"base_model_name_or_path": "base"}))
    assert answers(load_policy(moved_to)) == answers(made.policy)


def test_an_adapter_on_a_nameless_base_says_so(tmp_path: Path) -> None:
    """A model object that came from nowhere cannot be found again."""
    made = trainer(tmp_path / "run", peft=lora())
    made.save_model(str(tmp_path / "model"))
    with pytest.raises(InputError, match="does not name the model its adapter stands on"):
        load_policy(tmp_path / "model")


def test_without_settings_the_defaults_are_used(base: Path) -> None:
    loaded = load_policy(base)
    assert loaded.settings == RoleSettings()
    assert loaded.roles.extends
    with pytest.raises(InputError, match="loaded without a reference"), loaded.reference():
        pass


def test_a_model_object_needs_its_tokenizer(base: Path) -> None:
    lm = load_model(base)
    with pytest.raises(InputError, match="needs its tokenizer"):
        load_policy(lm)
    assert answers(load_policy(lm, load_tokenizer(base))) == answers(load_policy(base))


def test_weights_have_the_type_asked_for(base: Path) -> None:
    assert next(load_policy(base).model.parameters()).dtype == torch.float32
    assert next(load_policy(base, dtype="bfloat16").model.parameters()).dtype == torch.bfloat16


def test_a_policy_computes_where_it_is_told(base: Path) -> None:
    assert load_policy(base, device="meta").device.type == "meta"
    plain = load_policy(base)
    assert plain.device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert load_policy(plain.model, plain.tokenizer).device == plain.device
    assert load_policy(plain.model, plain.tokenizer, device="meta").device.type == "meta"


def test_names_that_lead_nowhere(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such folder"):
        resolve("./not/here")
    with pytest.raises(InputError, match="there is no such folder"):
        resolve("tpy")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no model"):
        resolve(tmp_path / "empty")
    assert resolve("owner/name") == "owner/name"


def test_weights_that_are_not_safetensors_are_refused(tmp_path: Path, base: Path) -> None:
    """Pickled weights can run code, so they are not read."""
    (base / "model.safetensors").unlink()
    torch.save({}, base / "pytorch_model.bin")
    with pytest.raises(InputError, match="no model could be loaded"):
        load_model(base)
