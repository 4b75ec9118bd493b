"""A folder on disk: every file below it, links refused, special files skipped."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from audit.errors import PictureError
from audit.model import QUARANTINED, SKIPPED
from storage.errors import SourceLimitError
from storage.sources.base import SourceLimits, SourceSpec
from storage.sources.columns import wants_columns
from storage.sources.metadata import METADATA_NAMES, parse
from storage.sources.names import display, quote, skip_rule, unquote
from storage.sources.rooted import RootedFolder, special_name
from storage.sources.tree import Member, TreeSource


class FolderSource(TreeSource):
    """Pictures in a folder: class-per-folder, flat, split/class, or described by a ``metadata.csv`` among them."""

    def __init__(self, spec: SourceSpec, limits: SourceLimits) -> None:
        super().__init__(spec, limits)
        self._root = RootedFolder(Path(spec.uri))
        if wants_columns(spec):
            self._check_columns()

    def close(self) -> None:
        """Let go of the folder."""
        self._root.close()

    def touched(self) -> Iterator[tuple[bytes, os.stat_result | None]]:
        """Every file below the folder; see :meth:`Source.touched`."""
        for member in self._members():
            yield member.path, member.found

    def _read(self, body: str) -> bytes:
        return self._root.read(unquote(body), self.limits)

    def _check_columns(self) -> None:
        """Refuse a column that the folder's own metadata file lacks, before anything is listed."""
        for name in METADATA_NAMES:
            try:
                data = self._root.read(name, self.limits)
            except PictureError:
                continue
            parse(self.spec, name, data)

    def _members(self) -> Iterator[Member]:
        folders = [b""]
        n_members = 0
        while folders:
            folder = folders.pop()
            for member in self._list(folder, folders):
                n_members += 1
                if n_members > self.limits.max_members:
                    raise SourceLimitError(
                        self.spec.uri,
                        f"{self.spec.uri} has more than {self.limits.max_members} files; give a part of it.",
                    )
                yield member

    def _list(self, folder: bytes, folders: list[bytes]) -> Iterator[Member]:
        try:
            listing = self._root.list_folder(folder)
        except PictureError as error:
            yield Member(folder + b"/", "", None, (QUARANTINED, error.reason, error.detail))
            return
        names = [entry.name.encode("utf-8", "surrogateescape") for entry in listing]
        for name, found in zip(names, self._root.status_of(folder, names), strict=True):
            path = folder + b"/" + name if folder else name
            if found is None:
                yield Member(path, "", None, (QUARANTINED, "vanished", f"{display(path)} went while it was listed"))
            elif stat.S_ISDIR(found.st_mode):
                rule = skip_rule(path + b"/", include_hidden=self.spec.include_hidden)
                if rule is None:
                    folders.append(path)
                else:
                    yield Member(path + b"/", "", None, (SKIPPED, *rule))
            elif stat.S_ISREG(found.st_mode):
                yield Member(path, quote(path), found.st_size, found=found)
            else:
                kind = "a link; links are not followed" if stat.S_ISLNK(found.st_mode) else special_name(found.st_mode)
                yield Member(path, "", None, (SKIPPED, "not_a_file", f"{display(path)} is {kind}"))
