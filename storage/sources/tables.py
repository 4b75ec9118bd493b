"""Reading the tables that people write by hand: CSV and JSON lines, with every row accounted for."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv

from storage.errors import SourceError
from storage.sources.names import display

HEADER_BYTES = 2**20
BLOCK_BYTES = 16 * 2**20
_DELIMITERS = ",\t;|"


@dataclass(frozen=True)
class Header:
    """Column names of a CSV file and what separates its cells."""

    names: tuple[str, ...]
    delimiter: str


@dataclass(frozen=True)
class BadRow:
    """A line with too few or too many cells."""

    number: int
    detail: str
    text: bytes


def read_header(uri: str, start: bytes) -> Header:
    """Read the first line of a CSV file.

    Parameters
    ----------
    uri : str
        Named in errors.
    start : bytes
        The beginning of the file.

    Raises
    ------
    SourceError
        If it is empty, not UTF-8, or names a column twice.
    """
    if start[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raise SourceError(uri, f"{uri} is UTF-16 text; save it as UTF-8.")
    lines = io.StringIO(start.decode("utf-8-sig", "replace"), newline="")
    first = lines.readline()
    if not first.strip():
        raise SourceError(uri, f"{uri} is empty: its first line must name the columns.")
    if "\0" in first:
        raise SourceError(uri, f"{uri} is not text: its first line holds NUL bytes.")
    delimiter = max(_DELIMITERS, key=first.count) if any(mark in first for mark in _DELIMITERS) else ","
    lines.seek(0)
    names = next(csv.reader(lines, delimiter=delimiter))
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise SourceError(uri, f"{uri} has more than one column called {', '.join(map(repr, repeated))}; rename them.")
    return Header(tuple(names), delimiter)


def read_file_header(path: Path) -> Header:
    """Read the first line of a CSV file on disk."""
    with path.open("rb") as file:
        return read_header(str(path), file.read(HEADER_BYTES))


def read_csv(uri: str, file: pa.NativeFile, header: Header, *, raw: Collection[str]) -> tuple[pa.Table, list[BadRow]]:
    """Read a whole CSV file.

    Parameters
    ----------
    uri : str
        Named in errors.
    file : readable Arrow file
    header : Header
        From :func:`read_header`.
    raw : collection of column names
        Columns kept as bytes (``007`` stays ``007``, in whatever encoding); the types of others are inferred.
        A file that is not UTF-8 is read all the same: names keep their bytes.

    Returns
    -------
    (table, bad_rows)
        Rows with a wrong number of cells are in the second, so that they can be accounted for.

    Raises
    ------
    SourceError
        If it is not a CSV file at all.
    """
    bad: list[BadRow] = []

    def note(row: pa_csv.InvalidRow) -> str:
        detail = f"line has {row.actual_columns} cells; there are {row.expected_columns} columns"
        line = row.text.encode("utf-8", "surrogateescape") if row.text is not None else b""
        bad.append(BadRow(row.number or 0, detail, line))
        return "skip"

    is_utf8 = _is_utf8(file)
    try:
        table = pa_csv.read_csv(
            file,
            read_options=pa_csv.ReadOptions(
                use_threads=False,
                block_size=BLOCK_BYTES,
                column_names=list(header.names),
                skip_rows_after_names=1,
                encoding="utf8" if is_utf8 else "latin-1",
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=header.delimiter, newlines_in_values=True, invalid_row_handler=note
            ),
            convert_options=pa_csv.ConvertOptions(column_types={name: pa.binary() for name in raw}),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise SourceError(uri, f"{uri} cannot be read as CSV: {error}") from error
    return (table if is_utf8 else _restore(table)), bad


def _is_utf8(file: pa.NativeFile) -> bool:
    """Whether a whole file is UTF-8; leaves it at its beginning."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while chunk := file.read(BLOCK_BYTES):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    finally:
        file.seek(0)
    return True


def _restore(table: pa.Table) -> pa.Table:
    """Give cells that were read as Latin-1 (which every byte is) their bytes back; text shows its odd bytes escaped."""
    columns = []
    for column in table.columns:
        if pa.types.is_binary(column.type):
            cells = [cell and cell.decode().encode("latin-1") for cell in column.to_pylist()]
        elif pa.types.is_string(column.type):
            cells = [cell and display(cell.encode("latin-1")) for cell in column.to_pylist()]
        else:
            cells = column
        columns.append(pa.array(cells, column.type) if isinstance(cells, list) else cells)
    return pa.table(columns, names=table.column_names)


def read_json_lines(uri: str, data: bytes) -> pa.Table:
    """Read a table with one JSON object a line (the ``metadata.jsonl`` of an image folder).

    Raises
    ------
    SourceError
        If a line is not a JSON object, or a column has values of several types.
    """
    rows = []
    for number, line in enumerate(data.decode("utf-8-sig", "replace").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise SourceError(uri, f"{uri}, line {number}, is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise SourceError(uri, f"{uri}, line {number}, is not a JSON object.")
        rows.append(row)
    names = list(dict.fromkeys(name for row in rows for name in row))
    try:
        return pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise SourceError(uri, f"{uri} has a column with values of several types: {error}") from error
