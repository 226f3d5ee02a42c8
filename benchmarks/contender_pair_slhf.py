"""Runs this package's ``PairTrainer`` with ``DPO`` as a contender, through its public names."""

from __future__ import annotations

import tempfile

from datasets import Dataset

from benchmarks.case import Case
from benchmarks.measure import StepClock
from benchmarks.watch import shared_arguments, watch_trainer
from slhf.algorithms import DPO
from slhf.training import PairArguments, PairTrainer

BETA = 0.1


def run(case: Case, clock: StepClock) -> int:
    """Take the case's steps; return the responses an optimiser step trains on."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = PairTrainer(
            model=case.model(),
            loss=DPO(beta=BETA),
            args=PairArguments(**shared_arguments(case, folder), max_length=0, **case.options),
            train_dataset=Dataset.from_list(case.pairs(case.warmup + case.steps)),
            processing_class=case.tokenizer(),
            peft_config=case.lora(),
        )
        watch_trainer(trainer, clock)
        clock.watch(trainer.scorer, "reference", "score")
        trainer.train()
    return 2 * case.batch
