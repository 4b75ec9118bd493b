"""Things that can be drawn before a background: one function per class, on a transparent square.

Each function draws into the unit square (0, 0)–(1, 1) through a :class:`Pen`, standing on its lower edge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw

from audit.scenes.textures import jitter

Colour = tuple[int, int, int]
Point = tuple[float, float]

PAINTS: tuple[Colour, ...] = (
    (196, 48, 44),
    (38, 96, 176),
    (232, 172, 36),
    (46, 138, 88),
    (138, 66, 150),
    (226, 112, 38),
    (228, 226, 220),
    (64, 66, 74),
)


class Pen:
    """Draws in unit coordinates on a transparent square of ``side`` pixels."""

    def __init__(self, side: int, rng: np.random.Generator) -> None:
        self.side = side
        self.rng = rng
        self.image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self.image)

    def paint(self) -> Colour:
        """A random paint."""
        return jitter(self.rng, PAINTS[int(self.rng.integers(len(PAINTS)))])

    def ellipse(self, x0: float, y0: float, x1: float, y1: float, fill: Colour) -> None:
        """Fill an ellipse by its bounding box."""
        self._draw.ellipse([c * self.side for c in (x0, y0, x1, y1)], fill=(*fill, 255))

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: Colour, *, round_by: float = 0.0) -> None:
        """Fill a rectangle with rounded corners."""
        corners = [c * self.side for c in (x0, y0, x1, y1)]
        self._draw.rounded_rectangle(corners, radius=round_by * self.side, fill=(*fill, 255))

    def polygon(self, points: Sequence[Point], fill: Colour) -> None:
        """Fill a polygon."""
        self._draw.polygon([(x * self.side, y * self.side) for x, y in points], fill=(*fill, 255))

    def line(self, points: Sequence[Point], fill: Colour, width: float) -> None:
        """Stroke a line; ``width`` in unit coordinates."""
        scaled = [(x * self.side, y * self.side) for x, y in points]
        self._draw.line(scaled, fill=(*fill, 255), width=max(1, round(width * self.side)), joint="curve")


def darker(colour: Colour, by: float) -> Colour:
    """A colour scaled towards black (by > 0) or white (by < 0)."""
    goal = 0 if by > 0 else 255
    red, green, blue = (int(c + (goal - c) * abs(by)) for c in colour)
    return red, green, blue


def car(pen: Pen) -> None:
    """A car from the side."""
    paint = pen.paint()
    roof = pen.rng.uniform(0.34, 0.44)
    pen.polygon([(0.2, 0.6), (0.32, roof), (0.68, roof), (0.82, 0.6)], paint)
    pen.polygon([(0.26, 0.59), (0.35, roof + 0.04), (0.49, roof + 0.04), (0.49, 0.59)], (178, 206, 222))
    pen.polygon([(0.52, 0.59), (0.52, roof + 0.04), (0.66, roof + 0.04), (0.75, 0.59)], (178, 206, 222))
    pen.box(0.02, 0.57, 0.98, 0.84, paint, round_by=0.07)
    pen.box(0.02, 0.76, 0.98, 0.84, darker(paint, 0.35), round_by=0.04)
    pen.box(0.9, 0.63, 0.98, 0.69, (250, 238, 180), round_by=0.02)
    for x in (0.22, 0.76):
        pen.ellipse(x - 0.12, 0.72, x + 0.12, 0.97, (32, 32, 36))
        pen.ellipse(x - 0.06, 0.79, x + 0.06, 0.91, (176, 178, 184))


def sailboat(pen: Pen) -> None:
    """A hull, a mast and two sails."""
    hull, sail = pen.paint(), jitter(pen.rng, (240, 236, 224), 14)
    lean = pen.rng.uniform(-0.04, 0.04)
    pen.line([(0.5, 0.8), (0.5 + lean, 0.04)], (96, 70, 48), 0.02)
    pen.polygon([(0.53, 0.72), (0.53 + lean, 0.06), (0.93, 0.7)], sail)
    pen.polygon([(0.47, 0.72), (0.47 + lean, 0.14), (0.14, 0.7)], darker(sail, 0.12))
    pen.polygon([(0.04, 0.76), (0.96, 0.76), (0.82, 0.97), (0.2, 0.97)], hull)
    pen.polygon([(0.04, 0.76), (0.96, 0.76), (0.93, 0.81), (0.08, 0.81)], (246, 246, 242))


def mushroom(pen: Pen) -> None:
    """A red or brown cap with dots on a pale stem."""
    cap = jitter(pen.rng, ((190, 34, 30), (150, 98, 58), (206, 120, 40))[int(pen.rng.integers(3))])
    dome = [(0.5 - 0.45 * np.cos(t), 0.5 - 0.42 * np.sin(t)) for t in np.linspace(0, np.pi, 40)]
    pen.polygon([(0.39, 0.45), (0.61, 0.45), (0.67, 0.98), (0.33, 0.98)], (236, 226, 206))
    pen.polygon([(0.52, 0.45), (0.61, 0.45), (0.67, 0.98), (0.54, 0.98)], (206, 194, 170))
    pen.ellipse(0.05, 0.43, 0.95, 0.58, darker(cap, 0.35))
    pen.polygon(dome, cap)
    pen.ellipse(0.36, 0.47, 0.64, 0.55, (214, 200, 178))
    for _ in range(int(pen.rng.integers(5, 10))):
        x, y, r = pen.rng.uniform(0.2, 0.72), pen.rng.uniform(0.16, 0.38), pen.rng.uniform(0.02, 0.05)
        pen.ellipse(x, y, x + 2 * r, y + 2 * r, (248, 244, 234))


def balloon(pen: Pen) -> None:
    """A hot-air balloon in stripes."""
    first, second = pen.paint(), pen.paint()
    for i, (left, right) in enumerate(((0.1, 0.9), (0.2, 0.8), (0.32, 0.68), (0.43, 0.57))):
        pen.ellipse(left, 0.02, right, 0.74, first if i % 2 == 0 else second)
    pen.polygon([(0.2, 0.56), (0.8, 0.56), (0.58, 0.8), (0.42, 0.8)], darker(first, 0.2))
    for x0, x1 in ((0.42, 0.44), (0.58, 0.56)):
        pen.line([(x0, 0.8), (x1, 0.89)], (70, 56, 44), 0.01)
    pen.box(0.42, 0.88, 0.58, 0.99, (138, 96, 54), round_by=0.02)


def mug(pen: Pen) -> None:
    """A mug with a handle and a band."""
    paint = pen.paint()
    pen.line([(0.68, 0.36), (0.86, 0.38), (0.92, 0.54), (0.84, 0.7), (0.66, 0.74)], darker(paint, 0.15), 0.075)
    pen.box(0.12, 0.16, 0.72, 0.97, paint, round_by=0.07)
    pen.box(0.52, 0.18, 0.72, 0.97, darker(paint, 0.16), round_by=0.07)
    pen.ellipse(0.12, 0.07, 0.72, 0.25, darker(paint, -0.3))
    pen.ellipse(0.16, 0.1, 0.68, 0.23, (70, 44, 30))
    band = pen.paint()
    pen.box(0.12, 0.5, 0.72, 0.62, band)


def flower(pen: Pen) -> None:
    """Petals round a heart on a stem with leaves."""
    petal = pen.paint()
    pen.line([(0.5, 0.4), (0.48 + pen.rng.uniform(-0.05, 0.05), 0.99)], (58, 122, 52), 0.04)
    pen.polygon([(0.49, 0.82), (0.2, 0.66), (0.26, 0.86)], (72, 140, 62))
    pen.polygon([(0.49, 0.9), (0.8, 0.72), (0.74, 0.93)], (66, 128, 56))
    n, turn = int(pen.rng.integers(6, 10)), pen.rng.uniform(0, 1)
    for i in range(n):
        angle = 2 * np.pi * (i + turn) / n
        x, y = 0.5 + 0.22 * np.cos(angle), 0.34 + 0.22 * np.sin(angle)
        pen.ellipse(x - 0.13, y - 0.13, x + 0.13, y + 0.13, petal if i % 2 else darker(petal, 0.14))
    pen.ellipse(0.37, 0.21, 0.63, 0.47, (238, 190, 60))
    pen.ellipse(0.43, 0.27, 0.57, 0.41, (190, 130, 40))


OBJECTS: Mapping[str, Callable[[Pen], None]] = {
    "car": car,
    "sailboat": sailboat,
    "mushroom": mushroom,
    "balloon": balloon,
    "mug": mug,
    "flower": flower,
}
