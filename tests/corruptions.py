"""Photographs made worse by known amounts, and the Visual DNA distance that an extractor sees in it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from audit.dna import Dna, DnaCounter
from audit.extractors.base import Extractor
from audit.maths import distances

SIDE = 224
BATCH = 32
SEVERITIES = (1, 2, 3, 4, 5)

Corrupt = Callable[[Image.Image, int, np.random.Generator], Image.Image]


def blurred(image: Image.Image, severity: int, rng: np.random.Generator) -> Image.Image:
    """Gaussian blur with a standard deviation of 1 to 6 of 224 pixels."""
    return image.filter(ImageFilter.GaussianBlur((1, 2, 3, 4, 6)[severity - 1]))


def noisy(image: Image.Image, severity: int, rng: np.random.Generator) -> Image.Image:
    """Gaussian noise with a standard deviation of 10 to 90 grey levels."""
    noise = rng.normal(0, (10, 20, 35, 55, 90)[severity - 1], (image.height, image.width, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def compressed(image: Image.Image, severity: int, rng: np.random.Generator) -> Image.Image:
    """JPEG of quality 40 down to 4."""
    data = io.BytesIO()
    image.save(data, "jpeg", quality=(40, 25, 15, 8, 4)[severity - 1])
    return Image.open(data).convert("RGB")


def brightened(image: Image.Image, severity: int, rng: np.random.Generator) -> Image.Image:
    """20 to 120 grey levels brighter, cut at white."""
    return Image.fromarray(
        np.clip(np.asarray(image, np.int64) + (20, 40, 60, 90, 120)[severity - 1], 0, 255).astype(np.uint8)
    )


CORRUPTIONS: dict[str, Corrupt] = {"blur": blurred, "noise": noisy, "JPEG": compressed, "brightness": brightened}


def opened(path: Path) -> Image.Image:
    """A picture as RGB of 224 x 224, both sides resized."""
    return Image.open(path).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)


def dna_of(extractor: Extractor, pictures: Sequence[Image.Image]) -> Dna:
    """Visual DNA of pictures, both sides resized to the extractor's input."""
    side, counter = extractor.spec.input.size, DnaCounter(extractor.ranges, extractor.spec.fingerprint)
    for start in range(0, len(pictures), BATCH):
        resized = [one.resize((side, side), Image.Resampling.BILINEAR) for one in pictures[start : start + BATCH]]
        counter.add(extractor.features(np.stack([np.asarray(one) for one in resized])).layers)
    return counter.dna()


def dna_distance(reference: Dna, candidate: Dna) -> float:
    """Mean over layers of the mean over living neurons of W1 in standard deviations of the reference."""
    each = distances.wasserstein(reference, candidate) / distances.standard_deviation(reference)
    living = ~reference.ranges.dead & np.isfinite(each)
    layers = [each[rows][living[rows]].mean() for rows in reference.ranges.slices.values() if living[rows].any()]
    return float(np.mean(layers))


def severity_curve(extractor: Extractor, corrupt: Corrupt, clean: Sequence[Image.Image]) -> list[float]:
    """Distances of the second half of the pictures at severities 0 (untouched) to 5 from the untouched first half."""
    reference = dna_of(extractor, clean[::2])
    found = [dna_distance(reference, dna_of(extractor, clean[1::2]))]
    for severity in SEVERITIES:
        rng = np.random.default_rng(severity)
        changed = [corrupt(image, severity, rng) for image in clean[1::2]]
        found.append(dna_distance(reference, dna_of(extractor, changed)))
    return found
