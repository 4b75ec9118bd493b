"""Runs a torch module the same way everywhere: frozen, on one thread, deterministic, on the device at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

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
    """

    forward: Callable[[torch.Tensor], tuple[torch.Tensor, Mapping[str, Floats]]]
    device: str

    def __call__(self, pixels: Floats) -> tuple[Floats, Mapping[str, Floats]]:
        """Run the module on normalised pixels (b, 3, size, size)."""
        import torch

        torch.set_num_threads(1)
        with torch.inference_mode(), torch.backends.cudnn.flags(deterministic=True, benchmark=False, allow_tf32=False):
            embedding, layers = self.forward(torch.from_numpy(pixels).to(self.device))
            return to_numpy(embedding), layers


def to_numpy(value: torch.Tensor) -> Floats:
    """A tensor as float32; on a CPU it may share memory with it."""
    array: Floats = value.detach().float().cpu().numpy()
    return array


def device() -> str:
    """The best device there is."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
