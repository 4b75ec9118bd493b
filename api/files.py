"""Files as HTTP answers: strong entity tags from their content, conditional and partial requests."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


class PartialFileResponse(FileResponse):
    """A file answer that obeys one satisfiable byte range and ignores any other Range header.

    Source: RFC 9110, section 14.2: a server may ignore the Range header.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        wanted = Headers(scope=scope).get("range")
        if wanted is not None and not is_satisfiable(wanted, Path(self.path).stat().st_size):
            kept = [(name, value) for name, value in scope["headers"] if name != b"range"]
            scope = {**scope, "headers": kept}
        await super().__call__(scope, receive, send)


def is_satisfiable(header: str, size: int) -> bool:
    """Whether a Range header asks for one byte range that a file of this size has.

    Examples
    --------
    >>> [is_satisfiable(h, 10) for h in ("bytes=0-4", "bytes=-3", "bytes=10-", "bytes=4-2", "lines=1-2")]
    [True, True, False, False, False]
    """
    match = _RANGE.fullmatch(header.strip())
    if not match or match.groups() == ("", ""):
        return False
    first, last = match.groups()
    if first == "":
        return size > 0 and int(last) > 0
    return int(first) < size and (last == "" or int(first) <= int(last))


def entity_tag(path: Path) -> str:
    """Strong entity tag of a file: its SHA-256 in quotes."""
    state = path.stat()
    return f'"{_digest(path, state.st_size, state.st_mtime_ns)}"'


@lru_cache(maxsize=256)
def _digest(path: Path, _size: int, _modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def matches(if_none_match: str | None, tag: str) -> bool:
    """Whether an If-None-Match header names this entity tag (compared weakly, RFC 9110 section 13.1.2)."""
    if if_none_match is None:
        return False
    candidates = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return "*" in candidates or tag in candidates


def file_response(
    path: Path, *, media_type: str, if_none_match: str | None, filename: str | None = None, policy: str | None = None
) -> Response:
    """Answer with a file, or with 304 when the client has it.

    Parameters
    ----------
    path : Path
    media_type : str
    if_none_match : str or None
        The request's header.
    filename : str, optional
        Send it as an attachment of this name.
    policy : str, optional
        Content-Security-Policy, for a page.
    """
    tag = entity_tag(path)
    headers = {"etag": tag, "cache-control": "private, no-cache"}
    if policy is not None:
        headers["content-security-policy"] = policy
    if matches(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    return PartialFileResponse(path, media_type=media_type, headers=headers, filename=filename)
