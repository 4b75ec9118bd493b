"""Files below one folder, opened so that no link and no ``..`` leads out of it and nothing special blocks."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audit.errors import PictureError
from storage.sources.base import SourceLimits, check_size
from storage.sources.descriptors import Descriptor
from storage.sources.names import display

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}


class RootedFolder:
    """A folder held open; every path is relative to it and walked one component at a time without following links."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._root = Descriptor(path, flags=os.O_DIRECTORY)

    def close(self) -> None:
        """Let go of the folder."""
        self._root.close()

    def status(self, path: bytes) -> os.stat_result:
        """Status of a file, links not followed.

        Raises
        ------
        PictureError
            If it is gone, or there is no way to it.
        """
        with self._parent(path) as (folder, name), _explained(path):
            return os.stat(name, dir_fd=folder, follow_symlinks=False)

    def read(self, path: bytes, limits: SourceLimits) -> bytes:
        """Read a regular file, checking that it stays the same while it is read.

        Raises
        ------
        PictureError
            With the reason ``vanished``, ``unreadable``, ``not_a_file``, ``too_large`` or ``changed``.
        """
        with self._parent(path) as (folder, name), _explained(path):
            refuse_special(os.stat(name, dir_fd=folder, follow_symlinks=False), path)
            fd = os.open(name, _FILE, dir_fd=folder)
            try:
                return _read_regular(fd, path, limits)
            finally:
                os.close(fd)

    def list_folder(self, path: bytes) -> list[os.DirEntry[str]]:
        """Entries of one folder; an empty path is the root.

        Raises
        ------
        PictureError
            If it is gone, a link, or may not be listed.
        """
        with self._folder(path) as fd, _explained(path), os.scandir(fd) as listing:
            return list(listing)

    def status_of(self, folder: bytes, names: list[bytes]) -> list[os.stat_result | None]:
        """Status of files of one folder, links not followed; None for one that is gone."""
        found: list[os.stat_result | None] = []
        with self._folder(folder) as fd:
            for name in names:
                try:
                    found.append(os.stat(name, dir_fd=fd, follow_symlinks=False))
                except OSError:
                    found.append(None)
        return found

    @contextmanager
    def _parent(self, path: bytes) -> Iterator[tuple[int, bytes]]:
        folder, _, name = path.rpartition(b"/")
        if not name or b"\0" in path or b".." in path.split(b"/") or path.startswith(b"/"):
            raise PictureError("outside_root", f"{display(path)} does not name a file below the root")
        with self._folder(folder) as fd:
            yield fd, name

    @contextmanager
    def _folder(self, path: bytes) -> Iterator[int]:
        with _explained(path):
            fd = os.dup(self._root.number)
        try:
            for part in path.split(b"/"):
                if part in {b"", b"."}:
                    continue
                with _explained(path):
                    fd = _step(fd, part, path)
            yield fd
        finally:
            os.close(fd)


def _step(fd: int, part: bytes, path: bytes) -> int:
    try:
        deeper = os.open(part, _FOLDER, dir_fd=fd)
    except NotADirectoryError:
        if stat.S_ISLNK(os.stat(part, dir_fd=fd, follow_symlinks=False).st_mode):
            raise PictureError(
                "not_a_file", f"{display(part)} in {display(path)} is a link; links are not followed"
            ) from None
        raise
    os.close(fd)
    return deeper


def refuse_special(found: os.stat_result, path: bytes) -> None:
    """Refuse what is not a regular file.

    Raises
    ------
    PictureError
        With the reason ``not_a_file``.
    """
    if stat.S_ISLNK(found.st_mode):
        raise PictureError("not_a_file", f"{display(path)} is a link; links are not followed")
    if not stat.S_ISREG(found.st_mode):
        raise PictureError("not_a_file", f"{display(path)} is {special_name(found.st_mode)}, not a regular file")


def special_name(mode: int) -> str:
    """What a file that is not regular is called."""
    for test, name in (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a character device"),
        (stat.S_ISBLK, "a block device"),
    ):
        if test(mode):
            return name
    return "of an unknown kind"


def _read_regular(fd: int, path: bytes, limits: SourceLimits) -> bytes:
    before = os.fstat(fd)
    refuse_special(before, path)
    check_size(before.st_size, limits)
    parts, n_read = [], 0
    while chunk := os.read(fd, min(max(before.st_size + 1 - n_read, 1), 2**24)):
        parts.append(chunk)
        n_read += len(chunk)
        if n_read > before.st_size:
            break
    after = os.fstat(fd)
    if n_read != before.st_size or (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise PictureError("changed", f"{display(path)} changed while it was read ({before.st_size} bytes before)")
    return parts[0] if len(parts) == 1 else b"".join(parts)


@contextmanager
def _explained(path: bytes) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise PictureError("not_a_file", f"{display(path)} is a link; links are not followed") from error
        reason = "vanished" if error.errno in _GONE else "unreadable"
        raise PictureError(reason, f"{display(path)}: {error.strerror}") from error
