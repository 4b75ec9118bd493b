"""Artefacts: named results of steps, each a set of files under its fingerprint, committed once and never changed.

``artefacts/<kind>/<fingerprint>/<first 16 digits of the file's SHA-256>/<file name>`` and, last of all,
``artefacts/<kind>/<fingerprint>/artefact.json`` with the size and SHA-256 of every file. An artefact exists when its
``artefact.json`` does. Because files carry their hash in their key, two attempts that differ cannot mix: the
``artefact.json`` that came first decides, and names only its own files.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from audit.fingerprint import canonical_json
from storage.blobs import Blobs
from storage.errors import ArtefactCorruptError, ArtefactMissingError, BlobMissingError
from storage.parquet import read_table

MANIFEST = "artefact.json"
COPIES = "copies"
"""Folder in scratch with local copies of remote files."""


class FileEntry(BaseModel):
    """One file of an artefact."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n_bytes: int
    sha256: str


class Manifest(BaseModel):
    """What ``artefact.json`` holds. ``provenance`` says what it was made from; no time, host or path."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = 1
    kind: str
    fingerprint: str
    files: dict[str, FileEntry]
    provenance: dict[str, Any]

    @property
    def n_bytes(self) -> int:
        """Size of all files."""
        return sum(entry.n_bytes for entry in self.files.values())


@dataclass(frozen=True)
class Artefact:
    """A committed artefact; its files are verified before they are handed out."""

    manifest: Manifest
    store: Artefacts

    @property
    def provenance(self) -> dict[str, Any]:
        """What it was made from."""
        return self.manifest.provenance

    def __contains__(self, name: str) -> bool:
        return name in self.manifest.files

    def file(self, name: str) -> Path:
        """A local file with the verified bytes of one file of the artefact; only to be read.

        Raises
        ------
        ArtefactMissingError
            If it has no such file.
        ArtefactCorruptError
            If the bytes are not those that were committed.
        """
        return self.store.fetch(self.manifest, name)

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """One of its Parquet files as a table; only the named columns, if any are named."""
        return read_table(self.file(name), columns)

    def json(self, name: str) -> Any:
        """One of its JSON files."""
        return json.loads(self.file(name).read_bytes())


class Artefacts:
    """The artefacts in a blob store.

    Parameters
    ----------
    blobs : Blobs
    scratch : Path
        Folder for files in the making and for copies of remote ones.
    """

    def __init__(self, blobs: Blobs, scratch: Path) -> None:
        self.blobs = blobs
        self.scratch = scratch
        self._verified: set[tuple[str, int, int]] = set()
        self._lock = threading.Lock()

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """A folder for files in the making, removed afterwards."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self.scratch, ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    def clear_scratch(self, grace_s: float) -> int:
        """Remove files in the making that nobody touched for so long: their process was killed. Copies stay.

        Returns
        -------
        int
            How many workspaces there were.
        """
        before, n_removed = time.time() - grace_s, 0
        for left in self.scratch.iterdir() if self.scratch.is_dir() else ():
            if left.name == COPIES or _touched(left) >= before:
                continue
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)
            n_removed += not left.exists()
        return n_removed

    def find(self, kind: str, fingerprint: str) -> Artefact | None:
        """The artefact of that name, None if it is not committed."""
        try:
            text = self.blobs.get(_root(kind, fingerprint) + MANIFEST)
        except BlobMissingError:
            return None
        try:
            manifest = Manifest.model_validate_json(text)
        except ValidationError as error:
            raise ArtefactCorruptError(kind, fingerprint, f"has an {MANIFEST} that cannot be read: {error}") from error
        if (manifest.kind, manifest.fingerprint) != (kind, fingerprint):
            raise ArtefactCorruptError(kind, fingerprint, f"has the {MANIFEST} of {manifest.fingerprint[:12]}")
        return Artefact(manifest, self)

    def open(self, kind: str, fingerprint: str) -> Artefact:
        """The artefact of that name.

        Raises
        ------
        ArtefactMissingError
            If it is not committed.
        """
        found = self.find(kind, fingerprint)
        if found is None:
            raise ArtefactMissingError(kind, fingerprint, "is not there; submit the audit again to make it anew")
        return found

    def find_sound(self, kind: str, fingerprint: str) -> Artefact | None:
        """The artefact of that name with every file verified; a damaged one is deleted, to be made again."""
        try:
            found = self.find(kind, fingerprint)
            if found is not None:
                for name in found.manifest.files:
                    self.fetch(found.manifest, name)
        except ArtefactCorruptError:
            self.delete(kind, fingerprint)
            return None
        return found

    def commit(self, kind: str, fingerprint: str, files: Mapping[str, Path], provenance: Mapping[str, Any]) -> Artefact:
        """Publish files as an artefact, all or nothing.

        Of several writers the first one wins; every caller gets the artefact that is there in the end.
        """
        entries = {}
        for name, path in sorted(files.items()):
            entry = _describe(path)
            self.blobs.put_new(_key(kind, fingerprint, name, entry), path)
            entries[name] = entry
        manifest = Manifest(kind=kind, fingerprint=fingerprint, files=entries, provenance=dict(provenance))
        if self.blobs.put_new(_root(kind, fingerprint) + MANIFEST, canonical_json(manifest)):
            return Artefact(manifest, self)
        return self.open(kind, fingerprint)

    def fetch(self, manifest: Manifest, name: str) -> Path:
        """A local, verified file of an artefact; see :meth:`Artefact.file`."""
        kind, fingerprint = manifest.kind, manifest.fingerprint
        if name not in manifest.files:
            raise ArtefactMissingError(kind, fingerprint, f"has no {name}; it has {', '.join(manifest.files)}")
        entry = manifest.files[name]
        key = _key(kind, fingerprint, name, entry)
        copy = self.scratch / COPIES / key
        try:
            path = copy if copy.is_file() else self.blobs.fetch(key, copy)
        except BlobMissingError:
            raise ArtefactCorruptError(
                kind, fingerprint, f"has lost its file {name}; delete it and submit again"
            ) from None
        self._verify(path, manifest, name)
        return path

    def _verify(self, path: Path, manifest: Manifest, name: str) -> None:
        """Compare a file with what was committed; once per process as long as it is not touched."""
        stat = path.stat()
        seen = (str(path), stat.st_mtime_ns, stat.st_size)
        if seen in self._verified:
            return
        if _describe(path) != manifest.files[name]:
            copies = self.scratch / COPIES
            if path.is_relative_to(copies):
                path.unlink(missing_ok=True)
            raise ArtefactCorruptError(
                manifest.kind, manifest.fingerprint, f"has a damaged file: {name} is not what was committed"
            )
        with self._lock:
            self._verified.add(seen)

    def delete(self, kind: str, fingerprint: str) -> None:
        """Remove an artefact: first its ``artefact.json``, so that nobody finds half of it."""
        root = _root(kind, fingerprint)
        self.blobs.delete(root + MANIFEST)
        for key in list(self.blobs.list(root)):
            self.blobs.delete(key)


def _touched(place: Path) -> float:
    """When a file, or anything in a folder, was last written; now where it is just going."""
    try:
        return max(path.stat().st_mtime for path in (place, *place.rglob("*")))
    except FileNotFoundError:
        return time.time()


def _root(kind: str, fingerprint: str) -> str:
    return f"artefacts/{kind}/{fingerprint}/"


def _key(kind: str, fingerprint: str, name: str, entry: FileEntry) -> str:
    return f"{_root(kind, fingerprint)}{entry.sha256[:16]}/{name}"


def _describe(path: Path) -> FileEntry:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return FileEntry(n_bytes=path.stat().st_size, sha256=digest.hexdigest())
