"""Which column of a table is the path, label, split, group or box, and its rows as typed values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from storage.errors import SourceColumnError, SourceError
from storage.sources.base import SourceSpec
from storage.sources.names import display

PATH_NAMES = ("file_name", "filename", "img_filename", "image_path", "filepath", "file_path", "path", "image", "file")
LABEL_NAMES = ("label", "class", "class_name", "category", "target", "y")
SPLIT_NAMES = ("split", "subset", "partition")
GROUP_NAMES = ("group",)
BOX_NAMES = ("box",)
"""Column names that ``auto`` looks for, first match wins, in any case."""

BLOCK = 4096
N_CORNERS = 4
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Roles:
    """The columns of a table that have a meaning; None (or empty) where there is none."""

    path: str | None = None
    label: str | None = None
    split: str | None = None
    group: str | None = None
    box: tuple[str, ...] = ()

    @property
    def used(self) -> frozenset[str]:
        """Names of every column with a role; the others are metadata."""
        named = {self.path, self.label, self.split, self.group, *self.box}
        return frozenset(name for name in named if name is not None)

    def describe(self) -> str:
        """Say which columns were taken for what."""
        given = [("label", self.label), ("split", self.split), ("group", self.group), ("box", ", ".join(self.box))]
        return ", ".join(f"{role} from the column {name!r}" for role, name in given if name) or "no column has a role"

    @property
    def verbatim(self) -> frozenset[str]:
        """Names of the columns whose cells are taken as they are written, whatever they look like."""
        return frozenset(name for name in (self.path, self.label, self.split, self.group) if name is not None)


@dataclass(frozen=True, slots=True)
class Values:
    """What one row says about its picture."""

    label: str | None = None
    split: str | None = None
    group: str | None = None
    box: Box | None = None
    box_problem: str | None = None


def is_column(choice: str) -> bool:
    """Whether a ``*_from`` setting names a column (and is not one of the words)."""
    return choice not in {"auto", "none"} and choice.partition(":")[0] != "folder"


def wants_columns(spec: SourceSpec) -> bool:
    """Whether a specification names any column."""
    choices = (spec.label_from, spec.split_from, spec.group_from, spec.box_from)
    return spec.path_column is not None or any(is_column(choice) for choice in choices)


def find_roles(
    spec: SourceSpec, names: Sequence[str], *, needs_path: bool, path_names: Sequence[str] = PATH_NAMES
) -> Roles:
    """Match a specification with the columns of a table.

    Raises
    ------
    SourceColumnError
        If the specification names a column that is not there.
    SourceError
        If a path column is needed and none has a known name.
    """
    path = _named(spec, "path_column", spec.path_column, names) if spec.path_column else _first(path_names, names)
    if needs_path and path is None:
        raise SourceError(
            spec.uri,
            f"no column of {spec.uri} is called like a path ({', '.join(path_names)}); say which one with path_column "
            f"(--path-column). "
            f"Its columns are {', '.join(names)}.",
        )
    return Roles(
        path=path,
        label=_choose(spec, "label_from", LABEL_NAMES, names),
        split=_choose(spec, "split_from", SPLIT_NAMES, names),
        group=_choose(spec, "group_from", GROUP_NAMES, names),
        box=_choose_box(spec, names),
    )


def _choose(spec: SourceSpec, option: str, usual: Sequence[str], names: Sequence[str]) -> str | None:
    choice: str = getattr(spec, option)
    if is_column(choice):
        return _named(spec, option, choice.removeprefix("column:"), names)
    return _first(usual, names) if choice == "auto" else None


def _choose_box(spec: SourceSpec, names: Sequence[str]) -> tuple[str, ...]:
    parts = spec.box_from.split(",")
    if len(parts) == N_CORNERS:
        return tuple(_named(spec, "box_from", part.strip(), names) for part in parts)
    one = _choose(spec, "box_from", BOX_NAMES, names)
    return () if one is None else (one,)


def _named(spec: SourceSpec, option: str, name: str, names: Sequence[str]) -> str:
    if name not in names:
        raise SourceColumnError(spec.uri, option, name, names)
    return name


def _first(usual: Sequence[str], names: Sequence[str]) -> str | None:
    lowered = {name.lower(): name for name in reversed(names)}
    return next((lowered[name] for name in usual if name in lowered), None)


def metadata_schema(schema: pa.Schema, used: frozenset[str]) -> pa.Schema:
    """Schema of the columns without a role, with dictionaries and empty columns made plain."""
    return pa.schema([pa.field(f.name, _plain_type(f.type)) for f in schema if f.name not in used])


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    return pa.string() if pa.types.is_null(kind) else kind


def iterate(table: pa.Table, roles: Roles, order: Sequence[int]) -> Iterator[tuple[int, Values, dict[str, Any]]]:
    """Give (row number, values, metadata) of a table's rows in the given order, a block at a time."""
    names = [name for name in table.column_names if name not in roles.used]
    for start in range(0, len(order), BLOCK):
        numbers = order[start : start + BLOCK]
        block = table.take(pa.array(numbers, pa.int64()))
        columns = {name: block.column(name).to_pylist() for name in block.column_names if name != roles.path}
        for i, number in enumerate(numbers):
            yield number, _values(columns, roles, i), {name: columns[name][i] for name in names}


def _values(columns: dict[str, list[Any]], roles: Roles, i: int) -> Values:
    label, split, group = (
        as_text(columns[name][i]) if name else None for name in (roles.label, roles.split, roles.group)
    )
    if not roles.box:
        return Values(label, split, group)
    cells = columns[roles.box[0]][i] if len(roles.box) == 1 else [columns[name][i] for name in roles.box]
    box, problem = as_box(cells)
    return Values(label, split, group, box, problem)


def as_text(value: Any) -> str | None:
    """Turn a label, split or group into text; None when it is missing, empty or not a number.

    Examples
    --------
    >>> as_text(3.0), as_text(True), as_text(""), as_text("007")
    ('3', 'true', None, '007')
    """
    if value is None or (isinstance(value, str | bytes) and not value):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return None if math.isnan(value) else str(int(value)) if value.is_integer() else repr(value)
    return display(value) if isinstance(value, bytes) else str(value)


def as_box(value: Any) -> tuple[Box | None, str | None]:
    """Turn a cell into (x0, y0, x1, y1), or say why it is not one; an empty cell is (None, None).

    Examples
    --------
    >>> as_box("[1, 2, 30, 40]"), as_box([5, 5, 5, 9])
    (((1.0, 2.0, 30.0, 40.0), None), (None, 'box [5, 5, 5, 9] is not x0 < x1, y0 < y1'))
    """
    if value is None or value == "":
        return None, None
    if isinstance(value, dict):
        value = list(value.values())
    try:
        cells = _numbers(value) if isinstance(value, str) else value
        if all(cell is None for cell in cells):
            return None, None
        x0, y0, x1, y1 = (float(cell) for cell in cells)
    except (TypeError, ValueError):
        return None, f"box {str(value)[:80]!r} is not four numbers"
    if not (math.isfinite(x0 + y0 + x1 + y1) and x0 < x1 and y0 < y1):
        return None, f"box {value} is not x0 < x1, y0 < y1"
    return (x0, y0, x1, y1), None


def _numbers(text: str) -> list[Any]:
    text = text.strip()
    if text.startswith("["):
        return list(json.loads(text))
    return text.strip("()").replace(",", " ").split()
