"""The layer card of an extractor on a scanned dataset: pictures and two views of each, forwarded like an audit's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from audit.duplicates.find import NearConfig, find_within
from audit.errors import TooFewImagesError
from audit.extractors.layer_card import About, LayerCard, Seen, look, make_card
from audit.maths.rows import bursts
from audit.model import IMAGES_SCHEMA, DatasetView
from audit.parts.sample import by_content
from audit.pictures.statistics import PICTURE_SCHEMA
from storage.sources import SourceSpec
from workers.forwarding import forwarded
from workers.steps.embed import BATCH

if TYPE_CHECKING:
    from workers.decoders import DecodedBatch
    from workers.runtime import Runtime

LEAST = 50
"""Fewer pictures than this say too little about a layer."""


def measure_layers(
    runtime: Runtime, dataset: Any, extractor: str, n_images: int, on_progress: Callable[[int, int], object]
) -> LayerCard:
    """Measure every layer of an extractor on a scanned dataset.

    Of the distinct pictures, those with the smallest content hashes are taken: a random choice that names and order
    have no part in. Near-copies and pictures of a group are one burst.

    Parameters
    ----------
    dataset : row of a dataset that is scanned
    n_images : int
        How many pictures to look at, at most.
    on_progress : callable
        Called with the numbers of pictures done and in all.

    Raises
    ------
    TooFewImagesError
        If fewer than 50 pictures can be used.
    """
    chosen = by_content(runtime.usable(dataset.artefact), n_images)
    seen: list[Seen] = []
    used: list[int] = []
    rows: list[dict[str, Any]] = []
    for batch, found in _looked_at(runtime, dataset.source, extractor, chosen.column("locator").to_pylist()):
        if found is not None:
            seen.append(found)
            used += batch.positions
            rows += batch.rows
        on_progress(len(used), len(chosen))
    if len(used) < LEAST:
        raise TooFewImagesError("a layer card", len(used), LEAST)
    about = _about(dataset.name, chosen.take(used), rows)
    return make_card(runtime.extractor(extractor).spec, seen, about, np.random.default_rng(0))


def _looked_at(
    runtime: Runtime, source: Any, extractor: str, locators: Sequence[str]
) -> Iterator[tuple[DecodedBatch, Seen | None]]:
    """Batch after batch with what the extractor says of it, several at once, in order."""
    loaded = runtime.extractor(extractor)
    decoded = runtime.decoders.run(SourceSpec.model_validate(dict(source)), locators, loaded.spec.input, batch=BATCH)
    return forwarded(decoded, lambda batch: look(loaded, batch.pixels), runtime.forward, runtime.settings.threads)


def _about(name: str, images: pa.Table, rows: Sequence[dict[str, Any]]) -> About:
    """Classes and bursts of the pictures that were decoded."""
    decoded = pa.Table.from_pylist(list(rows), schema=pa.schema(PICTURE_SCHEMA))
    for field in decoded.schema:
        if field.name not in images.column_names:
            images = images.append_column(field, decoded.column(field.name))
    labels = images.column("label").to_pylist()
    names = {label: number for number, label in enumerate(sorted({one for one in labels if one is not None}))}
    view = DatasetView(name, "", images, IMAGES_SCHEMA.empty_table())
    view = replace(view, copies=find_within(view, NearConfig()))
    return About(name, np.array([names.get(one, -1) for one in labels], np.int64), bursts(view))
