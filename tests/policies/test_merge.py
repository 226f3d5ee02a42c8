"""A merged model says what the adapted one said, and stands on nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from peft import get_peft_model

from games import WORDS, lora
from slhf.errors import InputError
from slhf.policies import RoleSettings, load_model, load_policy, merge
from slhf.policies.load import first_model
from tiny import CHAT, model, tokenizer

TOKENS = torch.tensor([[3, 4, 5, 6]])


def saved(folder: Path, *names: str) -> Path:
    """A base, and on it an adapter of each name with weights that matter."""
    base, where = folder / "base", folder / "adapted"
    model(len(WORDS), layers=2, scale=0.5).save_pretrained(base)
    tok = tokenizer(WORDS, template=CHAT)
    tok.save_pretrained(base)
    torch.manual_seed(0)
    adapted = get_peft_model(load_model(base), lora(init_lora_weights=False), adapter_name=names[0])
    for name in names[1:]:
        adapted.add_adapter(name, lora(init_lora_weights=False))
    adapted.save_pretrained(where)
    tok.save_pretrained(where)
    adapters = {name: name for name in names} if len(names) > 1 else None
    RoleSettings(instruction="Better!", temperature=0.5, adapters=adapters, base_model=str(base)).save(where)
    return where


def test_it_says_the_same_and_stands_alone(tmp_path: Path) -> None:
    adapted = saved(tmp_path, "default")
    assert merge(adapted, tmp_path / "whole") == "default"
    before, after = load_policy(adapted), load_policy(tmp_path / "whole")
    torch.testing.assert_close(after.model(TOKENS).logits, before.model(TOKENS).logits, rtol=1e-5, atol=1e-5)
    assert (after.model(TOKENS).logits - load_model(tmp_path / "base")(TOKENS).logits).abs().max() > 1e-2
    assert not list((tmp_path / "whole").glob("adapter*"))
    assert after.settings.instruction == "Better!"
    assert (after.settings.temperature, after.settings.base_model, after.settings.adapters) == (0.5, None, None)
    assert first_model(tmp_path / "whole") == str(tmp_path / "whole")  # as a reference it is itself
    assert "lora" not in json.dumps(sorted(after.model.state_dict()))


@pytest.mark.parametrize("role", ["leader", "follower"])
def test_one_adapter_of_two(tmp_path: Path, role: str) -> None:
    adapted = saved(tmp_path, "leader", "follower")
    assert merge(adapted, tmp_path / "whole", role=role) == role
    before = load_policy(adapted)
    with before.playing(role), torch.no_grad():
        want = before.model(TOKENS).logits
    torch.testing.assert_close(load_model(tmp_path / "whole")(TOKENS).logits, want, rtol=1e-5, atol=1e-5)


def test_what_cannot_be_merged(tmp_path: Path) -> None:
    two = saved(tmp_path, "leader", "follower")
    with pytest.raises(InputError, match="role is missing: the model carries 'leader', 'follower'"):
        merge(two, tmp_path / "whole")
    with pytest.raises(InputError, match=r"role='folower': .* 'follower'"):
        merge(two, tmp_path / "whole", role="folower")
    with pytest.raises(InputError, match="carries no adapter"):
        merge(tmp_path / "base", tmp_path / "whole")
    with pytest.raises(InputError, match="is there already; name a new folder, or remove it"):
        merge(two, tmp_path / "base", role="leader")
    (tmp_path / "whole.partial").mkdir()
    with pytest.raises(InputError, match=r"whole\.partial' is there already"):
        merge(two, tmp_path / "whole", role="leader")
    (tmp_path / "whole.partial").rmdir()
    assert not (tmp_path / "whole").exists()
    assert not list(tmp_path.glob("*.partial"))


def test_a_merge_that_breaks_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapted = saved(tmp_path, "default")

    def full(self: RoleSettings, folder: Path) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(RoleSettings, "save", full)
    with pytest.raises(OSError, match="No space left"):
        merge(adapted, tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapted", "base"]
