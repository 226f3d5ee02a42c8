"""Layers that see a window of the text bound how long a text may be."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from transformers import MistralConfig, MistralForCausalLM, Qwen2Config

from games import WORDS
from slhf.errors import InputError
from slhf.policies import CausalPolicy, Sampling, chain
from slhf.policies.causal_lm import _window
from slhf.policies.roles import make_roles
from tiny import CHAT, tokenizer

WINDOW = 40


def mistral(window: int | None) -> Any:
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=128,
        sliding_window=window,
        pad_token_id=0,
        eos_token_id=0,
        initializer_range=0.5,
    )
    return MistralForCausalLM(config).eval()


def test_up_to_the_window_a_text_is_read_as_without_it() -> None:
    tokens = torch.randint(3, len(WORDS), (1, WINDOW + 4), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        windowed, full = mistral(WINDOW)(tokens).logits, mistral(None)(tokens).logits
    torch.testing.assert_close(windowed[:, :WINDOW], full[:, :WINDOW])
    assert (windowed[:, WINDOW:] - full[:, WINDOW:]).abs().max() > 1e-3


def test_longer_texts_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    lm, tok = mistral(WINDOW), tokenizer(WORDS, template=CHAT)
    with caplog.at_level(logging.WARNING, "slhf.policies"):
        policy = CausalPolicy(lm, tok, make_roles(tok, lm), keep_reference=False)
    assert "layers of this mistral see 40 tokens back" in caplog.text
    assert policy.max_length == WINDOW
    ((answer,),) = chain(policy, ["a b"], steps=0, sampling=Sampling((), 8, temperature=0.0))
    text = policy.roles.leader_context("a b") + answer.tokens
    with torch.no_grad():
        likeliest = lm(torch.tensor([text])).logits[0].argmax(-1).tolist()
    assert answer.tokens == likeliest[len(text) - len(answer.tokens) - 1 : -1]
    with pytest.raises(InputError, match="the model holds 40"):
        chain(policy, ["a b"], steps=0, sampling=Sampling((), WINDOW, temperature=0.0))


@pytest.mark.parametrize(
    ("config", "window"),
    [
        (MistralConfig(), 4096),
        (MistralConfig(sliding_window=None), None),
        (Qwen2Config(sliding_window=64), None),  # named, and not used
        (Qwen2Config(use_sliding_window=True, sliding_window=64, max_window_layers=1), 64),
    ],
)
def test_which_window_counts(config: Any, window: int | None) -> None:
    assert _window(config) == window
