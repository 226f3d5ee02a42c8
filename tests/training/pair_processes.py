"""What each process of a distributed run on pairs does; started by torchrun from test_pair_processes.py.

Usage: pair_processes.py FOLDER WORLD
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

from games import lora, weights  # noqa: E402
from pair_games import pair_rows, pair_trainer  # noqa: E402
from slhf.algorithms import pair_loss  # noqa: E402

BALL: dict[str, Any] = {"window": (-1.0, 1.0), "epsilon": 0.1}
MODES: dict[str, Any] = {
    "sgpo": {"loss": pair_loss("sgpo", **BALL), "peft": lora()},
    "sgpo_dual": {"loss": pair_loss("sgpo_dual", buffer=6, **BALL), "peft": lora()},
    "full": {"loss": pair_loss("sgpo", **BALL)},
}


def play(folder: Path, mode: str, world: int) -> None:
    """Train one mode and leave the weights of each process."""
    made = pair_trainer(
        folder,
        train=pair_rows(24),
        held_out=pair_rows(7, seed=5),  # an odd number: the processes' shares differ
        per_device_train_batch_size=4 // world,
        gradient_accumulation_steps=2,
        train_chunk_tokens=40,  # the processes cut their parts differently
        optim="sgd",
        learning_rate=0.1,
        max_steps=5,
        logging_steps=2,
        eval_strategy="steps",
        eval_steps=2,
        save_strategy="steps",
        save_steps=5,
        **MODES[mode],
    )
    assert made.accelerator.num_processes == world
    if world > 1:
        assert torch.distributed.get_world_size() == world
    made.train()
    process = made.accelerator.process_index
    save_file({n: p.contiguous() for n, p in weights(made).items()}, folder / f"weights-{process}.safetensors")
    made.accelerator.wait_for_everyone()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for name in MODES:
        play(Path(sys.argv[1], name), name, int(sys.argv[2]))
    # gloo's destructor may wait for ever on a thread that waits for the interpreter; everything is written
    os._exit(0)
