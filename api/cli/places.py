"""Folders that a command writes to, tried before any work is done."""

from __future__ import annotations

import tempfile
from pathlib import Path

from api.cli.exits import CommandError, Exit


def check_writable(option: str, folder: Path) -> None:
    """Make a folder if it is not there, and write to it.

    Parameters
    ----------
    option : str
        What the folder was given by, for the message.
    folder : Path

    Raises
    ------
    CommandError
        If it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".assay-"):
            pass
    except FileExistsError as error:
        raise CommandError(
            Exit.USAGE, f"{option} {folder} is not a folder; give one that can be written to."
        ) from error
    except OSError as error:
        said = error.strerror or str(error)
        raise CommandError(
            Exit.USAGE, f"{option} {folder} cannot be written to ({said}); give a folder that can."
        ) from error
