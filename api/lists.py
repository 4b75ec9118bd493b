"""Pages of records, newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from api.cursors import decode_key, encode_key
from storage.records import Audit, Dataset

Record = TypeVar("Record", Audit, Dataset)
Key = tuple[float, str]
Fetch = Callable[[Key | None, int], list[Record]]
"""``Service.audits`` or ``Service.datasets``."""

PAGE = 200


def page(fetch: Fetch[Record], scope: str, cursor: str | None, limit: int) -> tuple[list[Record], str | None]:
    """One page, and the cursor of the next or None.

    Raises
    ------
    BadCursorError
        If the cursor is not one of this list.
    """
    records = fetch(decode_key(scope, cursor), limit + 1)
    if len(records) <= limit:
        return records, None
    return records[:limit], encode_key(scope, key_of(records[limit - 1]))


def every(fetch: Fetch[Record]) -> Iterator[Record]:
    """Every record."""
    key: Key | None = None
    while records := fetch(key, PAGE):
        yield from records
        key = key_of(records[-1])


def key_of(record: Audit | Dataset) -> Key:
    """What records are ordered by."""
    return record.created_at, record.id
