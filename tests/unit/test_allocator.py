"""What is kept of the memory that was freed."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import ctypes, resource, sys, threading
from workers.allocator import keep_freed_activations, share_one_arena

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes, libc.memset.argtypes = [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
if sys.argv[1] == "kept":
    share_one_arena()
    keep_freed_activations()

def layer():
    activations = libc.malloc(100 * 2**20)
    libc.memset(activations, 1, 100 * 2**20)
    libc.free(activations)

def forward():
    layer()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        layer()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

thread = threading.Thread(target=forward)
thread.start()
thread.join()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the options are those of glibc's allocator")
def test_activations_of_a_layer_are_not_faulted_in_again_for_the_next() -> None:
    faults = {
        mode: int(
            subprocess.run([sys.executable, "-c", FAULTS, mode], capture_output=True, text=True, check=True).stdout
        )
        for mode in ("kept", "mapped")
    }
    assert faults["kept"] < 50 < faults["mapped"]
