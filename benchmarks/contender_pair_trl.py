"""Runs TRL's ``DPOTrainer`` as a contender, through its public constructor."""

from __future__ import annotations

import importlib
import tempfile
from typing import Any

from datasets import Dataset

from benchmarks.case import Case
from benchmarks.measure import StepClock
from benchmarks.watch import shared_arguments, watch_trainer

BETA = 0.1


def run(case: Case, clock: StepClock) -> int:
    """Take the case's steps; return the responses an optimiser step trains on."""
    trl: Any = importlib.import_module("trl")
    pairs = [
        {"prompt": pair["prompt"]}
        | {side: [{"role": "assistant", "content": pair[side]}] for side in ("chosen", "rejected")}
        for pair in case.pairs(case.warmup + case.steps)
    ]
    with tempfile.TemporaryDirectory() as folder:
        trainer = trl.DPOTrainer(
            model=case.model(),
            args=trl.DPOConfig(
                **shared_arguments(case, folder),
                activation_checkpointing=False,  # on by default in TRL
                max_length=None,
                beta=BETA,
                **case.options,
            ),
            train_dataset=Dataset.from_list(pairs),
            processing_class=case.tokenizer(),
            peft_config=case.lora(),
        )
        watch_trainer(trainer, clock)
        trainer.train()
    return 2 * case.batch
