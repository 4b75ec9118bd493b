"""Opaque cursors: where a list goes on, bound to the list and filters it came from.

A cursor is a position with a short digest over the list's name, its filters and the position. It carries no
authority, so it needs no secret; the digest is there so that a cursor taken to another list, another filter or
changed by hand is refused instead of silently giving the wrong page.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from typing import Any

from api.errors import BadCursorError
from audit.fingerprint import fingerprint

_DIGEST = 16
MAX_LENGTH = 512


def encode(scope: str, filters: dict[str, Any], position: str | int) -> str:
    """Write a cursor.

    Parameters
    ----------
    scope : str
        Name of the list, with the id it belongs to.
    filters : dict
        The filters of the request, JSON values.
    position : str or int
        Where the next page starts.
    """
    body = json.dumps([_digest(scope, filters, position), position], separators=(",", ":"))
    return base64.urlsafe_b64encode(body.encode("utf-8")).rstrip(b"=").decode("ascii")


def decode(scope: str, filters: dict[str, Any], cursor: str) -> str | int:
    """Read the position out of a cursor of the same list and filters.

    Raises
    ------
    BadCursorError
        If it is not a cursor, or belongs to another list or other filters.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        digest, position = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeError, binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise BadCursorError("the cursor cannot be read; start again without one") from error
    if not isinstance(position, str | int) or isinstance(position, bool) or digest != _digest(scope, filters, position):
        raise BadCursorError("the cursor belongs to another list or other filters; start again without one")
    return position


def decode_offset(scope: str, filters: dict[str, Any], cursor: str | None) -> int:
    """Read a row offset out of a cursor; 0 without one.

    Raises
    ------
    BadCursorError
        As :func:`decode`, and for a position that is not a row number.
    """
    if cursor is None:
        return 0
    position = decode(scope, filters, cursor)
    if not isinstance(position, int) or not 0 <= position < 2**53:
        raise BadCursorError("the cursor holds no row number; start again without one")
    return position


def _digest(scope: str, filters: dict[str, Any], position: str | int) -> str:
    return fingerprint("cursor", [scope, filters, position])[:_DIGEST]


def encode_key(scope: str, key: tuple[float, str]) -> str:
    """Write a cursor for a list in order of time and id: the key of the last item of the page."""
    return encode(scope, {}, f"{key[0]!r} {key[1]}")


def decode_key(scope: str, cursor: str | None) -> tuple[float, str] | None:
    """Read time and id out of a cursor; None without one.

    Raises
    ------
    BadCursorError
        As :func:`decode`, and for a position that is no such pair.
    """
    if cursor is None:
        return None
    created_at, _, id_ = str(decode(scope, {}, cursor)).partition(" ")
    try:
        key = (float(created_at), id_)
    except ValueError as error:
        raise BadCursorError("the cursor holds no time; start again without one") from error
    if not math.isfinite(key[0]):
        raise BadCursorError("the cursor holds no time; start again without one")
    return key
