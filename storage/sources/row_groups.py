"""Binary cells of Parquet files, one at a time, with only a few batches of one row group in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from audit.errors import PictureError
from storage.errors import SourceError, SourceLimitError
from storage.sources.base import SourceLimits, check_size

BATCH = 16
"""Rows decoded at a time."""

CACHE_BYTES = 16 * 2**20
MIN_CACHED = 8
"""Batches that are kept whatever their size: threads that read one after another are a few batches apart."""

MAX_CHUNK_BYTES = 4 * 2**30
"""Largest column chunk (the pictures of one row group) that is opened, in encoded bytes."""

PARQUET_DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError)
"""What reading a damaged file raises; text that is not UTF-8 shows only when it is looked at."""

Group = tuple[int, int]


class CellReader:
    """Reads cells of one binary column; safe to share between threads, quick when rows are asked for nearly in order.

    A dictionary-encoded column stays encoded in memory: a few hundred bytes can name one large picture a million times.
    """

    def __init__(self, files: Sequence[Path], leaf: str, limits: SourceLimits) -> None:
        self._files = files
        self._leaf = leaf
        self._limits = limits
        self._open: dict[int, pq.ParquetFile] = {}
        self._lock = Lock()
        self._batches: OrderedDict[tuple[Group, int], pa.Array] = OrderedDict()
        self._n_bytes = 0
        self._group: Group | None = None
        self._iterator: Iterator[pa.RecordBatch] = iter(())
        self._next = 0
        self._broken: dict[Group, tuple[int, str]] = {}

    def close(self) -> None:
        """Let go of the files and batches."""
        with self._lock:
            self._iterator = iter(())
            self._batches.clear()
            for file in self._open.values():
                file.close()
            self._open.clear()

    def read(self, file: int, group: int, row: int) -> bytes:
        """Read one cell.

        Raises
        ------
        PictureError
            ``bad_row`` where the cell is null, ``too_large``, or ``unreadable``.
        """
        with self._lock:
            array = self._batch((file, group), row // BATCH)
            cell = array[row % BATCH] if row % BATCH < len(array) else None
            if isinstance(cell, pa.DictionaryScalar):
                cell = cell.value
            if cell is None or not cell.is_valid:
                raise PictureError("bad_row", "the row holds no bytes of a picture")
            buffer = cell.as_buffer()
            check_size(buffer.size, self._limits)
            data: bytes = buffer.to_pybytes()
        return data

    def _batch(self, group: Group, index: int) -> pa.Array:
        found = self._batches.get((group, index))
        if found is not None:
            return found
        if self._group != group or index < self._next:
            self._start(group)
        broken = self._broken.get(group)
        if broken and index >= broken[0]:
            raise PictureError("unreadable", broken[1])
        while self._next <= index:
            self._advance(group)
        return self._batches[(group, index)]

    def _start(self, group: Group) -> None:
        self._group, self._next = group, 0
        file = self._file(group[0])
        columns = [self._leaf]
        self._iterator = file.iter_batches(BATCH, row_groups=[group[1]], columns=columns, use_threads=False)

    def _advance(self, group: Group) -> None:
        try:
            column = next(self._iterator).column(0)
        except StopIteration:
            column = pa.array([], pa.binary())
        except (*PARQUET_DAMAGE, IndexError) as error:
            self._broken[group] = (self._next, f"row group {group[1]} cannot be decoded: {error}")
            self._group = None
            raise PictureError("unreadable", self._broken[group][1]) from error
        array = column.flatten()[0] if pa.types.is_struct(column.type) else column
        self._batches[(group, self._next)] = array
        self._n_bytes += array.nbytes
        self._next += 1
        while self._n_bytes > CACHE_BYTES and len(self._batches) > MIN_CACHED:
            _, oldest = self._batches.popitem(last=False)
            self._n_bytes -= oldest.nbytes

    def _file(self, index: int) -> pq.ParquetFile:
        if index not in self._open:
            path = self._files[index]
            self._open[index] = open_parquet(path, self._leaf)
        return self._open[index]


def open_parquet(path: Path, leaf: str) -> pq.ParquetFile:
    """Open a Parquet file whose dictionary-encoded pictures shall stay encoded.

    Raises
    ------
    PictureError
        If it is gone or no longer a Parquet file.
    """
    try:
        metadata = pq.read_metadata(path)
        encoded = any("DICTIONARY" in name for chunk in chunks_of(metadata, leaf) for name in chunk.encodings)
        keep = [leaf] if encoded else []
        return pq.ParquetFile(path, metadata=metadata, read_dictionary=keep, buffer_size=2**20, pre_buffer=False)
    except FileNotFoundError as error:
        raise PictureError("vanished", f"{path.name} is no longer there") from error
    except PARQUET_DAMAGE as error:
        raise PictureError("unreadable", f"{path.name}: {error}") from error


def read_schema(uri: str, path: Path) -> pa.Schema:
    """Schema of a Parquet file.

    Raises
    ------
    SourceError
        If it is not one, is damaged, or names a column twice.
    """
    try:
        schema = pq.read_schema(path)
        names = schema.names
    except PARQUET_DAMAGE as error:
        raise SourceError(uri, f"{path} cannot be read as Parquet: {error}") from error
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise SourceError(uri, f"{path} has more than one column called {', '.join(map(repr, repeated))}.")
    return schema


def chunks_of(metadata: pq.FileMetaData, leaf: str) -> Iterator[Any]:
    """Metadata of one column's chunk in each row group."""
    for group in range(metadata.num_row_groups):
        chunks = metadata.row_group(group)
        yield from (c for c in map(chunks.column, range(chunks.num_columns)) if c.path_in_schema == leaf)


def check_chunks(uri: str, path: Path, leaf: str) -> int:
    """Count the rows of a file, refusing one whose row groups do not fit in memory.

    Raises
    ------
    SourceLimitError
        If a column chunk is larger than :data:`MAX_CHUNK_BYTES`.
    SourceError
        If the footer is damaged, or the column is in no row group.
    """
    try:
        metadata = pq.read_metadata(path)
        sizes = [chunk.total_uncompressed_size for chunk in chunks_of(metadata, leaf)]
    except PARQUET_DAMAGE as error:
        raise SourceError(uri, f"the footer of {path} is damaged: {error}") from error
    largest = max(sizes, default=0)
    if largest > MAX_CHUNK_BYTES:
        raise SourceLimitError(
            uri, f"a row group of {uri} holds {largest} bytes of pictures; write it again with smaller row groups."
        )
    if metadata.num_rows and not sizes:
        raise SourceError(uri, f"{uri} has no column {leaf!r}.")
    return int(metadata.num_rows)
