"""Small drawn datasets on disk, for tests that run the real thing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 48


def draw(seed: int, *, hue: int) -> Image.Image:
    """A picture of a bright patch on a coloured gradient; no two seeds give the same."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(40, 200, SIDE)
    pixels = np.stack([np.tile(ramp, (SIDE, 1)), np.tile(ramp[:, None], (1, SIDE)), np.full((SIDE, SIDE), hue)], axis=2)
    x, y = rng.integers(4, SIDE - 20, 2)
    pixels[y : y + 14, x : x + 14] = rng.integers(120, 255, 3)
    return Image.fromarray(np.clip(pixels + rng.normal(0, 6, pixels.shape), 0, 255).astype(np.uint8))


def write_dataset(folder: Path, *, n: int = 12, first: int = 0, hue: int = 60) -> Path:
    """Two classes of ``n`` pictures each, an exact copy, and a file that is no picture."""
    for label, shift in (("cat", 0), ("dog", 90)):
        (folder / label).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            draw(first + i + 1000 * shift, hue=hue + shift).save(folder / label / f"{i:03}.png")
    (folder / "cat" / "copy.png").write_bytes((folder / "cat" / "000.png").read_bytes())
    (folder / "dog" / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    return folder
