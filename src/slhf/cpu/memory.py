"""Memory that is freed and soon needed again stays with the process."""

from __future__ import annotations

import ctypes
import sys

_TRIM, _MMAP = -1, -3  # names of the two settings in glibc's malloc.h
_LARGEST = 1 << 25
"""Bytes from which an array is mapped by itself, and given back as soon as it is freed: the most glibc allows."""

_granted: set[int] = set()
"""What the C library was asked to keep so far, MiB."""


def keep_freed_memory(mib: int) -> bool:
    """Let the C library keep what it frees, for arrays that are made and dropped again and again.

    By default it gives large blocks back to the system at once, and gets them again page by page, each page filled
    with zeros. The most memory a process uses at any moment stays the same; later it holds on to some of it. This
    concerns the whole process; of several requests the largest holds.

    Args:
        mib: free memory at the heap's end that is not given back, MiB.

    Returns:
        True if the C library is glibc and has taken the settings.
    """
    if any(mib <= granted for granted in _granted):
        return True
    if not sys.platform.startswith("linux"):
        return False
    adjust = getattr(ctypes.CDLL(None), "mallopt", None)
    if adjust is None or not adjust(_TRIM, mib << 20) or not adjust(_MMAP, _LARGEST):
        return False
    _granted.add(mib)
    return True
