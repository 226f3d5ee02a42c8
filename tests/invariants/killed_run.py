"""A run that is killed, and tried again until it is done; started from test_resume.py.

Usage: killed_run.py FOLDER ADAPTERS
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import torch

torch.set_num_threads(1)

from safetensors.torch import save_file  # noqa: E402

from games import lora, rows, trainer, weights  # noqa: E402
from slhf.training import GameTrainer  # noqa: E402
from slhf.training.checkpoints import whole_checkpoints  # noqa: E402


def make(folder: Path, **settings: Any) -> GameTrainer:
    """The run: dropout, logging windows of three steps, two epochs of six steps, a checkpoint a step."""
    given: dict[str, Any] = {
        "peft": lora(lora_dropout=0.1),
        "train": rows(24),
        "held_out": rows(3),
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 2,
        "max_steps": 9,
        "logging_steps": 3,
        "save_strategy": "steps",
        "save_steps": 1,
        "save_total_limit": 3,
        "eval_strategy": "steps",
        "eval_steps": 4,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 2,
    }
    return trainer(folder, **{**given, **settings})


def finish(made: GameTrainer, folder: Path) -> None:
    """Train to the end, from the last whole checkpoint if there is one, and keep the weights."""
    made.train(resume_from_checkpoint=bool(whole_checkpoints(folder)))
    save_file({n: p.contiguous() for n, p in weights(made).items()}, folder / "final.tmp")
    (folder / "final.tmp").rename(folder / "final.safetensors")


def attempt(folder: Path, adapters: str) -> None:
    """Say who we are, and train to the end unless somebody kills us."""
    run = make(folder, adapters=adapters, max_steps=30)
    print(os.getpid(), flush=True)
    finish(run, folder)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    # each line asks for another attempt, in a process of its own that need not import everything again
    for _ in sys.stdin:
        if os.fork() == 0:
            attempt(Path(sys.argv[1]), sys.argv[2])
            os._exit(0)
        print("finished" if os.wait()[1] == 0 else "died", flush=True)
