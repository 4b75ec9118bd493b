"""Parquet as this project writes it: the same rows give the same bytes, with page checksums, read back in full."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP = 8192


def write_table(table: pa.Table, path: Path) -> Path:
    """Write a table; bytes depend on its rows and schema, not on how it is chunked in memory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with table_writer(path, table.schema) as write:
        write(table.combine_chunks().to_batches(max_chunksize=ROW_GROUP))
    return path


@contextmanager
def table_writer(path: Path, schema: pa.Schema) -> Iterator[_Write]:
    """Write a table piece by piece: yields a function that takes record batches, each becoming a row group."""
    writer = pq.ParquetWriter(
        path, schema, compression="zstd", compression_level=3, write_page_checksum=True, write_statistics=True
    )
    try:
        yield _Write(partial(writer.write_batch, row_group_size=ROW_GROUP))
    finally:
        writer.close()


class _Write:
    def __init__(self, write_batch: Callable[[pa.RecordBatch], object]) -> None:
        self._write_batch = write_batch

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> None:
        for batch in batches:
            if batch.num_rows:
                self._write_batch(batch)


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table, or some columns of it, checking its pages."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        return file.read(columns=None if columns is None else list(columns), use_threads=False)


def pack_table(table: pa.Table, path: Path) -> Path:
    """Write a table that is read once, in full, and then thrown away: an Arrow file, each column compressed as it is.

    Parquet looks for values that recur, takes statistics and shuffles bytes: a tenth of a second for the shard of a
    large network, and no byte saved where numbers are noise.
    """
    options = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema, options=options) as writer:
        writer.write_table(table.combine_chunks())
    return path


def unpack_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table that :func:`pack_table` wrote, or some columns of it."""
    with pa.memory_map(str(path)) as source:
        file = pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(use_threads=False))
        if columns is None:
            return file.read_all()
        places = [file.schema.get_field_index(name) for name in columns]
        options = pa.ipc.IpcReadOptions(use_threads=False, included_fields=places)
        return pa.ipc.open_file(source, options=options).read_all().select(list(columns))


@contextmanager
def mapped_table_writer(path: Path, schema: pa.Schema) -> Iterator[_Write]:
    """Write a table as an Arrow file for :func:`map_table`, piece by piece: each record batch as it comes."""
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        yield _Write(writer.write_batch)


def map_table(path: Path) -> pa.Table:
    """An Arrow file as a table whose columns stay in the file: it takes no memory that the kernel can't have back."""
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def vectors_array(vectors: npt.NDArray[np.floating[Any]]) -> pa.FixedSizeListArray:
    """An Arrow column of vectors from float (n, d); shares memory."""
    n, d = vectors.shape
    flat = pa.array(np.ascontiguousarray(vectors).reshape(n * d))
    return pa.FixedSizeListArray.from_arrays(flat, d)


def vectors_numpy(column: pa.ChunkedArray) -> npt.NDArray[np.float32]:
    """The vectors of an Arrow fixed-size-list column without nulls, float32 (n, d)."""
    d = column.type.list_size
    parts = [chunk.flatten().to_numpy(zero_copy_only=False).reshape(-1, d) for chunk in column.chunks]
    return np.concatenate([np.zeros((0, d), np.float32), *parts]).astype(np.float32, copy=False)
