"""One decoding of a picture: its statistics, its hashes and the extractor's input.

``pixel_hash`` is over the decoded upright RGB pixels and their size. For every picture but a large JPEG these are all
its pixels, so the same picture in another lossless container, or with other metadata, has the same hash. A JPEG with
a short side of 1 024 pixels or more is decoded at a fixed fraction of its size (note ``reduced_scale``), which depends
on its header alone: JPEGs of equal coefficients still have equal hashes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from audit.extractors.base import InputSpec
from audit.pictures.decode import Decoded, Header, decode
from audit.pictures.hashes import hashes
from audit.pictures.statistics import Origin, statistics, working_picture

DRAFT_SHORT_SIDE = 512
"""A reduced JPEG keeps at least this short side, in pixels, whatever the extractor: rows do not depend on it."""

MID_GREY = (128, 128, 128)
"""What surrounds a padded picture."""

_RESAMPLE = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
}
_REDUCING_GAP = 3.0


@dataclass(frozen=True)
class Processed:
    """What one decoding gives.

    Attributes
    ----------
    row : dict
        A value for every column of :data:`audit.pictures.statistics.PICTURE_SCHEMA`.
    pixels : uint8 (size, size, 3) RGB, or None
        The extractor's input.
    header : Header
    """

    row: dict[str, Any]
    pixels: npt.NDArray[np.uint8] | None
    header: Header


def process(data: bytes, spec: InputSpec | None, *, max_pixels: int) -> Processed:
    """Decode a picture once and take from it everything an audit needs.

    Parameters
    ----------
    data : bytes
        The whole file.
    spec : InputSpec or None
        The extractor's input; None for statistics and hashes only.
    max_pixels : int
        Pictures with more are refused from their header.

    Raises
    ------
    PictureError
        With a code of :data:`audit.pictures.reasons.REASONS`.
    """
    decoded = decode(data, max_pixels=max_pixels, short_side=DRAFT_SHORT_SIDE)
    row = _row(decoded, len(data))
    if spec is None:
        return Processed(row, None, decoded.header)
    source = decoded
    short_side = math.ceil(spec.size / spec.crop)
    if decoded.scale > 1 and short_side > min(decoded.image.size):
        source = decode(data, max_pixels=max_pixels, short_side=short_side)
    return Processed(row, extractor_input(source.image, spec), decoded.header)


def extractor_input(image: Image.Image, spec: InputSpec) -> npt.NDArray[np.uint8]:
    """Resize an upright RGB picture as an extractor wants it, with antialiasing.

    Returns
    -------
    uint8 (size, size, 3), RGB
    """
    if spec.fit == "pad":
        return np.asarray(_padded(image, spec))
    left, top, across, down = _frame(*image.size, spec)
    box = (left, top, left + across, top + down)
    size = (spec.size, spec.size)
    return np.asarray(image.resize(size, _RESAMPLE[spec.resample], box=box, reducing_gap=_REDUCING_GAP))


def box_in_input(
    box: tuple[float, float, float, float], width: int, height: int, spec: InputSpec
) -> tuple[float, float, float, float]:
    """Where a box of a picture lies in the extractor's input.

    Parameters
    ----------
    box : x0, y0, x1, y1 in pixels of the upright picture
    width, height : of the picture, in pixels

    Returns
    -------
    x0, y0, x1, y1 in shares of the input's side, in [0, 1]
        What is cut off by the input is cut off the box.
    """
    left, top, across, down = _frame(width, height, spec)
    places = ((box[0] - left) / across, (box[1] - top) / down, (box[2] - left) / across, (box[3] - top) / down)
    x0, y0, x1, y1 = (min(1.0, max(0.0, place)) for place in places)
    return x0, y0, x1, y1


def box_in_picture(
    box: tuple[float, float, float, float], width: int, height: int, spec: InputSpec
) -> tuple[float, float, float, float] | None:
    """Where a box of the extractor's input lies in the picture: what :func:`box_in_input` undoes.

    Parameters
    ----------
    box : x0, y0, x1, y1 in shares of the input's side
    width, height : of the picture, in pixels

    Returns
    -------
    x0, y0, x1, y1 in shares of the picture's sides, in [0, 1]
        What lies beyond the picture is cut off; None where all of it does, on the grey around a padded picture.
    """
    left, top, across, down = _frame(width, height, spec)
    x0, x1 = (min(1.0, max(0.0, (left + share * across) / width)) for share in (box[0], box[2]))
    y0, y1 = (min(1.0, max(0.0, (top + share * down) / height)) for share in (box[1], box[3]))
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _frame(width: int, height: int, spec: InputSpec) -> tuple[float, float, float, float]:
    """What of a picture the input shows, in its pixels: left, top, width and height; more than all of it if padded."""
    if spec.fit == "pad":
        across = down = float(max(width, height))
    elif spec.fit == "crop":
        across = down = min(width, height) * spec.crop
    else:
        across, down = width * spec.crop, height * spec.crop
    return (width - across) / 2, (height - down) / 2, across, down


def _padded(image: Image.Image, spec: InputSpec) -> Image.Image:
    scale = spec.size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    inner = image.resize((width, height), _RESAMPLE[spec.resample], reducing_gap=_REDUCING_GAP)
    square = Image.new("RGB", (spec.size, spec.size), MID_GREY)
    square.paste(inner, ((spec.size - width) // 2, (spec.size - height) // 2))
    return square


def _row(decoded: Decoded, n_bytes: int) -> dict[str, Any]:
    header = decoded.header
    origin = Origin(header.width, header.height, n_bytes, decoded.quantisation)
    return {
        **statistics(working_picture(decoded.image), origin),
        "notes": list(decoded.notes),
        **hashes(np.asarray(decoded.image), decoded.image),
    }
