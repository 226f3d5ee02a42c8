"""A panel of five reward models over pairs: this package's, in both forms, and the plain procedure beside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.models import END, build_tokenizer
from slhf import toy
from slhf.judges.reward_models import RewardPanel, load_reward_models
from slhf.judges.reward_text import RewardText
from slhf.judges.reward_weights import RewardFile, classifier
from slhf.types import Comparison

NAMES = ("helpful", "correct", "coherent", "complex", "verbose")
LONGEST = 256
WORDS = (8, 196)
"""Fewest and most words of a prompt and its response together: 20 to 208 tokens with the chat template."""

Judging = Callable[[list[Comparison]], np.ndarray]


def build(folder: Path, hidden: int, layers: int) -> tuple[Path, Path]:
    """Write five adapters of rank 8 on one random Llama, and the same Llama with five heads.

    Returns:
        The folder of the adapters, and that of the heads.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = build_tokenizer("tiny")
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=hidden * 8 // 3,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=LONGEST,
        bos_token_id=None,
        eos_token_id=END,
        pad_token_id=0,
    )
    base = folder / "base"
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(base)
    return _on(base, folder, tokenizer)


def build_toy(folder: Path) -> tuple[Path, Path]:
    """Write the same on the embedded model."""
    from transformers import AutoTokenizer

    return _on(toy.model_path(), folder / "toy", AutoTokenizer.from_pretrained(toy.model_path()))


def _on(base: Path, folder: Path, tokenizer: Any) -> tuple[Path, Path]:
    import torch
    from peft import LoraConfig, get_peft_model

    adapters, heads = folder / "adapters", folder / "heads"
    for seed, name in enumerate(NAMES):
        torch.manual_seed(seed)
        lora = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="SEQ_CLS", init_lora_weights=False)
        model = get_peft_model(classifier(str(base), 1), lora)
        model.peft_config["default"].base_model_name_or_path = str(base)
        model.save_pretrained(str(adapters / name), save_embedding_layers=False)
    classifier(str(base), len(NAMES)).save_pretrained(heads)
    for place, form, on in ((adapters, "adapters", str(base)), (heads, "heads", None)):
        tokenizer.save_pretrained(place)
        RewardFile(form, NAMES, on, LONGEST).save(place)
    return adapters, heads


def pairs(count: int, responses: int, seed: int = 0) -> list[Comparison]:
    """Draw pairs of responses of varied length.

    Args:
        count: pairs.
        responses: to each prompt; every two of them are a pair.
        seed: of the words and lengths.
    """
    rng = np.random.default_rng(seed)

    def words(number: int) -> str:
        return " ".join(f"w{i}" for i in rng.integers(0, 8000, number))

    found: list[Comparison] = []
    while len(found) < count:
        short = int(rng.integers(4, 24))
        prompt = words(short)
        said = [words(int(rng.integers(4, WORDS[1] - short))) for _ in range(responses)]
        found += [Comparison(prompt, a, b) for i, a in enumerate(said) for b in said[i + 1 :]]
    return found[:count]


def toy_pairs(count: int) -> list[Comparison]:
    """Return pairs of the embedded preference data, each response in one of them."""
    said: dict[str, list[str]] = {}
    for row in toy.preferences():
        responses = said.setdefault(row["prompt"], [])
        if row["response"] not in responses:
            responses.append(row["response"])
    found = [
        Comparison(prompt, a, b)
        for prompt, responses in said.items()
        for a, b in zip(responses[::2], responses[1::2], strict=False)
    ]
    return found[:count]


def panel(folder: Path) -> RewardPanel:
    """Load this package's panel."""
    return RewardPanel(load_reward_models([folder]))


def plainly(folder: Path) -> Judging:
    """Return the usual procedure: an adapter at a time, a pair at a time, a text at a time; all held in memory."""
    import torch
    from peft import PeftModel
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = RewardText(tokenizer)
    model: Any = classifier(str(RewardFile.load(folder).base), 1)
    model = PeftModel.from_pretrained(model, str(folder / NAMES[0]), adapter_name=NAMES[0])
    for name in NAMES[1:]:
        model.load_adapter(str(folder / name), adapter_name=name)
    model.eval()

    def reward(prompt: str, response: str) -> float:
        with torch.no_grad():
            return model(torch.tensor([text.tokens(prompt, response)])).logits.item()

    def prefer(comparisons: list[Comparison]) -> np.ndarray:
        votes = np.zeros(len(comparisons))
        for name in NAMES:
            model.set_adapter(name)
            for i, c in enumerate(comparisons):
                lead = reward(c.prompt, c.first) - reward(c.prompt, c.second)
                votes[i] += 0.5 + 0.5 * np.sign(lead)
        return votes / len(NAMES)

    return prefer


def timed(judge: Judging, comparisons: list[Comparison]) -> dict[str, Any]:
    """Return the preferences with the seconds they took."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = judge(comparisons)
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "p": found}


def measure(folder: Path, hidden: int, layers: int, count: int, toys: int, rounds: int) -> list[dict[str, Any]]:
    """Time everybody on pairs that are all different, on round robins of ten, and on the embedded data.

    Returns:
        One entry a kind of pairs: ``rounds``, each with the seconds of every contender, and by how much
        preferences differ.
    """
    import torch

    torch.set_num_threads(1)
    random, embedded = _contenders(*build(folder, hidden, layers)), _contenders(*build_toy(folder))
    kinds = [
        ("all different", random, pairs(count, 2)),
        ("ten a prompt, each against each", random, pairs(count, 10)),
        ("embedded model and data, all different", embedded, toy_pairs(toys)),
    ]
    return [{"pairs": name, **_timed(judges, comparisons, rounds)} for name, judges, comparisons in kinds]


def _contenders(adapters: Path, heads: Path) -> dict[str, Judging]:
    large = RewardPanel(load_reward_models([adapters], batch_tokens=8192))
    return {
        "adapters": panel(adapters).prefer,
        "adapters, batches of 8,192 tokens": large.prefer,
        "heads": panel(heads).prefer,
        "plain": plainly(adapters),
    }


def _timed(judges: dict[str, Judging], comparisons: list[Comparison], rounds: int) -> dict[str, Any]:
    for judge in judges.values():
        judge(comparisons[:1])
    done = [_round(judges, comparisons, shift) for shift in range(rounds)]
    found = {who: done[0][who].pop("p") for who in judges}
    for later in done[1:]:
        for one in later.values():
            del one["p"]
    differ = max(float(np.abs(found[who] - found["plain"]).max()) for who in judges if who != "heads")
    return {"count": len(comparisons), "differ": differ, "rounds": done}


def _round(judges: dict[str, Judging], comparisons: list[Comparison], shift: int) -> dict[str, dict[str, Any]]:
    names = list(judges)
    turn = shift % len(names)
    done = {name: timed(judges[name], comparisons) for name in names[turn:] + names[:turn]}
    return {name: done[name] for name in names}
