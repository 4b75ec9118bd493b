"""An open file or folder that closes itself when nobody holds it any more."""

from __future__ import annotations

import os
import weakref
from pathlib import Path

from audit.errors import PictureError
from storage.sources.base import SourceLimits, check_size


class Descriptor:
    """A file descriptor, closed by :meth:`close` or with its last owner.

    Attributes
    ----------
    number : int
        Of the open descriptor. It must not be used after :meth:`close`.
    """

    def __init__(self, path: Path, *, flags: int = 0) -> None:
        self.number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
        self._name = path.name
        self.close = weakref.finalize(self, os.close, self.number)

    def read_at(self, offset: int, n_bytes: int, limits: SourceLimits) -> bytes:
        """Read part of a file, without moving any position, so that threads can share it; less at the file's end.

        Raises
        ------
        PictureError
            ``too_large``, before reading, or ``unreadable``.
        """
        check_size(n_bytes, limits)
        parts, n_read = [], 0
        try:
            while n_read < n_bytes and (part := os.pread(self.number, n_bytes - n_read, offset + n_read)):
                parts.append(part)
                n_read += len(part)
        except OSError as error:
            raise PictureError("unreadable", f"{self._name}: {error.strerror}") from error
        return b"".join(parts)
