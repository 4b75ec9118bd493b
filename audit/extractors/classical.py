"""The bundled extractor that needs no network, no accelerator and no learned network: colour, texture, edges.

Six blocks of integer measurements are centred, projected on their own principal axes, whitened and brought to equal
length. The axes were learned once, without labels, by ``infra/train_classical.py``, and are kept as 8-bit integers:
the projection is a product of whole numbers that float64 holds exactly, so its bytes are equal on any number of
threads and with any BLAS.

Source: docs/extractors.md; the design is argued in docs/adr/0010-classical-extractor.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from audit.dna import LayerRanges, NeuronRanges
from audit.extractors import _descriptors as descriptors
from audit.extractors.base import ExtractorSpec, Features, InputSpec, Layer

NAME = "classical"
SIDE = descriptors.SIDE
GRID = 4
FINE_GRID = 8
QUANTUM = 4096
"""Centred measurements are cut to 1/4096 before the projection."""
BLOCKS = {"colour": 72, "tint": 48, "texture": 80, "texture_coarse": 80, "edges": 96, "edges_coarse": 96}
"""Each layer's share of the embedding, in dimensions."""
BLOCK_WEIGHTS = {"edges": 1.25, "edges_coarse": 1.25}
CHANNELS = {"colour": 38, "tint": 3, "texture": 59, "texture_coarse": 59, "edges": 9, "edges_coarse": 9}
_WEIGHTS = Path(__file__).with_name("classical.npz")
_CHUNK = 4

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Axes:
    """How one block becomes its part of the embedding.

    Attributes
    ----------
    mean : float32 (m,)
    axes : int8 (m, d)
    scale : float32 (d,)
        Turns the integer product into whitened coordinates.
    """

    mean: Floats
    axes: npt.NDArray[np.int8]
    scale: Floats


def measure(batch: npt.NDArray[np.uint8]) -> dict[str, Floats]:
    """Every layer of a batch of pictures.

    Parameters
    ----------
    batch : uint8 (b, 128, 128, 3), RGB

    Returns
    -------
    dict of layer name to float32 (b, cells, channels)
        colour : √ of the share of the cell's pixels, [0, 1]
        tint : mean L* / 25, a* / 10, b* / 15 of the cell
        texture, texture_coarse : √ of the share of the cell's pixels, [0, 1]; at 128 and 64 pixels
        edges, edges_coarse : √ of the mean gradient in grey levels, by orientation; at 64 and 32 pixels
    """
    chunks = [_measure(batch[i : i + _CHUNK]) for i in range(0, len(batch), _CHUNK)] or [_measure(batch)]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in CHANNELS}


def _measure(batch: npt.NDArray[np.uint8]) -> dict[str, Floats]:
    codes = descriptors.colour_codes(descriptors.halve(batch))
    full = descriptors.grey(batch)
    half = descriptors.halve(full).astype(np.int16)
    quarter = descriptors.halve(half).astype(np.int16)
    edge_area = descriptors.EDGE_UNIT * (half.shape[1] // FINE_GRID) ** 2
    return {
        "colour": _root_share(descriptors.colours(codes, GRID)),
        "tint": _tint(descriptors.tints(codes, FINE_GRID), (codes.shape[1] // FINE_GRID) ** 2),
        "texture": _root_share(descriptors.patterns(full, GRID)),
        "texture_coarse": _root_share(descriptors.patterns(half, GRID)),
        "edges": np.sqrt(descriptors.edges(half, FINE_GRID) / edge_area).astype(np.float32),
        "edges_coarse": np.sqrt(descriptors.edges(quarter, FINE_GRID) * 4 / edge_area).astype(np.float32),
    }


def _root_share(counts: npt.NDArray[np.int64]) -> Floats:
    """√(count / pixels of the cell): Euclidean distance then is Hellinger's."""
    roots: Floats = np.sqrt(counts / counts[:1, :1].sum(axis=2, keepdims=True)).astype(np.float32)
    return roots


def _tint(sums: npt.NDArray[np.int64], n_pixels: int) -> Floats:
    unit = np.array([25.0, 10.0, 15.0]) * descriptors.LAB_UNIT * n_pixels
    means: Floats = (sums / unit).astype(np.float32)
    return means


def prepared(name: str, layer: Floats) -> Doubles:
    """One layer as rows for its projection, float64 (b, m); edges lose the picture's overall contrast."""
    rows = layer.reshape(len(layer), layer.shape[1] * layer.shape[2]).astype(np.float64)
    if not name.startswith("edges"):
        return rows
    energy = np.einsum("ij,ij,ij,ij->i", rows, rows, rows, rows)
    level: Doubles = rows / np.maximum(energy, 1e-12)[:, None] ** 0.25
    return level


def project(rows: Doubles, axes: Axes) -> Doubles:
    """Whitened coordinates of unit length, float64 (b, d); the product is exact in whole numbers."""
    whole = np.rint((rows - axes.mean) * QUANTUM)
    part = (whole @ axes.axes.astype(np.float64)) * axes.scale
    length = np.sqrt(np.einsum("ij,ij->i", part, part))
    unit: Doubles = part / np.maximum(length, 1e-12)[:, None]
    return unit


class Classical:
    """The bundled extractor; see :func:`load`."""

    def __init__(self, axes: Mapping[str, Axes], ranges: NeuronRanges, weights_sha256: str) -> None:
        self._axes = dict(axes)
        self.ranges: NeuronRanges = ranges
        self.spec: ExtractorSpec = ExtractorSpec(
            name=NAME,
            architecture="colour, tint, texture and edges in cells; whitened blocks",
            weights_sha256=weights_sha256,
            input=InputSpec(size=SIDE, fit="squash", resample="bilinear"),
            dimension=sum(BLOCKS.values()),
            layers=tuple(Layer(name=name, n_neurons=n) for name, n in CHANNELS.items()),
            ranges_sha256=ranges.sha256,
        )

    def features(self, batch: npt.NDArray[np.uint8]) -> Features:
        """Embed uint8 pictures (b, 128, 128, 3), RGB.

        Raises
        ------
        ValueError
            If the batch has another shape or type.
        """
        if batch.dtype != np.uint8 or batch.shape[1:] != (SIDE, SIDE, 3):
            raise ValueError(f"{NAME} takes uint8 (b, {SIDE}, {SIDE}, 3), got {batch.dtype} {batch.shape}")
        layers = measure(batch)
        parts = [
            project(prepared(name, layers[name]), axes) * BLOCK_WEIGHTS.get(name, 1.0)
            for name, axes in self._axes.items()
        ]
        return Features(np.concatenate(parts, axis=1).astype(np.float32), layers)


@lru_cache(maxsize=1)
def load() -> Classical:
    """The bundled extractor with the numbers shipped in the package."""
    data = _WEIGHTS.read_bytes()
    with np.load(_WEIGHTS, allow_pickle=False) as stored:
        axes = {name: Axes(stored[f"{name}.mean"], stored[f"{name}.axes"], stored[f"{name}.scale"]) for name in BLOCKS}
        ranges = {
            name: LayerRanges(stored[f"{name}.low"], stored[f"{name}.high"], stored[f"{name}.dead"])
            for name in CHANNELS
        }
        statement = str(stored["calibration"])
    return Classical(axes, NeuronRanges(ranges, statement), hashlib.sha256(data).hexdigest())
