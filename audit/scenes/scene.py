"""A picture of one object in one place, with its shadow, light, depth of field and sensor noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from audit.scenes.backgrounds import BACKGROUNDS
from audit.scenes.objects import OBJECTS, Pen
from audit.scenes.textures import noise

FLYING = frozenset({"balloon"})
"""Objects that stand in the air and throw no shadow."""

_SUPERSAMPLING = 2


@dataclass(frozen=True)
class Scene:
    """A drawn picture and what is in it.

    Attributes
    ----------
    image : PIL.Image.Image
        RGB.
    label, background : str
        Keys of ``OBJECTS`` and ``BACKGROUNDS``.
    box : tuple of four float
        x0, y0, x1, y1 of the object in pixels.
    """

    image: Image.Image
    label: str
    background: str
    box: tuple[float, float, float, float]


def draw_scene(rng: np.random.Generator, label: str, background: str, *, size: tuple[int, int] = (256, 192)) -> Scene:
    """Draw one scene; the same generator state gives the same pixels.

    Parameters
    ----------
    size : (width, height) in pixels.
    """
    width, height = size[0] * _SUPERSAMPLING, size[1] * _SUPERSAMPLING
    place = Image.fromarray(BACKGROUNDS[background](rng, size[1], size[0]).astype(np.uint8))
    canvas = place.filter(ImageFilter.GaussianBlur(rng.uniform(0.1, 1.0))).resize((width, height))
    thing = _draw_object(rng, label, round(height * rng.uniform(0.46, 0.8)))
    x = round(rng.uniform(0.04, 0.96) * (width - thing.width))
    floor = rng.uniform(0.52, 0.72) if label in FLYING else rng.uniform(0.86, 0.97)
    y = max(0, round(floor * height) - thing.height)
    if label not in FLYING:
        canvas = _cast_shadow(canvas, (x, y, x + thing.width, y + thing.height))
    canvas.paste(thing, (x, y), thing)
    finished = _expose(rng, canvas.resize(size, Image.Resampling.BOX))
    box = tuple(c / _SUPERSAMPLING for c in (x, y, x + thing.width, y + thing.height))
    return Scene(finished, label, background, (box[0], box[1], box[2], box[3]))


def calibration_pictures(n: int, size: int, *, seed: int = 0) -> npt.NDArray[np.uint8]:
    """A fixed set of drawn pictures, every object before every background in turn: uint8 (n, size, size, 3), RGB."""
    rng = np.random.default_rng(seed)
    pairs = [(label, background) for label in OBJECTS for background in BACKGROUNDS]
    pictures = np.empty((n, size, size, 3), np.uint8)
    for i in range(n):
        label, background = pairs[i % len(pairs)]
        scene = draw_scene(rng, label, background, size=(size, size))
        pictures[i] = np.asarray(scene.image)
    return pictures


def _draw_object(rng: np.random.Generator, label: str, side: int) -> Image.Image:
    pen = Pen(side, rng)
    OBJECTS[label](pen)
    pixels = np.asarray(pen.image, dtype=np.float32).copy()
    light = np.linspace(0.2, -0.28, side, dtype=np.float32)
    if rng.random() < 0.5:
        light = light[::-1]
    grain = 0.05 * noise(rng, side, side, cell=side / 6)
    pixels[..., :3] = np.clip(pixels[..., :3] * (1 + light[None, :, None] + grain[..., None]), 0, 255)
    image = Image.fromarray(pixels.astype(np.uint8))
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    tilted = image.rotate(rng.uniform(-7, 7), Image.Resampling.BICUBIC, expand=True)
    return tilted.crop(tilted.getbbox())


def _cast_shadow(canvas: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    shadow = Image.new("L", canvas.size, 0)
    height = (box[3] - box[1]) // 12
    ImageDraw.Draw(shadow).ellipse((box[0], box[3] - height, box[2], box[3] + height), fill=130)
    blurred = shadow.filter(ImageFilter.GaussianBlur(height / 2))
    return Image.composite(Image.new("RGB", canvas.size, (12, 14, 18)), canvas, blurred)


def _expose(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """Exposure, colour temperature and sensor noise of a camera."""
    pixels = np.asarray(image, dtype=np.float32)
    warmth = rng.uniform(-0.05, 0.05)
    gains = np.asarray([1 + warmth, 1, 1 - warmth], np.float32) * np.float32(rng.uniform(0.88, 1.1))
    noisy = pixels * gains + rng.normal(0, 2.5, pixels.shape).astype(np.float32)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
