"""What each neuron sees most, as shards and embedding sets keep it: a table with a row per neuron and picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from audit.dna.tops import K, TopKeeper
from audit.model import OK, Tops

TOPS_SCHEMA = pa.schema(
    [
        pa.field("neuron", pa.int32(), nullable=False),
        pa.field("row", pa.int32(), nullable=False),
        pa.field("value", pa.float32(), nullable=False),
        pa.field("place", pa.int32(), nullable=False),
    ]
)
"""Neurons as in the Visual DNA, each with its pictures in order; ``row`` counts from the start of the shard or set."""

Ints = npt.NDArray[np.int32]


def to_table(tops: Tops) -> pa.Table:
    """The entries that there are, in TOPS_SCHEMA."""
    neuron, rank = np.nonzero(tops.rows >= 0)
    columns = [neuron.astype(np.int32), *(array[neuron, rank] for array in (tops.rows, tops.values, tops.places))]
    return pa.table([pa.array(column) for column in columns], schema=TOPS_SCHEMA)


def from_table(table: pa.Table, n_neurons: int) -> Tops:
    """The lists of N neurons that :func:`to_table` wrote."""
    neuron, rows, values, places = (table.column(name).to_numpy() for name in TOPS_SCHEMA.names)
    starts = np.searchsorted(neuron, np.arange(n_neurons))
    rank = np.arange(len(neuron)) - starts[neuron]
    shape = (n_neurons, K)
    tops = Tops(np.full(shape, -1, np.int32), np.full(shape, np.nan, np.float32), np.full(shape, -1, np.int32))
    tops.rows[neuron, rank], tops.values[neuron, rank], tops.places[neuron, rank] = rows, values, places
    return tops


def numbered(hashes: pa.Array | pa.ChunkedArray | Sequence[str]) -> Ints:
    """A number for each picture, int32 (n,), in the order of content hashes; equal content has equal numbers."""
    column = hashes if isinstance(hashes, pa.Array | pa.ChunkedArray) else pa.array(hashes, pa.string())
    ranks: Ints = pc.rank(column, tiebreaker="dense").to_numpy().astype(np.int32)
    return ranks - np.int32(1)


def first_rows(numbers: Ints, rows: npt.NDArray[np.integer]) -> Ints:
    """For each number the smallest of the rows that have it, int32; -1 where none has."""
    first = np.full(int(numbers.max(initial=-1)) + 1, np.iinfo(np.int32).max, np.int32)
    np.minimum.at(first, numbers, rows.astype(np.int32))
    return np.where(first == np.iinfo(np.int32).max, np.int32(-1), first)


def renamed(tops: Tops, names: Ints) -> Tops:
    """The same lists, picture ``i`` called ``names[i]``."""
    if len(names) == 0:
        return tops
    return Tops(np.where(tops.rows >= 0, names[tops.rows], np.int32(-1)), tops.values, tops.places)


def sealed(rows: Sequence[pa.Table], place: npt.NDArray[np.int64], parts: Iterable[Tops], n_neurons: int) -> Tops:
    """The lists of a set from those of its shards; copies are told by the first of them in the set.

    Parameters
    ----------
    rows : sequence of tables
        Of each shard in order its rows, with ``content_hash`` and ``status``.
    place : int64 (n,)
        Where each usable row, in that order, lies in the set.
    parts : iterable of Tops
        Of each shard; their rows count from its start.
    """
    keeper = TopKeeper(n_neurons)
    if not rows:
        return keeper.tops()
    images = pa.concat_tables([table.select(["content_hash", "status"]) for table in rows])
    numbers = numbered(images.column("content_hash"))
    ends = np.cumsum([0, *(table.num_rows for table in rows)])
    for part, start, stop in zip(parts, ends[:-1], ends[1:], strict=True):
        keeper.merge(part, numbers[start:stop])
    usable = pc.equal(images.column("status"), OK).to_numpy(zero_copy_only=False)
    return renamed(keeper.tops(), first_rows(numbers[usable], place))
