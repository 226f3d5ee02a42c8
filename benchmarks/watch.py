"""How a trainer built on ``transformers.Trainer`` is timed from outside."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from benchmarks.case import Case
from benchmarks.measure import StepClock


class Laps(TrainerCallback):
    """Ends a lap of the clock with every optimiser step.

    From the end of one step to the end of the next, because a trainer may sample before
    ``on_step_begin`` is called.
    """

    def __init__(self, clock: StepClock):
        self.clock = clock

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Cut off the set-up."""
        self.clock.lap()

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Watch the optimiser, which exists only once training has begun."""
        optimiser = kwargs["optimizer"]
        if state.global_step == 0:
            self.clock.watch(optimiser, "step", "optimise")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Count the step."""
        self.clock.lap()


def watch_trainer(trainer: Any, clock: StepClock) -> None:
    """Charge a trainer's forward and backward passes and its steps to ``clock``.

    Whatever else is watched inside the training step (sampling, say) is taken off
    "forward", which is the training step without its backward pass.
    """
    trainer.add_callback(Laps(clock))
    clock.watch(trainer, "training_step", "forward")
    clock.watch(trainer.accelerator, "backward", "backward")


def shared_arguments(case: Case, folder: str) -> dict[str, Any]:
    """Return the settings both trainers have from ``transformers.TrainingArguments``."""
    return {
        "output_dir": folder,
        "per_device_train_batch_size": case.micro_batch,
        "gradient_accumulation_steps": case.accumulation,
        "max_steps": case.warmup + case.steps,
        "learning_rate": case.learning_rate,
        "lr_scheduler_type": "constant",
        "max_grad_norm": 1.0,
        "bf16": case.dtype == "bf16",
        "use_cpu": case.device == "cpu",
        "seed": case.seed,
        "save_strategy": "no",
        "eval_strategy": "no",
        "logging_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }
