"""The more real photographs are spoiled, the farther their Visual DNA by the bundled extractor is from others'.

The whole, with more pictures, all pairs of sets and trained references, is ``tests/bench/bench_dna_order.py``.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from audit.extractors import load_extractor
from tests.corruptions import CORRUPTIONS, dna_distance, dna_of, opened, severity_curve

pytestmark = pytest.mark.data

EACH = 40


def paths(shared_data: Path, name: str, attribute: str = "") -> list[Path]:
    with (shared_data / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["set"] == name and attribute in row["attributes"]]
    kept = sorted(row["path"] for row in rows)
    return [shared_data / kept[i] for i in np.linspace(0, len(kept) - 1, EACH).round().astype(int)]


@pytest.fixture(scope="module")
def photographs(shared_data: Path) -> list[Image.Image]:
    return [opened(path) for name in ("caltech101", "clothing") for path in paths(shared_data, name)]


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_distance_grows_with_every_step_of_severity(photographs: list[Image.Image], kind: str) -> None:
    curve = severity_curve(load_extractor("bundled"), CORRUPTIONS[kind], photographs)
    assert (np.diff(curve) > 0).all(), curve


def test_art_cartoons_and_sketches_are_farther_and_farther_from_photographs(shared_data: Path) -> None:
    extractor = load_extractor("bundled")
    domains = ("photo", "art_painting", "cartoon", "sketch")
    photo, *others = (
        dna_of(extractor, [opened(path) for path in paths(shared_data, "pacs", f"domain={one}")]) for one in domains
    )
    distances = [dna_distance(photo, other) for other in others]
    assert distances == sorted(distances), distances
