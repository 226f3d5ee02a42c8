"""Trainers of pairs small enough to train inside a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from peft import LoraConfig
from transformers import PrinterCallback

from games import PROMPTS, WORDS
from slhf.algorithms import DPO
from slhf.training import PairArguments, PairTrainer
from tiny import CHAT, model, tokenizer

LETTERS = ("a", "b", "c", "d")


def pair_rows(count: int = 12, *, seed: int = 0, **columns: Any) -> list[dict[str, Any]]:
    """Pairs of random words of 0 to 6 letters; the chosen response has more b's."""
    rng = np.random.default_rng(seed)
    made: list[dict[str, Any]] = []
    while len(made) < count:
        texts = [" ".join(rng.choice(LETTERS, rng.integers(0, 7))) for _ in range(2)]
        chosen, rejected = sorted(texts, key=lambda text: text.count("b"), reverse=True)
        if chosen != rejected:
            made.append({"prompt": PROMPTS[len(made) % len(PROMPTS)], "chosen": chosen, "rejected": rejected})
    return [row | {name: values[i] for name, values in columns.items()} for i, row in enumerate(made)]


def pair_arguments(folder: str | Path, **settings: Any) -> PairArguments:
    """Arguments of a short run on the CPU that prints nothing."""
    short: dict[str, Any] = {
        "output_dir": str(folder),
        "per_device_train_batch_size": 4,
        "max_steps": 3,
        "learning_rate": 1e-2,
        "lr_scheduler_type": "constant",
        "logging_steps": 1,
        "save_strategy": "no",
        "use_cpu": True,
        "report_to": "none",
        "disable_tqdm": True,
        "seed": 7,
    }
    return PairArguments(**{**short, **settings})


def pair_trainer(
    folder: str | Path,
    *,
    loss: Any = None,
    peft: LoraConfig | None = None,
    lm: Any = None,
    template: str | None = CHAT,
    train: Any = None,
    held_out: Any = None,
    tok: Any = None,
    callbacks: Any = None,
    **settings: Any,
) -> PairTrainer:
    """A trainer of a tiny chat model; every part can be given."""
    made = PairTrainer(
        model=model(len(WORDS), layers=2, scale=0.5) if lm is None else lm,
        loss=DPO() if loss is None else loss,
        args=pair_arguments(folder, **settings),
        train_dataset=pair_rows() if train is None else train,
        eval_dataset=held_out,
        processing_class=tokenizer(WORDS, template=template) if tok is None and not isinstance(lm, str) else tok,
        peft_config=peft,
        callbacks=callbacks,
    )
    made.remove_callback(PrinterCallback)
    return made
