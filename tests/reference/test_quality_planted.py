"""Quality on real pictures with planted faults: what is found, and what is flagged though nobody planted it."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageFilter

from audit.analyses import quality
from audit.model import IMAGES_SCHEMA, DatasetView
from audit.pictures.process import process
from audit.pictures.statistics import PICTURE_SCHEMA

pytestmark = pytest.mark.data

N_PLANTED = 30
N_CLEAN = 150
"""Pictures taken of each set, planted ones included."""


def scaled(image: Image.Image, low: float, high: float) -> Image.Image:
    return image.point(lambda level: low * 255 + level * (high - low))


FAULTS: dict[str, Callable[[Image.Image, random.Random], Image.Image]] = {
    "blurry": lambda image, rng: image.filter(ImageFilter.GaussianBlur(rng.uniform(2, 4))),
    "dark": lambda image, rng: scaled(image, 0, rng.uniform(0.12, 0.17)),
    "washed_out": lambda image, rng: scaled(image, rng.uniform(0.65, 0.75), 1.0),
    "low_contrast": lambda image, rng: scaled(image, 0.4, rng.uniform(0.55, 0.63)),
}


def row(data: bytes, name: str) -> dict[str, object]:
    return {**process(data, None, max_pixels=10**8).row, "image_id": name, "path": name}


def spoiled(path: Path, issue: str, rng: random.Random) -> bytes:
    out = io.BytesIO()
    image = FAULTS[issue](Image.open(path).convert("RGB"), rng)
    image.save(out, "JPEG", quality=rng.choice([75, 90, 95]))
    return out.getvalue()


@pytest.fixture(scope="module")
def flags(shared_data: Path) -> dict[str, set[str]]:
    """The issues found of every picture, by name; planted ones are called by their fault."""
    rng = random.Random(11)
    sets = [sorted((shared_data / "images" / s).rglob("*.jpg")) for s in ("clothing", "caltech101", "weather", "pacs")]
    paths = [path for paths in sets for path in rng.sample([p for p in paths if _is_photo(p)], N_CLEAN)]
    rng.shuffle(paths)
    planted = paths[: N_PLANTED * len(FAULTS)]
    rows = [row(path.read_bytes(), f"clean {k}") for k, path in enumerate(paths[len(planted) :])]
    for k, path in enumerate(planted):
        issue = list(FAULTS)[k % len(FAULTS)]
        rows.append(row(spoiled(path, issue, rng), f"{issue} {k}"))
    return _run(rows)


def _is_photo(path: Path) -> bool:
    return "pacs" not in path.parts or "photo" in str(path)


def _run(rows: Sequence[dict[str, object]]) -> dict[str, set[str]]:
    schema = pa.schema([("image_id", pa.string()), ("path", pa.string()), *PICTURE_SCHEMA])
    view = DatasetView("mix", "f" * 64, pa.Table.from_pylist(list(rows), schema=schema), IMAGES_SCHEMA.empty_table())
    table = quality.compute([view], quality.QualityConfig(), np.random.default_rng(0)).tables["quality"].to_pydict()
    found: dict[str, set[str]] = {str(r["path"]): set() for r in rows}
    for path, issue in zip(table["path"], table["issue"], strict=True):
        found[path].add(issue)
    return found


@pytest.mark.parametrize("issue", FAULTS)
def test_at_least_27_of_30_planted_are_found(flags: dict[str, set[str]], issue: str) -> None:
    planted = [issues for name, issues in flags.items() if name.startswith(issue)]
    assert len(planted) == N_PLANTED
    assert sum(issue in issues for issues in planted) >= 27


def test_at_most_2_percent_of_the_other_pictures_are_flagged(flags: dict[str, set[str]]) -> None:
    clean = [issues for name, issues in flags.items() if name.startswith("clean")]
    assert len(clean) == 4 * N_CLEAN - 4 * N_PLANTED
    assert sum(map(bool, clean)) <= 0.02 * len(clean)
