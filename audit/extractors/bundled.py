"""The learned extractor that ships in the package: MobileNetV2 that was taught to see at 128 pixels.

The file beside this module holds the weights as float16 and the range of every neuron. How it was trained and what it
can and cannot do: docs/extractors.md and ``infra/train_extractor``.

Source: :mod:`audit.extractors._mobilenet`; distillation after G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge
in a Neural Network", 2015.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from safetensors import safe_open

from audit.dna import LayerRanges, NeuronRanges
from audit.extractors._network import Network, Preprocessing
from audit.extractors.base import ExtractorSpec, InputSpec, Layer

if TYPE_CHECKING:
    import torch

NAME = "bundled"
SIDE = 128
WEIGHTS = Path(__file__).with_name("bundled.safetensors")
PREPROCESSING = Preprocessing(
    InputSpec(size=SIDE, fit="squash", resample="bilinear"), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
)
TAPS = {"stage2": 1, "stage3": 2, "stage4": 3, "stage5": 4, "stage7": 6, "last": 7}
"""Layers of Visual DNA, and which map of the trunk each is."""

GRID = 4
"""Maps are averaged over cells of a grid of so many along each side: a position of Visual DNA is a cell."""

PART = 16
"""Pictures forwarded at once: the largest map of so many (25 MB) is memory that allocators reuse, not map anew."""

_RANGES = "ranges"

Floats = npt.NDArray[np.float32]
Forward = Callable[["torch.Tensor"], tuple["torch.Tensor", Mapping[str, Floats]]]


@lru_cache(maxsize=1)
def load(_rest: str = "") -> Network:
    """The bundled extractor with the weights shipped in the package, on the best device at hand."""
    from audit.extractors._torch import TorchRun, device

    chosen = device()
    return Network(PREPROCESSING, TorchRun(forward(chosen), chosen), (resolve(), read_ranges()))


@lru_cache(maxsize=1)
def resolve(_rest: str = "") -> ExtractorSpec:
    """The specification of :func:`load`, from the file alone: torch is not needed."""
    ranges = read_ranges()
    with safe_open(WEIGHTS, "np") as stored:
        dimension = stored.get_slice("head.weight").get_shape()[0]
    return ExtractorSpec(
        name=NAME,
        architecture="MobileNetV2 1.0, mean over places, linear head",
        weights_sha256=hashlib.sha256(WEIGHTS.read_bytes()).hexdigest(),
        input=PREPROCESSING.input,
        dimension=dimension,
        layers=tuple(Layer(name=name, n_neurons=len(layer.low)) for name, layer in ranges.layers.items()),
        ranges_sha256=ranges.sha256,
    )


def read_ranges(path: Path = WEIGHTS) -> NeuronRanges:
    """The range of every neuron, from the file of the weights."""
    with safe_open(path, "np") as stored:
        layers = {
            name: LayerRanges(
                stored.get_tensor(f"{_RANGES}.{name}.low"),
                stored.get_tensor(f"{_RANGES}.{name}.high"),
                stored.get_tensor(f"{_RANGES}.{name}.dead").astype(bool),
            )
            for name in TAPS
        }
        return NeuronRanges(layers, stored.metadata()["calibration"])


def range_tensors(ranges: NeuronRanges) -> dict[str, npt.NDArray[np.generic]]:
    """Ranges as :func:`read_ranges` reads them, by name of the tensor."""
    tensors: dict[str, npt.NDArray[np.generic]] = {}
    for name, layer in ranges.layers.items():
        tensors |= {f"{_RANGES}.{name}.low": layer.low, f"{_RANGES}.{name}.high": layer.high}
        tensors[f"{_RANGES}.{name}.dead"] = layer.dead.astype(np.uint8)
    return tensors


def forward(device: str, path: Path = WEIGHTS) -> Forward:
    """The network on a device: pixels (b, 3, 128, 128) to the embedding and the layers (b, 16, channels)."""
    import torch
    import torch.nn.functional as F  # noqa: N812 (its customary name)

    from audit.extractors._mobilenet import Network as MobileNet
    from audit.extractors._torch import to_numpy

    with safe_open(path, "pt") as stored:
        state = {name: stored.get_tensor(name).float() for name in stored.keys() if not name.startswith(_RANGES)}  # noqa: SIM118
    network = MobileNet(len(state["head.bias"]))
    network.load_state_dict(state)
    network.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def part(pixels: torch.Tensor) -> list[torch.Tensor]:
        embedding, maps = network(pixels.contiguous(memory_format=torch.channels_last))
        return [embedding, *(F.adaptive_avg_pool2d(maps[number], GRID) for number in TAPS.values())]

    def run(pixels: torch.Tensor) -> tuple[torch.Tensor, Mapping[str, Floats]]:
        parts = [part(pixels[start : start + PART]) for start in range(0, len(pixels), PART)] or [part(pixels)]
        embedding, *cells = (torch.cat(same) for same in zip(*parts, strict=True))
        layers = (to_numpy(cell.flatten(2).transpose(1, 2).contiguous()) for cell in cells)
        return embedding, dict(zip(TAPS, layers, strict=True))

    return run
