"""A tar archive: members are read in place; a compressed one is first unpacked to one file of ours, counting bytes."""

from __future__ import annotations

import bz2
import fcntl
import gzip
import hashlib
import lzma
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, cast

from audit.errors import PictureError
from audit.model import QUARANTINED, SKIPPED
from storage.errors import SourceError, SourceLimitError, SourceUnsupportedError
from storage.sources.base import FREE_BYTES, SourceLimits, SourceSpec
from storage.sources.descriptors import Descriptor
from storage.sources.tree import Member, Problem, TreeSource

HEADER_LIMIT = 2**20
"""Longest header (a long name, a list of pax values) that is read, in bytes."""

CHUNK = 2**20
Opener = Callable[[Path, str], Any]
_COMPRESSIONS: dict[bytes, Opener] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_DAMAGE = (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError, OSError)
_KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a link",
    tarfile.CHRTYPE: "a character device",
    tarfile.BLKTYPE: "a block device",
    tarfile.FIFOTYPE: "a named pipe",
}


class TarSource(TreeSource):
    """Pictures in a tar archive, plain or packed with gzip, bzip2 or xz.

    A locator is ``offset:size`` in the plain archive. A packed one is unpacked once, as a stream, to
    ``scratch/<fingerprint>.tar``; no member is ever extracted under its own name.
    """

    def __init__(self, spec: SourceSpec, limits: SourceLimits) -> None:
        super().__init__(spec, limits)
        self._file = Path(spec.uri)
        with self._file.open("rb") as file:
            start = file.read(tarfile.BLOCKSIZE)
        self._opener = next((opener for magic, opener in _COMPRESSIONS.items() if start.startswith(magic)), None)
        if self._opener is None:
            _check_first_header(spec.uri, start)
        self._plain: Descriptor | None = None
        self._lock = Lock()

    def close(self) -> None:
        """Let go of the archive."""
        if self._plain is not None:
            self._plain.close()

    def check(self) -> None:
        """See :meth:`Source.check`; a packed archive, which takes long to unpack, is left to the scan."""
        if self._opener is None:
            super().check()

    def _members(self) -> Iterator[Member]:
        try:
            file = os.fdopen(os.dup(self._open().number), "rb")
        except OSError as error:
            raise SourceError(self.spec.uri, f"{self.spec.uri} cannot be read: {error}.") from error
        with file as raw:
            reader = _HeaderReader(raw, self.spec.uri)
            for n_members, info in enumerate(_walk(reader, self.spec.uri), 1):
                if n_members > self.limits.max_members:
                    raise SourceLimitError(
                        self.spec.uri, f"{self.spec.uri} has more than {self.limits.max_members} members."
                    )
                if not info.isdir():
                    name = info.name.encode("utf-8", "surrogateescape")
                    yield Member(name, f"{info.offset_data}:{info.size}", info.size, _problem(info))

    def _read(self, body: str) -> bytes:
        offset, size = map(int, body.split(":"))
        try:
            archive = self._open()
        except OSError as error:
            raise PictureError("unreadable", f"{self._file.name}: {error.strerror}") from error
        data = archive.read_at(offset, size, self.limits)
        if len(data) < size:
            raise PictureError("corrupt_member", f"the archive ends after {len(data)} of {size} bytes")
        return data

    def _open(self) -> Descriptor:
        """Open the plain archive, unpacked first where needed."""
        with self._lock:
            if self._plain is None:
                self._plain = Descriptor(self._file if self._opener is None else self._unpacked(self._opener))
            return self._plain

    def _unpacked(self, opener: Opener) -> Path:
        found = self._file.stat()
        identity = f"{self._file}\0{found.st_dev}\0{found.st_ino}\0{found.st_size}\0{found.st_mtime_ns}"
        name = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        target = self.limits.scratch / f"{name}.tar"
        self.limits.scratch.mkdir(parents=True, exist_ok=True)
        with _locked(self.limits.scratch / f"{name}.lock"):
            if not target.exists():
                self._unpack(opener, target, found.st_size)
        return target

    def _unpack(self, opener: Opener, target: Path, packed: int) -> None:
        part = target.with_suffix(".part")
        most = min(self.limits.max_total_bytes, int(FREE_BYTES + self.limits.max_ratio * packed))
        n_bytes = 0
        try:
            with opener(self._file, "rb") as source, part.open("wb") as copy:
                while chunk := source.read(CHUNK):
                    n_bytes += len(chunk)
                    if n_bytes > most:
                        raise SourceLimitError(
                            self.spec.uri,
                            f"{self.spec.uri} has {packed} bytes and unpacks to more than {most}, which is the limit.",
                        )
                    copy.write(chunk)
                copy.flush()
                os.fsync(copy.fileno())
            part.replace(target)
        except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
            raise _damaged(self.spec.uri, f"it cannot be unpacked after {n_bytes} bytes: {error}") from error
        finally:
            part.unlink(missing_ok=True)


class _HeaderReader:
    """The part of a file that :mod:`tarfile` needs to walk headers, with no read longer than a header may be."""

    def __init__(self, file: BinaryIO, uri: str) -> None:
        self._file = file
        self._uri = uri
        self.seek, self.tell = file.seek, file.tell

    def read(self, n_bytes: int) -> bytes:
        """Read part of a header."""
        if n_bytes > HEADER_LIMIT:
            raise SourceLimitError(
                self._uri, f"a header of {self._uri} is {n_bytes} bytes long; {HEADER_LIMIT} are read."
            )
        return self._file.read(n_bytes)


def _walk(reader: _HeaderReader, uri: str) -> Iterator[tarfile.TarInfo]:
    n_members = 0
    try:
        with tarfile.open(fileobj=cast(BinaryIO, reader), mode="r:", encoding="utf-8", errors="surrogateescape") as tar:
            while (info := tar.next()) is not None:
                n_members += 1
                tar.members.clear()  # type: ignore[attr-defined]
                yield info
            end = tar.offset
    except SourceError:
        raise
    except _DAMAGE as error:
        raise _damaged(uri, f"after {n_members} members: {error}") from error
    reader.seek(end)
    mark = reader.read(tarfile.BLOCKSIZE)
    if not mark or mark.strip(b"\0"):
        what = "stands neither a header nor the mark of its end" if mark else "it stops without the mark of its end"
        raise _damaged(uri, f"after {n_members} members, at byte {end}, {what}")


def _check_first_header(uri: str, start: bytes) -> None:
    if not start.strip(b"\0") and len(start) == tarfile.BLOCKSIZE:
        return
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise SourceUnsupportedError(
            uri, f"{uri} is not a tar archive, plain or packed with gzip, bzip2 or xz ({error})."
        ) from error


def _problem(info: tarfile.TarInfo) -> Problem | None:
    if info.isreg():
        return (QUARANTINED, "unsupported_compression", "a sparse member") if info.issparse() else None
    return SKIPPED, "not_a_file", f"{_KINDS.get(info.type, 'a special file')} inside the archive"


def _damaged(uri: str, what: str) -> SourceError:
    return SourceError(uri, f"{uri} is damaged: {what}. What it held cannot be counted; copy or download it again.")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time through."""
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
