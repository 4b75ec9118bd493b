"""A picture with its object alone, or with its background alone, as an extractor's input.

What is taken away is filled. A filling can be seen by the network too, so the background is filled in two ways that
have little in common: what both agree on is the background. Neither draws random numbers.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d

GREY = 128
"""What surrounds an object that stands alone: the same in every picture, so that it says nothing."""

STRIP = 16
"""A smooth filling has the colours of a strip around the box, as deep as the picture's height over this."""

Pixels = npt.NDArray[np.uint8]
How = Literal["object", "smooth", "mirror"]
BACKGROUND_FILLINGS: tuple[How, How] = ("smooth", "mirror")
"""The two fillings of a background, in the order of ``Parts.backgrounds``."""


def fill(pixels: Pixels, box: npt.ArrayLike, how: How) -> Pixels:
    """Leave one part of a picture and fill the other.

    Parameters
    ----------
    pixels : uint8 (height, width, 3), RGB
    box : four floats in [0, 1]
        x0, y0, x1, y1 of the object, in shares of the sides; rounded outwards to whole pixels. Before the background
        is looked at, widen it (:func:`audit.parts.boxes.widened`).
    how : str
        ``object`` leaves the box and makes everything else mid-grey. ``smooth`` fills the box with the colours at its
        four edges, each weighted by 1 / distance. ``mirror`` fills it with what lies beyond its nearest edge, mirrored.
        Edges of the box that are edges of the picture have nothing beyond; a box that is the whole picture is grey.

    Returns
    -------
    uint8 (height, width, 3)
        A copy.

    Raises
    ------
    ValueError
        For an unknown ``how``.
    """
    place = _pixels_of(pixels.shape, box)
    if how == "object":
        alone = np.full_like(pixels, GREY)
        x0, y0, x1, y1 = place
        alone[y0:y1, x0:x1] = pixels[y0:y1, x0:x1]
        return alone
    if how == "smooth":
        return _smooth(pixels, place)
    if how == "mirror":
        return _mirror(pixels, place)
    raise ValueError(f"a part is filled 'object', 'smooth' or 'mirror'; got {how!r}")


def _pixels_of(shape: tuple[int, ...], box: npt.ArrayLike) -> tuple[int, int, int, int]:
    """The box in whole pixels, at least one."""
    height, width = shape[:2]
    x0, y0, x1, y1 = (float(c) for c in np.clip(np.asarray(box, np.float64), 0, 1))
    left, top = min(int(x0 * width + 1e-6), width - 1), min(int(y0 * height + 1e-6), height - 1)
    right, bottom = int(np.ceil(x1 * width - 1e-6)), int(np.ceil(y1 * height - 1e-6))
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _distances(shape: tuple[int, ...], place: tuple[int, int, int, int]) -> npt.NDArray[np.float64]:
    """From each pixel of the box to the first pixel beyond each edge that has one: float64 (4, h, w), else infinity.

    Edges in the order left, top, right, bottom.
    """
    x0, y0, x1, y1 = place
    row, column = np.mgrid[y0:y1, x0:x1].astype(np.float64)
    beyond = (x0, y0, shape[1] - x1, shape[0] - y1)
    steps = np.stack([column - x0 + 1, row - y0 + 1, x1 - column, y1 - row])
    steps[[room == 0 for room in beyond]] = np.inf
    return np.asarray(steps)


def _smooth(pixels: Pixels, place: tuple[int, int, int, int]) -> Pixels:
    x0, y0, x1, y1 = place
    weights = 1 / _distances(pixels.shape, place)
    total = weights.sum(axis=0)
    filled = pixels.copy()
    if not (total > 0).all():
        filled[y0:y1, x0:x1] = GREY
        return filled
    deep = max(1, pixels.shape[0] // STRIP)
    strips = (
        pixels[y0:y1, max(x0 - deep, 0) : x0].transpose(1, 0, 2),
        pixels[max(y0 - deep, 0) : y0, x0:x1],
        pixels[y0:y1, x1 : x1 + deep].transpose(1, 0, 2),
        pixels[y1 : y1 + deep, x0:x1],
    )
    left, top, right, bottom = (_edge(strip, deep) for strip in strips)
    edges = (left[:, None], top[None], right[:, None], bottom[None])
    colours = sum(weight[..., None] * edge for weight, edge in zip(weights, edges, strict=True))
    filled[y0:y1, x0:x1] = np.rint(colours / total[..., None]).astype(np.uint8)
    return filled


def _edge(strip: Pixels, size: int) -> npt.NDArray[np.float64]:
    """Colours along an edge from the strip (depth, length, 3) beyond it, evened out so that no pixel streaks."""
    if not len(strip):
        return np.zeros(strip.shape[1:])
    return np.asarray(uniform_filter1d(strip.mean(axis=0), size, axis=0, mode="nearest"))


def _mirror(pixels: Pixels, place: tuple[int, int, int, int]) -> Pixels:
    """Each pixel of the box from as far beyond the nearest edge, back and forth where there is less room."""
    x0, y0, x1, y1 = place
    height, width = pixels.shape[:2]
    steps = _distances(pixels.shape, place)
    filled = pixels.copy()
    if not np.isfinite(steps).any():
        filled[y0:y1, x0:x1] = GREY
        return filled
    nearest = steps.argmin(axis=0)
    row, column = np.mgrid[y0:y1, x0:x1]
    depth = np.take_along_axis(steps, nearest[None], axis=0)[0].astype(np.int64) - 1
    rows = np.where(nearest == 1, y0 - 1 - _back_and_forth(depth, y0 or 1), row)
    rows = np.where(nearest == 3, y1 + _back_and_forth(depth, height - y1 or 1), rows)
    columns = np.where(nearest == 0, x0 - 1 - _back_and_forth(depth, x0 or 1), column)
    columns = np.where(nearest == 2, x1 + _back_and_forth(depth, width - x1 or 1), columns)
    filled[y0:y1, x0:x1] = pixels[rows, columns]
    return filled


def _back_and_forth(depth: npt.NDArray[np.int64], room: int) -> npt.NDArray[np.int64]:
    """0, 1, … room−1, room−1, … 0, 0, 1, …: the depth folded into the room there is."""
    phase = depth % (2 * room)
    return np.asarray(np.where(phase < room, phase, 2 * room - 1 - phase))
