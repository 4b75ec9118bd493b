"""Arrays in files, read without taking memory that the kernel can't have back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def mapped(path: Path) -> npt.NDArray[Any]:
    """An array file, read only through a memory map (an array without elements is read as it is)."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        shape, _, _ = np.lib.format.read_array_header_1_0(file) if version == (1, 0) else ((1,), None, None)
    array: npt.NDArray[Any] = np.load(path, mmap_mode="r" if np.prod(shape) else None, allow_pickle=False)
    return array
