"""Two processes with half a batch of pairs each do what one does with all of it; the adversary meets them all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from games import distance, metrics

SCRIPT = Path(__file__).with_name("pair_processes.py")
sys.path.insert(0, str(SCRIPT.parent))
import pair_processes  # noqa: E402


@pytest.mark.slow
def test_two_processes_are_one(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    # a session of its own, so that a run that hangs is ended with all its processes
    process = subprocess.Popen(
        [*command, str(SCRIPT), str(two), "2"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        for mode in pair_processes.MODES:
            pair_processes.play(one / mode, mode, 1)
        said, _ = process.communicate(timeout=250)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, said[-4000:]
    for mode in pair_processes.MODES:
        learnt = [load_file(two / mode / f"weights-{p}.safetensors") for p in (0, 1)]
        assert distance(learnt[0], learnt[1]) == 0.0
        assert distance(load_file(one / mode / "weights-0.safetensors"), learnt[0]) < 1e-5
        lines = list(zip(metrics(one / mode), metrics(two / mode), strict=True))
        assert len(lines) == 6  # two logs, three evaluations, the summary
        for a, b in lines:
            assert a == pytest.approx(b, rel=1e-4, abs=1e-5)
