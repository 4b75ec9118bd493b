"""The state of Visual DNA: counts and sums of every neuron, and their table."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.dna.ranges import LayerRanges, NeuronRanges
from audit.errors import FingerprintMismatchError
from audit.maths.histograms import N_BINS, N_BUCKETS, N_COARSE, N_SPREAD, Ints

DNA_VERSION = 1

LISTS = {"counts": (N_BINS,), "tails": (2,), "spread": (N_SPREAD,), "buckets": (N_BUCKETS, N_COARSE)}
NUMBERS = ("n_nan", "n_images", "mean_sum", "mean_square")
STATE = (*LISTS, *NUMBERS)

DNA_SCHEMA = pa.schema(
    [
        pa.field("layer", pa.string(), nullable=False),
        pa.field("neuron", pa.int32(), nullable=False),
        pa.field("low", pa.float32(), nullable=False),
        pa.field("high", pa.float32(), nullable=False),
        pa.field("dead", pa.bool_(), nullable=False),
        *(pa.field(name, pa.list_(pa.int64(), int(np.prod(shape))), nullable=False) for name, shape in LISTS.items()),
        *(pa.field(name, pa.int64(), nullable=False) for name in NUMBERS),
    ]
)
"""One row per neuron, layers in the extractor's order; units as in :class:`Dna`.

The schema's metadata holds, under ``assay.dna``, the version, the extractor's fingerprint and the ranges' hash.
"""


def zeros(n: int) -> dict[str, Ints]:
    """The state of n neurons that have seen nothing."""
    return {name: np.zeros((n, *LISTS.get(name, ())), np.int64) for name in STATE}


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
        equal = all(np.array_equal(getattr(self, name), getattr(other, name)) for name in STATE)
        return equal and self.ranges.sha256 == other.ranges.sha256 and self.extractor == other.extractor

    def to_table(self, *, narrow: bool = False) -> pa.Table:
        """One row per neuron in :data:`DNA_SCHEMA`, fingerprints in the metadata.

        Parameters
        ----------
        narrow : bool
            Numbers in the narrowest type that holds all of their column, for what is soon read again.
        """
        layers = self.ranges.layers
        numbers = {name: getattr(self, name) for name in STATE}
        if narrow:
            numbers = {name: _narrowed(values) for name, values in numbers.items()}
        neurons = np.concatenate(
            [np.zeros(0, np.int32), *(np.arange(len(v.low), dtype=np.int32) for v in layers.values())]
        )
        columns = {
            "layer": pa.array([name for name, layer in layers.items() for _ in layer.low], pa.string()),
            "neuron": pa.array(neurons),
            **{name: _joined([getattr(v, name) for v in layers.values()]) for name in ("low", "high", "dead")},
            **{name: _lists(numbers[name]) for name in LISTS},
            **{name: pa.array(numbers[name]) for name in NUMBERS},
        }
        about = {
            "version": DNA_VERSION,
            "extractor": self.extractor,
            "ranges": self.ranges.sha256,
            "calibration": self.ranges.calibration,
        }
        fields = [pa.field(one.name, columns[one.name].type, one.nullable) for one in DNA_SCHEMA]
        schema = pa.schema(fields, {"assay.dna": json.dumps(about, sort_keys=True)})
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
        state = {name: _flat(table, name).reshape(table.num_rows, *LISTS.get(name, ())) for name in STATE}
        return cls(ranges=ranges, extractor=about["extractor"], **state)


def _joined(arrays: list[npt.NDArray[np.generic]]) -> pa.Array:
    return pa.array(np.concatenate(arrays))


def _narrowed(values: Ints) -> npt.NDArray[np.signedinteger]:
    """The same numbers as int16, int32 or int64, whichever is the first that holds them."""
    least, most = values.min(initial=0), values.max(initial=0)
    kind = next(
        one for one in (np.int16, np.int32, np.int64) if np.iinfo(one).min <= least and most <= np.iinfo(one).max
    )
    return values.astype(kind)


def _lists(values: npt.NDArray[np.signedinteger]) -> pa.FixedSizeListArray:
    size = int(np.prod(values.shape[1:]))
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), size)


def _flat(table: pa.Table, name: str) -> Ints:
    column = table.column(name).combine_chunks()
    if isinstance(column, pa.FixedSizeListArray):
        column = column.flatten()
    values: Ints = column.to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
    return values


def _ranges_of(table: pa.Table, calibration: str) -> NeuronRanges:
    names = np.array(table.column("layer").to_pylist(), dtype=object)
    columns = {name: table.column(name).to_numpy() for name in ("low", "high", "dead")}
    layers = {
        name: LayerRanges(**{key: values[names == name] for key, values in columns.items()})
        for name in dict.fromkeys(names.tolist())
    }
    return NeuronRanges(layers, calibration)
