"""Reading every input once, for its content hash and header: the table of a dataset's images."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa

from audit.errors import PictureError
from audit.model import IMAGES_SCHEMA, META_PREFIX, OK, QUARANTINED, SKIPPED
from audit.pictures.decode import has_wrong_extension, read_header
from storage.sources.base import Entry, Source, pin
from storage.sources.identity import ImageIds, dataset_fingerprint
from storage.sources.names import display, ending

__all__ = ["dataset_fingerprint", "scan", "scan_batches"]

CHUNK = 32
BATCH = 4096
LAYOUT_KEY = b"assay.layout"
"""Schema metadata of the table: the sentence of :attr:`Source.layout`."""

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Seen:
    """What reading one input has shown."""

    locator: str
    status: str
    reason: str | None
    detail: str | None
    n_bytes: int | None
    format: str | None = None
    width: int | None = None
    height: int | None = None
    content_hash: str | None = None


def scan(source: Source, *, threads: int, max_pixels: int, on_progress: Progress | None = None) -> pa.Table:
    """Read every input of a source.

    Parameters
    ----------
    source : Source
    threads : int
        Files read at the same time, at least 1. The table does not depend on it.
    max_pixels : int
        Pictures whose header promises more are quarantined.
    on_progress : callable, optional
        Called with (inputs done, inputs in all or None); whatever it raises ends the scan.

    Returns
    -------
    pyarrow.Table
        IMAGES_SCHEMA and a ``meta.*`` column for each of the source's own, one row for every input: ok, quarantined or
        skipped. Rows are sorted by raw path (embedded pictures: in row order). Its schema's metadata says under
        ``assay.layout`` where labels come from.

    Raises
    ------
    SourceError
        If the source as a whole is damaged or exceeds its limits.
    """
    batches = list(scan_batches(source, threads=threads, max_pixels=max_pixels, on_progress=on_progress))
    schema = images_schema(source)
    table = pa.Table.from_batches(batches, schema=schema)
    return table.replace_schema_metadata({LAYOUT_KEY: source.layout.encode("utf-8", "replace")})


def scan_batches(
    source: Source, *, threads: int, max_pixels: int, on_progress: Progress | None = None
) -> Iterator[pa.RecordBatch]:
    """Do what :func:`scan` does, a batch of rows at a time."""
    ids = ImageIds()
    rows: list[dict[str, Any]] = []
    n_done = 0
    for chunk in _read_chunks(source, threads, max_pixels):
        rows += [_row(ids.give(entry.path_bytes), entry, seen) for entry, seen in chunk]
        n_done += len(chunk)
        if on_progress is not None:
            on_progress(n_done, source.total)
        if len(rows) >= BATCH:
            yield _batch(rows, images_schema(source))
            rows = []
    if rows:
        yield _batch(rows, images_schema(source))


def images_schema(source: Source) -> pa.Schema:
    """Schema of a source's table; known once its entries are being listed."""
    meta = [pa.field(META_PREFIX + field.name, field.type) for field in source.metadata_schema]
    return pa.schema([*IMAGES_SCHEMA, *meta])


def _read_chunks(source: Source, threads: int, max_pixels: int) -> Iterator[list[tuple[Entry, Seen]]]:
    """Read inputs on several threads, giving them in order, with a few chunks in the air."""
    entries = source.entries()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="scan")
    in_flight: deque[Future[list[tuple[Entry, Seen]]]] = deque()
    try:
        while True:
            while len(in_flight) < 2 * threads and (chunk := list(islice(entries, CHUNK))):
                in_flight.append(pool.submit(_look_all, source, chunk, max_pixels))
            if not in_flight:
                return
            yield in_flight.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _look_all(source: Source, entries: Sequence[Entry], max_pixels: int) -> list[tuple[Entry, Seen]]:
    return [(entry, look(source, entry, max_pixels)) for entry in entries]


def look(source: Source, entry: Entry, max_pixels: int) -> Seen:
    """Read one input for its hash and header; whatever is wrong with it becomes its reason."""
    if entry.status != OK:
        return Seen(entry.locator, entry.status, entry.reason, entry.detail, entry.n_bytes)
    try:
        data = source.read(entry.locator)
    except PictureError as error:
        return Seen(entry.locator, QUARANTINED, error.reason, error.detail, entry.n_bytes)
    content_hash = hashlib.sha256(data).hexdigest()
    locator = pin(entry.locator, content_hash)
    detail: str | None
    try:
        header = read_header(data, max_pixels=max_pixels)
    except PictureError as error:
        if error.reason == "not_an_image" and not entry.is_certain:
            detail = f"neither name nor bytes are a picture's: {error.detail}"
            return Seen(locator, SKIPPED, "other_file", detail, len(data), content_hash=content_hash)
        return Seen(locator, QUARANTINED, error.reason, error.detail, len(data), content_hash=content_hash)
    detail = _join(entry.detail, _wrong_ending(entry.path_bytes, header.format))
    return Seen(locator, OK, None, detail, len(data), header.format, header.width, header.height, content_hash)


def _wrong_ending(path: bytes, format_name: str) -> str | None:
    name = path.rsplit(b"/", 1)[-1].decode("utf-8", "replace").replace("\0", "")
    if not has_wrong_extension(name, format_name):
        return None
    return f"wrong_extension: .{display(ending(path))} holds {format_name}"


def _join(*parts: str | None) -> str | None:
    return "; ".join(part for part in parts if part) or None


def _row(image_id: str, entry: Entry, seen: Seen) -> dict[str, Any]:
    row: dict[str, Any] = {
        "image_id": image_id,
        "path": display(entry.path_bytes),
        "path_bytes": entry.path_bytes,
        "locator": seen.locator,
        "status": seen.status,
        "reason": seen.reason,
        "detail": seen.detail,
        "label": _shown(entry.label),
        "split": _shown(entry.split),
        "group": _shown(entry.group),
        "box": entry.box,
        "n_bytes": seen.n_bytes,
        "format": seen.format,
        "width": seen.width,
        "height": seen.height,
        "content_hash": seen.content_hash,
    }
    return row | {META_PREFIX + name: _shown(value) for name, value in entry.metadata.items()}


def _shown(value: Any) -> Any:
    """A text as paths are shown, whatever it was read from: what predicts a label must compare equal to it."""
    return display(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else value


def _batch(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
