"""What each process of a distributed run does; started by torchrun from test_processes.py.

Usage: two_processes.py FOLDER WORLD
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import torch

torch.set_num_threads(1)

from safetensors.torch import save_file  # noqa: E402
from transformers import TrainerCallback  # noqa: E402

from games import lora, rows, trainer, weights  # noqa: E402
from slhf.algorithms import StackelbergGDA  # noqa: E402

MODES: dict[str, dict[str, Any]] = {
    "full": {},
    "shared": {"peft": True},
    "per_role": {"peft": True, "adapters": "per_role"},
    "two_pass": {
        # a template that shows only the length of earlier answers' thoughts: not an extension
        "peft": True,
        "template": (
            "{% for m in messages %}{{ '<user> ' if m['role'] == 'user' else '<bot> ' }}{{ m['content'] }}"
            "{{ ' <end> ' if loop.last else ' d <end> ' }}{% endfor %}{% if add_generation_prompt %}<bot> {% endif %}"
        ),
    },
}


class Stop(TrainerCallback):
    """Ends training after a step, as if the time were up."""

    def __init__(self, step: int):
        self._step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_training_stop = control.should_training_stop or state.global_step >= self._step


def play(folder: Path, mode: str, world: int, stop: int = 0) -> None:
    """Train one mode, from the last checkpoint if there is one, and leave the weights of each process."""
    settings = dict(MODES[mode])
    settings["peft"] = lora() if settings.pop("peft", False) else None
    made = trainer(
        folder,
        algorithm=StackelbergGDA(kappa=2.0, tau_leader=0.05, tau_follower=0.05, leader_samples=2),
        train=rows(24),
        held_out=rows(7),  # an odd number: the processes' shares differ
        per_device_train_batch_size=4 // world,
        gradient_accumulation_steps=2,
        train_chunk_tokens=40,  # the processes cut their micro-batches differently
        optim="sgd",
        learning_rate=0.05,
        max_steps=5,
        logging_steps=2,
        eval_strategy="steps",
        eval_steps=2,
        save_strategy="steps",
        save_steps=3,
        **settings,
    )
    assert made.accelerator.num_processes == world
    assert torch.distributed.is_initialized() == (world > 1)
    if world > 1:
        assert torch.distributed.get_world_size() == world
        assert torch.distributed.get_backend() == "gloo"
    if stop:
        made.add_callback(Stop(stop))
    resume = any(folder.glob("checkpoint-*"))
    made.accelerator.wait_for_everyone()
    made.train(resume_from_checkpoint=resume)
    kept = {name: value.contiguous() for name, value in weights(made).items()}
    process = made.accelerator.process_index
    save_file(kept, folder / f"weights-{process}.safetensors")
    (folder / f"world-{process}.json").write_text(json.dumps(made.accelerator.num_processes))
    made.accelerator.wait_for_everyone()


def main(folder: Path, world: int) -> None:
    """Play every mode, and one of them stopped in the middle of a logging window and resumed."""
    for mode in MODES:
        play(folder / mode, mode, world)
    play(folder / "resumed", "shared", world, stop=3)
    play(folder / "resumed", "shared", world)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]), int(sys.argv[2]))
    # gloo's destructor may wait for ever on a thread that waits for the interpreter; everything is written
    os._exit(0)
