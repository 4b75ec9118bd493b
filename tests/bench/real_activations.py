"""Activations of real pictures for the benchmarks of Visual DNA."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from audit.errors import PictureError
from audit.extractors.base import Extractor
from audit.pictures.process import process
from tests.bench.real_pictures import shared_data

BATCH = 32


def rows_of(name: str, attribute: str = "") -> list[dict[str, str]]:
    """Rows of the manifest of one set, of those pictures whose attributes hold a text."""
    with (shared_data() / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["set"] == name and attribute in row["attributes"]]


def pixels_of(extractor: Extractor, rows: Sequence[Mapping[str, str]]) -> tuple[np.ndarray, list[Mapping[str, str]]]:
    """Decoded extractor input, uint8 (b, ...), of the rows that decode, and those rows."""
    found, kept = [], []
    for row in rows:
        try:
            pixels = process((shared_data() / row["path"]).read_bytes(), extractor.spec.input, max_pixels=10**8).pixels
        except PictureError:
            continue
        if pixels is not None:
            found.append(pixels)
            kept.append(row)
    return np.stack(found), kept


def batches(
    extractor: Extractor, rows: Sequence[Mapping[str, str]]
) -> Iterator[tuple[dict[str, np.ndarray], list[Mapping[str, str]]]]:
    """Activations of every layer, float32 (b, positions, c), batch after batch, and their rows."""
    for start in range(0, len(rows), BATCH):
        pixels, kept = pixels_of(extractor, rows[start : start + BATCH])
        layers = extractor.features(pixels).layers
        yield {name: np.ascontiguousarray(values, np.float32) for name, values in layers.items()}, kept
