"""Runs a torch module the same way everywhere: frozen, on one thread, deterministic, on the device at hand."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from audit.errors import ConfigError

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TorchRun:
    """A module as :data:`audit.extractors._network.Run`.

    Attributes
    ----------
    forward : callable
        Pixels, a tensor (b, 3, size, size) on the device, to the embedding and the layers.
    device : str
    dtype : str
        ``float32``, or ``bfloat16`` by autocast.
    """

    forward: Callable[[torch.Tensor], tuple[torch.Tensor, Mapping[str, Floats]]]
    device: str
    dtype: Literal["float32", "bfloat16"] = "float32"

    def __call__(self, pixels: Floats) -> tuple[Floats, Mapping[str, Floats]]:
        """Run the module on normalised pixels (b, 3, size, size)."""
        import torch

        with frozen(self.device, self.dtype):
            embedding, layers = self.forward(torch.from_numpy(pixels).to(self.device))
            return to_numpy(embedding), layers


@contextmanager
def frozen(device: str, dtype: str = "float32") -> Iterator[None]:
    """Everything inside runs without gradients, on one thread, deterministic, in the precision asked for."""
    import torch

    torch.set_num_threads(1)
    mixed = torch.autocast(device.partition(":")[0], torch.bfloat16, enabled=dtype == "bfloat16")
    exact = torch.backends.cudnn.flags(deterministic=True, benchmark=False, allow_tf32=False)
    with torch.inference_mode(), mixed, exact:
        yield


def to_numpy(value: torch.Tensor) -> Floats:
    """A tensor as float32; on a CPU it may share memory with it."""
    array: Floats = value.detach().float().cpu().numpy()
    return array


def device() -> str:
    """``$ASSAY_DEVICE`` (``cpu``, ``cuda``, ``cuda:1``, ``mps``), or the best device there is.

    Raises
    ------
    ConfigError
        If the device that was asked for is not there.
    """
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    chosen = os.environ.get("ASSAY_DEVICE") or next(name for name in ("cuda", "mps", "cpu") if there[name])
    if not there.get(chosen.partition(":")[0]):
        found = ", ".join(name for name, is_there in there.items() if is_there)
        raise ConfigError(f"ASSAY_DEVICE is {chosen!r}, which this machine does not have; there are: {found}")
    return chosen
