"""Times one contender in this process and prints one line of JSON."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import asdict

import datasets  # noqa: F401  (imported before the idle memory is read)
import peft  # noqa: F401
import torch
import transformers

from benchmarks.case import parse_case
from benchmarks.measure import Memory, StepClock, machine, versions

PRELOAD = {
    "slhf": "slhf.training",
    "plain": "peft",
    "rloo": "trl.trainer.rloo_trainer",
    "trl_nash": "trl.experimental.nash_md",
    "pair_slhf": "slhf.training",
    "pair_trl": "trl.trainer.dpo_trainer",
}
"""Contender, run by ``contender_<name>.py`` → what it imports before the idle memory is read."""


def main(arguments: list[str]) -> None:
    """Run the case given by ``arguments``."""
    case = parse_case(arguments)
    torch.set_num_threads(case.threads)
    transformers.set_seed(case.seed)
    runner = importlib.import_module(f"benchmarks.contender_{case.contender}")
    importlib.import_module(PRELOAD[case.contender])
    memory = Memory(case.device)
    clock = StepClock(case.device)
    completions = runner.run(case, clock)
    steps = clock.laps[1 + case.warmup :]  # the first lap is the set-up
    if len(steps) != case.steps:
        raise RuntimeError(f"{case.contender}: {len(steps)} steps were timed, not {case.steps}")
    print(
        json.dumps(
            {
                "case": asdict(case),
                "completions": completions,
                "steps": [{k: round(v, 5) for k, v in step.items()} for step in steps],
                "idle_mib": round(memory.idle, 1),
                "peak_mib": round(memory.peak(), 1),
                "high_water_mark_reset": memory.reset,
                "versions": versions(),
                "machine": machine(),
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
