"""The files of a shard: written once, read once when its set is sealed, so in the form that costs least.

Arrow tables, compressed as they are, and plain arrays. Up to now they were Parquet, like what is kept for people; such
shards of an older Assay are read as well, for they hold the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.dna import Dna
from audit.model import Tops
from storage.artefacts import Artefact
from storage.parquet import pack_table, unpack_table, vectors_numpy
from workers.steps.measuring import unit_vectors
from workers.steps.tops import from_table, to_table

ROWS, DNA, TOPS = "rows", "dna", "tops"
VECTORS = "vectors.npy"


def write_shard(folder: Path, rows: pa.Table, vectors: npt.NDArray[Any], dna: Dna, tops: Tops) -> dict[str, Path]:
    """Write what seal joins; the path of each file by its name.

    Parameters
    ----------
    folder : Path
    rows : table in SHARD_SCHEMA
    vectors : float32 or float16 (m, d)
        Of the usable pictures, in order.
    dna : Dna
    tops : Tops
    """
    tables = {ROWS: rows, DNA: dna.to_table(narrow=True), TOPS: to_table(tops)}
    files = {f"{name}.arrow": pack_table(table, folder / f"{name}.arrow") for name, table in tables.items()}
    np.save(folder / VECTORS, vectors, allow_pickle=False)
    return files | {VECTORS: folder / VECTORS}


def rows_of(shard: Artefact, columns: Sequence[str]) -> pa.Table:
    """Some columns of the rows of a shard."""
    return _table(shard, ROWS, columns)


def vectors_of(shard: Artefact) -> npt.NDArray[np.float32]:
    """The vectors of the usable pictures, float32 (m, d); those kept as float16 are scaled to unit length again."""
    if VECTORS in shard:
        kept = np.load(shard.file(VECTORS), allow_pickle=False)
        is_whole, vectors = kept.dtype == np.float32, kept.astype(np.float32, copy=False)
    else:
        column = shard.table("vectors.parquet").column("embedding")
        is_whole, vectors = column.type.value_type == pa.float32(), vectors_numpy(column)
    return vectors if is_whole else unit_vectors(vectors)[0]


def dna_of(shard: Artefact) -> Dna:
    """The Visual DNA of a shard."""
    return Dna.from_table(_table(shard, DNA))


def tops_of(shard: Artefact, n_neurons: int) -> Tops:
    """What each of the neurons sees most in a shard."""
    return from_table(_table(shard, TOPS), n_neurons)


def _table(shard: Artefact, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    packed = f"{name}.arrow"
    return unpack_table(shard.file(packed), columns) if packed in shard else shard.table(f"{name}.parquet", columns)
