"""What the API can refuse, and the one place that knows HTTP statuses.

::

    ApiError                                     carries the slug of a kind of problem
    ├── BadRequestError (ValueError)             a body or header that cannot be read
    │   └── BadCursorError                       a cursor of another list or other filters, or none at all
    ├── CrossOriginError (PermissionError)       a browser sent it from a page of another origin
    ├── UnknownHostError (PermissionError)       the Host header names a server that this one is not
    ├── TooLargeError (ValueError)               a body over its limit
    ├── UnsupportedMediaError (ValueError)       a body of a type that is not taken
    ├── InvalidRequestError (ValueError)         a value that cannot be used
    ├── IdempotencyInFlightError (RuntimeError)  the first request with this key is still being answered
    └── UnavailableError (RuntimeError)          a part the service needs does not answer

Errors of the packages below are looked up by class, nearest base first (:func:`kind_of`). The names of the kinds of
problems are stable. ``docs/errors.md`` describes each of them; a test holds the two together.

Source: RFC 9457 (Problem Details for HTTP APIs).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from audit.errors import AuditError, ExtractorError, PictureError
from storage.errors import DatabaseBusyError, SourceError, SourceForbiddenError
from workers.errors import (
    FailedError,
    IdempotencyReusedError,
    InUseError,
    NotReadyError,
    UnknownIdError,
    WorkerUnavailableError,
)

PROBLEM_MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:assay:problem:"


@dataclass(frozen=True)
class ProblemKind:
    """One kind of problem.

    Attributes
    ----------
    slug : str
        Its stable name; ``type`` in the body is ``urn:assay:problem:`` followed by it.
    status : int
        HTTP status.
    title : str
        What happened, in a few words.
    action : str
        What the client can do about it, in one sentence.
    """

    slug: str
    status: int
    title: str
    action: str


_ALL = (
    ProblemKind("bad-request", 400, "The request cannot be read", "Correct the syntax of the request."),
    ProblemKind("bad-cursor", 400, "The cursor is not one of ours", "Start again without a cursor."),
    ProblemKind("source-not-allowed", 403, "The path is outside the allowed roots", "Use a path under a root."),
    ProblemKind(
        "cross-origin", 403, "A page of another origin sent this", "Call the API from its own pages or a client."
    ),
    ProblemKind("unknown-host", 403, "The Host header names another server", "Use an address the server listens on."),
    ProblemKind("not-found", 404, "There is nothing at this address", "Look the address up in the OpenAPI document."),
    ProblemKind("unknown-id", 404, "Nothing has this id", "List what exists and use one of those ids."),
    ProblemKind("method-not-allowed", 405, "This address does not take this method", "Use a method named by Allow."),
    ProblemKind("not-ready", 409, "The result is not there yet", "Wait until the status is done, then ask again."),
    ProblemKind("in-use", 409, "Something else still needs it", "Delete what uses it first."),
    ProblemKind("idempotency-in-flight", 409, "The same key is being worked on", "Repeat the request in a moment."),
    ProblemKind("failed", 409, "The audit or dataset has failed", "Read its error, correct the cause, submit again."),
    ProblemKind("too-large", 413, "The body is too large", "Send less, or register a path instead of uploading."),
    ProblemKind("unsupported-media-type", 415, "The body is of a type not taken here", "Use a documented type."),
    ProblemKind("invalid-request", 422, "A value of the request cannot be used", "Correct the fields in errors."),
    ProblemKind("invalid-configuration", 422, "A setting cannot be used", "Correct the setting the detail names."),
    ProblemKind("source-unreadable", 422, "The source cannot be read", "Check the path, its format and permissions."),
    ProblemKind("picture-unreadable", 422, "The picture cannot be read", "Send a JPEG, PNG or WebP that opens."),
    ProblemKind("extractor-unavailable", 422, "The extractor cannot be had", "Choose one GET /v1/extractors offers."),
    ProblemKind("idempotency-reused", 422, "The key was used with another body", "Use a new Idempotency-Key."),
    ProblemKind("internal", 500, "Something broke inside Assay", "Repeat the request; if it persists, report it."),
    ProblemKind("unavailable", 503, "A part the service needs does not answer", "Try again after a while."),
)

PROBLEMS: Mapping[str, ProblemKind] = MappingProxyType({kind.slug: kind for kind in _ALL})
"""Every kind by its slug."""


class ApiError(Exception):
    """Root of every error raised by :mod:`api`.

    Attributes
    ----------
    slug : str
        The kind of problem it is, a key of :data:`PROBLEMS`.
    """

    slug: ClassVar[str] = "internal"


class BadRequestError(ApiError, ValueError):
    """A body or header that cannot be read."""

    slug = "bad-request"


class BadCursorError(BadRequestError):
    """A cursor of another list or other filters, or something that is no cursor at all."""

    slug = "bad-cursor"


class CrossOriginError(ApiError, PermissionError):
    """A browser sent a changing request from a page of another origin."""

    slug = "cross-origin"


class UnknownHostError(ApiError, PermissionError):
    """The Host header names a server that this one is not."""

    slug = "unknown-host"


class TooLargeError(ApiError, ValueError):
    """A body over its limit.

    Attributes
    ----------
    limit : int
        The most bytes that are taken.
    """

    slug = "too-large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is larger than the {limit:,} bytes taken here")
        self.limit = limit


class UnsupportedMediaError(ApiError, ValueError):
    """A body of a type that is not taken."""

    slug = "unsupported-media-type"


class InvalidRequestError(ApiError, ValueError):
    """A value that cannot be used."""

    slug = "invalid-request"


class IdempotencyInFlightError(ApiError, RuntimeError):
    """The first request with this key is still being answered.

    Attributes
    ----------
    key : str
        The Idempotency-Key.
    """

    slug = "idempotency-in-flight"

    def __init__(self, key: str) -> None:
        super().__init__(f"a request with the idempotency key {key!r} is being answered; repeat this one in a moment")
        self.key = key


class UnavailableError(ApiError, RuntimeError):
    """A part the service needs does not answer."""

    slug = "unavailable"


SLUGS: Mapping[type[Exception], str] = MappingProxyType(
    {
        AuditError: "invalid-configuration",
        PictureError: "picture-unreadable",
        ExtractorError: "extractor-unavailable",
        SourceError: "source-unreadable",
        SourceForbiddenError: "source-not-allowed",
        DatabaseBusyError: "unavailable",
        UnknownIdError: "unknown-id",
        NotReadyError: "not-ready",
        FailedError: "failed",
        InUseError: "in-use",
        IdempotencyReusedError: "idempotency-reused",
        WorkerUnavailableError: "unavailable",
    }
)
"""Kind of problem of each error the packages below raise; the nearest base of an error's class counts."""


def kind_of(error: Exception) -> ProblemKind:
    """The kind of problem an error is; ``internal`` for one nobody foresaw."""
    if isinstance(error, ApiError):
        return PROBLEMS[error.slug]
    for base in type(error).__mro__:
        if base in SLUGS:
            return PROBLEMS[SLUGS[base]]
    return PROBLEMS["internal"]
