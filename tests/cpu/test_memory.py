"""Freed memory stays: arrays that are made again and again cost no page faults."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import torch
from slhf.cpu import keep_freed_memory

def faults(mib: int) -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(mib << 18)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

assert keep_freed_memory(mib=64) is True
assert keep_freed_memory(mib=1) is True  # and takes nothing back
faults(24)
print(faults(24))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="these are settings of glibc")
def test_large_arrays_are_not_mapped_again() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    pages = 24 * 256  # of 4 KiB in one array; without the setting every one of 20 arrays costs as many faults
    assert int(done.stdout) < pages
