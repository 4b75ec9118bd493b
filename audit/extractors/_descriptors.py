"""What the bundled extractor measures in a picture: colour, tint, texture and edges, cell by cell, in integers.

Every map counts something in the cells of a grid: (pictures, cells, channels). Integer arithmetic and tables make
the numbers equal on every machine, batch size and number of threads.

Source: HSV and CIE L*a*b* (D65) as in CIE 15:2004; uniform local binary patterns after Ojala, Pietikäinen,
Mäenpää, "Multiresolution gray-scale and rotation invariant texture classification with local binary patterns",
PAMI 2002; oriented gradients after Dalal, Triggs, "Histograms of oriented gradients for human detection", CVPR 2005.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]

SIDE = 128
N_COLOURS = 38
N_PATTERNS = 59
N_ORIENTATIONS = 9
PATTERN_MARGIN = 2
"""A neighbour counts as brighter when it exceeds the centre by more than this many grey levels (JPEG noise)."""
EDGE_UNIT = 16
"""One unit of gradient is 1/16 of a grey level."""
LAB_UNIT = 64

_LIMIT = 127


def halve(pixels: Integers) -> Integers:
    """Half the height and width: rounded mean of 2 x 2 pixels, uint16 (b, h / 2, w / 2, ...)."""
    wide = pixels.astype(np.uint16)
    rows = wide[:, 0::2] + wide[:, 1::2]
    mean: Integers = (rows[:, :, 0::2] + rows[:, :, 1::2] + np.uint16(2)) >> np.uint16(2)
    return mean


def grey(pixels: npt.NDArray[np.uint8]) -> Integers:
    """Luma (ITU-R BT.601) in 8 bits, int16 (b, h, w)."""
    wide = pixels.astype(np.uint16)
    luma = wide[..., 0] * np.uint16(77) + wide[..., 1] * np.uint16(150) + wide[..., 2] * np.uint16(29)
    grey_levels: Integers = (luma >> np.uint16(8)).astype(np.int16)
    return grey_levels


def colour_codes(pixels: Integers) -> Integers:
    """Each pixel as a number below 32 768: five bits of red, green and blue."""
    five = pixels >> np.uint16(3)
    codes: Integers = (five[..., 0] << np.uint16(10)) | (five[..., 1] << np.uint16(5)) | five[..., 2]
    return codes


def colours(codes: Integers, cells: int) -> Ints:
    """Pixels of each of 38 colours in each cell, int64 (b, cells², 38).

    Black; five greys; eight hues, each in weak or strong saturation, dark or bright.
    """
    return _histogram(_colour_table()[codes], cells, N_COLOURS)


def tints(codes: Integers, cells: int) -> Ints:
    """Sums of L*, a*, b* over each cell, in 1/64, int64 (b, cells², 3)."""
    b, height, width = codes.shape
    lab = _lab_table()[codes].reshape(b, cells, height // cells, cells, width // cells, 3)
    sums: Ints = lab.sum(axis=2, dtype=np.int32).sum(axis=3, dtype=np.int64).reshape(b, cells * cells, 3)
    return sums


def patterns(luma: Integers, cells: int) -> Ints:
    """Pixels of each uniform local binary pattern in each cell, int64 (b, cells², 59); radius 1, 8 neighbours."""
    side = luma.shape[1] - 2
    centre = luma[:, 1:-1, 1:-1] + np.int16(PATTERN_MARGIN)
    codes = np.zeros(centre.shape, np.uint8)
    ring = ((0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0), (0, 0))
    for bit, (y, x) in enumerate(ring):
        brighter = luma[:, y : y + side, x : x + side] > centre
        codes |= brighter.view(np.uint8) << np.uint8(bit)
    inside = side // cells * cells
    return _histogram(_pattern_table()[codes[:, :inside, :inside]], cells, N_PATTERNS)


def edges(luma: Integers, cells: int) -> Ints:
    """Gradient magnitude by orientation in each cell, in 1/16 grey level, int64 (b, cells², 9).

    Orientation is unsigned; a gradient is shared between its two nearest orientations in proportion.
    """
    dx = np.zeros(luma.shape, np.int16)
    dy = np.zeros(luma.shape, np.int16)
    np.subtract(luma[:, :, 2:], luma[:, :, :-2], out=dx[:, :, 1:-1])
    np.subtract(luma[:, 2:], luma[:, :-2], out=dy[:, 1:-1])
    np.clip(dx, -_LIMIT, _LIMIT, out=dx)
    np.clip(dy, -_LIMIT, _LIMIT, out=dy)
    which = (dx.astype(np.intp) + _LIMIT) * (2 * _LIMIT + 1) + (dy + np.int16(_LIMIT))
    lower, upper, low, high = _edge_tables()
    counts: Ints = _histogram(lower[which], cells, N_ORIENTATIONS, low[which])
    return counts + _histogram(upper[which], cells, N_ORIENTATIONS, high[which])


def _histogram(channel: Integers, cells: int, n_channels: int, weights: npt.NDArray[np.float64] | None = None) -> Ints:
    """Count channels per cell; weights must be whole numbers, so that float64 sums are exact."""
    b, side, _ = channel.shape
    n = cells * cells * n_channels
    place = _places(side, cells, n_channels) + np.arange(b, dtype=np.intp)[:, None, None] * n
    place += channel
    flat = None if weights is None else weights.ravel()
    return np.bincount(place.ravel(), flat, minlength=b * n).astype(np.int64).reshape(b, cells * cells, n_channels)


@lru_cache(maxsize=32)
def _places(side: int, cells: int, n_channels: int) -> npt.NDArray[np.intp]:
    cell = np.arange(side, dtype=np.intp) // (side // cells)
    return (cell[:, None] * cells + cell[None, :]) * n_channels


def _five_bit_rgb() -> Doubles:
    levels = (np.arange(32) * 8 + 4) / 255
    return np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)


@lru_cache(maxsize=1)
def _colour_table() -> npt.NDArray[np.intp]:
    rgb = _five_bit_rgb()
    value = rgb.max(axis=1)
    chroma = value - rgb.min(axis=1)
    saturation = chroma / value
    red, green, blue = rgb.T
    safe = np.where(chroma > 0, chroma, 1.0)
    sector = np.select(
        [value == red, value == green], [(green - blue) / safe % 6, (blue - red) / safe + 2], (red - green) / safe + 4
    )
    hue = np.floor(sector / 6 * 8 + 1e-9).astype(np.intp) % 8
    coloured = 6 + hue * 4 + (saturation > 0.5) * 2 + (value > 0.55)
    greys = 1 + np.minimum(value * 5, 4).astype(np.intp)
    return np.where(value < 0.15, 0, np.where(saturation < 0.15, greys, coloured)).astype(np.intp)


@lru_cache(maxsize=1)
def _lab_table() -> npt.NDArray[np.int16]:
    rgb = _five_bit_rgb()
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    relative = (linear @ to_xyz.T) / to_xyz.sum(axis=1)
    f = np.where(relative > (6 / 29) ** 3, np.cbrt(relative), relative / (3 * (6 / 29) ** 2) + 4 / 29)
    lab = np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)
    table: npt.NDArray[np.int16] = np.rint(lab * LAB_UNIT).astype(np.int16)
    return table


@lru_cache(maxsize=1)
def _pattern_table() -> npt.NDArray[np.intp]:
    table = np.full(256, N_PATTERNS - 1, np.intp)
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    is_uniform = (bits != np.roll(bits, 1, axis=1)).sum(axis=1) <= 2
    table[is_uniform] = np.arange(N_PATTERNS - 1)
    return table


@lru_cache(maxsize=1)
def _edge_tables() -> tuple[
    npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.float64], npt.NDArray[np.float64]
]:
    difference = np.arange(-_LIMIT, _LIMIT + 1, dtype=np.float64)
    dx, dy = (axis.ravel() for axis in np.meshgrid(difference, difference, indexing="ij"))
    position = (np.arctan2(dy, dx) % np.pi) / np.pi * N_ORIENTATIONS
    lower = np.floor(position + 1e-9).astype(np.intp)
    share = np.clip(position - lower, 0, 1)
    magnitude = np.hypot(dx, dy) * EDGE_UNIT
    high = np.rint(magnitude * share)
    return lower % N_ORIENTATIONS, (lower + 1) % N_ORIENTATIONS, np.rint(magnitude) - high, high
