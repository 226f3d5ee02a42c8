"""A small policy with random weights, and the embedded one, for tests of serving."""

from __future__ import annotations

from typing import Any

import pytest

from games import WORDS
from slhf.policies import CausalPolicy, RoleSettings, load_policy, make_roles
from slhf.policies.engine import extend_all
from tiny import CHAT, model, tokenizer


def small_policy(seed: int = 0, per_role: bool = False) -> CausalPolicy:
    """A policy of random weights over a dozen words; with ``per_role``, an adapter a role."""
    from peft import get_peft_model

    from games import lora

    tok = tokenizer(WORDS, template=CHAT)
    lm = model(len(WORDS), layers=2, scale=0.5, seed=seed)
    adapters = None
    if per_role:
        lm = get_peft_model(lm, lora(init_lora_weights=False), adapter_name="leader")
        lm.add_adapter("follower", lora(init_lora_weights=False))
        adapters = {"leader": "leader", "follower": "follower"}
    made = CausalPolicy(lm, tok, make_roles(tok, lm), adapters=adapters, keep_reference=False)
    made.settings = RoleSettings(temperature=1.0, max_new_tokens=6)
    return made


def computed_tokens(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note from now on how many tokens of each row are computed at once, padding left out."""
    seen: list[int] = []

    def noted(engine: Any, growths: Any) -> Any:
        seen.extend(len(tokens) for growth in growths for tokens in growth.tokens)
        return extend_all(engine, growths)

    monkeypatch.setattr("slhf.serving.batch.extend_all", noted)
    return seen


@pytest.fixture
def small() -> CausalPolicy:
    return small_policy()


@pytest.fixture(scope="session")
def toy() -> CausalPolicy:
    return load_policy("toy")
