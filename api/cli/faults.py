"""Which exit code an error ends with, and the sentence it is told in."""

from __future__ import annotations

import typer
from pydantic import ValidationError

from api.cli.exits import CommandError, Exit
from audit.errors import (
    AuditError,
    ConfigError,
    ExtractorError,
    FingerprintMismatchError,
    PictureError,
    TooFewImagesError,
)
from storage.errors import SourceError
from workers.errors import FailedError, NotReadyError, UnknownIdError

_CODES: tuple[tuple[type[BaseException], Exit], ...] = (
    (KeyboardInterrupt, Exit.INTERRUPTED),
    (typer.Abort, Exit.INTERRUPTED),
    (ExtractorError, Exit.EXTRACTOR),
    (SourceError, Exit.SOURCE),
    (PictureError, Exit.SOURCE),
    (UnknownIdError, Exit.USAGE),
    (NotReadyError, Exit.USAGE),
    (FailedError, Exit.FAILED),
    (ConfigError, Exit.USAGE),
    (FingerprintMismatchError, Exit.USAGE),
    (TooFewImagesError, Exit.USAGE),
    (ValidationError, Exit.USAGE),
    (AuditError, Exit.FAILED),
)


def exit_of(error: BaseException) -> Exit:
    """The exit code an error ends with."""
    if isinstance(error, CommandError):
        return error.code
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    usage_code = getattr(error, "exit_code", None)
    return Exit.USAGE if usage_code == Exit.USAGE else Exit.FAILED


def sentence_of(error: BaseException) -> str:
    """What went wrong and what to do, without a traceback."""
    if isinstance(error, ValidationError):
        return "assay: " + "; ".join(
            f"{'.'.join(str(part) for part in one['loc']) or 'value'}: {one['msg']} (got {one['input']!r:.80})"
            for one in error.errors()
        )
    format_message = getattr(error, "format_message", None)
    if callable(format_message):
        return f"assay: {format_message()} Try assay --help."
    foreseen = isinstance(error, CommandError | AuditError | SourceError) or exit_of(error) is not Exit.FAILED
    said = str(error) or type(error).__name__
    if foreseen or type(error).__module__.split(".")[0] in {"workers", "storage", "api"}:
        return f"assay: {said}"
    return f"assay: {type(error).__name__}: {said}. Set ASSAY_DEBUG=1 and run it again to see where it happened."
