"""What was done to a picture to make its copy, in words, read off the alignment."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from audit.duplicates.looks import (
    ANTITRANSPOSED,
    AS_IS,
    FLIPPED,
    HALF_TURN,
    MIRRORED,
    QUARTER_BACK,
    QUARTER_TURN,
    SIDEWAYS,
    TRANSPOSED,
)

WORDS = {
    AS_IS: "",
    MIRRORED: "mirrored",
    HALF_TURN: "turned by 180°",
    FLIPPED: "flipped upside down",
    QUARTER_TURN: "turned by 90°",
    QUARTER_BACK: "turned by 90°",
    TRANSPOSED: "mirrored and turned by 90°",
    ANTITRANSPOSED: "mirrored and turned by 90°",
}

_ANGLE, _ZOOM, _RESIZED, _BRIGHTER = 1.5, 1.013, 1.08, 1.1

Size = tuple[int, int]


def what_was_done(
    warp: npt.NDArray[np.float32],
    orientation: int,
    covered: float,
    *,
    sizes: Sequence[Size],
    means: Sequence[float],
    backwards: bool = False,
) -> str:
    """Words for the change from the first picture to the second, or back.

    Parameters
    ----------
    warp : float32 (2, 3)
        Of the first onto the second as it was laid.
    orientation : int
    covered : float, in [0, 1]
    sizes : (width, height) of each, in pixels
    means : mean luma of each, 0..255
    backwards : bool
        Say what made the first from the second.

    Returns
    -------
    str
        Such as "mirrored, rotated by 5°"; "re-saved" when nothing else is seen.
    """
    (w1, h1), (w2, h2) = sizes
    if orientation in SIDEWAYS:
        w2, h2 = h2, w2
    linear = np.asarray(warp, dtype=np.float64)[:, 1:]
    pixels = np.diag([w2, h2]) @ linear @ np.diag([1 / w1, 1 / h1])
    angle = abs(math.degrees(math.atan2(pixels[1, 0] - pixels[0, 1], pixels[0, 0] + pixels[1, 1])))
    scale, zoom, ratio = (max(x, 1e-3) for x in (_root(pixels), _root(linear), means[1] / max(means[0], 1.0)))
    if backwards:
        scale, zoom, ratio = 1 / scale, 1 / zoom, 1 / ratio
    said = [
        WORDS[orientation],
        f"rotated by {angle:.0f}°" if angle >= _ANGLE else "",
        f"cropped to {zoom**-2:.0%}" if zoom > _ZOOM and angle < _ANGLE else "",
        f"margin added, {zoom**2:.0%} is the picture" if zoom < 1 / _ZOOM and angle < _ANGLE else "",
        f"resized × {scale:.2g}" if abs(math.log(scale)) > math.log(_RESIZED) else "",
        f"{covered:.0%} covered" if covered > 0.01 else "",
        "brighter" if ratio > _BRIGHTER else "darker" if ratio < 1 / _BRIGHTER else "",
    ]
    return ", ".join(word for word in said if word) or "re-saved"


def _root(matrix: npt.NDArray[np.float64]) -> float:
    return math.sqrt(abs(float(np.linalg.det(matrix))))
