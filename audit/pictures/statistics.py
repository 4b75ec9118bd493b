"""Statistics of one picture: light, colour, detail, shape and file, in a few integer passes.

They are taken from the *working picture*: the decoded picture reduced by a whole factor (exact box average, never
enlarged) until it has at most 131 072 pixels, so that one costs the same at any resolution and sharpness is compared
at a like scale. Sums are of integers, so the values do not depend on threads or the order of summation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from audit.pictures.hashes import HASH_SCHEMA
from audit.pictures.sharpness import border_share, detail

WORKING_PIXELS = 131_072
"""The working picture has at most this many pixels (362 x 362); more than a quarter of it when it was reduced."""

COLOUR_PIXELS = 8_192
"""Colour is taken from the working picture reduced to at most this many pixels, which also evens out chroma noise."""

Histogram = npt.NDArray[np.int64]

_LEVELS = np.arange(256, dtype=np.int64)
_LUMINANCE_TABLE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
"""ITU-T T.81, table K.1: the luminance quantisation table of quality 50."""

STATISTICS: dict[str, str] = {
    "brightness_mean": "mean luma Y' = .299 R + .587 G + .114 B (ITU-R BT.601), 0..1",
    "brightness_p01": "1 % quantile of luma (smallest level with at least that share at or below), 0..1",
    "brightness_p05": "5 % quantile of luma, 0..1",
    "brightness_p50": "median luma, 0..1",
    "brightness_p95": "95 % quantile of luma, 0..1",
    "brightness_p99": "99 % quantile of luma, 0..1",
    "contrast_rms": "standard deviation of luma, 0..0.5",
    "contrast_range": "brightness_p99 - brightness_p01, 0..1",
    "black_share": "share of pixels with luma <= 5/255, 0..1",
    "white_share": "share of pixels with luma >= 250/255, 0..1",
    "entropy": "entropy of the luma histogram, -sum p log2 p, bits, 0..8",
    "red_mean": "mean of the red channel, 0..1",
    "green_mean": "mean of the green channel, 0..1",
    "blue_mean": "mean of the blue channel, 0..1",
    "saturation": "sum(max - min) / sum(max) over channels: HSV saturation weighted by value, 0..1",
    "chroma_p99": "99 % quantile of max - min over channels, 0..1; about 0 for a grey picture",
    "colourfulness": "sqrt(var rg + var yb) + .3 sqrt(mean rg^2 + mean yb^2), rg = R - G, yb = (R + G)/2 - B, in "
    "0..255 levels (Hasler and Suesstrunk 2003)",
    "sharpness": "gradient energy over that after a 5-tap binomial blur, in the strongest tiles, >= 1 "
    "(audit.pictures.sharpness)",
    "edge_share": "share of pixels whose luma gradient exceeds 16/255 per pixel, 0..1",
    "corner_top_left": "mean luma of the corner patch of an eighth of each side, 0..1",
    "corner_top_right": "mean luma of the corner patch, 0..1",
    "corner_bottom_left": "mean luma of the corner patch, 0..1",
    "corner_bottom_right": "mean luma of the corner patch, 0..1",
    "border_share": "share of the area in a straight, uniform frame or bar at the edges, 0..1",
    "aspect": "width / height, as shown",
    "megapixels": "width x height / 10^6, of the file",
    "short_side": "smaller of width and height of the file, pixels",
    "working_scale": "width of the working picture / width of the file, 0..1",
    "bits_per_pixel": "8 x file size in bytes / (width x height)",
    "jpeg_quality": "libjpeg quality 1..100 whose luminance table has the sum nearest to the file's; null unless JPEG",
}
"""Formula, unit and range of every statistic. All are float32."""

PICTURE_SCHEMA = pa.schema(
    [pa.field(name, pa.float32()) for name in STATISTICS] + [pa.field("notes", pa.list_(pa.string()))]
)
for _field in HASH_SCHEMA:
    PICTURE_SCHEMA = PICTURE_SCHEMA.append(_field.with_nullable(True))


@dataclass(frozen=True)
class Origin:
    """The file a working picture came from.

    Attributes
    ----------
    width, height : int
        In pixels, as shown.
    n_bytes : int
    quantisation : sequence of 64 int, or None
        Luminance quantisation table of a JPEG.
    """

    width: int
    height: int
    n_bytes: int
    quantisation: Sequence[int] | None = None


def working_picture(image: Image.Image) -> Image.Image:
    """Reduce a picture by the smallest whole factor that leaves at most :data:`WORKING_PIXELS`."""
    return _reduced(image, WORKING_PIXELS)


def statistics(work: Image.Image, origin: Origin) -> dict[str, float | None]:
    """Compute every statistic of :data:`STATISTICS`.

    Parameters
    ----------
    work : PIL.Image.Image, mode RGB
        The working picture.
    origin : Origin
        What the file says.

    Returns
    -------
    dict of str to float or None
        Rounded to float32.
    """
    luma = work.convert("L")
    grey = np.asarray(luma)
    values: dict[str, float | None] = {}
    values |= _light(np.array(luma.histogram(), dtype=np.int64))
    values |= _colour(_reduced(work, COLOUR_PIXELS))
    values |= detail(grey)
    values |= _corners(grey)
    values["border_share"] = border_share(grey)
    values |= _file(work, origin)
    return {name: None if values[name] is None else float(np.float32(values[name])) for name in STATISTICS}


def jpeg_quality(table: Sequence[int]) -> float:
    """Estimate the quality setting a luminance quantisation table was made with.

    libjpeg scales the standard table by S/100, with S = 5000/q below quality q = 50 and S = 200 - 2q above, rounds
    and holds it in 1..255. The quality whose table has the nearest sum is given, the higher one on a tie.

    Source: Independent JPEG Group, jcparam.c, ``jpeg_quality_scaling`` and ``jpeg_add_quant_table``.

    Examples
    --------
    >>> jpeg_quality([1] * 64)
    100.0
    """
    qualities = np.arange(100, 0, -1)
    return float(qualities[np.argmin(np.abs(_table_sums() - sum(table)))])


@cache
def _table_sums() -> npt.NDArray[np.int64]:
    """Sums of libjpeg's luminance tables of quality 100, 99, ... 1."""
    scales = [200 - 2 * q if q >= 50 else 5000 // q for q in range(100, 0, -1)]
    return np.array([np.clip((_LUMINANCE_TABLE * s + 50) // 100, 1, 255).sum() for s in scales], dtype=np.int64)


def _reduced(image: Image.Image, most: int) -> Image.Image:
    width, height = image.size
    factor = math.ceil(math.sqrt(width * height / most))
    if factor <= 1:
        return image
    if factor > min(width, height):
        factor = math.ceil(width * height / most)
    return image.reduce((min(factor, width), min(factor, height)))


def _quantiles(histogram: Histogram, shares: Sequence[float]) -> list[int]:
    """The first level at which each share of the pixels is reached."""
    reached = np.cumsum(histogram)
    n = int(reached[-1])
    return [int(level) for level in np.searchsorted(reached, [share * n for share in shares])]


def _light(histogram: Histogram) -> dict[str, float | None]:
    n = int(histogram.sum())
    first, second = int(histogram @ _LEVELS), int(histogram @ (_LEVELS * _LEVELS))
    shares = histogram[histogram > 0] / n
    percents = (1, 5, 50, 95, 99)
    levels = _quantiles(histogram, [q / 100 for q in percents])
    quantiles = {f"brightness_p{q:02d}": level / 255 for q, level in zip(percents, levels, strict=True)}
    return {
        "brightness_mean": first / n / 255,
        **quantiles,
        "contrast_rms": math.sqrt(max(0, n * second - first * first)) / n / 255,
        "contrast_range": quantiles["brightness_p99"] - quantiles["brightness_p01"],
        "black_share": int(histogram[:6].sum()) / n,
        "white_share": int(histogram[250:].sum()) / n,
        "entropy": abs(float(-np.sum(shares * np.log2(shares)))),
    }


def _colour(work: Image.Image) -> dict[str, float | None]:
    red, green, blue = np.ascontiguousarray(np.asarray(work).reshape(-1, 3).T, dtype=np.int32)
    brightest = np.maximum(np.maximum(red, green), blue)
    chroma = brightest - np.minimum(np.minimum(red, green), blue)
    sums = [int(channel.sum()) for channel in (red, green, blue)]
    return {
        **{f"{name}_mean": s / red.size / 255 for name, s in zip(("red", "green", "blue"), sums, strict=True)},
        "saturation": int(chroma.sum()) / max(1, int(brightest.sum())),
        "chroma_p99": _quantiles(np.bincount(chroma, minlength=256), [0.99])[0] / 255,
        "colourfulness": _colourfulness(2 * (red - green), red + green - 2 * blue),
    }


def _colourfulness(rg: npt.NDArray[np.int32], yb: npt.NDArray[np.int32]) -> float:
    """From twice the opponent colours; sums are exact: at most 8 192 values, whose squares stay below 2^21."""
    n = rg.size
    sums = [int(opponent.sum(dtype=np.int64)) for opponent in (rg, yb)]
    squares = [int((opponent * opponent).sum(dtype=np.int64)) for opponent in (rg, yb)]
    variance = sum(n * q - s * s for s, q in zip(sums, squares, strict=True)) / n**2
    mean_square = sum(s * s for s in sums) / n**2
    return (math.sqrt(variance) + 0.3 * math.sqrt(mean_square)) / 2


def _corners(grey: npt.NDArray[np.uint8]) -> dict[str, float | None]:
    down, across = (math.ceil(side / 8) for side in grey.shape)
    patches = {
        "corner_top_left": grey[:down, :across],
        "corner_top_right": grey[:down, -across:],
        "corner_bottom_left": grey[-down:, :across],
        "corner_bottom_right": grey[-down:, -across:],
    }
    return {name: int(patch.sum(dtype=np.int64)) / patch.size / 255 for name, patch in patches.items()}


def _file(work: Image.Image, origin: Origin) -> dict[str, float | None]:
    n = origin.width * origin.height
    return {
        "aspect": origin.width / origin.height,
        "megapixels": n / 1e6,
        "short_side": float(min(origin.width, origin.height)),
        "working_scale": work.width / origin.width,
        "bits_per_pixel": 8 * origin.n_bytes / n,
        "jpeg_quality": None if origin.quantisation is None else jpeg_quality(origin.quantisation),
    }
