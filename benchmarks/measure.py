"""What is measured around a contender: wall and CPU seconds, phases of a step, memory."""

from __future__ import annotations

import functools
import os
import platform
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

PHASES = ("generate", "score", "forward", "backward", "optimise")
PACKAGES = ("torch", "transformers", "peft", "accelerate", "tokenizers", "trl", "slhf")
MIB = 1024.0  # /proc counts in KiB


class StepClock:
    """Splits a run into optimiser steps and each step into phases.

    A step lasts from one call of ``lap`` to the next, so nothing between two steps goes
    uncounted. Phases nest: the inner one's seconds are taken off the outer one's.

    Args:
        device: "cuda" waits for the device at every reading; otherwise the time would be
            charged to whoever waits first.
    """

    def __init__(self, device: str = "cpu"):
        self._device = device
        self._stack: list[tuple[str, float, float]] = []
        self._phases: dict[str, float] = defaultdict(float)
        self._wall, self._cpu = self._now(), time.process_time()
        self.laps: list[dict[str, float]] = []

    def _now(self) -> float:
        if self._device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Charge the block to phase ``name``, less what inner phases take."""
        self._stack.append((name, self._now(), 0.0))
        try:
            yield
        finally:
            name, start, inner = self._stack.pop()
            spent = self._now() - start
            self._phases[name] += spent - inner
            if self._stack:
                outer, outer_start, outer_inner = self._stack[-1]
                self._stack[-1] = (outer, outer_start, outer_inner + spent)

    def watch(self, owner: Any, method: str, phase: str) -> None:
        """Charge every call of ``owner.method`` to ``phase``; only this object is touched."""
        plain = getattr(owner, method)

        @functools.wraps(plain)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.phase(phase):
                return plain(*args, **kwargs)

        setattr(owner, method, timed)

    def lap(self) -> None:
        """End the current optimiser step."""
        wall, cpu = self._now(), time.process_time()
        lap = {"wall": wall - self._wall, "cpu": cpu - self._cpu}
        lap |= {name: self._phases.get(name, 0.0) for name in PHASES}
        lap["other"] = lap["wall"] - sum(lap[name] for name in PHASES)
        self.laps.append(lap)
        self._phases.clear()
        self._wall, self._cpu = wall, cpu


class Memory:
    """Peak memory above what the process held when this was made.

    On Linux the kernel's own high-water mark is reset at the start, so no peak is missed
    between two samples. With "cuda" the peak of the device's allocator is read instead.
    """

    def __init__(self, device: str = "cpu"):
        self._device = device
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        self.reset = True
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:  # the mark then also holds the peak of the imports
            self.reset = False
        self.idle = _status("VmRSS")

    def peak(self) -> float:
        """Return the highest memory since the start, MiB (above idle it is ``peak() - idle``)."""
        if self._device == "cuda":
            return torch.cuda.max_memory_allocated() / 2**20 + self.idle
        return _status("VmHWM")


def _status(field: str) -> float:
    """Read one field of /proc/self/status, MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / MIB
    raise RuntimeError(f"/proc/self/status has no {field}; the benchmark measures memory on Linux only")


def versions() -> dict[str, str]:
    """Return the versions of the packages a timing depends on, as far as installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Return what the machine is: processor, cores, memory, accelerator."""
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor() or "unknown",
    )
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / MIB**2
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "memory_gib": round(memory, 1),
        "gpu": gpu,
        "system": platform.system(),
    }
