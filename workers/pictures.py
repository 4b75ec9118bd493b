"""Thumbnails of pictures that are shown: read again from their source, never from a copy we keep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from audit.errors import PictureError
from audit.model import OK
from audit.pictures.thumbnail import thumbnail
from storage.errors import SourceError
from storage.sources import Source

if TYPE_CHECKING:
    from workers.runtime import Runtime

SIDE = 224

Find = Callable[[str, str], bytes | None]


@contextmanager
def thumbnails(runtime: Runtime, datasets: Mapping[str, tuple[Mapping[str, Any], pa.Table]]) -> Iterator[Find]:
    """Open the sources of datasets: yields a function from (dataset name, image_id) to a thumbnail.

    Parameters
    ----------
    runtime : Runtime
    datasets : mapping of name to (source description, images table)

    Yields
    ------
    callable
        Returns WebP bytes, or None for a picture that cannot be shown.
    """
    with ExitStack() as stack:
        sources: dict[str, Source | None] = {}

        def find(dataset: str, image_id: str) -> bytes | None:
            description, images = datasets[dataset]
            if dataset not in sources:
                sources[dataset] = _open(runtime, description, stack)
            source = sources[dataset]
            row = find_row(images, image_id)
            if source is None or row is None or row["status"] != OK:
                return None
            try:
                data = source.read(row["locator"])
                return thumbnail(data, side=SIDE, max_pixels=runtime.settings.max_pixels)
            except PictureError:
                return None

        yield find


def find_row(images: pa.Table, image_id: str) -> dict[str, Any] | None:
    """The row of an image, None if there is none of that id."""
    place = pc.index(images.column("image_id"), image_id).as_py()
    if place < 0:
        return None
    row: dict[str, Any] = images.slice(place, 1).to_pylist()[0]
    return row


def _open(runtime: Runtime, description: Mapping[str, Any], stack: ExitStack) -> Source | None:
    try:
        return stack.enter_context(runtime.source(description))
    except SourceError:
        return None
