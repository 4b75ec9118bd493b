"""Cutting a dataset into shards by content, so that a small change leaves almost all of them as they were.

A row's key is the first 64 bits of its content hash, exclusive-or its image id. A row is a *landmark* if its key is the
smallest within ``REACH`` rows on both sides; a shard begins at each landmark. That depends on the rows around it only,
so adding, removing or changing a row makes or unmakes no landmark further away than ``REACH``. Landmarks lie at least
``REACH + 1`` rows apart and, keys being uniform, ``2 REACH + 1 = 513`` on average. A gap longer than ``MAX_ROWS`` is
cut every ``TYPICAL_ROWS`` from its beginning.

Source: Bjørner, Blass, Gurevich, Content-dependent chunking for differential compression, the local maximum approach,
J. Comput. Syst. Sci. 76 (2010) 154-203, with minima for maxima. Unlike cutting wherever a hash falls
below a threshold, subject to a smallest and a largest size, it needs no history from the beginning of the table.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from audit.model import OK

MIN_ROWS = 128
"""No shard has fewer rows, unless the dataset has."""

MAX_ROWS = 1024
TYPICAL_ROWS = 512
REACH = 256
BLOCK = 65536


def usable(images: pa.Table) -> pa.Table:
    """The rows that shards are made of, in their order: those with the status ``ok``."""
    return images.filter(pc.equal(images.column("status"), OK))


def cut_shards(images: pa.Table) -> list[tuple[int, int]]:
    """Cut the usable rows of a dataset into shards.

    Parameters
    ----------
    images : pyarrow.Table
        In IMAGES_SCHEMA.

    Returns
    -------
    list of (start, stop)
        Row numbers among :func:`usable` rows: consecutive, covering each once. 128 to 1 024 rows each, 513 on average;
        a dataset of fewer rows is one shard, an empty one none.
    """
    rows = usable(images.select(["status", "content_hash", "image_id"]))
    n_rows = rows.num_rows
    if n_rows == 0:
        return []
    edges = [0, *landmarks(_keys(rows)).tolist(), n_rows]
    return [shard for start, stop in pairwise(edges) for shard in _cut_gap(start, stop)]


def shard_hashes(images: pa.Table, shard: tuple[int, int]) -> list[str]:
    """Content hashes of a shard's rows in order: what names the shard's artefact, beside the extractor."""
    start, stop = shard
    hashes: list[str] = usable(images).column("content_hash").slice(start, stop - start).to_pylist()
    return hashes


def landmarks(keys: npt.NDArray[np.uint64], *, reach: int = REACH) -> npt.NDArray[np.int64]:
    """Positions whose key is smaller than every other within ``reach`` on both sides.

    Parameters
    ----------
    keys : uint64 (n,)
    reach : int
        Rows nearer than this to either end are never landmarks.

    Returns
    -------
    int64 (m,), ascending
        At least ``reach + 1`` apart.
    """
    window = 2 * reach + 1
    found = [np.empty(0, np.int64)]
    for start in range(0, max(0, len(keys) - window + 1), BLOCK):
        part = keys[start : start + BLOCK + window - 1]
        around = np.lib.stride_tricks.sliding_window_view(part, window)
        left, right = around[:, :reach].min(axis=1), around[:, reach + 1 :].min(axis=1)
        middle = around[:, reach]
        found.append(np.flatnonzero((middle < left) & (middle < right)) + start + reach)
    return np.concatenate(found).astype(np.int64)


def _keys(rows: pa.Table) -> npt.NDArray[np.uint64]:
    hashes = [int(value[:16], 16) for value in rows.column("content_hash").to_pylist()]
    ids = [int(value, 16) for value in rows.column("image_id").to_pylist()]
    return np.asarray(hashes, np.uint64) ^ np.asarray(ids, np.uint64)


def _cut_gap(start: int, stop: int) -> list[tuple[int, int]]:
    shards = []
    while stop - start > MAX_ROWS:
        shards.append((start, start + TYPICAL_ROWS))
        start += TYPICAL_ROWS
    shards.append((start, stop))
    return shards
