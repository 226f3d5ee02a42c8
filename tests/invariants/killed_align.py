"""Align a little model in children of one process that has loaded everything, and kill them at random moments.

    python killed_align.py FOLDER SEED

FOLDER holds ``tiny.yaml``. Prints JSON: how each child ended and which stages it left, and whether the run that was
killed ended as the undisturbed one did.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch

import slhf.reports.page
from slhf.cli import main
from slhf.runs import align_page, align_run, align_trainer  # noqa: F401 - loaded before the children are made
from slhf.training import pair_scores, pairs  # noqa: F401

KILLS = 12  # at most; the run may end before


def start(folder: Path, run: str, *, resume: bool) -> int:
    """Align in a child; returns its process id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in (1, 2):
            os.dup2(os.open(folder / f"{run}.{number}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        slhf.reports.page.Page.write = lambda self, place: Path(place)  # drawing takes longer than all the rest
        code = main(
            ["align", str(folder / "tiny.yaml"), "--output", str(folder / run), *["--resume"] * resume, "--json"]
        )
        sys.stdout.flush()
    except KeyboardInterrupt:  # before the command could catch it, or while it says good-bye
        code = 130
    finally:
        os._exit(code)


def used(child: int) -> float | None:
    """Return the seconds of processor time a child has used; None if it has ended."""
    state, *fields = Path(f"/proc/{child}/stat").read_text().rpartition(") ")[2].split()
    return None if state == "Z" else (int(fields[10]) + int(fields[11])) / os.sysconf("SC_CLK_TCK")


def wait_for(child: int, run: Path, stages: int, seconds: float) -> None:
    """Wait until so many more stages have begun and so much more processor time is used, or the child has ended."""
    wanted, reached = len(left(run)) + stages, None
    while (now := used(child)) is not None:
        if reached is None and len(left(run)) >= wanted:
            reached = now
        if reached is not None and now >= reached + seconds:
            return
        time.sleep(0.002)


def alone(folder: Path, run: str, *, resume: bool) -> tuple[int, float]:
    """Align undisturbed; returns the exit code and the seconds of processor time."""
    _, status, used = os.wait4(start(folder, run, resume=resume), 0)
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime


def left(run: Path) -> list[str]:
    """Return the stages a run's folder holds."""
    return sorted(path.name for path in (run / "stages").iterdir()) if (run / "stages").is_dir() else []


def result(run: Path) -> str:
    """Return everything a run ended with: its numbers, and the bytes of its last model."""
    values = json.loads((run / "result.json").read_text())
    weights = {p.name: p.read_bytes().hex() for p in sorted((run / "model").glob("*.safetensors"))}
    assert weights
    return json.dumps([values, weights])


def play(folder: Path, seed: int) -> dict:
    """Align undisturbed, then killed again and again, then to the end."""
    whole, seconds = alone(folder, "whole", resume=False)
    again, starting = alone(folder, "whole", resume=True)  # nothing to do: what it takes to come to the work
    stage = (seconds - starting) / len(left(folder / "whole"))
    rng = np.random.default_rng(seed)
    kills = []
    for number in range(KILLS):
        child = start(folder, "killed", resume=(folder / "killed" / "recipe.yaml").is_file())
        wait_for(child, folder / "killed", int(rng.integers(1, 3)), stage * rng.uniform(0.0, 1.0))
        os.kill(child, (signal.SIGKILL, signal.SIGINT)[number % 2])
        _, status = os.waitpid(child, 0)
        kills.append([os.waitstatus_to_exitcode(status), left(folder / "killed")])
        if kills[-1][0] == 0:
            break
    codes = [whole, again, alone(folder, "killed", resume=True)[0]]
    same = codes == [0, 0, 0] and result(folder / "whole") == result(folder / "killed")
    return {"codes": codes, "kills": kills, "same": same, "left": left(folder / "killed")}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    print(json.dumps(play(Path(sys.argv[1]), int(sys.argv[2]))))
