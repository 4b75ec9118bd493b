"""Views with neurons and parts, made by running an extractor on pictures directly, and kept for the next run."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.extractors import load_extractor
from audit.maths.neighbours import nearest
from audit.model import META_PREFIX, DatasetView, Embeddings, Neurons, PartFeatures, Parts
from audit.parts.boxes import core, saliency_box, widened
from audit.parts.fillings import BACKGROUND_FILLINGS, fill
from audit.pictures.process import Processed, process
from audit.pictures.statistics import PICTURE_SCHEMA
from tests.bench.real_pictures import shared_data
from tests.views import unit, view_of

BATCH = 32
BORDER = np.array([0, 1, 2, 3, 4, 7, 8, 11, 12, 13, 14, 15])
"""Cells at the border of a 4 x 4 grid."""

Pixels = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float32]


def real_view(name: str, folder: Path, *, label: str = "", n_parts: int = 1500) -> DatasetView:
    """A set of the shared folder with its attributes as metadata, neurons by image and parts by saliency.

    ``label`` is an attribute that is taken for the label instead, and is then no metadata.
    """
    with (shared_data() / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["set"] == name]
    rows.sort(key=lambda row: row["path"].encode())
    attributes = [dict(part.split("=", 1) for part in row["attributes"].split(";") if "=" in part) for row in rows]
    labels = [a[label] if label else row["label"] for a, row in zip(attributes, rows, strict=True)]
    pictures = [(shared_data() / row["path"]).read_bytes() for row in rows]
    meta = {key: [a.get(key) for a in attributes] for key in sorted({k for a in attributes for k in a} - {label})}
    sample = np.sort(np.random.default_rng(0).permutation(len(rows))[:n_parts])
    return parted_view(pictures, labels, meta=meta, parts_of=sample, kept=folder / f"{name}.npz")


def parted_view(
    pictures: Sequence[bytes],
    labels: Sequence[str],
    *,
    meta: dict[str, list[Any]] | None = None,
    groups: Sequence[str] | None = None,
    boxes: Boxes | None = None,
    parts_of: npt.NDArray[np.int64] | None = None,
    kept: Path | None = None,
) -> DatasetView:
    """A view of encoded pictures under the bundled extractor; without boxes the object is where the network looks."""
    extractor = load_extractor("bundled")
    processed = [process(data, extractor.spec.input, max_pixels=10**8) for data in pictures]
    sample = np.arange(len(pictures)) if parts_of is None else parts_of
    if kept is not None and kept.is_file():
        with np.load(kept) as stored:
            found = {key: stored[key] for key in stored.files}
    else:
        found = _embedded([one.pixels for one in processed], sample, boxes)
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.savez(kept, **found)
    view = view_of(found["vectors"], labels=labels, groups=groups)
    view = dataclasses.replace(view, images=_with_columns(view.images, processed, meta or {}))
    return dataclasses.replace(view, neurons=_neurons(found), parts=_parts(found, sample, boxes))


def _embedded(pixels: Sequence[Pixels], sample: npt.NDArray[np.int64], boxes: Boxes | None) -> dict[str, Any]:
    whole, last = _features(pixels)
    place = saliency_box(last[sample]) if boxes is None else boxes[sample]
    found = {"vectors": whole[0], "neurons": whole[1], "maps": last[sample], "border": last[:, BORDER].mean(axis=1)}
    found["boxes"] = place
    wide = widened(place)
    for name, how, around in (
        ("object", "object", core(place) if boxes is None else place),
        *((h, h, wide) for h in BACKGROUND_FILLINGS),
    ):
        part, _ = _features([fill(pixels[i], box, how) for i, box in zip(sample, around, strict=True)])
        found[f"{name}.vectors"], found[f"{name}.neurons"] = part
    return found


def _features(pixels: Sequence[Pixels]) -> tuple[tuple[Any, Any], Any]:
    extractor = load_extractor("bundled")
    vectors, means, maps = [], [], []
    for start in range(0, len(pixels), BATCH):
        features = extractor.features(np.stack(pixels[start : start + BATCH]))
        scaled = []
        for layer, values in features.layers.items():
            ranges = extractor.ranges.layers[layer]
            scaled.append((values - ranges.low) / (ranges.high - ranges.low))
        vectors.append(features.embedding)
        means.append(np.concatenate([one.mean(axis=1) for one in scaled], axis=1).astype(np.float16))
        maps.append(scaled[-1].astype(np.float16))
    return (np.array(unit(np.concatenate(vectors))), np.concatenate(means)), np.concatenate(maps)


def _neurons(found: dict[str, Any]) -> Neurons:
    layers = load_extractor("bundled").spec.layers
    ends = np.cumsum([0, *(layer.n_neurons for layer in layers)]).tolist()
    slices = {layer.name: slice(ends[i], ends[i + 1]) for i, layer in enumerate(layers)}
    return Neurons(found["neurons"], slices, found["border"].astype(np.float16))


def _parts(found: dict[str, Any], sample: npt.NDArray[np.int64], boxes: Boxes | None) -> Parts:
    def part(name: str) -> PartFeatures:
        return PartFeatures(found[f"{name}.vectors"], found[f"{name}.neurons"])

    whole = PartFeatures(found["vectors"][sample], found["neurons"][sample])
    first, second = (part(how) for how in BACKGROUND_FILLINGS)
    is_given = np.full(len(sample), boxes is not None)
    return Parts(sample, found["boxes"], is_given, whole, part("object"), (first, second), found["maps"], "last")


def _with_columns(images: pa.Table, processed: Sequence[Processed], meta: dict[str, list[Any]]) -> pa.Table:
    for field in PICTURE_SCHEMA:
        column = pa.array([one.row[field.name] for one in processed], field.type)
        images = images.set_column(images.column_names.index(field.name), field, column)
    for name, values in meta.items():
        images = images.append_column(f"{META_PREFIX}{name}", pa.array(values))
    return images


def without(view: DatasetView, keep: Callable[[str], bool]) -> DatasetView:
    """The same view with only those metadata columns whose names are kept."""
    dropped = [c for c in view.images.column_names if c.startswith(META_PREFIX) and not keep(c)]
    return dataclasses.replace(view, images=view.images.drop_columns(dropped))


def rebuilt(view: DatasetView, rows: npt.NDArray[np.int64]) -> DatasetView:
    """Some rows of a view, ascending, with neighbours made again."""
    vectors = np.ascontiguousarray(view.vectors[rows])
    place = np.full(len(view), -1)
    place[rows] = np.arange(len(rows))
    neurons, parts = view.neurons, view.parts
    if neurons is not None:
        neurons = dataclasses.replace(neurons, values=neurons.values[rows], border=neurons.border[rows])
    if parts is not None:
        at = np.flatnonzero(place[parts.rows] >= 0)
        whole, foreground, first, second = (
            PartFeatures(one.vectors[at], one.neurons[at])
            for one in (parts.whole, parts.foreground, *parts.backgrounds)
        )
        parts = Parts(
            place[parts.rows[at]],
            parts.boxes[at],
            parts.is_given[at],
            whole,
            foreground,
            (first, second),
            parts.maps[at],
            parts.map_layer,
        )
    return dataclasses.replace(
        view,
        images=view.images.take(pa.array(rows)),
        embeddings=Embeddings(vectors, "bundled", "0" * 64),
        neighbours=nearest(vectors, 20, threads=1),
        neurons=neurons,
        parts=parts,
    )
