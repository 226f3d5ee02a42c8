"""An adapter that replaces whole modules (``modules_to_save``) leaves the reference what it was."""

from __future__ import annotations

import pytest
import torch
from peft import get_peft_model

from games import WORDS, lora
from slhf.policies import CausalPolicy
from slhf.policies.decoding import Sampling, row_noise, sample
from slhf.policies.roles import make_roles
from tiny import CHAT, model, tokenizer

CASES = {"embeddings": ["embed_tokens"], "last norm": ["norm"], "both": ["embed_tokens", "norm"]}
TOKENS = torch.randint(3, 8, (2, 7), generator=torch.Generator().manual_seed(0))


def policy_of(saved: list[str]) -> tuple[CausalPolicy, torch.Tensor]:
    """A policy with an adapter a role, all of whose weights have moved, and the base's logits."""
    base, tok = model(len(WORDS), layers=2, scale=0.5), tokenizer(WORDS, template=CHAT)
    with torch.no_grad():
        want = base(TOKENS).logits
    config = lora(modules_to_save=saved, init_lora_weights=False)
    adapted = get_peft_model(base, config, adapter_name="leader")
    adapted.add_adapter("follower", config)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "modules_to_save" in name:
                weight += 0.5 * torch.randn(weight.shape, generator=generator)
    names = {"leader": "leader", "follower": "follower"}
    return CausalPolicy(adapted, tok, make_roles(tok, base), adapters=names), want


@pytest.mark.parametrize("saved", CASES.values(), ids=CASES)
def test_the_reference_is_the_base(saved: list[str]) -> None:
    policy, want = policy_of(saved)
    policy.model.train()
    with policy.reference() as reference, torch.no_grad():
        torch.testing.assert_close(reference(TOKENS).logits, want, rtol=0, atol=1e-6)
    with torch.no_grad():
        assert (policy.model.eval()(TOKENS).logits - want).abs().max() > 0.01  # and then the policy is itself again


@pytest.mark.parametrize("saved", CASES.values(), ids=CASES)
def test_each_role_samples_from_its_own_copies(saved: list[str]) -> None:
    """The likeliest tokens by a full forward of the role's model, without a cache."""
    policy, _ = policy_of(saved)
    policy.model.eval()
    told = []
    for role in ("leader", "follower", None):
        engine, context = policy.engine(role), TOKENS[0].tolist()
        cache = engine.new_cache(1, 16)
        sampled, _ = sample(engine, cache, [context], row_noise((0,), 6)[None], Sampling((), 6, temperature=0))
        text = context + sampled.tokens[0]
        with policy.reference() if role is None else policy.playing(role), torch.no_grad():
            likeliest = policy.model(torch.tensor([text])).logits[0].argmax(-1).tolist()
        assert sampled.tokens[0] == likeliest[len(context) - 1 : -1]
        told.append(sampled.tokens[0])
    assert len({tuple(tokens) for tokens in told}) > 1
