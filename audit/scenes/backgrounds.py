"""Places a drawn object can stand in: meadow, beach, forest, street, room, snow."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from audit.scenes.textures import Canvas, blend, jitter, noise, shade, vertical_gradient

Background = Callable[[np.random.Generator, int, int], Canvas]


def _ridge(rng: np.random.Generator, height: int, width: int, level: float, roughness: float) -> Canvas:
    """Soft mask, float32 (height, width), of what lies below a hilly horizon at ``level`` of the height."""
    line = level * height + roughness * height * noise(rng, 2, width, cell=width / 3)[0]
    rows = np.arange(height, dtype=np.float32)[:, None]
    mask: Canvas = np.clip(rows - line[None, :], 0, 1).astype(np.float32)
    return mask


def _sky(rng: np.random.Generator, height: int, width: int) -> Canvas:
    sky = vertical_gradient(height, width, jitter(rng, (92, 150, 214)), jitter(rng, (206, 226, 242)))
    clouds = noise(rng, height, width, cell=width / 3, octaves=5)
    return blend(sky, (250, 250, 252), np.clip(clouds * 1.6 - rng.uniform(0.0, 0.5), 0, 0.9))


def _ground(rng: np.random.Generator, height: int, width: int, colour: tuple[int, int, int], grain: float) -> Canvas:
    flat = vertical_gradient(height, width, jitter(rng, colour), jitter(rng, colour))
    coarse = noise(rng, height, width, cell=width / 5)
    fine = rng.normal(0, 1, (height, width)).astype(np.float32)
    return shade(flat, 0.12 * coarse + grain * fine)


def meadow(rng: np.random.Generator, height: int, width: int) -> Canvas:
    """Grass under a sky with clouds, with hills and flowers."""
    canvas = _sky(rng, height, width)
    canvas = blend(canvas, jitter(rng, (104, 142, 110)), _ridge(rng, height, width, 0.46, 0.10))
    grass = _ground(rng, height, width, (86, 142, 58), 0.10)
    field = _ridge(rng, height, width, rng.uniform(0.52, 0.6), 0.05)
    canvas = blend(canvas, grass, field)
    image = Image.fromarray(canvas.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(20, 70))):
        x, y = int(rng.integers(0, width)), int(rng.integers(int(0.65 * height), height))
        r = 1 + 3 * y // height
        draw.ellipse((x - r, y - r, x + r, y + r), fill=jitter(rng, (236, 214, 96), 60))
    return np.asarray(image, dtype=np.float32)


def beach(rng: np.random.Generator, height: int, width: int) -> Canvas:
    """Sea and sand."""
    canvas = _sky(rng, height, width)
    horizon = rng.uniform(0.38, 0.48)
    rows = np.arange(height, dtype=np.float32)[:, None] / height
    depth = np.clip((rows - horizon) / (1 - horizon), 0, 1)
    waves = np.sin((40 / (depth + 0.12)) + 3 * noise(rng, height, width, cell=width / 6)).astype(np.float32)
    sea = shade(vertical_gradient(height, width, (28, 92, 140), (96, 186, 196)), 0.09 * waves)
    canvas = blend(canvas, sea, np.broadcast_to((rows > horizon).astype(np.float32), (height, width)))
    sand = _ground(rng, height, width, (222, 196, 146), 0.05)
    shore = _ridge(rng, height, width, rng.uniform(0.66, 0.76), 0.06)
    foam = np.roll(shore, -height // 60, axis=0) - shore
    canvas = blend(canvas, (244, 248, 248), np.clip(foam, 0, 0.8))
    return blend(canvas, sand, shore)


def forest(rng: np.random.Generator, height: int, width: int) -> Canvas:
    """Trunks and leaves, little light."""
    canvas = vertical_gradient(height, width, jitter(rng, (58, 88, 52)), jitter(rng, (30, 52, 30)))
    canvas = shade(canvas, 0.5 * noise(rng, height, width, cell=width / 8, octaves=5))
    image = Image.fromarray(canvas.astype(np.uint8))
    for layer in range(3):
        draw = ImageDraw.Draw(image)
        for _ in range(int(rng.integers(4, 8))):
            x = int(rng.integers(0, width))
            half = int(width * rng.uniform(0.006, 0.012) * (layer + 1))
            tone = 34 + 22 * layer
            draw.rectangle(
                (x - half, 0, x + half, height * (70 + 8 * layer) // 100),
                fill=jitter(rng, (tone + 24, tone + 8, tone - 8)),
            )
        image = image.filter(ImageFilter.GaussianBlur(2.0 - 0.8 * layer))
    canvas = np.asarray(image, dtype=np.float32)
    crowns = np.clip(
        noise(rng, height, width, cell=width / 9, octaves=5) * 1.5
        + 0.6
        - 2.2 * np.linspace(0, 1, height, dtype=np.float32)[:, None],
        0,
        1,
    )
    leaves = _ground(rng, height, width, (62, 112, 46), 0.18)
    canvas = blend(canvas, leaves, crowns.astype(np.float32))
    return blend(canvas, _ground(rng, height, width, (92, 70, 44), 0.14), _ridge(rng, height, width, 0.74, 0.05))


def street(rng: np.random.Generator, height: int, width: int) -> Canvas:
    """Facades with windows above an asphalt road."""
    image = Image.fromarray(vertical_gradient(height, width, (170, 186, 204), (214, 218, 222)).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    x, kerb = 0, int(height * 0.62)
    while x < width:
        w, top = int(width * rng.uniform(0.14, 0.26)), int(height * rng.uniform(0.02, 0.25))
        wall = jitter(rng, ((172, 120, 96), (196, 184, 160), (132, 138, 148), (206, 168, 120))[int(rng.integers(4))])
        draw.rectangle((x, top, x + w, kerb), fill=wall)
        step = max(12, width // 22)
        lit = (222, 214, 160) if rng.random() < 0.3 else (74, 86, 104)
        for wx in range(x + step // 2, x + w - step // 2, step):
            for wy in range(top + step // 2, kerb - step, int(step * 1.3)):
                draw.rectangle((wx, wy, wx + step // 2, wy + int(step * 0.7)), fill=jitter(rng, lit, 12))
        x += w
    canvas = np.asarray(image, dtype=np.float32)
    road = _ground(rng, height, width, (92, 94, 98), 0.07)
    rows = np.arange(height)[:, None] >= kerb
    canvas = blend(canvas, road, np.broadcast_to(rows.astype(np.float32), (height, width)))
    image = Image.fromarray(canvas.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, kerb, width, kerb + height // 28), fill=(168, 168, 164))
    for dash in range(-1, 6):
        left = int((dash + rng.uniform(0, 0.2)) * width / 5)
        draw.rectangle((left, int(height * 0.86), left + width // 10, int(height * 0.875)), fill=(226, 222, 204))
    return np.asarray(image, dtype=np.float32)


def room(rng: np.random.Generator, height: int, width: int) -> Canvas:
    """A wall with a picture, wooden floor boards."""
    wall = jitter(rng, ((220, 206, 184), (186, 202, 206), (210, 190, 196), (196, 204, 178))[int(rng.integers(4))])
    canvas = vertical_gradient(height, width, wall, jitter(rng, wall, 8))
    light = np.linspace(-0.22, 0.16, width, dtype=np.float32)[None, :] * (1 if rng.random() < 0.5 else -1)
    canvas = shade(canvas, np.broadcast_to(light, (height, width)))
    floor = int(height * rng.uniform(0.62, 0.7))
    image = Image.fromarray(canvas.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    left, top = int(width * rng.uniform(0.05, 0.65)), int(height * rng.uniform(0.06, 0.14))
    w, h = int(width * rng.uniform(0.16, 0.26)), int(height * rng.uniform(0.2, 0.32))
    draw.rectangle((left, top, left + w, top + h), fill=jitter(rng, (96, 66, 44)))
    draw.rectangle((left + 7, top + 7, left + w - 7, top + h - 7), fill=jitter(rng, (168, 186, 176), 60))
    row, y = 0, floor
    while y < height:
        board = max(6, (y - floor) // 4 + 8)
        x = -int(rng.integers(0, width // 4))
        while x < width:
            length = int(width * rng.uniform(0.25, 0.45))
            draw.rectangle((x, y, x + length, y + board), fill=jitter(rng, (156, 110, 70), 16), outline=(96, 64, 40))
            x += length
        y, row = y + board, row + 1
    draw.rectangle((0, floor - 8, width, floor), fill=(240, 238, 232))
    return shade(np.asarray(image, dtype=np.float32), 0.04 * noise(rng, height, width, cell=width / 20))


def snow(rng: np.random.Generator, height: int, width: int) -> Canvas:
    """White slopes, grey sky, firs."""
    canvas = vertical_gradient(height, width, jitter(rng, (158, 172, 190)), jitter(rng, (214, 220, 230)))
    image = Image.fromarray(canvas.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(8, 18))):
        x, base = int(rng.integers(0, width)), int(height * rng.uniform(0.5, 0.62))
        tall = int(height * rng.uniform(0.12, 0.3))
        green = jitter(rng, (48, 78, 66))
        for tier in range(3):
            y = base - tall * tier // 3
            half = tall * (3 - tier) // 9
            draw.polygon([(x - half, y), (x + half, y), (x, y - tall // 2)], fill=green)
    canvas = np.asarray(image.filter(ImageFilter.GaussianBlur(0.8)), dtype=np.float32)
    slope = shade(
        vertical_gradient(height, width, (236, 240, 248), (206, 216, 232)),
        0.06 * noise(rng, height, width, cell=width / 4),
    )
    canvas = blend(canvas, slope, _ridge(rng, height, width, 0.58, 0.07))
    flakes = (rng.random((height, width)) > 0.997).astype(np.float32)
    return blend(canvas, (255, 255, 255), flakes)


BACKGROUNDS: Mapping[str, Background] = {
    "meadow": meadow,
    "beach": beach,
    "forest": forest,
    "street": street,
    "room": room,
    "snow": snow,
}
