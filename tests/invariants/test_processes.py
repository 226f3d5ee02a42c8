"""Two processes with half a batch each do what one process does with all of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from games import distance, metrics, samples
from safetensors.torch import load_file

SCRIPT = Path(__file__).with_name("two_processes.py")


def launch(folder: Path, mode: str, world: int, stop: int = 0) -> None:
    """Run the script in ``world`` processes on the CPU."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable]
    if world > 1:
        command += ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(world)]
    command += [str(SCRIPT), str(folder), mode, str(world), *([str(stop)] if stop else [])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def learnt(folder: Path, process: int = 0) -> dict:
    return load_file(folder / f"weights-{process}.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["full", "shared", "per_role", "two_pass"])
def test_two_processes_are_one(tmp_path: Path, mode: str) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    launch(one, mode, 1)
    launch(two, mode, 2)
    assert [json.loads((two / f"world-{p}.json").read_text()) for p in (0, 1)] == [2, 2]
    assert distance(learnt(two, 0), learnt(two, 1)) == 0.0
    assert distance(learnt(one), learnt(two)) < 1e-5
    lines = list(zip(metrics(one), metrics(two), strict=True))
    assert len(lines) == 6  # two logs, three evaluations, the summary
    for a, b in lines:
        assert a == pytest.approx(b, rel=1e-4, abs=1e-5)

    def held_out(folder: Path) -> list[dict]:
        return [s | {"preference": 0} for s in samples(folder) if s.get("held_out")]

    assert held_out(one) == held_out(two)


@pytest.mark.slow
def test_two_processes_resume_to_the_same(tmp_path: Path) -> None:
    """Stopped after step 3, in the middle of a logging window."""
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    launch(whole, "shared", 2)
    launch(resumed, "shared", 2, stop=3)
    launch(resumed, "shared", 2)
    for process in (0, 1):
        assert distance(learnt(whole, process), learnt(resumed, process)) == 0.0
    assert metrics(whole) == metrics(resumed)
    assert samples(whole) == samples(resumed)
