"""Packed weights with an adapter merged say what PEFT's adapters beside the weights say, and follow the model."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
import torch
from peft import IA3Config, LoraConfig, get_peft_model
from tests.tiny import CHAT, tokenizer
from transformers import (
    AutoModelForSequenceClassification,
    Gemma2Config,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
)

from slhf.judges.reward_fits import projections
from slhf.judges.reward_forward import PackedClassifier
from slhf.judges.reward_models import RewardPanel
from slhf.judges.reward_text import RewardText
from slhf.judges.reward_weights import RewardModels, reads_last_token
from slhf.types import Comparison

WORDS = ("<end>", *(f"w{n}" for n in range(40)), "<user>", "<bot>", "<pad>")
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 1e4,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "llama": (LlamaConfig, {}),
    "llama, one key head a query head": (LlamaConfig, {"num_key_value_heads": 4}),
    "llama, biases": (LlamaConfig, {"attention_bias": True, "mlp_bias": True}),
    "llama, rope of llama3": (LlamaConfig, {"rope_parameters": LLAMA3_ROPE}),
    "llama, wide heads": (LlamaConfig, {"head_dim": 24}),
    "qwen2": (Qwen2Config, {}),
    "qwen3": (Qwen3Config, {"head_dim": 16}),
    "mistral": (MistralConfig, {"sliding_window": 128}),
}


def model(kind: str, labels: int = 1, dtype: torch.dtype = torch.float32, **more: Any) -> Any:
    """A random classifier of two layers, all its weights drawn, norms and biases too."""
    config, special = KINDS.get(kind, (Gemma2Config, {"head_dim": 8}))
    settings = {
        "vocab_size": len(WORDS),
        "hidden_size": 32,
        "intermediate_size": 50,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "eos_token_id": 0,
        "bos_token_id": None,
        "num_labels": labels,
    }
    torch.manual_seed(0)
    made = AutoModelForSequenceClassification.from_config(config(**{**settings, **special, **more}))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0.0, 0.3) if parameter.dim() > 1 else parameter.uniform_(0.5, 1.5)
    return made.to(dtype)


def adapted(made: Any, names: tuple[str, ...] = ("x", "y"), **more: Any) -> Any:
    """Random adapters on a classifier."""
    settings = {"r": 3, "lora_alpha": 5, "target_modules": "all-linear", "task_type": "SEQ_CLS"}
    for seed, name in enumerate(names):
        torch.manual_seed(seed)
        lora = LoraConfig(**{**settings, "init_lora_weights": False, **more})  # pyright: ignore[reportArgumentType]
        if seed == 0:
            made = get_peft_model(made, lora, adapter_name=name)
        else:
            made.add_adapter(name, lora)
    return made.eval()


def rewards(made: Any, names: tuple[str, ...] = ("x", "y"), longest: int | None = 100, **more: Any) -> RewardModels:
    """Reward models of the adapters named."""
    text = RewardText(tokenizer(WORDS, template=CHAT), longest)
    reads_last_token(made, text)
    return RewardModels(made, text, [(name, name, 0) for name in names], **more)


def drawn(seed: int = 0, prompts: int = 6, longest: int = 60) -> list[tuple[str, str]]:
    """Responses of ragged lengths, several to a prompt; some are longer than the models read."""
    rng = np.random.default_rng(seed)

    def words(number: int) -> str:
        return " ".join(f"w{n}" for n in rng.integers(0, 40, number))

    found = []
    for _ in range(prompts):
        prompt = words(int(rng.integers(1, longest)))
        found += [(prompt, words(int(rng.integers(1, longest)))) for _ in range(4)]
    return found


def oracle(of: RewardModels, responses: list[tuple[str, str]]) -> np.ndarray:
    """Each text in a forward of its own, adapters beside the weights."""
    out = []
    for _, adapter, column in of.heads:
        if adapter is not None:
            of.model.set_adapter(adapter)
        with torch.no_grad():
            out.append([of.model(torch.tensor([of.text.tokens(*r)])).logits[0, column].item() for r in responses])
    return np.array(out)


def agree(found: np.ndarray, expected: np.ndarray, relative: float = 1e-5) -> None:
    """Rewards that are equal up to rounding, relative to the largest of a model."""
    assert np.ptp(expected, axis=1).min() > 0.05  # the texts do differ
    scale = np.abs(expected).max(axis=1, keepdims=True)
    np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=relative)


@pytest.fixture
def no_padding(monkeypatch):
    """Fail where a forward of transformers is taken."""

    def never(self: RewardModels, texts: Any) -> Any:
        raise AssertionError("read through transformers' own forward")

    monkeypatch.setattr(RewardModels, "_forward", never)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("no_padding")
def test_adapters_are_read_as_by_peft(kind, caplog):
    mine, responses = rewards(adapted(model(kind))), drawn()
    assert max(len(mine.text.tokens(*r)) for r in responses) == 100  # some are cut
    agree(mine.scores(responses), oracle(mine, responses))
    assert not [r for r in caplog.records if "own forward" in r.message]


@pytest.mark.usefixtures("no_padding")
def test_heads_are_read_as_by_the_model():
    made = model("llama", labels=3).eval()
    mine = rewards(made)
    mine = RewardModels(made, mine.text, [("u", None, 2), ("v", None, 0)])
    responses = drawn(1)
    agree(mine.scores(responses), oracle(mine, responses))
    agree(mine.scores(responses[:1] + responses[5:6]), oracle(mine, responses[:1] + responses[5:6]))


@pytest.mark.parametrize("more", [{"use_rslora": True}, {"modules_to_save": ["score"]}, {"target_modules": ["q_proj"]}])
@pytest.mark.usefixtures("no_padding")
def test_scaled_saved_and_partial_adapters(more):
    mine, responses = rewards(adapted(model("qwen2"), **more)), drawn(2)
    agree(mine.scores(responses), oracle(mine, responses))


@pytest.mark.usefixtures("no_padding")
def test_bfloat16_is_as_near_to_float32_as_transformers_is():
    exact, half = rewards(adapted(model("llama"))), rewards(adapted(model("llama", dtype=torch.bfloat16)))
    with torch.no_grad():  # the same weights, rounded alike
        for one, other in zip(exact.model.parameters(), half.model.parameters(), strict=True):
            one.copy_(other)
    responses = drawn(3)
    expected = oracle(exact, responses)
    scale = np.abs(expected).max(axis=1, keepdims=True)
    usual = np.sqrt(np.mean(((oracle(half, responses) - expected) / scale) ** 2))
    mine = np.sqrt(np.mean(((half.scores(responses) - expected) / scale) ** 2))
    assert 0 < mine < 2 * usual < 0.05


@pytest.mark.usefixtures("no_padding")
def test_a_reward_does_not_depend_on_what_else_is_asked():
    mine, responses = rewards(adapted(model("qwen3"))), drawn(4)
    together = mine.scores(responses)
    agree(mine.scores(responses[::-1])[:, ::-1], together)
    agree(np.concatenate([mine.scores(responses[i : i + 6]) for i in range(0, 24, 6)], axis=1), together)
    for bound in (1, 130, 100_000):
        agree(rewards(mine.model, batch_tokens=bound).scores(responses), together)


def test_responses_cut_to_the_same_tokens_are_a_tie():
    mine = rewards(adapted(model("llama")), longest=40)
    end = " ".join(f"w{n % 7}" for n in range(60))
    asked = [*drawn(9, prompts=3), ("w1", f"w2 {end}"), *drawn(10, prompts=3), ("w1", f"w3 w4 {end}")]
    assert mine.text.tokens(*asked[12]) == mine.text.tokens(*asked[-1])
    found = mine.scores(asked)
    assert (found[:, 12] == found[:, -1]).all()
    agree(found, oracle(mine, asked))


def test_swapped_questions_have_complementary_answers_and_the_usual_votes():
    mine, responses = rewards(adapted(model("llama"), ("x", "y", "z")), ("x", "y", "z")), drawn(5)
    pairs = [Comparison(p, y, z) for p, y in responses for q, z in responses if p == q and y != z]
    for soft in (False, True):
        panel = RewardPanel([mine], soft=soft)
        p, q = panel.prefer(pairs), panel.prefer([c.swap() for c in pairs])
        np.testing.assert_allclose(p + q, 1.0, atol=1e-12)
    expected = dict(zip(responses, oracle(mine, responses).T, strict=True))
    leads = np.array([expected[c.prompt, c.first] - expected[c.prompt, c.second] for c in pairs])
    np.testing.assert_allclose(RewardPanel([mine]).prefer(pairs), (leads > 0).mean(axis=1), atol=1e-12)


@pytest.mark.usefixtures("no_padding")
def test_weights_that_were_changed_are_read_as_they_are():
    mine, responses = rewards(adapted(model("qwen2"))), drawn(6)
    before = mine.scores(responses)
    decoder = mine.model.get_base_model().model
    layer = decoder.layers[1]
    changed = [
        *(layer.mlp.down_proj.base_layer.weight, layer.self_attn.k_proj.base_layer.bias),
        *(layer.self_attn.q_proj.lora_B["y"].weight, decoder.norm.weight, decoder.embed_tokens.weight),
    ]
    for number, weight in enumerate(changed):
        with torch.no_grad():
            weight.mul_(1.5 + number)
        now = mine.scores(responses)
        agree(now, oracle(mine, responses))
        assert np.abs(now - before).max() > 1e-3, number
        before = now
    layer.mlp.up_proj.set_scale("x", 3.0)
    now = mine.scores(responses)
    agree(now, oracle(mine, responses))
    assert np.abs(now - before)[0].max() > 1e-3


@pytest.mark.usefixtures("no_padding")
def test_merged_and_switched_off_adapters_count_as_in_peft():
    made, responses = adapted(model("llama")), drawn(7)
    mine = RewardModels(made, rewards(made).text, [("now", None, 0)])
    made.set_adapter("y")
    for change in (made.merge_adapter, made.unmerge_adapter, made.base_model.disable_adapter_layers):
        change()
        agree(mine.scores(responses), oracle(mine, responses))


@pytest.mark.usefixtures("no_padding")
def test_there_is_one_work_copy_whatever_the_number_of_adapters():
    mine = rewards(adapted(model("llama"), ("x", "y", "z")), ("x", "y", "z"))
    mine.scores(drawn())
    copy = mine._packed
    assert isinstance(copy, PackedClassifier)
    held = [getattr(layer, n).weight for layer in copy._layers for n in ("q", "kv", "out", "gate", "up", "down")]
    layers = mine.model.get_base_model().model.layers
    base = [module.get_base_layer().weight for layer in layers for module in projections(layer)]
    assert sum(weight.numel() for weight in held) == sum(weight.numel() for weight in base)


def test_few_tokens_are_read_without_merging(monkeypatch):
    mine, responses = rewards(adapted(model("llama"))), [("w1", "w2 w3"), ("w1", "w5")]
    expected = oracle(mine, responses)
    monkeypatch.setattr(PackedClassifier, "scores", None)
    np.testing.assert_allclose(mine.scores(responses), expected, atol=1e-6)
    monkeypatch.undo()
    more = [*responses, *drawn()]
    np.testing.assert_allclose(mine.scores(more)[:, :2], expected, atol=1e-5 * np.abs(expected).max())


def ia3() -> Any:
    return get_peft_model(model("llama"), IA3Config(task_type="SEQ_CLS"), adapter_name="x")


OTHERS: dict[str, tuple[Any, str]] = {
    "another architecture": (lambda: adapted(model("gemma2"), ("x",)), "'gemma2' has no packed form"),
    "dora": (lambda: adapted(model("llama"), ("x",), use_dora=True), "q_proj has a LoRA variant"),
    "a bias": (lambda: adapted(model("qwen2"), ("x",), target_modules=["q_proj"], lora_bias=True), "LoRA with a bias"),
    "embeddings": (lambda: adapted(model("llama"), ("x",), target_modules=["embed_tokens"]), "embed_tokens is adapted"),
    "a saved norm": (lambda: adapted(model("llama"), ("x",), modules_to_save=["norm"]), "norm is adapted too"),
    "no lora": (ia3, "its adapters are not LoRA"),
    "a short window": (lambda: adapted(model("mistral", sliding_window=20), ("x",)), "reaches 20 tokens back"),
    "an activation": (lambda: adapted(model("llama", hidden_act="gelu"), ("x",)), "activation is 'gelu'"),
    "a rope by length": (
        lambda: adapted(
            model("llama", rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}), ("x",)
        ),
        "depends on the length",
    ),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_does_not_fit_is_read_by_transformers_and_said_once(kind, caplog):
    make, reason = OTHERS[kind]
    mine, responses = rewards(make(), ("x",)), drawn(prompts=2, longest=40)
    with caplog.at_level(logging.WARNING):
        found = mine.scores(responses)
        mine.scores(responses)
    told = [record.message for record in caplog.records if "own forward" in record.message]
    assert len(told) == 1
    assert reason in told[0]
    agree(found, oracle(mine, responses))


def test_a_window_longer_than_every_text_does_no_harm():
    assert rewards(adapted(model("mistral")), longest=128)._packed_classifier() is not None
    assert rewards(adapted(model("mistral")), longest=129)._packed_classifier() is None
    assert rewards(adapted(model("mistral")), longest=None)._packed_classifier() is None
