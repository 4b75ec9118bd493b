"""Counting: batches of activations become the state of Visual DNA, and a few numbers of each image."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from audit.dna.ranges import NeuronRanges
from audit.dna.state import Dna, zeros
from audit.maths import histograms
from audit.maths.histograms import N_BUCKETS, Floats, Ints, Sums


@dataclass(frozen=True)
class NeuronsByImage:
    """What N neurons gave for each of b images, in parts of the neuron's range: 0 at the low end, 1 at the high one.

    Attributes
    ----------
    values : float16 (b, N)
        Mean over the positions; NaN where none is a number.
    border : float16 (b, c)
        Mean over the outer ring of ``border_layer``.
    border_layer : str
        The last layer that is a map of at least 4 x 4 places; "" if none is.
    top : float32 (b, N)
        The largest position; NaN where there is none.
    place : int32 (b, N)
        Where that is, row by row; the first of equal ones, -1 where there is none.
    """

    values: npt.NDArray[np.float16]
    border: npt.NDArray[np.float16]
    border_layer: str
    top: Floats
    place: npt.NDArray[np.int32]


@dataclass
class DnaCounter:
    """Counts activations, batch after batch.

    Parameters
    ----------
    ranges : NeuronRanges
    extractor : str
        Fingerprint of the extractor; merged and compared DNA must have the same.
    """

    ranges: NeuronRanges
    extractor: str = ""
    _state: dict[str, Ints] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._state = zeros(self.ranges.n_neurons)

    def add(self, layers: Mapping[str, Floats]) -> NeuronsByImage:
        """Count a batch.

        Parameters
        ----------
        layers : mapping of layer name to float32 (b, positions, c)
            Every layer of the ranges; others are ignored.

        Returns
        -------
        NeuronsByImage
            Of this batch; it does not depend on what else is in the batch.

        Raises
        ------
        ValueError
            If a layer is absent or has another shape than its ranges.
        """
        known = {name: self._checked(layers, name) for name in self.ranges.layers}
        buckets = np.array([zlib.crc32(image) % N_BUCKETS for image in next(iter(known.values()), ())], np.int64)
        mapped = _last_map({name: values.shape[1] for name, values in known.items()})
        n, width = len(buckets), self.ranges.n_neurons
        values = np.empty((n, width), np.float16)
        border = np.empty((n, 0), np.float16)
        top, place = np.empty((n, width), np.float32), np.empty((n, width), np.int32)
        for name, activations in known.items():
            rows, one = self.ranges.slices[name], self.ranges.layers[name]
            ring = histograms.border(activations.shape[1]) & (name == mapped)
            sums = Sums(**{key: state[rows] for key, state in self._state.items()})
            seen = histograms.count(activations, (one.low, one.high), buckets, ring, sums)
            values[:, rows], top[:, rows], place[:, rows] = seen.mean, seen.top, seen.place
            if name == mapped:
                border = seen.border.astype(np.float16)
        return NeuronsByImage(values, border, mapped, top, place)

    def _checked(self, layers: Mapping[str, Floats], name: str) -> Floats:
        if name not in layers:
            missing = [one for one in self.ranges.layers if one not in layers]
            raise ValueError(f"activations of the layers {missing} are missing; got {list(layers)}")
        return np.ascontiguousarray(layers[name], dtype=np.float32)

    def dna(self) -> Dna:
        """What was counted so far; later batches do not change it."""
        return Dna(ranges=self.ranges, extractor=self.extractor, **{k: v.copy() for k, v in self._state.items()})


def _last_map(positions: Mapping[str, int]) -> str:
    """The last layer that is a map, of layers by their number of positions; "" if none is."""
    return next((name for name in reversed(list(positions)) if histograms.is_map(positions[name])), "")
