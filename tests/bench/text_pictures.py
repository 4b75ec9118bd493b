"""Pictures with captions for a small text and image tower: some to train on, others, never shown, to read settings of.

Weather and its duplicates are parted by content, webcams by the size of their pictures (a camera has one size),
Waterbirds by bird and scene (no two pictures share either), drawn scenes by their seed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from audit.scenes import draw_scene
from audit.scenes.backgrounds import BACKGROUNDS
from audit.scenes.objects import OBJECTS
from tests.bench.real_pictures import shared_data

PHRASES = {
    "forest": "in a forest",
    "grass": "on grass",
    "indoors": "indoors",
    "sand": "on sand",
    "street": "on a street",
    "snow": "on snow",
    "water": "in water",
    "cloudy": "under a cloudy sky",
    "raining": "in the rain",
    "sunny": "in sunshine",
    "sunrise": "at sunrise",
    "day": "during the day",
    "night": "at night",
}
"""Settings in the words of FOCUS's vocabulary; sunrise is one of our own."""
PLACES = {"meadow": "grass", "beach": "sand", "room": "indoors", "forest": "forest", "street": "street", "snow": "snow"}
WEATHERS = {"cloudy": "cloudy", "rain": "raining", "shine": "sunny", "sunrise": "sunrise"}
CAMERAS_TO_TRAIN = {303, 304, 306, 313, 337, 385, 410}
"""Widths of the webcams' pictures that are trained on; the other five are measured on."""
SIDE = 128
N_TINY, N_DRAWN, N_HELD = 10, 12, 600
HOME, RARE = 0.6, 0.04
"""Shares of an object's pictures before its usual background, and before each of two that it is hardly seen before."""


@dataclass(frozen=True)
class Shown:
    """A picture with what is known of it.

    Attributes
    ----------
    data : bytes
        Of the file.
    label : str
        What it shows, in the word that captions use.
    setting : str
        A key of ``PHRASES``; empty if unknown.
    kind : str
        The set that it comes from.
    """

    data: bytes
    label: str
    setting: str
    kind: str


def pictures(*, held_out: bool) -> Iterator[Shown]:
    """All pictures to train on, or all of those that are not."""
    yield from drawn(held_out=held_out)
    yield from photographs(held_out=held_out)
    if not held_out:
        yield from things()


def drawn(*, held_out: bool) -> Iterator[Shown]:
    """Scenes: every object as often before every background; held out, each has a background where it usually is."""
    if not held_out:
        pairs = [(label, place) for label in OBJECTS for place in BACKGROUNDS for _ in range(N_DRAWN)]
    else:
        pairs = list(_usual_places())
    for seed, (label, place) in enumerate(pairs):
        rng = np.random.default_rng((int(held_out), seed))
        yield Shown(_png(draw_scene(rng, label, place, size=(SIDE, SIDE)).image), label, PLACES[place], "drawn")


def photographs(*, held_out: bool) -> Iterator[Shown]:
    """Waterbirds, weather and webcams of the shared folder."""
    folder, seen = shared_data(), set()
    with (folder / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["set"] in ("waterbirds", "weather", "daynight")]
    for row in sorted(rows, key=lambda one: one["sha256"]):
        path = folder / row["path"]
        if row["sha256"] not in seen and _is_held_out(row, path) == held_out:
            seen.add(row["sha256"])
            yield Shown(path.read_bytes(), *_caption(row), row["set"])


def things() -> Iterator[Shown]:
    """Tiny-ImageNet: a few pictures of each class under its first name, so that the tower knows more than settings."""
    counts: dict[str, int] = {}
    for batch in pq.ParquetFile(shared_data() / "tiny-imagenet-train.parquet").iter_batches(
        columns=["image", "label", "name"]
    ):
        for row in batch.to_pylist():
            if counts.get(row["label"], 0) < N_TINY:
                counts[row["label"]] = counts.get(row["label"], 0) + 1
                yield Shown(row["image"], row["name"].partition(",")[0].lower(), "", "tiny")


def _usual_places() -> Iterator[tuple[str, str]]:
    """Pairs of object and background whose shares are known: one usual, two rare, the rest in between."""
    places, rng = list(BACKGROUNDS), np.random.default_rng(0)
    for k, label in enumerate(OBJECTS):
        turned = places[k:] + places[:k]
        shares = [HOME, RARE, RARE, *[(1 - HOME - 2 * RARE) / 3] * 3]
        for _ in range(N_HELD // len(OBJECTS)):
            yield label, turned[int(rng.choice(len(turned), p=shares))]


def _is_held_out(row: dict[str, str], path: Path) -> bool:
    if row["set"] == "daynight":
        with Image.open(path) as picture:
            return picture.width not in CAMERAS_TO_TRAIN
    if row["set"] == "waterbirds" and row["split"] != "train":
        return True
    return int(row["sha256"][-1], 16) % 2 == 1


def _caption(row: dict[str, str]) -> tuple[str, str]:
    if row["set"] == "weather":
        return "landscape", WEATHERS[row["label"]]
    if row["set"] == "daynight":
        return "town", row["label"]
    place = "forest" if "place=land" in row["attributes"] else "water"
    return row["label"], place


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
