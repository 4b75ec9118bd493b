"""Arrow tables as CSV that a spreadsheet opens without running anything.

Source: RFC 4180 for the form; OWASP "CSV injection" for the characters that start a formula.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A text cell that starts with one of these gets a leading apostrophe."""


ROWS = 1024
"""Rows of a block: what is in memory at once."""


def render_csv(table: pa.Table) -> bytes:
    """The table as CSV, as :func:`csv_blocks` writes it."""
    return b"".join(csv_blocks(table))


def csv_blocks(table: pa.Table) -> Iterator[bytes]:
    """The table as UTF-8 CSV with a header and CRLF line ends, piece by piece.

    Parameters
    ----------
    table : pyarrow.Table
        Numbers are written in their shortest exact form, null as an empty cell, binary as hexadecimal digits,
        lists and structures as JSON.

    Yields
    ------
    bytes
        The header, then some rows at a time. Text cells and headers that a spreadsheet would take for a formula begin
        with an apostrophe. Numbers are left alone: ``-3`` of a numeric column stays ``-3``.
    """
    yield _lines([[_safe(name) for name in table.column_names]])
    for batch in table.to_batches(max_chunksize=ROWS):
        columns = [_cells(column) for column in batch.columns]
        yield _lines(zip(*columns, strict=True))


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode("utf-8", "backslashreplace")


def _cells(column: pa.Array) -> list[str]:
    if pa.types.is_fixed_size_list(column.type) and column.type.value_type == pa.float32():
        return _vectors(column)
    write = _writer(column.type)
    return ["" if value is None else write(value) for value in column.to_pylist()]


def _vectors(column: pa.FixedSizeListArray) -> list[str]:
    """JSON of vectors, every number as short as float32 allows; written one by one they take ten times as long."""
    numbers = column.flatten()
    if column.null_count or numbers.null_count or not pc.all(pc.is_finite(numbers)).as_py():
        return ["" if value is None else json.dumps(value) for value in column.to_pylist()]
    texts, width = pc.cast(numbers, pa.string()).to_pylist(), column.type.list_size
    return [f"[{', '.join(texts[row * width : (row + 1) * width])}]" for row in range(len(column))]


def _writer(kind: pa.DataType) -> Callable[[Any], str]:
    if pa.types.is_boolean(kind):
        return lambda value: "true" if value else "false"
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        return _short_float
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return repr
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return lambda value: str(value.hex())
    if pa.types.is_nested(kind):
        return lambda value: _safe(json.dumps(value, ensure_ascii=False, default=str))
    return lambda value: _safe(str(value))


def _short_float(value: float) -> str:
    """Nine significant digits identify every float32."""
    return format(value, ".9g")


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
