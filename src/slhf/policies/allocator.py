"""Memory that is freed and soon needed again stays with the process."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

_TRIM, _MMAP = -1, -3  # names of the two settings in glibc's malloc.h
_LARGEST = 1 << 25
"""Bytes from which an array is mapped by itself, and given back as soon as it is freed: the most glibc allows."""


@cache
def keep_freed_memory(mib: int) -> bool:
    """Let the C library keep what it frees, for arrays that every step makes and drops.

    By default it gives large blocks back to the system at once, and gets them again page by page, each page filled
    with zeros: that took a tenth of a training step on a CPU. The most memory a process uses at any moment stays the
    same; later it holds on to some of it. This concerns the whole process.

    Args:
        mib: free memory at the heap's end that is not given back, MiB.

    Returns:
        True if the C library is glibc and has taken the settings.
    """
    if not sys.platform.startswith("linux"):
        return False
    adjust = getattr(ctypes.CDLL(None), "mallopt", None)
    return adjust is not None and bool(adjust(_TRIM, mib << 20)) and bool(adjust(_MMAP, _LARGEST))
