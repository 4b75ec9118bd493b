"""Runs a torch module the same way everywhere: frozen, on one thread, deterministic, on the device at hand."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from audit.errors import ConfigError
from audit.extractors import _lanes
from audit.extractors._lanes import Lanes

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.float32]

TRIAL = 32
"""Pictures of a batch in a trial of how many batches a device computes at once: as many as an audit's."""


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

    def paced(self, extractor: str, size: int) -> TorchRun | Paced:
        """The same, several batches at once where that pays: on CUDA, as many as were found to for this extractor.

        Parameters
        ----------
        extractor : str
            Its fingerprint.
        size : int
            Side of its input.
        """
        if not self.device.startswith("cuda"):
            return self
        import torch

        torch.cuda.synchronize(self.device)  # the weights are there before any stream asks for them
        name, run = torch.cuda.get_device_name(self.device), Streams(self)
        n = _lanes.remembered(extractor, name)
        if n is None:
            blank = np.zeros((TRIAL, 3, size, size), np.float32)
            n = _lanes.find(_lanes.rate_of(lambda: run(blank)), torch.OutOfMemoryError)
            _lanes.remember(extractor, name, n)
        keep = partial(_lanes.remember, extractor, name)
        return Paced(run, Lanes(n, torch.OutOfMemoryError, free=torch.cuda.empty_cache, remember=keep))


@dataclass(frozen=True)
class Streams:
    """A run on CUDA in which every thread has a stream of its own, so that several batches lie on the device at once.

    Pixels go there through pinned memory, without waiting for what other streams compute.
    """

    run: TorchRun
    _own: threading.local = field(default_factory=threading.local)

    def __call__(self, pixels: Floats) -> tuple[Floats, Mapping[str, Floats]]:
        """Run the module on normalised pixels (b, 3, size, size)."""
        import torch

        device = self.run.device
        if not hasattr(self._own, "stream"):
            self._own.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(self._own.stream), frozen(device, self.run.dtype):
            there = torch.from_numpy(pixels).pin_memory().to(device, non_blocking=True)
            embedding, layers = self.run.forward(there)
            return to_numpy(embedding), layers


@dataclass(frozen=True)
class Paced:
    """A run of which so many are let at once as there are lanes."""

    run: Callable[[Floats], tuple[Floats, Mapping[str, Floats]]]
    lanes: Lanes

    def __call__(self, pixels: Floats) -> tuple[Floats, Mapping[str, Floats]]:
        """Run the module on normalised pixels (b, 3, size, size) when its turn comes."""
        return self.lanes.run(lambda: self.run(pixels))


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
    if chosen.startswith("cuda"):
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # or cuBLAS may choose by what other streams do
    return chosen
