"""Runs TRL's ``RLOOTrainer`` as a contender, through its public constructor.

It does less than the other two: one role, so half the completions a step, and none of them
with an answer and an instruction before it.
"""

from __future__ import annotations

import importlib
import tempfile
from typing import Any

from datasets import Dataset

from benchmarks.case import Case, free_judge
from benchmarks.measure import StepClock
from benchmarks.watch import shared_arguments, watch_trainer

GENERATIONS = 2


def run(case: Case, clock: StepClock) -> int:
    """Take the case's steps; return the completions an optimiser step trains on."""
    trl: Any = importlib.import_module("trl")  # only in the peer's own environment

    def reward(prompts: list[Any], completions: list[Any], **kwargs: Any) -> list[float]:
        with clock.phase("score"):
            texts = [completion[-1]["content"] for completion in completions]
            return free_judge([""] * len(texts), texts, [""] * len(texts))

    with tempfile.TemporaryDirectory() as folder:
        arguments = trl.RLOOConfig(
            **shared_arguments(case, folder),
            gradient_checkpointing=False,  # on by default in TRL
            num_generations=GENERATIONS,
            max_completion_length=case.new_tokens,
            temperature=case.temperature,
            beta=case.tau,
            **case.options,
        )
        trainer = trl.RLOOTrainer(
            model=case.model(),
            reward_funcs=reward,
            args=arguments,
            train_dataset=Dataset.from_dict({"prompt": case.prompts(case.warmup + case.steps)}),
            processing_class=case.tokenizer(),
            peft_config=case.lora(),
        )
        watch_trainer(trainer, clock)
        clock.watch(trainer.model, "generate", "generate")
        trainer.train()
    return case.batch
