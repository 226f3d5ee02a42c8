"""Runs the plain procedure of ``plain_slhf`` as a contender."""

from __future__ import annotations

from peft import get_peft_model

from benchmarks.case import Case, free_judge
from benchmarks.measure import StepClock
from benchmarks.models import INSTRUCTION
from benchmarks.plain_slhf import PlainSLHF


def run(case: Case, clock: StepClock) -> int:
    """Take the case's steps; return the completions an optimiser step trains on."""
    trainer = PlainSLHF(
        get_peft_model(case.model(), case.lora()),
        case.tokenizer(),
        free_judge,
        max_new_tokens=case.new_tokens,
        instruction=INSTRUCTION,
        temperature=case.temperature,
        kappa=case.kappa,
        tau_leader=case.tau,
        tau_follower=case.tau,
        learning_rate=case.learning_rate,
        micro_batch=case.micro_batch,
        autocast=case.dtype == "bf16",
        clock=clock,
        **case.options,
    )
    prompts = case.prompts(case.warmup + case.steps)
    clock.lap()  # what came before the first step is set-up
    for start in range(0, len(prompts), case.batch):
        trainer.step(prompts[start : start + case.batch])
        clock.lap()
    return 2 * case.batch
