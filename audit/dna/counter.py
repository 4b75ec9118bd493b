"""Counting: batches of activations become the state of Visual DNA."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from audit.dna.ranges import NeuronRanges
from audit.dna.state import N_BUCKETS, STATE, Dna, zeros
from audit.maths import histograms
from audit.maths.histograms import Floats, Ints


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

    def add(self, layers: Mapping[str, Floats]) -> None:
        """Count a batch.

        Parameters
        ----------
        layers : mapping of layer name to float32 (b, positions, c)
            Every layer of the ranges; others are ignored.

        Raises
        ------
        ValueError
            If a layer is absent or has another shape than its ranges.
        """
        missing = [name for name in self.ranges.layers if name not in layers]
        if missing:
            raise ValueError(f"activations of the layers {missing} are missing; got {list(layers)}")
        buckets: list[int] | None = None
        for name, known in self.ranges.layers.items():
            values = np.ascontiguousarray(layers[name], dtype=np.float32)
            buckets = buckets or [zlib.crc32(image) % N_BUCKETS for image in values]
            part = histograms.count(values, known.low, known.high)
            self._accumulate(self.ranges.slices[name], part, buckets)

    def _accumulate(self, rows: slice, part: histograms.LayerCounts, buckets: list[int]) -> None:
        if len(part.coarse) != len(buckets):
            raise ValueError(f"layers of one batch hold {len(buckets)} and {len(part.coarse)} images")
        for name in STATE:
            if name != "buckets":
                self._state[name][rows] += getattr(part, name)
        order = np.argsort(buckets, kind="stable")
        present, starts = np.unique(np.asarray(buckets, np.int64)[order], return_index=True)
        if len(present):
            sums = np.add.reduceat(part.coarse[order], starts, axis=0)
            self._state["buckets"][rows, present] += sums.transpose(1, 0, 2)

    def dna(self) -> Dna:
        """What was counted so far; later batches do not change it."""
        return Dna(ranges=self.ranges, extractor=self.extractor, **{k: v.copy() for k, v in self._state.items()})
