"""Trainers small enough to train inside a test, and what they leave behind."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from torch import Tensor
from transformers import PrinterCallback

from slhf.algorithms import StackelbergGDA
from slhf.training import GameArguments, GameTrainer
from tiny import CHAT, model, tokenizer

WORDS = ("<end>", "<user>", "<bot>", "a", "b", "c", "d", "Improve", "the", "previous", "answer!", "<pad>")
PROMPTS = ["a", "a b c d a b", "c c", "d a d a d a d", "b", "c a", "d d d", "a b a b a c", "b b", "d c b a", "a c", "c"]
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def rows(count: int = len(PROMPTS)) -> list[dict[str, Any]]:
    """The first ``count`` prompts, over and over where there are not as many."""
    return [{"prompt": PROMPTS[i % len(PROMPTS)] + " a" * (i // len(PROMPTS)), "wanted": i % 3} for i in range(count)]


def likes_b(prompts: list[str], first: list[str], second: list[str]) -> list[float]:
    """A soft preference for b, for short answers, and for what the prompt begins with."""

    def taste(prompt: str, text: str) -> float:
        words = text.split()
        return words.count("b") - 0.3 * len(words) + 0.5 * words.count(prompt.split()[0])

    return [1.0 / (1.0 + math.exp(taste(x, z) - taste(x, y))) for x, y, z in zip(prompts, first, second, strict=True)]


def lora(**settings: Any) -> LoraConfig:
    """Small LoRA settings."""
    return LoraConfig(**{"r": 4, "lora_alpha": 8, "target_modules": TARGETS, "task_type": "CAUSAL_LM", **settings})


def arguments(folder: str | Path, **settings: Any) -> GameArguments:
    """Arguments of a short run on the CPU that prints nothing."""
    short: dict[str, Any] = {
        "output_dir": str(folder),
        "per_device_train_batch_size": 4,
        "max_steps": 3,
        "learning_rate": 1e-2,
        "lr_scheduler_type": "constant",
        "logging_steps": 1,
        "save_strategy": "no",
        "max_new_tokens": 5,
        "use_cpu": True,
        "report_to": "none",
        "disable_tqdm": True,
        "seed": 7,
    }
    return GameArguments(**{**short, **settings})


def trainer(
    folder: str | Path,
    *,
    algorithm: Any = None,
    peft: LoraConfig | None = None,
    lm: Any = None,
    words: tuple[str, ...] = WORDS,
    template: str | None = CHAT,
    judge: Any = likes_b,
    train: Any = None,
    held_out: Any = None,
    tok: Any = None,
    **settings: Any,
) -> GameTrainer:
    """A trainer of a tiny chat model; every part can be given."""
    tok = tokenizer(words, template=template) if tok is None else tok
    made = GameTrainer(
        model=model(len(words), layers=2, scale=0.5) if lm is None else lm,
        judge=judge,
        algorithm=StackelbergGDA(kappa=2.0, tau_leader=0.05, tau_follower=0.05) if algorithm is None else algorithm,
        args=arguments(folder, **settings),
        train_dataset=rows() if train is None else train,
        eval_dataset=held_out,
        processing_class=tok,
        peft_config=peft,
    )
    made.remove_callback(PrinterCallback)
    return made


def weights(of: GameTrainer) -> dict[str, Tensor]:
    """Copies of the weights that train."""
    return {name: p.detach().clone() for name, p in of.policy.model.named_parameters() if p.requires_grad}


def distance(first: dict[str, Tensor], second: dict[str, Tensor]) -> float:
    """Largest difference of any two weights; the names must be the same."""
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def metrics(folder: str | Path) -> list[dict[str, Any]]:
    """The run's metrics without wall-clock times."""
    lines = [json.loads(line) for line in Path(folder, "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if not (k.startswith("time/") or k.endswith("runtime"))} for line in lines]


def samples(folder: str | Path) -> list[dict[str, Any]]:
    """The run's sample texts."""
    return [json.loads(line) for line in Path(folder, "samples.jsonl").read_text().splitlines()]


def snapshot(of: GameTrainer) -> dict[str, Tensor]:
    """All weights, trained or not."""
    return {name: p.detach().clone() for name, p in of.policy.model.named_parameters()}


def moved(of: GameTrainer, before: dict[str, Tensor]) -> bool:
    """True if some trained weight is not what it was."""
    return any(not torch.equal(value, before[name]) for name, value in weights(of).items())
