"""Parquet with the pictures inside, as Hugging Face writes datasets: a column of bytes, or of {bytes, path}."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from audit.errors import PictureError
from storage.errors import SourceColumnError, SourceError, SourceLimitError
from storage.sources import columns, row_groups
from storage.sources.base import Entry, Source, SourceLimits, SourceSpec, look_at
from storage.sources.columns import Values
from storage.sources.layout import SPLITS
from storage.sources.names import quote
from storage.sources.row_groups import PARQUET_DAMAGE, read_schema
from storage.sources.tree import Member, as_entry

IMAGE_NAMES = ("image", "img", "picture", "photo", "image_bytes", "bytes", "jpg", "jpeg", "png", "webp")
NAME_NAMES = ("file_name", "filename", "image_path", "path", "name", "__key__")
"""Columns that are taken for the pictures and for their names."""

_SHARD_NAME = re.compile(r"^(?P<split>[A-Za-z]+)(?:-\d+-of-\d+.*)?$")


class EmbeddedSource(Source):
    """Pictures in the rows of one Parquet file, or of all those below a folder.

    A locator is ``file:row group:row``. Rows keep their order. A row is named by its name column or the path beside its
    bytes, and else by its number.
    """

    def __init__(self, spec: SourceSpec, limits: SourceLimits) -> None:
        super().__init__(spec, limits)
        self._base = Path(spec.uri)
        self._files = parquet_files(self._base)
        if not self._files:
            raise SourceError(spec.uri, f"no file below {spec.uri} ends in .parquet.")
        _refuse_folders(spec)
        schema = read_schema(spec.uri, self._files[0])
        image = find_image_column(spec, schema)
        if image is None:
            raise SourceError(
                spec.uri,
                f"no column of {spec.uri} holds pictures; its columns are {', '.join(schema.names)}. "
                "Name it with image_column (--image-column), or the column of paths with path_column (--path-column).",
            )
        self._image = image
        names = [name for name in schema.names if name != image]
        self._roles = columns.find_roles(spec, names, needs_path=False, path_names=NAME_NAMES)
        self._schema = columns.metadata_schema(schema, self._roles.used | {image})
        self._classes = class_names(schema.metadata, self._roles.label)
        self._wanted = [*names, f"{image}.path"] if _has_path(schema.field(image).type) else names
        self._leaf = f"{image}.bytes" if pa.types.is_struct(schema.field(image).type) else image
        self._cells = row_groups.CellReader(self._files, self._leaf, limits)
        self._total: int | None = None

    def close(self) -> None:
        """Let go of the files."""
        self._cells.close()

    @property
    def metadata_schema(self) -> pa.Schema:
        """The columns without a role."""
        return self._schema

    @property
    def total(self) -> int | None:
        """How many rows there are."""
        return self._total

    @property
    def layout(self) -> str:
        """Where labels and splits were taken from."""
        return f"pictures from the column {self._image!r}; {self._roles.describe()}"

    def entries(self) -> Iterator[Entry]:
        """List every row; see :meth:`Source.entries`."""
        self._total = self._count()
        for index, path in enumerate(self._files):
            n_rows = 0
            with pq.ParquetFile(path) as file:
                for group in range(file.num_row_groups):
                    row = 0
                    for batch in self._batches(file, group):
                        yield from self._rows(batch, (index, group, row), n_rows)
                        row += batch.num_rows
                        n_rows += batch.num_rows

    def touched(self) -> Iterator[tuple[bytes, os.stat_result | None]]:
        """Every Parquet file; see :meth:`Source.touched`."""
        for path in self._files:
            yield bytes(path), look_at(path)

    def _read(self, body: str) -> bytes:
        file, group, row = map(int, body.split(":"))
        if file >= len(self._files):
            raise PictureError("vanished", f"{self._base.name} has fewer files than when it was scanned")
        return self._cells.read(file, group, row)

    def _count(self) -> int:
        total = 0
        first = read_schema(self.spec.uri, self._files[0])
        for path in self._files:
            if not read_schema(self.spec.uri, path).equals(first):
                raise SourceError(self.spec.uri, f"{path} has other columns than {self._files[0]}; give them the same.")
            total += row_groups.check_chunks(self.spec.uri, path, self._leaf)
        if total > self.limits.max_members:
            raise SourceLimitError(
                self.spec.uri, f"{self.spec.uri} has {total} rows; at most {self.limits.max_members} are read."
            )
        return total

    def _batches(self, file: pq.ParquetFile, group: int) -> Iterator[pa.RecordBatch]:
        if not self._wanted:
            n_rows = file.metadata.row_group(group).num_rows
            yield pa.RecordBatch.from_arrays([pa.array(range(n_rows))], names=[self._image])
            return
        try:
            for batch in file.iter_batches(columns.BLOCK, row_groups=[group], columns=self._wanted, use_threads=False):
                batch.validate(full=True)
                yield batch
        except PARQUET_DAMAGE as error:
            raise SourceError(self.spec.uri, f"row group {group} of {self.spec.uri} is damaged: {error}") from error

    def _rows(self, batch: pa.RecordBatch, start: tuple[int, int, int], n_rows: int) -> Iterator[Entry]:
        index, group, first = start
        table = pa.Table.from_batches([batch])
        names = self._names(table)
        if self._image in table.column_names:
            table = table.drop_columns([self._image])
        split = self._split_of(self._files[index])
        plain: Iterator[tuple[int, Values, dict[str, Any]]] = ((i, Values(), {}) for i in range(batch.num_rows))
        rows = columns.iterate(table, self._roles, range(batch.num_rows)) if table.num_columns else plain
        for i, values, metadata in rows:
            said = replace(
                values, label=self._classes.get(values.label or "", values.label), split=values.split or split
            )
            name = names[i] or self._number(index, n_rows + i)
            yield as_entry(Member(name, f"{index}:{group}:{first + i}"), said, metadata, is_certain=True)

    def _names(self, table: pa.Table) -> list[bytes | None]:
        if self._roles.path is not None:
            cells = table.column(self._roles.path).to_pylist()
        elif f"{self._image}.path" in self._wanted:
            cells = [cell and cell.get("path") for cell in table.column(self._image).to_pylist()]
        else:
            return [None] * table.num_rows
        return [_as_name(cell) for cell in cells]

    def _number(self, index: int, row: int) -> bytes:
        if self._base.is_file():
            return b"row %09d" % row
        relative = quote(bytes(self._files[index].relative_to(self._base)))
        return b"%s/row %09d" % (relative.encode(), row)

    def _split_of(self, path: Path) -> str | None:
        found = _SHARD_NAME.match(path.stem)
        if self.spec.split_from != "auto" or self._roles.split is not None or found is None:
            return None
        return SPLITS.get(found["split"].lower().encode())


def _refuse_folders(spec: SourceSpec) -> None:
    """Refuse to take labels, splits or groups from folders: pictures inside Parquet lie in none."""
    for option in ("label_from", "split_from", "group_from"):
        choice = getattr(spec, option)
        if choice.partition(":")[0] == "folder":
            raise SourceError(
                spec.uri, f"{option} is {choice}, but the pictures lie inside {spec.uri}, in no folder; name a column."
            )


def parquet_files(path: Path) -> list[Path]:
    """The file itself, or every regular ``.parquet`` file below a folder, by name."""
    if path.is_file():
        return [path]
    return sorted(found for found in path.rglob("*.parquet") if found.is_file() and not found.is_symlink())


def find_image_column(spec: SourceSpec, schema: pa.Schema) -> str | None:
    """The column that holds pictures: the one asked for, one with a usual name, or one of {bytes, path}.

    Raises
    ------
    SourceError
        If the column asked for is not there or does not hold bytes.
    """
    if spec.image_column is not None:
        if spec.image_column not in schema.names:
            raise SourceColumnError(spec.uri, "image_column", spec.image_column, schema.names)
        kind = schema.field(spec.image_column).type
        if not _holds_bytes(kind):
            raise SourceError(spec.uri, f"the column {spec.image_column!r} of {spec.uri} holds {kind}, not bytes.")
        return spec.image_column
    if spec.path_column is not None and not any(pa.types.is_struct(f.type) and _holds_bytes(f.type) for f in schema):
        usual = [n for n in schema.names if n.lower() in IMAGE_NAMES and n != spec.path_column]
    else:
        usual = [name for name in schema.names if name.lower() in IMAGE_NAMES]
    usual.sort(key=lambda name: IMAGE_NAMES.index(name.lower()))
    structs = [field.name for field in schema if pa.types.is_struct(field.type)]
    return next((name for name in [*usual, *structs] if _holds_bytes(schema.field(name).type)), None)


def class_names(metadata: Mapping[bytes, bytes] | None, column: str | None) -> dict[str, str]:
    """Names of the classes of a Hugging Face ``ClassLabel`` column, by their number as text; empty without one."""
    try:
        features = json.loads((metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        names = features[column]["names"]
    except (KeyError, TypeError, ValueError):
        return {}
    return {str(i): str(name) for i, name in enumerate(names)} if isinstance(names, list) else {}


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        at = kind.get_field_index("bytes")
        return at >= 0 and _holds_bytes(kind.field(at).type) and not pa.types.is_struct(kind.field(at).type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _has_path(kind: pa.DataType) -> bool:
    return bool(pa.types.is_struct(kind)) and kind.get_field_index("path") >= 0


def _as_name(cell: Any) -> bytes | None:
    if isinstance(cell, bytes):
        return cell or None
    text = columns.as_text(cell)
    return None if text is None else text.encode("utf-8", "surrogateescape")
