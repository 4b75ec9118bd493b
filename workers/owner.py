"""Who holds a lease: a name, and on this machine a locked file by which others see at once that it is gone.

The operating system drops the lock when the process ends, however it ends. So a restarted process may take over the
steps of its dead predecessor without waiting for leases; names that have no file here belong to other machines.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path


class Owner:
    """This process among the workers that share a home.

    Parameters
    ----------
    folder : Path
        Where the lock files are.
    name : str
        Unique.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{name}"
        self._handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        part.rename(folder / f"{name}.lock")

    def close(self) -> None:
        """Give the name up."""
        (self.folder / f"{self.name}.lock").unlink(missing_ok=True)
        os.close(self._handle)

    def dead(self, names: Iterable[str]) -> list[str]:
        """Those of the names that were processes of this home and are gone."""
        return [name for name in names if name != self.name and self._is_dead(name)]

    def _is_dead(self, name: str) -> bool:
        try:
            handle = os.open(self.folder / f"{name}.lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(handle)
        return True
