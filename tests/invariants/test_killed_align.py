"""A run of alignment that is killed at random moments, five times in a row, ends with the same model and numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.align_fixtures import align_values
from tests.run_fixtures import tiny

DRIVER = Path(__file__).with_name("killed_align.py")
__all__ = ["align_values", "tiny"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="a child's processor time is read from /proc")
def test_killed_again_and_again_it_ends_as_if_undisturbed(align_values, tmp_path):
    """SIGKILL and SIGINT in turn, each a stage or two later than the last and a random while, until one is too late."""
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(align_values))
    done = subprocess.run(
        [sys.executable, str(DRIVER), str(tmp_path), "3"],
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["codes"] == [0, 0, 0], (tmp_path / "killed.2").read_text()
    stopped = [code for code, _ in told["kills"] if code != 0]
    assert len(stopped) >= 3  # enough of the kills came before the end
    assert set(stopped) <= {130, -2, -9}  # nothing broke in another way
    assert len({tuple(stages) for _, stages in told["kills"]}) >= 3  # and it went on from different places
    assert told["same"]
    assert not [name for name in told["left"] if name.endswith(".partial")]
