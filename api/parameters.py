"""Parameters of routes and the limits of what a client may send."""

from __future__ import annotations

import math
from typing import Annotated, Any

from fastapi import Path as PathParam
from fastapi import Query
from pydantic import Field

from api.cursors import MAX_LENGTH as MAX_CURSOR

ID_PATTERN = r"^[0-9a-z]{8,64}$"
NAMED_PATTERN = r"^[0-9a-z]{8,64}(:[^\x00-\x1f\x7f]{1,200})?$"
"""An audit, or ``AUDIT:DATASET``."""
IMAGE_ID_PATTERN = r"^[0-9a-f]{16}$"
TABLE_PATTERN = r"^[a-z][a-z0-9_]{0,63}$"
KEY_PATTERN = r"^[\x21-\x7e]{1,255}$"
PLAIN_TEXT = r"^[^\x00-\x1f\x7f]*$"
MAX_LIMIT = 200
MAX_K = 200
MAX_SAFE_INTEGER = 2**53
MAX_DEPTH = 8
MAX_VALUES = 50_000
MOST_LAYERS = 64

DatasetId = Annotated[str, PathParam(pattern=ID_PATTERN, description="Id of a dataset.")]
AuditId = Annotated[str, PathParam(pattern=ID_PATTERN, description="Id of an audit or comparison.")]
ImageId = Annotated[str, PathParam(pattern=IMAGE_ID_PATTERN, description="Id of an image: 16 hexadecimal digits.")]
TableName = Annotated[str, PathParam(pattern=TABLE_PATTERN, description="Name of a table, without its ending.")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Most items on the page.")]
Cursor = Annotated[
    str | None, Query(max_length=MAX_CURSOR, description="`next_cursor` of the page before; nothing for the first.")
]
K = Annotated[int, Query(ge=1, le=MAX_K, description="How many neighbours.")]
Searched = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=200,
        pattern=PLAIN_TEXT,
        description="Of a comparison: the dataset that is meant and searched, by name or id; the reference if absent.",
    ),
]
Name = Annotated[str, Query(max_length=200, pattern=PLAIN_TEXT)]
LayerName = Annotated[str, Field(min_length=1, max_length=200, pattern=PLAIN_TEXT)]
By = Annotated[
    str,
    Query(
        max_length=200,
        pattern=PLAIN_TEXT,
        description="`label`, `split` or `meta.NAME`: compare also within each value that both have.",
    ),
]


def plain_json(value: Any) -> Any:
    """Refuse JSON that has no canonical form or no bounds.

    Raises
    ------
    ValueError
        For text that is not Unicode, a number that is not finite or beyond ±2^53, or too deep a nesting.
    """
    seen = 0

    def walk(part: Any, depth: int) -> None:
        nonlocal seen
        seen += 1
        if depth > MAX_DEPTH or seen > MAX_VALUES:
            raise ValueError(f"nested deeper than {MAX_DEPTH} or more than {MAX_VALUES} values")
        if isinstance(part, dict):
            for key, item in part.items():
                walk(key, depth + 1)
                walk(item, depth + 1)
        elif isinstance(part, list):
            for item in part:
                walk(item, depth + 1)
        else:
            _check_scalar(part)

    walk(value, 0)
    return value


def _check_scalar(part: Any) -> None:
    if isinstance(part, str) and ("\0" in part or (not part.isascii() and _has_surrogates(part))):
        raise ValueError("text with a NUL or half a surrogate pair")
    if isinstance(part, float) and not math.isfinite(part):
        raise ValueError("numbers must be finite")
    if isinstance(part, int) and abs(part) > MAX_SAFE_INTEGER:
        raise ValueError(f"whole numbers must lie within ±{MAX_SAFE_INTEGER}")


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
