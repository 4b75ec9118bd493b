"""What a dataset and its images are called."""

from __future__ import annotations

import datetime
import hashlib
import json
from typing import Any

import pyarrow as pa

from audit.fingerprint import fingerprint
from audit.model import META_PREFIX

ID_BITS = 64
BLOCK = 4096
_NAMED_BY = ("image_id", "path_bytes", "status", "reason", "label", "split", "group", "box", "content_hash")


class ImageIds:
    """Gives every input of one dataset its id, in row order.

    The id is the first 64 bits of SHA-256 of the raw path, in hexadecimal. An input whose id is taken (the same path
    again, or a collision) gets that of its path, a zero byte and its number among them.
    """

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def give(self, path: bytes) -> str:
        """Give the next input of this path its id: 16 hexadecimal digits."""
        number = 0
        value = _digest(path)
        while value in self._taken:
            number += 1
            value = _digest(b"%s\0%d" % (path, number))
        self._taken.add(value)
        return f"{value:016x}"


def _digest(name: bytes) -> int:
    return int.from_bytes(hashlib.sha256(name).digest()[: ID_BITS // 8], "big")


def dataset_fingerprint(images: pa.Table) -> str:
    """Name a dataset by what is in it, wherever it lies.

    Two scans have one fingerprint if they agree in the rows' names, order, contents, status, labels, splits, groups,
    boxes and metadata. Where the source lies and how its files are found again (``locator``) has no part in it.

    Parameters
    ----------
    images : pyarrow.Table
        In IMAGES_SCHEMA with ``meta.*`` columns.
    """
    meta = sorted(name for name in images.column_names if name.startswith(META_PREFIX))
    rows = hashlib.sha256()
    for batch in images.select([*_NAMED_BY, *meta]).to_batches(max_chunksize=BLOCK):
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            rows.update(json.dumps(row, separators=(",", ":"), default=_plain).encode("ascii") + b"\n")
    types = {name: str(images.schema.field(name).type) for name in meta}
    return fingerprint("dataset", {"n_rows": images.num_rows, "meta": types, "rows": rows.hexdigest()})


def _plain(value: Any) -> Any:
    """Turn a cell that JSON cannot hold into one that it can, different values into different ones."""
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, datetime.date | datetime.time):
        return {"time": value.isoformat()}
    return {type(value).__name__: repr(value)}
