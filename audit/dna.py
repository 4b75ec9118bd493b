"""Visual DNA: how the activations of every neuron of an extractor are distributed over a dataset.

The state is made of integers only, so that parts merge exactly, in any order. Docs: docs/visual-dna.md.

Source: Ramtoula, Gadd, Newman, De Martini, "Visual DNA: Representing and Comparing Images using Distributions of
Neuron Activations", CVPR 2023.

Limits: sums stay exact up to 2**23 images and 2**41 positions even if every activation lies 130 ranges away from
its neuron's range (and far beyond for ordinary ones); a merge that could pass int64 is refused.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.errors import FingerprintMismatchError
from audit.maths import histograms
from audit.maths.histograms import N_BINS, N_COARSE, N_SPREAD, Floats, Ints

DNA_VERSION = 1
N_BUCKETS = 16
"""Images are spread over this many buckets by a hash of their activations; buckets give intervals."""

_LISTS = {"counts": (N_BINS,), "tails": (2,), "spread": (N_SPREAD,), "buckets": (N_BUCKETS, N_COARSE)}
_NUMBERS = ("n_nan", "n_images", "mean_sum", "mean_square")
_STATE = (*_LISTS, *_NUMBERS)

DNA_SCHEMA = pa.schema(
    [
        pa.field("layer", pa.string(), nullable=False),
        pa.field("neuron", pa.int32(), nullable=False),
        pa.field("low", pa.float32(), nullable=False),
        pa.field("high", pa.float32(), nullable=False),
        pa.field("dead", pa.bool_(), nullable=False),
        *(pa.field(name, pa.list_(pa.int64(), int(np.prod(shape))), nullable=False) for name, shape in _LISTS.items()),
        *(pa.field(name, pa.int64(), nullable=False) for name in _NUMBERS),
    ]
)
"""One row per neuron, layers in the extractor's order; units as in :class:`Dna`.

