"""A disk that is full while a checkpoint is written: the last good one stays, and the run goes on from it."""

from __future__ import annotations

import errno
import resource
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from transformers import TrainerCallback

from games import distance, lora, metrics, trainer, weights
from slhf.errors import CheckpointError
from slhf.training import GameTrainer
from slhf.training.checkpoints import STATE, whole_checkpoints


def make(folder: Path, **settings: Any) -> GameTrainer:
    given: dict[str, Any] = {"save_strategy": "steps", "save_steps": 1, "max_steps": 4, "save_total_limit": 1}
    return trainer(folder, **{**given, "peft": lora(), **settings})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, list]:
    """The run on a disk with room."""
    folder = tmp_path_factory.mktemp("whole")
    made = make(folder)
    made.train()
    return weights(made), metrics(folder)


def full(*args: Any, **kwargs: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


class At(TrainerCallback):
    """Does something after a step, before that step is saved."""

    def __init__(self, step: int, do: Any):
        self._step, self._do = step, do

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self._step:
            self._do()


def check_and_resume(folder: Path, whole: tuple[dict, list]) -> None:
    assert [p.name for p in folder.glob("checkpoint-*")] == ["checkpoint-2"]
    assert whole_checkpoints(folder) == [folder / "checkpoint-2"]
    made = make(folder)
    made.train(resume_from_checkpoint=True)
    assert distance(weights(made), whole[0]) == 0.0
    assert metrics(folder) == whole[1]
    assert [p.name for p in folder.glob("checkpoint-*")] == ["checkpoint-4"]


@pytest.mark.parametrize("what", ["weights", "optimizer", "state"])
def test_no_space_left(tmp_path: Path, whole: tuple[dict, list], what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever file meets the end of the disk."""
    made = make(tmp_path)

    def fill() -> None:
        if what == "weights":
            monkeypatch.setattr(peft.peft_model, "safe_save_file", full)
        elif what == "optimizer":
            monkeypatch.setattr(torch, "save", full)
        else:
            monkeypatch.setattr("slhf.training.checkpoints.mark_whole", full)

    made.add_callback(At(3, fill))
    with pytest.raises(CheckpointError, match=r"could not write .*checkpoint-3: .*No space left.*checkpoint-2\. Free"):
        made.train()
    monkeypatch.undo()
    check_and_resume(tmp_path, whole)


def test_a_real_limit_on_the_size_of_files(tmp_path: Path, whole: tuple[dict, list]) -> None:
    """The operating system refuses: no file may grow beyond 8 KiB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    made = make(tmp_path)
    made.add_callback(At(3, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))))
    try:
        with pytest.raises(CheckpointError, match=r"could not write .*checkpoint-3: .*checkpoint-2\. Free some space"):
            made.train()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    check_and_resume(tmp_path, whole)


def test_no_earlier_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(CheckpointError, match="there is no earlier checkpoint"):
        make(tmp_path).train()
    assert not list(tmp_path.glob("checkpoint-*"))


def test_the_final_model_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make(tmp_path)
    made.train()
    monkeypatch.setattr(peft.peft_model, "safe_save_file", full)
    with pytest.raises(CheckpointError, match=r"could not write the model to .*: .*No space left on device"):
        made.save_model(str(tmp_path / "model"))
    assert [p.name for p in whole_checkpoints(tmp_path)] == ["checkpoint-4"]


def test_older_checkpoints_go_only_when_the_new_one_is_whole(tmp_path: Path) -> None:
    """With a limit of one, there is never a moment without a whole checkpoint."""
    held: list[list[str]] = []

    class Look(TrainerCallback):
        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            held.append([p.name for p in whole_checkpoints(tmp_path)])

    made = make(tmp_path)
    made.add_callback(Look())
    made.train()
    assert held == [[f"checkpoint-{n}"] for n in (1, 2, 3, 4)]
    assert made.args.save_total_limit == 1
    assert (tmp_path / "checkpoint-4" / STATE).is_file()
