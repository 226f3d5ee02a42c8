"""Several responses in one forward score as they would alone, whatever the model, the lengths and the padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    MistralConfig,
    MistralForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from games import WORDS
from slhf.policies.branches import Branches, plain_layout, response_log_probs, tree_layout, why_not_a_tree
from slhf.policies.logprobs import Head
from tiny import model, sequence_log_probs

VOCABULARY = len(WORDS)
SMALL: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "bos_token_id": None,
    "eos_token_id": 0,
    "pad_token_id": VOCABULARY - 1,
}


def head(lm: Any, chunk_mib: float = 1.0, temperature: float = 1.0) -> Head:
    made = lm.get_output_embeddings()
    return Head(made.weight, getattr(made, "bias", None), temperature, chunk_mib)


def made(kind: str) -> Any:
    """A random model of another architecture."""
    torch.manual_seed(0)
    if kind == "gpt2":
        lm: Any = GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=128))
    elif kind == "bloom":
        lm = BloomForCausalLM(BloomConfig(vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=4))
    elif kind == "gemma3":
        lm = Gemma3ForCausalLM(Gemma3TextConfig(**SMALL, sliding_window=4))
    elif kind == "mistral":
        lm = MistralForCausalLM(MistralConfig(**SMALL, sliding_window=4))
    elif kind == "mistral-full":
        lm = MistralForCausalLM(MistralConfig(**SMALL, sliding_window=None))
    else:
        lm = Qwen3ForCausalLM(Qwen3Config(**SMALL))
    with torch.no_grad():
        for parameter in lm.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, 0.3)
    return lm.eval()


def items(seed: int, count: int = 5, most: int = 4) -> list[Branches]:
    """Prompts of 1 to 9 tokens with up to ``most`` responses of 0 to 8 tokens."""
    rng = np.random.default_rng(seed)

    def tokens(low: int, high: int) -> tuple[int, ...]:
        return tuple(rng.integers(0, VOCABULARY, rng.integers(low, high + 1)).tolist())

    return [Branches(tokens(1, 9), tuple(tokens(0, 8) for _ in range(rng.integers(1, most + 1)))) for _ in range(count)]


@pytest.mark.parametrize("kind", ["llama", "gpt2", "qwen3", "mistral-full"])
@pytest.mark.parametrize("seed", range(3))
def test_a_tree_scores_each_response_as_alone(kind: str, seed: int) -> None:
    lm = model(VOCABULARY, layers=2, scale=0.5) if kind == "llama" else made(kind)
    assert why_not_a_tree(lm, head(lm), lm.device) is None
    drawn = items(seed)
    with torch.no_grad():
        want = [
            sequence_log_probs(lm, list(item.prompt), [list(r)], 0.7)[0] if r else torch.zeros(())
            for item in drawn
            for r in item.responses
        ]
        for layout in (tree_layout, plain_layout):
            for chunk in (1.0, 1e-4):
                found = response_log_probs(lm, layout(drawn, 0), head(lm, chunk, 0.7), lm.device)
                assert torch.allclose(found, torch.stack(want), rtol=1e-5, atol=1e-4)


def test_gradients_are_those_of_two_plain_sequences() -> None:
    """With respect to every weight; a response's gradient reaches the prompt they share from both."""
    lm = model(VOCABULARY, layers=2, scale=0.5)
    drawn = items(3, most=2)
    found: list[torch.Tensor] = []
    for layout in (tree_layout, plain_layout):
        lm.zero_grad()
        scores = response_log_probs(lm, layout(drawn, 0), head(lm), lm.device)
        (scores * torch.linspace(-1, 2, len(scores))).sum().backward()
        found.append(torch.cat([p.grad.flatten() for p in lm.parameters() if p.grad is not None]))
    assert found[0].norm() > 1
    assert (found[0] - found[1]).norm() < 1e-5 * found[0].norm()


def test_padding_on_the_left_scores_the_same() -> None:
    """The usual layout elsewhere: prompts padded on the left, with a mask and position ids."""
    lm = model(VOCABULARY, layers=2, scale=0.5)
    drawn = [Branches((3, 4, 5), ((6, 7, 0), (8, 0))), Branches((4,), ((3, 0), (5, 5, 5, 0)))]
    with torch.no_grad():
        found = response_log_probs(lm, tree_layout(drawn, 0), head(lm), lm.device)
        want = []
        for item in drawn:
            for response in item.responses:
                pad = [9] * (6 - len(item.prompt))
                row = torch.tensor([[*pad, *item.prompt, *response]])
                mask = torch.tensor([[0] * len(pad) + [1] * (row.shape[1] - len(pad))])
                places = (mask.cumsum(1) - 1).clamp(min=0)
                logits = lm(row, attention_mask=mask, position_ids=places).logits[0, 5:-1]
                want.append(logits.log_softmax(-1).gather(1, row[0, 6:, None]).sum())
    assert torch.allclose(found, torch.stack(want), atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "reason"), [("gemma3", "window"), ("mistral", "window"), ("bloom", "position_ids|refuses|attention")]
)
def test_models_whose_attention_a_tree_would_get_wrong_are_told(kind: str, reason: str) -> None:
    lm = made(kind)
    found = why_not_a_tree(lm, head(lm), lm.device)
    assert found is not None
    assert any(word in found for word in reason.split("|"))


def test_eager_attention_is_left_alone() -> None:
    lm = model(VOCABULARY, attn_implementation="eager")
    reason = why_not_a_tree(lm, head(lm), lm.device)
    assert reason is not None
    assert "eager" in reason