The schema's metadata holds, under ``assay.dna``, the version, the extractor's fingerprint and the ranges' hash.
"""


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


@dataclass(frozen=True, eq=False)
class Dna:
    """The distribution of each of N neurons over a set of images; integers throughout.

    Attributes
    ----------
    ranges : NeuronRanges
    extractor : str
        Fingerprint of the extractor, or "" when not known.
    counts : int64 (N, 128)
        Positions in the lower tail, the 126 bins of the range and the upper tail.
    tails : int64 (N, 2)
        Summed distance of tail positions from ``low`` and ``high``, in 1/256 bins.
    n_nan, n_images : int64 (N,)
        Positions that are NaN; images with at least one position that is not.
    spread : int64 (N, 16)
        Sum over images of F_i(e)² at the 16 spread edges, in 2**-30.
    mean_sum, mean_square : int64 (N,)
        Sums over images of their mean position and its square, in 1/64 bins.
    buckets : int64 (N, 16, 17)
        Positions by hash bucket of their image, between neighbouring spread edges.
    """

    ranges: NeuronRanges
    extractor: str
    counts: Ints
    tails: Ints
    n_nan: Ints
    n_images: Ints
    spread: Ints
    mean_sum: Ints
    mean_square: Ints
    buckets: Ints

    @property
    def size(self) -> int:
        """Number of images: the most that any neuron has seen."""
        return int(self.n_images.max(initial=0))

    @property
    def n_positions(self) -> Ints:
        """Positions that are numbers, int64 (N,)."""
        total: Ints = self.counts.sum(axis=1)
        return total

    def same_as(self, other: Dna) -> bool:
        """Whether both hold the same numbers in the same space."""
        equal = all(np.array_equal(getattr(self, name), getattr(other, name)) for name in _STATE)
        return equal and self.ranges.sha256 == other.ranges.sha256 and self.extractor == other.extractor

    def to_table(self) -> pa.Table:
        """One row per neuron in :data:`DNA_SCHEMA`, fingerprints in the metadata."""
        layers = self.ranges.layers
        neurons = np.concatenate(
            [np.zeros(0, np.int32), *(np.arange(len(v.low), dtype=np.int32) for v in layers.values())]
        )
        columns = {
            "layer": pa.array([name for name, layer in layers.items() for _ in layer.low], pa.string()),
            "neuron": pa.array(neurons),
            **{name: _joined([getattr(v, name) for v in layers.values()]) for name in ("low", "high", "dead")},
            **{name: _lists(getattr(self, name)) for name in _LISTS},
            **{name: pa.array(getattr(self, name), pa.int64()) for name in _NUMBERS},
        }
        about = {
            "version": DNA_VERSION,
            "extractor": self.extractor,
            "ranges": self.ranges.sha256,
            "calibration": self.ranges.calibration,
        }
        schema = DNA_SCHEMA.with_metadata({"assay.dna": json.dumps(about, sort_keys=True)})
        return pa.table([columns[name] for name in DNA_SCHEMA.names], schema=schema)

    @classmethod
    def from_table(cls, table: pa.Table) -> Dna:
        """The DNA that :meth:`to_table` wrote.

        Raises
        ------
        ValueError
            If the table is not one, or of another version.
        FingerprintMismatchError
            If its ranges are not those its metadata names.
        """
        about = json.loads((table.schema.metadata or {}).get(b"assay.dna", b"{}"))
        if about.get("version") != DNA_VERSION or table.schema.names != DNA_SCHEMA.names:
            raise ValueError(f"not a Visual DNA table of version {DNA_VERSION}: {about.get('version')!r}")
        ranges = _ranges_of(table, about["calibration"])
        if ranges.sha256 != about["ranges"]:
            raise FingerprintMismatchError(
                "the neuron ranges of a DNA table and its metadata", ranges.sha256, about["ranges"]
            )
        state = {name: _flat(table, name).reshape(table.num_rows, *_LISTS.get(name, ())) for name in _STATE}
        return cls(ranges=ranges, extractor=about["extractor"], **state)


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
        self._state = _zeros(self.ranges.n_neurons)

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
        for name in _STATE:
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


def check_comparable(left: Dna, right: Dna) -> None:
    """Refuse two DNA that were made by different extractors or counted in different ranges.

    Raises
    ------
    FingerprintMismatchError
    """
    if left.extractor != right.extractor:
        raise FingerprintMismatchError("the extractors of two Visual DNA", left.extractor, right.extractor)
    if left.ranges.sha256 != right.ranges.sha256:
        raise FingerprintMismatchError("the neuron ranges of two Visual DNA", left.ranges.sha256, right.ranges.sha256)


def merge(parts: Iterable[Dna]) -> Dna:
    """Add up parts of a dataset; exact, and equal in any order and grouping.

    Raises
    ------
    ValueError
        If there are no parts.
    FingerprintMismatchError
        If the parts come from different extractors or ranges.
    OverflowError
        If a sum could pass the largest int64.
    """
    first: Dna | None = None
    state: dict[str, Ints] = {}
    largest = dict.fromkeys(_STATE, 0)
    for part in parts:
        if first is None:
            first, state = part, _zeros(part.ranges.n_neurons)
        check_comparable(first, part)
        for name in _STATE:
            largest[name] += int(getattr(part, name).max(initial=0)) - int(getattr(part, name).min(initial=0))
            if largest[name] >= 2**63:
                raise OverflowError(f"the sum of {name} would pass 2**63; merge fewer images")
            state[name] += getattr(part, name)
    if first is None:
        raise ValueError("there is no DNA to merge; count an empty batch to get an empty one")
    return Dna(ranges=first.ranges, extractor=first.extractor, **state)


def _zeros(n: int) -> dict[str, Ints]:
    return {name: np.zeros((n, *_LISTS.get(name, ())), np.int64) for name in _STATE}


def _joined(arrays: list[npt.NDArray[np.generic]]) -> pa.Array:
    return pa.array(np.concatenate(arrays))


def _lists(values: Ints) -> pa.FixedSizeListArray:
    size = int(np.prod(values.shape[1:]))
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), size)


def _flat(table: pa.Table, name: str) -> Ints:
    column = table.column(name).combine_chunks()
    if isinstance(column, pa.FixedSizeListArray):
        column = column.flatten()
    values: Ints = column.to_numpy(zero_copy_only=False)
    return values


def _ranges_of(table: pa.Table, calibration: str) -> NeuronRanges:
    names = np.array(table.column("layer").to_pylist(), dtype=object)
    columns = {name: table.column(name).to_numpy() for name in ("low", "high", "dead")}
    layers = {
        name: LayerRanges(**{key: values[names == name] for key, values in columns.items()})
        for name in dict.fromkeys(names.tolist())
    }
    return NeuronRanges(layers, calibration)
