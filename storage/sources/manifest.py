"""A CSV or Parquet table whose rows name pictures by path."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from audit.errors import PictureError
from audit.model import QUARANTINED
from storage.errors import SourceError, SourceLimitError
from storage.sources import columns, tables
from storage.sources.base import Entry, Source, SourceLimits, SourceSpec, check_size
from storage.sources.columns import Roles, Values
from storage.sources.metadata import in_order
from storage.sources.names import quote, unquote
from storage.sources.rooted import RootedFolder, refuse_special
from storage.sources.row_groups import PARQUET_DAMAGE, read_schema
from storage.sources.tree import FolderReader, Member, Problem, as_entry


class PathSource(Source):
    """Pictures that a table names: subclasses give the table.

    Every row is an input: a row whose picture is missing, outside ``root`` or no regular file is quarantined. Relative
    paths start from ``root``; absolute ones must lead into it.
    """

    def __init__(self, spec: SourceSpec, limits: SourceLimits, root: Path) -> None:
        super().__init__(spec, limits)
        self._root = RootedFolder(root)
        self._schema = pa.schema([])
        self._total: int | None = None
        self._layout = ""

    def close(self) -> None:
        """Let go of the folder of pictures."""
        self._root.close()

    @property
    def metadata_schema(self) -> pa.Schema:
        """The table's columns without a role, and folder levels that mean nothing else."""
        return self._schema

    @property
    def total(self) -> int | None:
        """How many rows there are."""
        return self._total

    @property
    def layout(self) -> str:
        """Where labels and splits were taken from."""
        return self._layout

    def touched(self) -> Iterator[tuple[bytes, os.stat_result | None]]:
        """The table, and every picture it names; see :meth:`Source.touched`."""
        yield from super().touched()
        for entry in self.entries():
            try:
                yield entry.path_bytes, self._root.status(unquote(entry.locator)) if entry.locator else None
            except PictureError:
                yield entry.path_bytes, None

    def _read(self, body: str) -> bytes:
        return self._root.read(unquote(body), self.limits)

    def _list(
        self, table: pa.Table, roles: Roles, names: Sequence[bytes | None], bad: Sequence[tables.BadRow] = ()
    ) -> Iterator[Entry]:
        """List the rows of a table sorted by the raw paths in ``names``, then those that could not be parsed."""
        if len(names) > self.limits.max_members:
            raise SourceLimitError(
                self.spec.uri, f"{self.spec.uri} has {len(names)} rows; at most {self.limits.max_members} are read."
            )
        reader = FolderReader(self.spec, [name for name in names if name] if _wants_folders(self.spec, roles) else [])
        self._schema = reader.extend(columns.metadata_schema(table.schema, roles.used))
        self._layout = roles.describe() + ("" if roles.label else f"; {reader.describe()}")
        self._total = len(names) + len(bad)
        keys = [name or b"" for name in names]
        for number, values, row in columns.iterate(table, roles, _sorted_rows(table, keys)):
            member = self._member(names[number], number)
            yield as_entry(member, *reader.complete(member.path, (values, row), roles), is_certain=True)
        for line in bad:
            problem = (QUARANTINED, "bad_row", line.detail)
            yield as_entry(Member(b"line %d" % line.number, "", None, problem), Values(), {})

    def _member(self, name: bytes | None, number: int) -> Member:
        if not name:
            return Member(b"row %d" % (number + 1), "", None, (QUARANTINED, "bad_row", "the row names no path"))
        path = self._relative(name)
        if path is None:
            detail = f"it leads outside {self._root.path}; images_root says where paths start from"
            return Member(name, "", None, (QUARANTINED, "outside_root", detail))
        try:
            found = self._root.status(path)
            refuse_special(found, path)
            check_size(found.st_size, self.limits)
        except PictureError as error:
            reason = "missing" if error.reason == "vanished" else error.reason
            return Member(name, "", None, (QUARANTINED, reason, f"{error.detail} (looked for in {self._root.path})"))
        problem: Problem | None = (QUARANTINED, "empty", "the file has 0 bytes") if found.st_size == 0 else None
        return Member(name, quote(path), found.st_size, problem)

    def _relative(self, name: bytes) -> bytes | None:
        """Path below the root, or None when it leads outside."""
        root = bytes(self._root.path)
        path = posixpath.normpath(name)
        if path.startswith(b"/"):
            if not path.startswith(root.rstrip(b"/") + b"/"):
                return None
            path = path[len(root.rstrip(b"/")) + 1 :]
        outside = path in {b".", b".."} or path.startswith(b"../") or b"\0" in path
        return None if outside else path


class CsvSource(PathSource):
    """A CSV manifest (comma, tab, semicolon or bar between cells)."""

    def __init__(self, spec: SourceSpec, limits: SourceLimits, root: Path) -> None:
        self._file = Path(spec.uri)
        self._header = tables.read_file_header(self._file)
        self._roles = columns.find_roles(spec, self._header.names, needs_path=True)
        super().__init__(spec, limits, root)

    def entries(self) -> Iterator[Entry]:
        """List every row; see :meth:`Source.entries`."""
        path = str(self._roles.path)
        with pa.OSFile(str(self._file), "rb") as file:
            table, bad = tables.read_csv(self.spec.uri, file, self._header, raw=self._roles.verbatim)
        yield from self._list(table, self._roles, table.column(path).to_pylist(), bad)


class ParquetPathSource(PathSource):
    """A Parquet manifest of paths."""

    def __init__(self, spec: SourceSpec, limits: SourceLimits, root: Path) -> None:
        self._file = Path(spec.uri)
        schema = read_schema(spec.uri, self._file)
        self._roles = columns.find_roles(spec, schema.names, needs_path=True)
        kind = columns.metadata_schema(schema, frozenset()).field(self._roles.path).type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind)):
            raise SourceError(spec.uri, f"the column {self._roles.path!r} of {spec.uri} holds {kind}, not paths.")
        super().__init__(spec, limits, root)

    def entries(self) -> Iterator[Entry]:
        """List every row; see :meth:`Source.entries`."""
        try:
            table = pq.read_table(self._file, use_threads=False, partitioning=None)
            table.validate(full=True)
        except PARQUET_DAMAGE as error:
            raise SourceError(self.spec.uri, f"{self.spec.uri} cannot be read as Parquet: {error}") from error
        names = [_as_bytes(name) for name in table.column(str(self._roles.path)).to_pylist()]
        yield from self._list(table, self._roles, names)


def _as_bytes(name: Any) -> bytes | None:
    return name if isinstance(name, bytes) or name is None else str(name).encode("utf-8", "surrogateescape")


def _wants_folders(spec: SourceSpec, roles: Roles) -> bool:
    """Whether a path's folders have a say: they are asked for, or no column holds labels."""
    choices = (spec.label_from, spec.split_from, spec.group_from)
    return roles.label is None or any(choice.startswith("folder") for choice in choices)


def _sorted_rows(table: pa.Table, keys: Sequence[bytes]) -> list[int]:
    """Rows by path; those that name one path by their other values, so that the manifest's order means nothing."""
    order = sorted(range(len(keys)), key=keys.__getitem__)
    start = 0
    for stop in range(1, len(order) + 1):
        if stop == len(order) or keys[order[stop]] != keys[order[start]]:
            if stop - start > 1:
                order[start:stop] = in_order(table, order[start:stop])
            start = stop
    return order
