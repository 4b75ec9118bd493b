"""Lets torchvision be imported where its compiled operators are missing.

open_clip imports torchvision for transforms only, but torchvision refuses to start unless the operators ``nms`` and
``qnms`` are known. Where its binary part does not fit the installed torch (a CPU torch beside a CUDA torchvision),
declaring the two schemas is enough; calling them still fails, and nothing here does.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from typing import Any

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared: list[Any] = []


def prepare() -> None:
    """Declare the missing operators once, before the first import of torchvision."""
    if _declared or "torchvision" in sys.modules or _operators_load():
        return
    torch: Any = importlib.import_module("torch")
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}{_SCHEMA}")
    _declared.append(library)


def _operators_load() -> bool:
    """Whether torchvision's own operators are there and fit the installed torch."""
    torch: Any = importlib.import_module("torch")
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True
    folder = Path(spec.origin).parent
    compiled = [folder / f"_C{suffix}" for suffix in importlib.machinery.EXTENSION_SUFFIXES]
    for path in compiled:
        if path.exists():
            try:
                torch.ops.load_library(str(path))
            except OSError:
                return False
            return True
    return False
