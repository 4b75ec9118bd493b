"""The query form of a Visual DNA: what comparing many datasets takes, and no more.

Of every neuron the cumulative distribution at 64 edges (every second of the 127, so 63 bins and the two tails) in
1/65535, the mean overshoot beyond the range, its standard deviation and its own part of the floor. Distances come out
as those of the whole DNA but for what lies between two edges.

Source: W1 = ∫|F - G| (Vallender 1974), by the trapezoid rule on stored values of F.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.dna.files import ABOUT, about_of, parquet_bytes, read_parquet
from audit.dna.state import Dna
from audit.errors import ConfigError
from audit.maths import distances
from audit.maths.histograms import N_EDGES, STEP, Doubles, cumulative

N_STORED = 64
SCALE = 65535
FORM = b"compact-1"

_SCHEMA = pa.schema(
    [
        pa.field("layer", pa.string(), nullable=False),
        pa.field("neuron", pa.int32(), nullable=False),
        pa.field("living", pa.bool_(), nullable=False),
        *(pa.field(f"below_{half}", pa.list_(pa.uint8(), N_STORED), nullable=False) for half in ("high", "low")),
        pa.field("beyond", pa.list_(pa.float32(), 2), nullable=False),
        pa.field("deviation", pa.float32(), nullable=False),
        pa.field("floor", pa.float32()),
    ]
)
"""``below_high`` and ``below_low`` are the two bytes of each stored value, apart, so that they compress."""


@dataclass(frozen=True, eq=False)
class Compact:
    """The query form of a DNA; row j of everything is the same neuron.

    Attributes
    ----------
    extractor, ranges : str
        Fingerprints; only equal ones may be compared.
    size : int
        Number of images.
    layers : mapping of layer name to slice
    living : bool (N,)
        Not dead in calibration, and with positions.
    below : uint16 (N, 64)
        Cumulative distribution at every second edge, in 1/65535.
    beyond : float32 (N, 2)
        Mean overshoot below and above the range, in bins.
    deviation : float32 (N,)
        Standard deviation, in bins.
    floor : float32 (N,)
        √(2/π) Σ_e √(V(e)/n · deff), in bins, deff the design effect of images that hang together; NaN with fewer than
        two images. That of two datasets is √(floor² + floor²).
    """

    extractor: str
    ranges: str
    size: int
    layers: Mapping[str, slice]
    living: npt.NDArray[np.bool_]
    below: npt.NDArray[np.uint16]
    beyond: npt.NDArray[np.float32]
    deviation: npt.NDArray[np.float32]
    floor: npt.NDArray[np.float32]


def compact(dna: Dna, effect: Doubles | None = None) -> Compact:
    """The query form of a DNA.

    Parameters
    ----------
    effect : float64 (N,), optional
        Design effect of every neuron (:func:`audit.maths.design_effect.design_effect`); images are taken as
        independent without.
    """
    positions = dna.n_positions
    below = cumulative(dna.counts)[:, : N_EDGES : (N_EDGES - 1) // (N_STORED - 1)]
    beyond = dna.tails / (STEP * np.maximum(positions, 1)[:, None])
    return Compact(
        extractor=dna.extractor,
        ranges=dna.ranges.sha256,
        size=dna.size,
        layers=dna.ranges.slices,
        living=~dna.ranges.dead & (positions > 0),
        below=np.rint(below * SCALE).astype(np.uint16),
        beyond=beyond.astype(np.float32),
        deviation=distances.standard_deviation(dna).astype(np.float32),
        floor=(_own_floor(dna) * (1.0 if effect is None else np.sqrt(effect))).astype(np.float32),
    )


def _own_floor(dna: Dna) -> Doubles:
    root = np.sqrt(2 / np.pi * distances.sampling_variance(dna))
    floor: Doubles = root.sum(axis=1) - (root[:, 0] + root[:, -1]) / 2
    return floor


def to_bytes(one: Compact) -> bytes:
    """The query form as one Parquet file."""
    names = [name for name, rows in one.layers.items() for _ in range(rows.stop - rows.start)]
    neurons = [np.arange(rows.stop - rows.start, dtype=np.int32) for rows in one.layers.values()]
    columns = {
        "layer": pa.array(names, pa.string()),
        "neuron": np.concatenate([np.zeros(0, np.int32), *neurons]),
        "living": one.living,
        "below_high": _lists((one.below >> 8).astype(np.uint8)),
        "below_low": _lists((one.below & 255).astype(np.uint8)),
        "beyond": _lists(one.beyond),
        "deviation": one.deviation,
        "floor": pa.array(one.floor, from_pandas=True),
    }
    about = {"extractor": one.extractor, "ranges": one.ranges, "size": one.size}
    schema = _SCHEMA.with_metadata({ABOUT: json.dumps(about, sort_keys=True)})
    return parquet_bytes(pa.table([columns[name] for name in schema.names], schema=schema), FORM)


def from_bytes(data: bytes) -> Compact:
    """The query form that :func:`to_bytes` wrote.

    Raises
    ------
    ConfigError
        If the file is not one.
    """
    table = read_parquet(data, FORM, "compact Visual DNA")
    about = about_of(table)
    if table.schema.names != _SCHEMA.names or not {"extractor", "ranges", "size"} <= about.keys():
        raise ConfigError("a compact Visual DNA file whose columns or metadata are not those of the form")
    high, low = (_flat(table, f"below_{half}").reshape(-1, N_STORED) for half in ("high", "low"))
    return Compact(
        extractor=about["extractor"],
        ranges=about["ranges"],
        size=int(about["size"]),
        layers=_slices(table.column("layer").to_pylist()),
        living=table.column("living").to_numpy(),
        below=(high.astype(np.uint16) * 256 + low).astype(np.uint16),
        beyond=_flat(table, "beyond").reshape(-1, 2).astype(np.float32),
        deviation=table.column("deviation").to_numpy(),
        floor=table.column("floor").to_numpy(),
    )


def _lists(values: npt.NDArray[np.generic]) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).ravel()), values.shape[1])


def _flat(table: pa.Table, name: str) -> npt.NDArray[Any]:
    values: npt.NDArray[Any] = table.column(name).combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return values


def _slices(names: list[str]) -> dict[str, slice]:
    array = np.array(names, dtype=object)
    starts = {name: names.index(name) for name in dict.fromkeys(names)}
    return {name: slice(start, start + int((array == name).sum())) for name, start in starts.items()}
