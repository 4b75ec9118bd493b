"""What a thread does with a batch of decoded pictures: forward it, and count what the neurons gave.

Counting lets go of the interpreter's lock like forwarding, so it is done where the activations are: they die with the
batch, and the thread that waits for results has nothing to compute.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import LifoQueue

import numpy as np
import numpy.typing as npt

from audit.dna import Dna, DnaCounter, NeuronsByImage, merge
from audit.extractors.base import Extractor

AT_ONCE = 4
"""Threads that count at once, at most: each needs a state (3.4 KB a neuron), and counting is a few hundredths of a
forward pass, so more of them would not wait less."""

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Measured:
    """What a batch of b pictures gave.

    Attributes
    ----------
    vectors : float32 (b, d)
        Unit length; zero where not usable.
    usable : bool (b,)
    neurons : NeuronsByImage
        Of the usable pictures, in order.
    """

    vectors: Float32
    usable: npt.NDArray[np.bool_]
    neurons: NeuronsByImage


class Measure:
    """Measures batches, on any number of threads; what they counted adds up to the same, whoever counted what.

    Parameters
    ----------
    extractor : Extractor
    """

    def __init__(self, extractor: Extractor) -> None:
        self._extractor = extractor
        self._made: list[DnaCounter] = []
        self._idle: LifoQueue[DnaCounter | None] = LifoQueue()
        for _ in range(AT_ONCE):
            self._idle.put(None)

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> Measured:
        """Measure uint8 pictures (b, size, size, 3); one whose vector has no direction is not counted."""
        features = self._extractor.features(pixels)
        vectors, usable = unit_vectors(features.embedding)
        layers = features.layers
        if not usable.all():
            layers = {name: values[usable] for name, values in layers.items()}
        with self._counter() as counter:
            return Measured(vectors, usable, counter.add(layers))

    @contextmanager
    def _counter(self) -> Iterator[DnaCounter]:
        """A counter that nobody else uses meanwhile; made when there is none at rest."""
        counter = self._idle.get()
        try:
            if counter is None:
                counter = self._new()
                self._made.append(counter)
            yield counter
        finally:
            self._idle.put(counter)

    def _new(self) -> DnaCounter:
        return DnaCounter(self._extractor.ranges, self._extractor.spec.fingerprint)

    def dna(self) -> Dna:
        """What was counted, once every batch has been measured."""
        return merge(counter.dna() for counter in self._made or [self._new()])


def unit_vectors(embedding: Float32) -> tuple[Float32, npt.NDArray[np.bool_]]:
    """Scale rows to unit length.

    Parameters
    ----------
    embedding : float32 (b, d)

    Returns
    -------
    vectors : float32 (b, d)
        Unit length, computed in float64; rows that are not usable are zero.
    usable : bool (b,)
        False where the row holds NaN or infinity, or has length zero.
    """
    wide = embedding.astype(np.float64)
    lengths = np.sqrt(np.square(wide).sum(axis=1))
    usable = np.isfinite(lengths) & (lengths > 0)
    unit = np.divide(wide, lengths[:, None], out=np.zeros_like(wide), where=usable[:, None])
    return unit.astype(np.float32), usable
