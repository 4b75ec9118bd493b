"""How the C library's allocator treats memory that was freed: kept for what comes next, or given back and faulted anew.

Source: mallopt(3); glibc's malloc/malloc.c and arena.c for the limits.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping

from PIL import Image

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -2, -3, -4, -8
_MIB = 2**20


def keep_freed_pictures() -> None:
    """Keep what a picture freed for the next one, in a decoding process: page faults cost as much as the statistics."""
    Image.core.set_blocks_max(16)  # type: ignore[attr-defined]
    _set({_MMAP_THRESHOLD: 32 * _MIB, _TRIM_THRESHOLD: 64 * _MIB, _TOP_PAD: 4 * _MIB})


def share_one_arena() -> None:
    """Let threads that start from now on allocate from one arena, so that what one freed serves the others.

    Arenas of threads are heaps of 64 MiB that are given back when they are empty, whatever the thresholds say.
    """
    _set({_ARENA_MAX: 1})


def keep_freed_activations() -> None:
    """Keep what a layer of a torch extractor freed for the next one.

    Activations are tens of MiB to over a hundred a batch. From 32 MiB (the largest threshold there is) each would be
    mapped, faulted in and unmapped again: of a ResNet-50 on one core a quarter of the time. So nothing is mapped, and
    the heap is trimmed only beyond what a batch holds.
    """
    _set({_MMAP_MAX: 0, _TRIM_THRESHOLD: 1024 * _MIB, _TOP_PAD: 4 * _MIB})


def _set(options: Mapping[int, int]) -> None:
    """Set options of glibc's allocator; does nothing where there is none."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in options.items():
            mallopt(option, value)
