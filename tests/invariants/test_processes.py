"""Two processes with half a batch each do what one process does with all of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from games import distance, metrics, samples
from slhf.errors import InputError

SCRIPT = Path(__file__).with_name("two_processes.py")
sys.path.insert(0, str(SCRIPT.parent))
import two_processes  # noqa: E402


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Everything played by one process (this one) and by two (torchrun, gloo)."""
    made = {world: tmp_path_factory.mktemp(f"world-{world}") for world in (1, 2)}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += [str(SCRIPT), str(made[2]), "2"]
    # a session of its own, so that a run that hangs is ended with all its processes
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        two_processes.main(made[1], 1)
        said, _ = process.communicate(timeout=200)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, said[-4000:]
    return made


def learnt(folder: Path, process: int = 0) -> dict:
    return load_file(folder / f"weights-{process}.safetensors")


def held_out(folder: Path) -> list[dict]:
    return [s | {"preference": 0} for s in samples(folder) if s.get("held_out")]


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(two_processes.MODES))
def test_two_processes_are_one(folders: dict[int, Path], mode: str) -> None:
    one, two = folders[1] / mode, folders[2] / mode
    assert [json.loads((two / f"world-{p}.json").read_text()) for p in (0, 1)] == [2, 2]
    assert distance(learnt(two, 0), learnt(two, 1)) == 0.0
    assert distance(learnt(one), learnt(two)) < 1e-5
    lines = list(zip(metrics(one), metrics(two), strict=True))
    assert len(lines) == 6  # two logs, three evaluations, the summary
    for a, b in lines:
        assert a == pytest.approx(b, rel=1e-4, abs=1e-5)
    assert held_out(one) == held_out(two) != []


@pytest.mark.slow
@pytest.mark.parametrize("world", [1, 2])
def test_stopped_and_resumed_is_the_same(folders: dict[int, Path], world: int) -> None:
    """Each process goes on with its own random numbers and its own half-filled metrics."""
    whole, resumed = folders[world] / "shared", folders[world] / "resumed"
    for process in range(world):
        assert distance(learnt(whole, process), learnt(resumed, process)) == 0.0
    assert metrics(whole) == metrics(resumed)
    assert samples(whole) == samples(resumed)


def test_another_number_of_processes_is_another_run(folders: dict[int, Path], tmp_path: Path) -> None:
    copied = Path(shutil.copytree(folders[2] / "shared", tmp_path / "shared"))
    with pytest.raises(InputError, match="world_size: 2 there, 1 here"):
        two_processes.play(copied, "shared", 1)
