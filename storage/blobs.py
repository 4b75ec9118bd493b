"""Bytes under keys, each written once: a folder of files, or any object store behind the same four verbs.

``put_new`` publishes whole blobs or none: locally temp → fsync → link → fsync of the folder, on an object store a
conditional create. Two writers of one key never mix; the second learns that it was second.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from storage.errors import BlobMissingError


class Blobs(ABC):
    """Where blobs live. Keys are relative paths with ``/``, made by us and never by users."""

    @abstractmethod
    def put_new(self, key: str, source: Path | bytes) -> bool:
        """Write a blob unless its key exists. False if it does; the bytes there then stay as they are."""

    @abstractmethod
    def get(self, key: str) -> bytes:
        """Read a whole blob.

        Raises
        ------
        BlobMissingError
            If there is none.
        """

    @abstractmethod
    def fetch(self, key: str, target: Path) -> Path:
        """Return a file with the blob's bytes: the blob itself where it is a local file, else a copy at ``target``.

        Raises
        ------
        BlobMissingError
            If there is none.
        """

    @abstractmethod
    def list(self, prefix: str) -> Iterator[str]:
        """Keys below a prefix that ends with ``/``, in any order."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove a blob; one that is not there is fine."""


class LocalBlobs(Blobs):
    """Blobs as files below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def put_new(self, key: str, source: Path | bytes) -> bool:
        """Write a blob unless its key exists; see :meth:`Blobs.put_new`."""
        path = self.root / key
        if path.exists():
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.parent / f".{uuid.uuid4().hex}.part"
        try:
            _copy_durably(source, part)
            os.link(part, path)
        except FileExistsError:
            return False
        finally:
            part.unlink(missing_ok=True)
        _sync_folders(path.parent, self.root)
        return True

    def get(self, key: str) -> bytes:
        """Read a whole blob; see :meth:`Blobs.get`."""
        try:
            return (self.root / key).read_bytes()
        except FileNotFoundError:
            raise BlobMissingError(key) from None

    def fetch(self, key: str, target: Path) -> Path:
        """Return the blob's own file; see :meth:`Blobs.fetch`."""
        path = self.root / key
        if not path.is_file():
            raise BlobMissingError(key)
        return path

    def list(self, prefix: str) -> Iterator[str]:
        """Keys below a prefix; see :meth:`Blobs.list`."""
        for path in (self.root / prefix).rglob("*"):
            if path.is_file() and not path.name.endswith(".part"):
                yield path.relative_to(self.root).as_posix()

    def delete(self, key: str) -> None:
        """Remove a blob, and the folders it leaves empty."""
        path = self.root / key
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            for folder in path.relative_to(self.root).parents:
                if folder.name:
                    (self.root / folder).rmdir()


class StoreBlobs(Blobs):
    """Blobs in an object store that knows conditional creation (S3, GCS, Azure, memory), through obstore."""

    def __init__(self, store: Any) -> None:
        self.store = store

    def put_new(self, key: str, source: Path | bytes) -> bool:
        """Write a blob unless its key exists; see :meth:`Blobs.put_new`."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        try:
            obstore.put(self.store, key, source, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return False
        return True

    def get(self, key: str) -> bytes:
        """Read a whole blob; see :meth:`Blobs.get`."""
        import obstore

        try:
            return bytes(obstore.get(self.store, key).bytes())
        except FileNotFoundError:
            raise BlobMissingError(key) from None

    def fetch(self, key: str, target: Path) -> Path:
        """Copy the blob to a file; see :meth:`Blobs.fetch`."""
        import obstore

        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.parent / f".{uuid.uuid4().hex}.part"
        try:
            with part.open("wb") as file:
                for chunk in obstore.get(self.store, key):
                    file.write(chunk)
            part.replace(target)
        except FileNotFoundError:
            raise BlobMissingError(key) from None
        finally:
            part.unlink(missing_ok=True)
        return target

    def list(self, prefix: str) -> Iterator[str]:
        """Keys below a prefix; see :meth:`Blobs.list`."""
        import obstore

        for chunk in obstore.list(self.store, prefix):
            yield from (entry["path"] for entry in chunk)

    def delete(self, key: str) -> None:
        """Remove a blob; see :meth:`Blobs.delete`."""
        import obstore

        with contextlib.suppress(FileNotFoundError):
            obstore.delete(self.store, key)


def open_blobs(url: str) -> Blobs:
    """Open the store at an address: ``file:///folder``, ``memory://``, ``s3://bucket/prefix``, what obstore knows."""
    parsed = urlparse(url)
    if parsed.scheme == "file":
        return LocalBlobs(Path(unquote(parsed.path)))
    from obstore.store import MemoryStore, from_url

    return StoreBlobs(MemoryStore() if parsed.scheme == "memory" else from_url(url))


def _copy_durably(source: Path | bytes, target: Path) -> None:
    """Write bytes or a copy of a file, down to the disk."""
    with target.open("xb") as file:
        if isinstance(source, bytes):
            file.write(source)
        else:
            with source.open("rb") as original:
                shutil.copyfileobj(original, file, 2**20)
        file.flush()
        os.fsync(file.fileno())


def _sync_folders(folder: Path, root: Path) -> None:
    """Flush a folder and those above it up to the root, so that new names survive a power cut."""
    while True:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        if folder == root:
            return
        folder = folder.parent
