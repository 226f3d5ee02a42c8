"""Play an evaluation in children of one process that has loaded everything, and kill them at random moments.

    python killed_evaluation.py FOLDER SEED COMMAND ARGUMENTS…

Prints JSON: the undisturbed output, what was kept after each kill and how the child ended, and the output of the
last child, which was left alone.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import time
from pathlib import Path

import numpy as np

import slhf.policies
import slhf.runs.compare
import slhf.runs.scale  # noqa: F401 - loaded before the children are made, so that kills do not fall into imports
from slhf.cli import main

KILLS = 10


def start(arguments: list[str], store: Path, out: Path) -> int:
    """Play in a child; returns its process id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sink = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(sink, 1)
        os.dup2(os.open(out.with_suffix(".err"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        code = main([*arguments, "--store", str(store), "--json"])
        sys.stdout.flush()
    except KeyboardInterrupt:  # before the command could catch it, or while it says good-bye
        code = 130
    finally:
        os._exit(code)


def kept(store: Path) -> list[int]:
    """Count what is kept: answers, judgements, scores."""
    if not store.is_file():
        return [0, 0, 0]
    with sqlite3.connect(store) as opened:
        if not opened.execute("select count(*) from sqlite_master").fetchone()[0]:
            return [0, 0, 0]
        return [opened.execute(f"select count(*) from {t}").fetchone()[0] for t in ("answers", "judgements", "scores")]


def alone(arguments: list[str], store: Path, out: Path) -> dict:
    """Play undisturbed; returns the exit code, the output and the seconds of processor time."""
    _, status, used = os.wait4(start(arguments, store, out), 0)
    seconds = used.ru_utime + used.ru_stime
    return {"code": os.waitstatus_to_exitcode(status), "out": out.read_text(), "seconds": seconds}


def wait_for(child: int, seconds: float) -> None:
    """Wait until the child has used so much processor time, or has ended: the machine may be busy with others."""
    ticks = seconds * os.sysconf("SC_CLK_TCK")
    while True:
        state, *fields = Path(f"/proc/{child}/stat").read_text().rpartition(") ")[2].split()
        if state == "Z" or int(fields[10]) + int(fields[11]) >= ticks:
            return
        time.sleep(0.002)


def run(folder: Path, seed: int, arguments: list[str]) -> dict:
    """Play undisturbed, then killed again and again, then to the end."""
    whole = alone(arguments, folder / "whole.sqlite", folder / "whole.json")
    again = alone(arguments, folder / "whole.sqlite", folder / "again.json")
    making = whole["seconds"] - again["seconds"]  # the rest is spent on starting and on reading the store
    rng = np.random.default_rng(seed)
    store, kills, patience = folder / "killed.sqlite", [], 1.0
    for number in range(KILLS):
        child = start(arguments, store, folder / "killed.json")
        wait_for(child, again["seconds"] + making * patience * rng.uniform(-0.1, 0.3))
        os.kill(child, (signal.SIGINT, signal.SIGKILL)[number % 2])
        _, status = os.waitpid(child, 0)
        kills.append([os.waitstatus_to_exitcode(status), kept(store)])
        # a busy machine makes a child dearer than the measured one: whoever got nowhere is given longer
        patience = 1.5 * patience if number and kills[-1][1] == kills[-2][1] else 1.0
    return {
        "whole": whole,
        "again": again,
        "kills": kills,
        "last": alone(arguments, store, folder / "killed.json"),
        "kept": [kept(folder / "whole.sqlite"), kept(store)],
    }


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])))
