"""Fractal noise, gradients and lighting: what makes a drawn surface look like one.

Source: fractal value noise after K. Perlin, "An Image Synthesizer", SIGGRAPH 1985 (octaves of band-limited noise).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

Canvas = npt.NDArray[np.float32]
"""float32 (height, width, 3), values in [0, 255]."""


def noise(rng: np.random.Generator, height: int, width: int, *, cell: float, octaves: int = 4) -> Canvas:
    """Fractal value noise, float32 (height, width), mean 0, in about [-1, 1].

    ``sum_o 2^-o · N(cell · 2^-o)``, where N(c) is white noise on a grid of c pixels, interpolated bicubically.

    Parameters
    ----------
    cell : float
        Size in pixels of the largest feature.
    """
    total = np.zeros((height, width), np.float32)
    weight = 1.0
    for _ in range(octaves):
        rows, columns = max(2, round(height / cell)), max(2, round(width / cell))
        grid = Image.fromarray(rng.uniform(-1, 1, (rows, columns)).astype(np.float32))
        total += weight * np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC))
        weight, cell = weight / 2, max(1.0, cell / 2)
    return total / np.float32(1.6)


def vertical_gradient(height: int, width: int, top: tuple[int, int, int], bottom: tuple[int, int, int]) -> Canvas:
    """A canvas that goes from one colour at the top to another at the bottom."""
    t = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    column = (1 - t) * np.asarray(top, np.float32) + t * np.asarray(bottom, np.float32)
    return np.broadcast_to(column, (height, width, 3)).astype(np.float32).copy()


def shade(canvas: Canvas, amount: npt.NDArray[np.float32]) -> Canvas:
    """Multiply a canvas by ``1 + amount``, amount float32 (height, width)."""
    shaded: Canvas = np.clip(canvas * (1 + amount[..., None]), 0, 255)
    return shaded


def blend(below: Canvas, above: Canvas | tuple[int, int, int], mask: npt.NDArray[np.float32]) -> Canvas:
    """Lay a canvas or a colour over another through a mask, float32 (height, width) in [0, 1]."""
    over = np.broadcast_to(np.asarray(above, np.float32), below.shape)
    return below + (over - below) * np.clip(mask, 0, 1)[..., None]


def jitter(rng: np.random.Generator, colour: tuple[int, int, int], spread: int = 18) -> tuple[int, int, int]:
    """A colour near the given one."""
    red, green, blue = (int(np.clip(c + rng.integers(-spread, spread + 1), 0, 255)) for c in colour)
    return red, green, blue
