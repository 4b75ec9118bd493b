"""Pairs of copies as tables, so that one search serves every analysis that moves bursts or reports copies."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pyarrow as pa

from audit.duplicates.find import Pairs
from audit.duplicates.looks import read_looks
from audit.maths.evalue import Tail

PAIRS_SCHEMA = pa.schema(
    [
        pa.field("first", pa.int64(), nullable=False),
        pa.field("second", pa.int64(), nullable=False),
        pa.field("distance", pa.float32(), nullable=False),
        pa.field("expected", pa.float64(), nullable=False),
        pa.field("orientation", pa.int8(), nullable=False),
        pa.field("warp", pa.list_(pa.float32(), 6), nullable=False),
        pa.field("covered", pa.float32(), nullable=False),
    ]
)
"""One row per verified pair of nodes; units as in :class:`audit.duplicates.find.Pairs`. The tail is in the metadata."""

NODES_SCHEMA = pa.schema([pa.field("node", pa.int64(), nullable=False), pa.field("stands", pa.bool_(), nullable=False)])
"""One row per image: the distinct picture it is, and whether it is the image that stands for it."""

_TAIL = b"assay.tail"


def pairs_to_tables(found: Pairs) -> tuple[pa.Table, pa.Table]:
    """The pairs and the nodes of a search within one dataset."""
    tail = json.dumps(None if found.tail is None else asdict(found.tail))
    warp = pa.FixedSizeListArray.from_arrays(pa.array(found.warp.reshape(-1)), 6)
    columns = [*found.pairs.T, found.distance, found.expected, found.orientation, warp, found.covered]
    stands = np.zeros(len(found.node), dtype=np.bool_)
    stands[found.first] = True
    pairs = pa.table([pa.array(one) for one in columns], schema=PAIRS_SCHEMA.with_metadata({_TAIL: tail}))
    return pairs, pa.table([pa.array(found.node), pa.array(stands)], schema=NODES_SCHEMA)


def pairs_from_tables(pairs: pa.Table, nodes: pa.Table, images: pa.Table) -> Pairs:
    """The search that :func:`pairs_to_tables` wrote, of the same images.

    Raises
    ------
    ValueError
        If the tables are of another number of images.
    """
    if nodes.num_rows != images.num_rows:
        raise ValueError(f"pairs of copies among {nodes.num_rows} images do not belong to {images.num_rows} images")
    node = nodes.column("node").to_numpy()
    rows = np.flatnonzero(nodes.column("stands").to_numpy())
    first = np.empty(len(rows), dtype=np.int64)
    first[node[rows]] = rows
    tail = json.loads(pairs.schema.metadata[_TAIL])
    ends = np.column_stack([pairs.column(name).to_numpy() for name in ("first", "second")])
    warp = pairs.column("warp").combine_chunks().flatten().to_numpy()
    return Pairs(
        node=node,
        first=first,
        pairs=ends.astype(np.int64),
        distance=pairs.column("distance").to_numpy(),
        expected=pairs.column("expected").to_numpy(),
        orientation=pairs.column("orientation").to_numpy(),
        warp=warp.reshape(-1, 2, 3),
        covered=pairs.column("covered").to_numpy(),
        looks=read_looks(images).take(first),
        tail=None if tail is None else Tail(**tail),
    )
