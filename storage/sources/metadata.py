"""``metadata.csv`` or ``metadata.jsonl`` beside the pictures it describes, as in Hugging Face's ``imagefolder``.

Its path column is relative to the folder it lies in. One in every split's folder is as good as one at the top.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from audit.errors import PictureError
from storage.errors import SourceError
from storage.sources import columns, tables
from storage.sources.base import SourceSpec
from storage.sources.columns import Roles, Values
from storage.sources.names import display

METADATA_NAMES = (b"metadata.csv", b"metadata.jsonl")

Said = tuple[Values, dict[str, Any]]


@dataclass(frozen=True)
class Metadata:
    """Everything the metadata files say.

    Attributes
    ----------
    table : pyarrow.Table
        Their rows.
    roles : Roles
        What its columns mean.
    rows_of : mapping
        Raw path → the rows that name it, in an order that depends on their values only.
    """

    table: pa.Table
    roles: Roles
    rows_of: Mapping[bytes, Sequence[int]]

    @property
    def schema(self) -> pa.Schema:
        """Columns without a role."""
        return columns.metadata_schema(self.table.schema, self.roles.used)

    def n_rows(self, path: bytes) -> int:
        """How many entries a path makes: one for each row that names it, and one if none does."""
        return len(self.rows_of.get(path, " "))

    def said_of(self, paths: Sequence[bytes]) -> dict[bytes, list[Said]]:
        """What the rows that name these paths say of them."""
        unique = [path for path in dict.fromkeys(paths) if path in self.rows_of]
        owners = [path for path in unique for _ in self.rows_of[path]]
        order = [row for path in unique for row in self.rows_of[path]]
        said: dict[bytes, list[Said]] = {}
        for path, (_, values, row) in zip(owners, columns.iterate(self.table, self.roles, order), strict=True):
            said.setdefault(path, []).append((values, row))
        return said


def load(
    spec: SourceSpec, files: Mapping[bytes, str], names: frozenset[bytes], read: Callable[[str], bytes]
) -> Metadata | None:
    """Read the metadata files among the members of a source.

    Parameters
    ----------
    spec : SourceSpec
    files : mapping
        Raw path of each metadata file → its locator.
    names : set of bytes
        Every member's raw path.
    read : callable
        Reads a locator.

    Returns
    -------
    Metadata or None
        None when no file names any member and no column was asked for: it is then a file like any other.

    Raises
    ------
    SourceError
        If one cannot be read, lacks a column that was asked for, or two lie in one folder.
    """
    folders = [path.rpartition(b"/")[0] for path in files]
    if len(set(folders)) < len(folders):
        raise SourceError(spec.uri, f"{spec.uri} has a metadata.csv and a metadata.jsonl in one folder; keep one.")
    parts = [part for path in sorted(files) if (part := _read(spec, path, files[path], read)) is not None]
    if not parts:
        return None
    roles = parts[0][1]
    if any(other != roles for _, other in parts):
        raise SourceError(spec.uri, f"the metadata files of {spec.uri} have different columns; give them the same.")
    try:
        table = pa.concat_tables([table for table, _ in parts], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise SourceError(spec.uri, f"the metadata files of {spec.uri} do not fit together: {error}") from error
    rows_of: dict[bytes, list[int]] = {}
    for number, path in enumerate(table.column(roles.path).to_pylist()):
        rows_of.setdefault(path, []).append(number)
    if not (rows_of.keys() & names or columns.wants_columns(spec)):
        return None
    return Metadata(table, roles, {path: in_order(table, rows) for path, rows in rows_of.items()})


def _read(spec: SourceSpec, path: bytes, locator: str, read: Callable[[str], bytes]) -> tuple[pa.Table, Roles] | None:
    try:
        data = read(locator)
    except PictureError as error:
        raise SourceError(spec.uri, f"{display(path)} cannot be read: {error.detail}") from error
    table, roles = parse(spec, path, data)
    if roles.path is None:
        return None
    base = path.rpartition(b"/")[0]
    full = []
    for number, name in enumerate(table.column(roles.path).to_pylist(), 1):
        raw = name if isinstance(name, bytes) else str(name or f"row {number} without a name").encode()
        full.append(b"/".join(filter(None, (base, raw.removeprefix(b"./")))))
    at = table.column_names.index(roles.path)
    return table.set_column(at, roles.path, pa.array(full, pa.binary())), roles


def parse(spec: SourceSpec, path: bytes, data: bytes) -> tuple[pa.Table, Roles]:
    """Read one metadata file and find out what its columns mean.

    Raises
    ------
    SourceError
        If it cannot be read, or lacks a column that was asked for.
    """
    where = f"{spec.uri.rstrip('/')}/{display(path)}"
    needs_path = columns.wants_columns(spec)
    if path.endswith(b".jsonl"):
        table = tables.read_json_lines(where, data)
        return table, columns.find_roles(spec, table.column_names, needs_path=needs_path)
    header = tables.read_header(where, data[: tables.HEADER_BYTES])
    roles = columns.find_roles(spec, header.names, needs_path=needs_path)
    table, bad = tables.read_csv(where, pa.BufferReader(data), header, raw=roles.verbatim)
    if bad:
        raise SourceError(where, f"{where}, line {bad[0].number}: {bad[0].detail}; correct the file.")
    return table, roles


def in_order(table: pa.Table, rows: list[int]) -> list[int]:
    """Put rows that name one path in an order that depends on their values only."""
    if len(rows) == 1:
        return rows
    return sorted(rows, key=lambda row: json.dumps(table.slice(row, 1).to_pylist(), sort_keys=True, default=repr))
