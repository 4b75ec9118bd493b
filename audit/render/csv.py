"""Arrow tables as CSV that a spreadsheet opens without running anything.

Source: RFC 4180 for the form; OWASP "CSV injection" for the characters that start a formula.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A text cell that starts with one of these gets a leading apostrophe."""


def render_csv(table: pa.Table) -> bytes:
    """The table as UTF-8 CSV with a header and CRLF line ends.

    Parameters
    ----------
    table : pyarrow.Table
        Numbers are written in their shortest exact form, null as an empty cell, binary as hexadecimal digits,
        lists and structures as JSON.

    Returns
    -------
    bytes
        Text cells and headers that a spreadsheet would take for a formula begin with an apostrophe.
        Numbers are left alone: ``-3`` of a numeric column stays ``-3``.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([_safe(name) for name in table.column_names])
    for batch in table.to_batches(max_chunksize=4096):
        columns = [_cells(column) for column in batch.columns]
        writer.writerows(zip(*columns, strict=True))
    return out.getvalue().encode("utf-8", "backslashreplace")


def _cells(column: pa.Array) -> list[str]:
    write = _writer(column.type)
    return ["" if value is None else write(value) for value in column.to_pylist()]


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
