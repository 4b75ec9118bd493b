"""A source made of named files: sorted, skipped by rule, labelled by folder or by a metadata file among them."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from audit.model import OK, QUARANTINED, SKIPPED
from storage.errors import SourceError
from storage.sources import columns, layout, metadata
from storage.sources.base import Entry, Source, SourceLimits, SourceSpec
from storage.sources.columns import Roles, Values
from storage.sources.metadata import Metadata, Said
from storage.sources.names import display, is_picture_name, is_unsafe, skip_rule

Problem = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Member:
    """One file: its raw path, how it is read, its size, and (status, reason, detail) of a problem known already.

    ``found`` is its status on disk, where it is a file of its own.
    """

    path: bytes
    body: str
    n_bytes: int | None = None
    problem: Problem | None = None
    found: os.stat_result | None = None


class TreeSource(Source):
    """A folder or an archive. Subclasses list members and read one."""

    def __init__(self, spec: SourceSpec, limits: SourceLimits) -> None:
        super().__init__(spec, limits)
        self._total: int | None = None
        self._schema = pa.schema([])
        self._layout = ""

    @abstractmethod
    def _members(self) -> Iterable[Member]:
        """List every file, in any order, archives' members in theirs."""

    @property
    def metadata_schema(self) -> pa.Schema:
        """Columns of the metadata file, and folder levels that are neither split nor label."""
        return self._schema

    @property
    def total(self) -> int | None:
        """How many entries there are."""
        return self._total

    @property
    def layout(self) -> str:
        """Where labels and splits were taken from."""
        return self._layout

    def entries(self) -> Iterator[Entry]:
        """List every file; see :meth:`Source.entries`."""
        members = sorted(map(self._judge, self._members()), key=_path)
        told = self._find_metadata(members)
        reader = FolderReader(self.spec, [member.path for member in members if member.problem is None])
        self._schema = reader.extend(told.schema if told else pa.schema([]))
        roles = told.roles if told else Roles()
        self._layout = f"{roles.describe()}; elsewhere, {reader.describe()}" if told else reader.describe()
        if told:
            there = {member.path for member in members}
            members = sorted([*members, *(_lost(path) for path in told.rows_of if path not in there)], key=_path)
        self._total = sum(told.n_rows(member.path) for member in members) if told else len(members)
        for start in range(0, len(members), columns.BLOCK):
            block = members[start : start + columns.BLOCK]
            said = told.said_of([member.path for member in block]) if told else {}
            for member in block:
                rows = said.get(member.path)
                for one in rows or [(Values(), {})]:
                    yield as_entry(member, *reader.complete(member.path, one, roles if rows else Roles()))

    def _judge(self, member: Member) -> Member:
        if member.problem is not None:
            return member
        if is_unsafe(member.path):
            return replace(member, problem=(QUARANTINED, "outside_root", f"{display(member.path)} leads outside"))
        if rule := skip_rule(member.path, include_hidden=self.spec.include_hidden):
            return replace(member, problem=(SKIPPED, *rule))
        if member.n_bytes == 0:
            return replace(member, problem=(QUARANTINED, "empty", "the file has 0 bytes"))
        return member

    def _find_metadata(self, members: Sequence[Member]) -> Metadata | None:
        files = {
            member.path: member.body
            for member in members
            if member.path.rsplit(b"/", 1)[-1] in metadata.METADATA_NAMES
            and member.problem is not None
            and member.problem[1] == "other_file"
        }
        told = metadata.load(self.spec, files, frozenset(map(_path, members)), self.read) if files else None
        if told is None and columns.wants_columns(self.spec):
            raise _no_columns(self.spec)
        return told


