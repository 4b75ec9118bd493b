"""Everything the storage package can refuse, in one tree.

::

    StorageError
    ├── SourceError (ValueError)                     a dataset's source that cannot be used as it was described
    │   ├── SourceNotFoundError (FileNotFoundError)  nothing is at the path
    │   ├── SourceForbiddenError (PermissionError)   the path is outside the allowed roots
    │   ├── SourceUnsupportedError                   there, but no kind of source reads it
    │   ├── SourceColumnError (LookupError)          a manifest has no such column
    │   └── SourceLimitError                         more members, bytes or compression than allowed
    ├── DatabaseBusyError (TimeoutError)             another process keeps the database locked
    ├── BlobMissingError (FileNotFoundError)         no blob of that key
    └── ArtefactError (RuntimeError)                 an artefact that cannot be used
        ├── ArtefactMissingError (LookupError)       not committed, or deleted
        └── ArtefactCorruptError                     its bytes are not what was committed
"""

from __future__ import annotations

from collections.abc import Sequence


class StorageError(Exception):
    """Root of every error raised by :mod:`storage`."""


class SourceError(StorageError, ValueError):
    """A dataset's source that cannot be used as it was described.

    Attributes
    ----------
    uri : str
        The source as it was asked for.
    """

    def __init__(self, uri: str, message: str) -> None:
        super().__init__(message)
        self.uri = uri


class SourceNotFoundError(SourceError, FileNotFoundError):
    """Nothing is at the path."""


class SourceForbiddenError(SourceError, PermissionError):
    """The path is outside the roots this service may read."""


class SourceUnsupportedError(SourceError):
    """Something is there, but no kind of source reads it."""


class SourceColumnError(SourceError, LookupError):
    """A manifest has no column of that name.

    Attributes
    ----------
    column : str
        The column asked for.
    columns : tuple of str
        The columns that are there.
    """

    def __init__(self, uri: str, option: str, column: str, columns: Sequence[str]) -> None:
        super().__init__(
            uri,
            f"{option} names the column {column!r}, which {uri} does not have; its columns are {', '.join(columns)}.",
        )
        self.column = column
        self.columns = tuple(columns)


class SourceLimitError(SourceError):
    """A source with more members, bytes or compression than the limits allow."""


class DatabaseBusyError(StorageError, TimeoutError):
    """Another process keeps the database locked."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"another process has kept the database locked for over {seconds:.0f} s; "
            "look for one that hangs, and stop it."
        )
        self.seconds = seconds


class BlobMissingError(StorageError, FileNotFoundError):
    """No blob of that key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"there is no blob {key!r} in the store; if it was deleted by hand, submit the audit again.")
        self.key = key


class ArtefactError(StorageError, RuntimeError):
    """An artefact that cannot be used.

    Attributes
    ----------
    kind, fingerprint : str
        Which one.
    """

    def __init__(self, kind: str, fingerprint: str, message: str) -> None:
        super().__init__(f"the {kind} artefact {fingerprint[:12]} {message}")
        self.kind = kind
        self.fingerprint = fingerprint


class ArtefactMissingError(ArtefactError, LookupError):
    """Not committed, or deleted since."""


class ArtefactCorruptError(ArtefactError):
    """Its bytes are not what was committed."""
