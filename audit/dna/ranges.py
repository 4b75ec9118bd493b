"""Where the neurons of an extractor live: the range that each one's activations are counted in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from audit.maths import histograms
from audit.maths.histograms import Floats


@dataclass(frozen=True)
class LayerRanges:
    """Where the neurons of one layer live.

    Attributes
    ----------
    low, high : float32 (c,), low < high
    dead : bool (c,)
        Constant in calibration: counted, but left out of distances by default.
    """

    low: Floats
    high: Floats
    dead: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        if not (self.low.shape == self.high.shape == self.dead.shape and self.low.ndim == 1):
            raise ValueError(f"ranges must be three arrays (c,), got {self.low.shape}, {self.high.shape}")
        if not np.all(self.low < self.high):
            raise ValueError("every neuron's range must have low < high")


@dataclass(frozen=True)
class NeuronRanges:
    """The range of every neuron of an extractor, calibrated once and part of its fingerprint.

    Attributes
    ----------
    layers : mapping of layer name to LayerRanges, in the extractor's order
    calibration : str
        What the ranges were calibrated on, in words.
    """

    layers: Mapping[str, LayerRanges]
    calibration: str

    @cached_property
    def sha256(self) -> str:
        """Hash of every number, name and the statement, 64 hexadecimal digits."""
        digest = hashlib.sha256(json.dumps([self.calibration, list(self.layers)]).encode())
        for layer in self.layers.values():
            digest.update(layer.low.astype("<f4").tobytes())
            digest.update(layer.high.astype("<f4").tobytes())
            digest.update(layer.dead.astype("u1").tobytes())
        return digest.hexdigest()

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Which rows of the state belong to each layer."""
        ends = np.cumsum([0, *(len(layer.low) for layer in self.layers.values())]).tolist()
        return {name: slice(ends[i], ends[i + 1]) for i, name in enumerate(self.layers)}

    @property
    def n_neurons(self) -> int:
        """Neurons of all layers, dead ones included."""
        return sum(len(layer.low) for layer in self.layers.values())

    @cached_property
    def bin_width(self) -> npt.NDArray[np.float64]:
        """Width of one bin of each neuron, float64 (N,), in the neuron's own unit."""
        widths = [layer.high.astype(np.float64) - layer.low for layer in self.layers.values()]
        return np.concatenate([np.zeros(0), *widths]) / histograms.INNER_BINS

    @cached_property
    def dead(self) -> npt.NDArray[np.bool_]:
        """Dead flags of all neurons, bool (N,)."""
        return np.concatenate([np.zeros(0, bool), *(layer.dead for layer in self.layers.values())])
