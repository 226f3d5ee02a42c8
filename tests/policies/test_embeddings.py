"""Mean hidden states of prompts, against one plain forward a prompt."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tiny
from slhf.errors import InputError
from slhf.policies import CausalPolicy, PlainRoles
from slhf.policies.embeddings import prompt_embeddings

PROMPTS = ["a", "a b c a b", "b b", "c a b go", "go", "b a"]


@pytest.fixture
def policy() -> CausalPolicy:
    tokenizer = tiny.tokenizer()
    return CausalPolicy(tiny.model(6, layers=2), tokenizer, PlainRoles(tokenizer, "go"), keep_reference=False)


def test_each_is_the_mean_of_its_own_states(policy: CausalPolicy) -> None:
    found = prompt_embeddings(policy, PROMPTS, batch=4)
    for prompt, vector in zip(PROMPTS, found, strict=True):
        tokens = torch.tensor([policy.roles.leader_context(prompt)])
        with torch.no_grad():
            plain = policy.plain(tokens, output_hidden_states=True).hidden_states[-1][0].mean(0)
        np.testing.assert_allclose(vector, plain.numpy(), atol=1e-5)
    np.testing.assert_allclose(prompt_embeddings(policy, PROMPTS, batch=1), found, atol=1e-5)


def test_prompts_that_cannot_be_read(policy: CausalPolicy) -> None:
    with pytest.raises(InputError, match="has no tokens"):
        prompt_embeddings(policy, ["a", ""])
    with pytest.raises(InputError, match="has 129 tokens, the model holds 128"):
        prompt_embeddings(policy, [" ".join("a" * 129)])
