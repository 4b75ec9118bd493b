"""Drawn pictures with awkward names, and the small parts that sample reports are made of."""

from __future__ import annotations

import functools
import hashlib
import io
import math
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from audit.report import Metric, Picture

DATASET = "coastal-birds-2026"
REFERENCE, CANDIDATE = "street-scenes-day", "street-scenes-night"
HOSTILE = "<img src=x onerror=alert(1)>&\"'.jpg"
RIGHT_TO_LEFT = "صور/طائر_الخرشنة_القطبية_٠٠١٢.jpg"
OVERRIDE = "train/gull/cat\u202egpj.exe"
LONG = (
    "field-campaign-2026/northern-transect/station-0017/camera-trap-left/2026-05-14T04:37:22.180Z/"
    "burst-000000000000000000000000000482/oystercatcher_adult_breeding_plumage_side_view_frame_0000001734.jpeg"
)
_SKIES = (((126, 176, 222), (222, 235, 244)), ((244, 190, 142), (252, 232, 208)), ((88, 104, 130), (176, 188, 200)))
_GROUNDS = ((92, 124, 82), (196, 176, 132), (66, 104, 132), (128, 118, 108))
_BODIES = ((238, 238, 234), (52, 50, 54), (176, 96, 62), (226, 186, 74))


@functools.cache
def scene(seed: str, *, dark: bool = False, blur: float = 0.0) -> bytes:
    """A small landscape with a bird-like shape, as a WebP thumbnail; the same seed gives the same bytes."""
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big"))
    width, height = ((220, 160), (160, 200), (200, 200), (240, 150))[int(rng.integers(4))]
    top, bottom = _SKIES[int(rng.integers(len(_SKIES)))]
    ramp = np.linspace(0, 1, height)[:, None, None]
    pixels = np.broadcast_to((1 - ramp) * np.array(top) + ramp * np.array(bottom), (height, width, 3)).copy()
    pixels += rng.normal(0, 4, (height, width, 1))
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    horizon = int(height * rng.uniform(0.55, 0.75))
    waves = [
        (x, horizon + 6 * math.sin(x / rng.uniform(14, 40) + rng.uniform(0, 6)) + rng.normal(0, 0.8))
        for x in range(0, width + 8, 8)
    ]
    draw.polygon([*waves, (width, height), (0, height)], fill=_GROUNDS[int(rng.integers(len(_GROUNDS)))])
    body = _BODIES[int(rng.integers(len(_BODIES)))]
    x, y, size = width * rng.uniform(0.3, 0.65), height * rng.uniform(0.4, 0.62), height * rng.uniform(0.14, 0.24)
    draw.ellipse((x - size, y - size * 0.55, x + size, y + size * 0.55), fill=body)
    draw.ellipse((x + size * 0.55, y - size, x + size * 1.25, y - size * 0.35), fill=body)
    draw.polygon(
        [(x + size * 1.2, y - size * 0.8), (x + size * 1.7, y - size * 0.66), (x + size * 1.2, y - size * 0.55)],
        fill=(224, 138, 52),
    )
    draw.polygon(
        [(x - size * 0.2, y - size * 0.1), (x - size * 1.5, y + size * 0.5), (x + size * 0.3, y + size * 0.35)],
        fill=tuple(int(c * 0.8) for c in body),
    )
    if dark:
        image = image.point(lambda value: value * 0.16)
    image = image.filter(ImageFilter.GaussianBlur(blur if blur else 0.6))
    out = io.BytesIO()
    image.save(out, "WEBP", quality=78)
    return out.getvalue()


def thumbnail(dataset: str, image_id: str) -> bytes | None:
    """Thumbnails of the sample reports: copies share bytes, some are dark or blurred, one is missing."""
    if image_id == "missing":
        return None
    name = image_id.split("~", maxsplit=1)[0]
    return scene(name, dark="dark" in image_id or dataset == CANDIDATE, blur=4.0 if "blur" in image_id else 0.0)


def picture(
    image_id: str, path: str = "", caption: str = "", *, dataset: str = DATASET, marked: bool = False
) -> Picture:
    """A picture of a sample report; its path follows from its id unless given."""
    path = (
        path or f"train/{('gull', 'tern', 'plover')[len(image_id) % 3]}/IMG_{abs(hash_of(image_id)) % 9000 + 1000}.jpg"
    )
    return Picture(dataset=dataset, image_id=image_id, path=path, caption=caption, marked=marked)


def hash_of(text: str) -> int:
    """A number that is the same in every process."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def share(name: str, k: int, n: int, **rest: Any) -> Metric:
    """A share with its Wilson interval."""
    p, z = k / n, 1.96
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Metric(name=name, value=p, low=centre - half, high=centre + half, unit="share", n=n, **rest)
