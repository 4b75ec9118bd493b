"""Everything the workers and the service can refuse, in one tree.

::

    WorkersError
    ├── UnknownIdError (LookupError)           no dataset, audit, table or picture of that name
    ├── NotReadyError (RuntimeError)           asked for a result that is not there yet
    ├── FailedError (RuntimeError)             asked for the result of something that failed or was cancelled
    ├── InUseError (RuntimeError)              cannot be deleted while something refers to it
    ├── IdempotencyReusedError (ValueError)    an idempotency key was used for another request
    ├── StepStoppedError (RuntimeError)        the step was cancelled, or its lease went to another worker
    ├── DecodersError (RuntimeError)           pictures cannot be decoded at all: a closed pool, a source that is gone
    └── WorkerUnavailableError (RuntimeError)  the broker does not answer
"""

from __future__ import annotations


class WorkersError(Exception):
    """Root of every error raised by :mod:`workers`."""


class UnknownIdError(WorkersError, LookupError):
    """No dataset, audit, table or picture of that name.

    Attributes
    ----------
    kind, id : str
        What was looked for, and the name that was given.
    """

    def __init__(self, kind: str, id_: str, *, hint: str = "list them to see what exists") -> None:
        super().__init__(f"there is no {kind} {id_!r}; {hint}")
        self.kind = kind
        self.id = id_


class NotReadyError(WorkersError, RuntimeError):
    """Asked for a result that is not there yet.

    Attributes
    ----------
    id, status : str
        Whose result, and where it stands.
    """

    def __init__(self, kind: str, id_: str, status: str) -> None:
        super().__init__(f"the {kind} {id_} is {status}; ask again when it is done")
        self.id = id_
        self.status = status


class FailedError(WorkersError, RuntimeError):
    """Asked for the result of something that failed or was cancelled.

    Attributes
    ----------
    id, status : str
        Whose result, and where it stands.
    """

    def __init__(self, kind: str, id_: str, status: str, reason: str) -> None:
        super().__init__(f"the {kind} {id_} is {status}{': ' + reason if reason else ''}")
        self.id = id_
        self.status = status


class InUseError(WorkersError, RuntimeError):
    """Cannot be deleted while something refers to it.

    Attributes
    ----------
    id : str
        What was to be deleted.
    users : tuple of str
        The ids of what refers to it.
    """

    def __init__(self, kind: str, id_: str, users: tuple[str, ...]) -> None:
        super().__init__(f"the {kind} {id_} is used by {', '.join(users)}; delete those first")
        self.id = id_
        self.users = users


class IdempotencyReusedError(WorkersError, ValueError):
    """An idempotency key was used before, for another request."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the idempotency key {key!r} belongs to another request; use a new key")
        self.key = key


class StepStoppedError(WorkersError, RuntimeError):
    """The step was cancelled, or its lease went to another worker: stop, and leave the row alone."""


class DecodersError(WorkersError, RuntimeError):
    """Pictures cannot be decoded at all: the pool is closed, its processes do not start, or the source is gone."""


class WorkerUnavailableError(WorkersError, RuntimeError):
    """The broker does not answer."""
