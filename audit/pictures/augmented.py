"""Two views of a picture: changed in ways that leave what it shows, from its own pixels and a seed alone.

Source: the views of Chen, Kornblith, Norouzi, Hinton, "A simple framework for contrastive learning of visual
representations" (SimCLR), ICML 2020, milder: no greyscale and no blur, which settings and quality are made of.
"""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt
from PIL import Image

LEAST_AREA = 0.5
"""A view shows at least this share of the picture's area, with sides in a ratio of 3/4 to 4/3."""
LIGHT = 0.3
"""Brightness and contrast change by up to this share each."""

Pictures = npt.NDArray[np.uint8]


def views(pictures: Pictures, number: int, seed: int = 0) -> Pictures:
    """One changed view of every picture.

    A random cut-out, brought back to size; mirrored half of the time; brightness and contrast changed. What is random
    comes from the pixels, the number of the view and the seed, so it depends on no order and no batch.

    Parameters
    ----------
    pictures : uint8 (b, size, size, 3)
    number : int
        Which view: other numbers, other changes.
    seed : int

    Returns
    -------
    uint8 (b, size, size, 3)
    """
    return np.stack([_view(one, np.random.default_rng([zlib.crc32(one.tobytes()), number, seed])) for one in pictures])


def _view(picture: Pictures, rng: np.random.Generator) -> Pictures:
    size = len(picture)
    box = _cut_out(size, rng)
    image = Image.fromarray(picture).resize((size, size), Image.Resampling.BILINEAR, box=box)
    pixels = np.asarray(image, np.float32)
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    brightness, contrast = rng.uniform(1 - LIGHT, 1 + LIGHT, 2)
    middle = pixels.mean(dtype=np.float64)
    changed = ((pixels - middle) * contrast + middle) * brightness
    view: Pictures = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
    return view


def _cut_out(size: int, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a cut-out, in pixels."""
    area = rng.uniform(LEAST_AREA, 1.0)
    ratio = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
    width, height = (min(1.0, float(np.sqrt(area * r))) * size for r in (ratio, 1 / ratio))
    left, top = rng.uniform(0, size - width), rng.uniform(0, size - height)
    return left, top, min(left + width, size), min(top + height, size)
