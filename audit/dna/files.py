"""Visual DNA as files: everything in it, or only what comparing takes.

Both are Parquet, a row per neuron, numbers byte-shuffled (BYTE_STREAM_SPLIT) and zstd-compressed. The whole DNA is
stored as what is new in it: counts as differences between neighbouring bins, buckets as differences from the share
of the whole that their size lets expect, and no bucket or bin that follows from the sums. Differences are small
whatever the number of images, and whole numbers, so that nothing is lost.

Source: the predictive coding of images (each value as its difference from a prediction made of known ones), here of
histograms; Apache Parquet, "Encodings", BYTE_STREAM_SPLIT.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from audit.dna.state import DNA_SCHEMA, LISTS, Dna
from audit.errors import ConfigError
from audit.maths.histograms import N_BINS, N_COARSE, SPREAD_EDGES, Doubles, Ints

ABOUT = b"assay.dna"
FORM = b"assay.dna.form"
WHOLE = b"whole-1"
UNREADABLE = (pa.ArrowException, OSError, ValueError, NotImplementedError)
"""What reading damaged Parquet can raise; pages carry checksums, so that no number is read that was not written."""
LEVEL = 12
"""zstd level: beyond it files get no smaller worth the time."""


def to_bytes(dna: Dna) -> bytes:
    """The whole DNA as one file; :func:`from_bytes` gives back an equal one."""
    table = dna.to_table()
    coarse = _coarse(dna.counts)
    sizes = dna.buckets.sum(axis=2)
    rest = dna.buckets - _expected(coarse, sizes)
    columns = {
        "counts": np.diff(dna.counts, axis=1, prepend=0),
        "buckets": np.concatenate([rest[:, :-1, :-1].reshape(len(rest), -1), sizes[:, :-1]], axis=1),
    }
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        lists = pa.FixedSizeListArray.from_arrays(pa.array(_zigzag(values).ravel()), values.shape[1])
        table = table.set_column(place, pa.field(name, lists.type, nullable=False), lists)
    return parquet_bytes(table, WHOLE)


def from_bytes(data: bytes) -> Dna:
    """The DNA that :func:`to_bytes` wrote.

    Raises
    ------
    ConfigError
        If the file is not one.
    """
    table = read_parquet(data, WHOLE, "Visual DNA")
    about_of(table)
    if table.schema.names != DNA_SCHEMA.names or any(
        not pa.types.is_fixed_size_list(table.schema.field(name).type) for name in LISTS
    ):
        raise ConfigError("a Visual DNA file whose columns are not those of the form; export it again")
    counts = np.cumsum(_numbers(table, "counts"), axis=1)
    buckets = _buckets(_numbers(table, "buckets"), _coarse(counts))
    for name, values in (("counts", counts), ("buckets", buckets.reshape(len(buckets), -1))):
        lists = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
        table = table.set_column(table.schema.get_field_index(name), DNA_SCHEMA.field(name), lists)
    try:
        return Dna.from_table(table.cast(DNA_SCHEMA.with_metadata(table.schema.metadata)))
    except (pa.ArrowException, ValueError, KeyError) as error:
        raise ConfigError(f"a Visual DNA file that cannot be read: {error}") from None


def _buckets(stored: Ints, coarse: Ints) -> Ints:
    """The buckets, int64 (N, 16, 17), from what is new in them: the last bucket and the last bin follow from sums."""
    n_buckets, n_coarse = LISTS["buckets"]
    first = n_buckets - 1
    sizes = stored[:, first * (n_coarse - 1) :]
    known = stored[:, : first * (n_coarse - 1)].reshape(-1, first, n_coarse - 1)
    known = known + _expected(coarse, sizes)[:, :, :-1]
    known = np.concatenate([known, (sizes - known.sum(axis=2))[:, :, None]], axis=2)
    buckets: Ints = np.concatenate([known, (coarse - known.sum(axis=1))[:, None]], axis=1)
    return buckets


def _coarse(counts: Ints) -> Ints:
    """Positions between neighbouring spread edges and beyond, int64 (N, 17), from counts (N, 128)."""
    starts = np.searchsorted(np.searchsorted(SPREAD_EDGES, np.arange(N_BINS) - 1, side="right"), np.arange(N_COARSE))
    coarse: Ints = np.add.reduceat(counts, starts, axis=1)
    return coarse


def _expected(coarse: Ints, sizes: Ints) -> Ints:
    """What a bucket of a size would hold if images were alike: floor(coarse · size / total), int64 (N, buckets, 17)."""
    total = np.maximum(coarse.sum(axis=1), 1).astype(np.float64)
    share: Doubles = coarse / total[:, None]
    expected: Ints = np.floor(share[:, None, :] * sizes[:, :, None]).astype(np.int64)
    return expected


def _zigzag(values: Ints) -> Ints:
    """Whole numbers of both signs as ones that are small when those are: 0, -1, 1, -2 to 0, 1, 2, 3."""
    coded: Ints = (values << 1) ^ (values >> 63)
    return coded


def _numbers(table: pa.Table, name: str) -> Ints:
    """A coded list column, int64 (N, size)."""
    column = table.column(name).combine_chunks()
    coded = column.flatten().to_numpy(zero_copy_only=False).reshape(table.num_rows, column.type.list_size)
    values: Ints = (coded >> 1) ^ -(coded & 1)
    return values


def parquet_bytes(table: pa.Table, form: bytes) -> bytes:
    """A table as byte-shuffled, compressed Parquet that says which form it is."""
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), FORM: form})
    texts = [field.name for field in table.schema if pa.types.is_string(field.type) or pa.types.is_boolean(field.type)]
    shuffled = {
        field.name + (".list.element" if hasattr(field.type, "value_type") else ""): _encoding(field.type)
        for field in table.schema
        if field.name not in texts
    }
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=LEVEL,
        use_dictionary=texts,
        column_encoding=shuffled,
        write_statistics=False,
        store_schema=True,
        data_page_size=2**22,
        write_page_checksum=True,
    )
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _encoding(kind: pa.DataType) -> str:
    inner = getattr(kind, "value_type", kind)
    return "BYTE_STREAM_SPLIT" if inner.bit_width >= 32 else "PLAIN"


def read_parquet(data: bytes, form: bytes, what: str) -> pa.Table:
    """The table of a file of one form.

    Raises
    ------
    ConfigError
        If the bytes are not one.
    """
    try:
        table = pq.read_table(pa.BufferReader(data), page_checksum_verification=True)
        table.validate(full=True)
    except UNREADABLE as error:
        raise ConfigError(f"not a {what} file, or a damaged one: {str(error).splitlines()[0]}") from None
    found = (table.schema.metadata or {}).get(FORM)
    if found != form:
        said = "without a form" if found is None else f"of the form {found.decode(errors='replace')}"
        raise ConfigError(f"not a {what} file of the form {form.decode()}: it is one {said}")
    return table


def form_of(data: bytes) -> bytes:
    """Which form a file has; empty where it says none or is no Parquet."""
    try:
        metadata = pq.read_schema(pa.BufferReader(data)).metadata
    except UNREADABLE:
        return b""
    form: bytes = (metadata or {}).get(FORM, b"")
    return form


def about_of(table: pa.Table) -> dict[str, Any]:
    """What a table of Visual DNA says of itself: version, extractor, hash of ranges, calibration.

    Raises
    ------
    ConfigError
        If it is no JSON object.
    """
    try:
        said = json.loads((table.schema.metadata or {}).get(ABOUT, b"{}"))
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise ConfigError("a Visual DNA file whose metadata is damaged; export it again")
    return said
