"""A run stopped at any step, or killed at any moment, and resumed is the run that was never stopped."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from transformers import TrainerCallback

from games import distance, lora, metrics, samples, weights
from slhf.training.checkpoints import STATE, whole_checkpoints

SCRIPT = Path(__file__).with_name("killed_run.py")
sys.path.insert(0, str(SCRIPT.parent))
import killed_run  # noqa: E402

MODES: dict[str, Any] = {
    "shared": {},
    "per_role": {"adapters": "per_role"},
    "full": {"peft": None},
}


class Interrupt(TrainerCallback):
    """Ends a run after a step the way an error would."""

    def __init__(self, step: int):
        self._step = step

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self._step:
            raise KeyboardInterrupt


def same(whole: Path, resumed: Path) -> None:
    """Everything the two runs left is the same, bit for bit."""
    first, second = (load_file(folder / "final.safetensors") for folder in (whole, resumed))
    assert distance(first, second) == 0.0
    assert metrics(whole) == metrics(resumed)
    assert samples(whole) == samples(resumed)


@pytest.fixture(scope="module", params=list(MODES))
def uninterrupted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The run that was never stopped."""
    folder = tmp_path_factory.mktemp(request.param)
    made = killed_run.make(folder, **MODES[request.param])
    before = weights(made)
    killed_run.finish(made, folder)
    assert distance(before, weights(made)) > 1e-3
    steps = [line["step"] for line in metrics(folder)]
    assert steps == [3, 4, 6, 8, 9, 9, 9]  # three logs, three evaluations, the summary
    assert {s["step"] for s in samples(folder)} == {3, 4, 6, 8, 9}
    return request.param, folder


# 1, 2: the first logging window; 4: after an evaluation, inside the second; 6: the epoch's end; 7, 8: inside the next
@pytest.mark.parametrize("stop", [1, 2, 4, 6, 7, 9])
def test_stopped_after_a_step_and_resumed(uninterrupted: tuple[str, Path], tmp_path: Path, stop: int) -> None:
    mode, whole = uninterrupted
    made = killed_run.make(tmp_path, **MODES[mode])
    made.add_callback(Interrupt(stop))
    with pytest.raises(KeyboardInterrupt):
        made.train()
    assert whole_checkpoints(tmp_path)[-1].name == f"checkpoint-{stop}"
    killed_run.finish(killed_run.make(tmp_path, **MODES[mode]), tmp_path)
    same(whole, tmp_path)


def test_a_checkpoint_that_was_being_written_is_not_used(
    uninterrupted: tuple[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mode, whole = uninterrupted
    made = killed_run.make(tmp_path, **MODES[mode])
    made.add_callback(Interrupt(5))
    with pytest.raises(KeyboardInterrupt):
        made.train()
    # what a kill leaves: everything but the last file, the optimiser's only half there
    last = tmp_path / "checkpoint-5"
    (last / STATE).rename(last / (STATE + ".tmp"))
    (last / "optimizer.pt").write_bytes((last / "optimizer.pt").read_bytes()[:100])
    (tmp_path / "checkpoint-6").mkdir()  # killed before anything was in it
    with caplog.at_level(logging.WARNING):
        killed_run.finish(killed_run.make(tmp_path, **MODES[mode]), tmp_path)
    assert "removing" in caplog.text
    assert "checkpoint-5" in caplog.text
    same(whole, tmp_path)


def test_resuming_from_a_named_checkpoint(uninterrupted: tuple[str, Path], tmp_path: Path) -> None:
    """An earlier checkpoint, in a copy of the folder: the files are cut back to it."""
    mode, whole = uninterrupted
    shutil.copytree(whole, tmp_path / "copy")
    named = whole_checkpoints(tmp_path / "copy")[0]
    made = killed_run.make(tmp_path / "copy", **MODES[mode])
    made.train(resume_from_checkpoint=str(named))
    assert distance(weights(made), load_file(whole / "final.safetensors")) == 0.0
    assert metrics(whole) == metrics(tmp_path / "copy")
    assert samples(whole) == samples(tmp_path / "copy")


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed(tmp_path: Path) -> None:
    """SIGKILL, up to ten times: at moments drawn with seed 0, and while a checkpoint is being written."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    killed_run.finish(killed_run.make(whole, adapters="per_role", max_steps=30), whole)
    draw = random.Random(0)
    outcomes: list[str] = []
    half_written = 0
    command = [sys.executable, str(SCRIPT), str(killed), "per_role"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, **pipes) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        while "finished" not in outcomes and len(outcomes) < 30:
            server.stdin.write("again\n")
            server.stdin.flush()
            run = int(server.stdout.readline())
            if len(outcomes) < 10:
                if len(outcomes) % 2:
                    half_written += wait_for_a_half_written_checkpoint(killed, until=time.monotonic() + 20)
                else:
                    time.sleep(draw.uniform(0.0, 0.3))
                with contextlib.suppress(ProcessLookupError):  # it may just have finished
                    os.kill(run, signal.SIGKILL)
            outcomes.append(server.stdout.readline().strip())
        server.stdin.close()
    assert outcomes[-1] == "finished"
    assert outcomes.count("died") >= 5
    assert half_written >= 2
    same(whole, killed)


def wait_for_a_half_written_checkpoint(folder: Path, until: float) -> bool:
    """Return True as soon as some checkpoint is marked unfinished, or False when the time is up."""
    while time.monotonic() < until:
        if (folder / "final.safetensors").exists() or any(folder.glob(f"checkpoint-*/{STATE}.tmp")):
            return not (folder / "final.safetensors").exists()
    return False


def test_settings_of_the_run_are_told_apart(uninterrupted: tuple[str, Path]) -> None:
    """LoRA settings are part of what a run is."""
    mode, whole = uninterrupted
    if mode != "shared":
        pytest.skip("the LoRA settings are asked about once, with the shared adapter")
    made = killed_run.make(whole, peft=lora(lora_dropout=0.2))
    with pytest.raises(ValueError, match=r"lora.default.lora_dropout: 0.1 there, 0.2 here"):
        made.train(resume_from_checkpoint=True)