class FolderReader:
    """Reads labels, splits and groups off a path, as ``auto``, ``folder`` and ``folder:N`` ask for them."""

    def __init__(self, spec: SourceSpec, paths: Iterable[bytes]) -> None:
        paths = list(paths)
        self._spec = spec
        self._layout = layout.detect(paths, with_split=spec.split_from in {"auto", "folder"})
        if paths:
            self._check_folders(paths)

    def describe(self) -> str:
        """Say what was decided."""
        return self._layout.describe()

    def extend(self, schema: pa.Schema) -> pa.Schema:
        """Add a text column for every folder level that has no role, unless the user has one of that name."""
        names = [f"folder_{i + 1}" for i in range(self._layout.n_levels)]
        return pa.schema([*schema, *(pa.field(name, pa.string()) for name in names if name not in schema.names)])

    def complete(self, path: bytes, said: Said, roles: Roles) -> Said:
        """Take from the folders of the path what has no column; an empty cell of a column stays empty."""
        values, row = said
        place = self._layout.place(path)
        filled = replace(
            values,
            label=values.label if roles.label else self._word(self._spec.label_from, path, place.label),
            split=values.split if roles.split else self._word(self._spec.split_from, path, place.split),
            group=values.group if roles.group else self._group(path),
        )
        return filled, {f"folder_{i + 1}": level for i, level in enumerate(place.levels)} | row

    def _check_folders(self, paths: Sequence[bytes]) -> None:
        """Refuse a folder that is asked for where no path has it.

        Raises
        ------
        SourceError
        """
        for option in ("label_from", "split_from", "group_from"):
            choice = getattr(self._spec, option)
            if choice.partition(":")[0] == "folder" and all(self._asked(option, path) is None for path in paths):
                deepest = max(len(layout.split_folders(path)) for path in paths)
                lies = f"a picture lies in {deepest} folder(s) at most" if deepest else "its pictures lie in no folder"
                raise SourceError(
                    self._spec.uri,
                    f"{option} is {choice}, but {self._spec.uri} has no such folder: {lies}, and {self.describe()}. "
                    "Say auto, none, another folder:N or a column.",
                )

    def _group(self, path: bytes) -> str | None:
        """Unlike labels and splits, a group is never guessed from folders."""
        return None if self._spec.group_from == "auto" else self._asked("group_from", path)

    def _asked(self, option: str, path: bytes) -> str | None:
        place = self._layout.place(path)
        found = {"label_from": place.label, "split_from": place.split, "group_from": layout.pick(path, -1)}
        return self._word(getattr(self._spec, option), path, found[option])

    @staticmethod
    def _word(choice: str, path: bytes, detected: str | None) -> str | None:
        word, _, number = choice.partition(":")
        if word == "folder" and number:
            return layout.pick(path, int(number))
        return detected if word in {"auto", "folder"} else None


def as_entry(member: Member, values: Values, row: Mapping[str, Any], *, is_certain: bool | None = None) -> Entry:
    """Join what is known of a file and what its row or folders say of it."""
    status, reason, detail = member.problem or (OK, None, values.box_problem)
    return Entry(
        path_bytes=member.path,
        locator=member.body,
        label=values.label,
        split=values.split,
        group=values.group,
        box=values.box,
        metadata=row,
        status=status,
        reason=reason,
        detail=detail,
        is_certain=is_picture_name(member.path) if is_certain is None else is_certain,
        n_bytes=member.n_bytes,
    )


def _path(member: Member) -> bytes:
    return member.path


def _lost(path: bytes) -> Member:
    return Member(path, "", None, (QUARANTINED, "missing", "the metadata file names it, but it is not there"))


def _no_columns(spec: SourceSpec) -> SourceError:
    asked = {
        option: getattr(spec, option)
        for option in ("path_column", "label_from", "split_from", "group_from", "box_from")
    }
    option, name = next((key, name) for key, name in asked.items() if name is not None and columns.is_column(name))
    return SourceError(
        spec.uri,
        f"{option}: {name!r} is asked for as a column, but {spec.uri} has no table of columns. Put a metadata.csv "
        "with a column file_name beside the pictures, give a CSV or Parquet manifest, or say auto, none, "
        "folder or folder:N.",
    )
