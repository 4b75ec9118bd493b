"""Pictures, their altered copies and datasets of both, for the tests and the benchmark of duplicates."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from audit.model import IMAGES_SCHEMA, DatasetView
from audit.pictures.hashes import HASH_SCHEMA, hashes

WORKING_SIDE = 256


def scene(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A picture with structure at all scales (1/f noise in colour) and a few hard-edged shapes."""
    rng = np.random.default_rng(seed)
    width, height = size
    fy, fx = np.meshgrid(np.fft.fftfreq(height), np.fft.rfftfreq(width), indexing="ij")
    fall = 1 / np.maximum(np.hypot(fy, fx), 1 / max(size)) ** 1.3
    phase = np.exp(2j * np.pi * rng.random((3, height, fall.shape[1])))
    field = np.fft.irfft2(fall * phase, s=(height, width))
    field = (field - field.mean()) / field.std()
    grey, tint = field[0], field[1:]
    rgb = np.stack([grey + 0.3 * tint[0], grey, grey + 0.3 * tint[1]], axis=-1)
    image = Image.fromarray(np.clip(128 + 45 * rgb, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(4):
        x, y = rng.integers(0, width), rng.integers(0, height)
        a, b = rng.integers(15, width // 3), rng.integers(15, height // 3)
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        (draw.ellipse if rng.random() < 0.5 else draw.rectangle)((x, y, x + a, y + b), fill=colour)
    return image


def resaved(image: Image.Image, quality: int = 90) -> Image.Image:
    """The picture after a JPEG file."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


def _crop(image: Image.Image, number: int) -> Image.Image:
    width, height = image.size
    x, y = max(1, round(0.03 * width)), max(1, round(0.03 * height))
    return image.crop((x, y, width - x, height - y) if number % 2 else (x, y, width, height))


def _rotate(image: Image.Image, number: int) -> Image.Image:
    if number % 4 == 3:
        return image.rotate(-5, Image.Resampling.BICUBIC, expand=True)
    fill = ((0, 0, 0), (255, 255, 255), (128, 128, 128))[number % 4]
    return image.rotate(5 if number % 2 else -5, Image.Resampling.BICUBIC, fillcolor=fill)


def _box(image: Image.Image, number: int) -> Image.Image:
    rng = np.random.default_rng(number)
    out = image.copy()
    width, height = out.size
    draw = ImageDraw.Draw(out)
    if number % 3 == 2:
        draw.rectangle((0, round(0.85 * height), width, height), fill=(0, 0, 0))
        draw.text((width // 10, round(0.88 * height)), "a line of text", fill=(255, 255, 0))
        return out
    side = 0.2 if number % 3 == 0 else 0.3
    w, h = max(1, round(side * width)), max(1, round(side * height))
    x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    draw.rectangle((x, y, x + w - 1, y + h - 1), fill=tuple(int(v) for v in rng.integers(0, 256, 3)))
    return out


def _half(image: Image.Image, number: int) -> Image.Image:
    del number
    return image.resize((max(1, image.width // 2), max(1, image.height // 2)), Image.Resampling.BICUBIC)


COPIES: dict[str, Callable[[Image.Image, int], Image.Image]] = {
    "requantised": lambda image, number: resaved(image, 30),
    "resized": lambda image, number: resaved(_half(image, number)),
    "brightness": lambda image, number: resaved(
        ImageEnhance.Brightness(image).enhance((0.7, 0.8, 1.2, 1.3)[number % 4])
    ),
    "cropped": lambda image, number: resaved(_crop(image, number)),
    "mirrored": lambda image, number: resaved(ImageOps.mirror(image)),
    "rotated": lambda image, number: resaved(_rotate(image, number)),
    "covered": lambda image, number: resaved(_box(image, number)),
}
"""How the copies of the issue are made: name to (picture, number) -> copy."""


def working(image: Image.Image) -> npt.NDArray[np.uint8]:
    """The picture as ``hashes`` sees it: short side at most 256."""
    scale = WORKING_SIDE / min(image.size)
    if scale < 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(image.convert("RGB"))


def row_of(image: Image.Image, path: str, **more: object) -> dict[str, object]:
    """The row of an images table that the picture would have, as its own file."""
    pixels = working(image)
    digest = hashlib.sha256(path.encode()).hexdigest()
    row: dict[str, object] = {
        "image_id": digest[:16],
        "path": path,
        "path_bytes": path.encode(),
        "locator": path,
        "status": "ok",
        "width": image.width,
        "height": image.height,
        "n_bytes": image.width * image.height,
        "content_hash": digest,
    }
    return row | hashes(pixels) | more


def dataset(rows: Sequence[dict[str, object]], name: str = "sample") -> DatasetView:
    """A dataset of such rows, without embeddings."""
    schema = pa.schema([*IMAGES_SCHEMA, *HASH_SCHEMA])
    images = pa.Table.from_pylist(list(rows), schema=schema)
    return DatasetView(name, hashlib.sha256(name.encode()).hexdigest(), images, IMAGES_SCHEMA.empty_table())
