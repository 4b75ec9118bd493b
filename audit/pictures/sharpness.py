"""How sharp a picture is where it is sharpest, how much detail it has, and whether it stands in a frame.

A blur by a Gaussian of s pixels bounds how much gradient energy a second, known blur can take away, whatever the
content: an edge keeps s / sqrt(s^2 + t^2) of it under a second blur of t pixels, white noise (s^2 / (s^2 + t^2))^2.
So the ratio of gradient energy before and after a fixed re-blur (t = 1 pixel) is near 1 only in blurred pictures.
It is taken by tiles, and from the tiles with the strongest structure: a sharp subject before a soft background counts
as sharp, and compression noise in empty parts counts for nothing.

Source: the re-blur idea of Crete, Dolmiere, Ladret and Nicolas, "The blur effect: perception and estimation with a
new no-reference perceptual blur metric", SPIE 2007; the edge ratio of Zhuo and Sim, "Defocus map estimation from a
single image", Pattern Recognition 2011, eq. 6; tiles and quantile are this project's.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

TILE = 16
"""Side of a tile, in working pixels."""

_RADIUS = 2
_EDGE = 16 * 16
"""An edge: 16 grey levels per pixel, in sixteenths of a level."""
_STRUCTURE = 8 * 8
"""Half a level per pixel, in sixteenths of a level, squared: a tile with less has nothing to be sharp."""
_ROUNDING = 128 * 85
"""What rounding to whole levels adds to the energy of a tile (128 gradients) before the re-blur, in sixteenths of a
level squared: 4 / 12 of a level squared per gradient. After the re-blur next to nothing of it is left."""
_FLOOR = 128 * 128
"""Added to both energies, so that what is left of noise in a nearly smooth tile is not taken for detail."""
_STRONG = 10
"""A tile counts when it has at least a tenth of the strongest tile's energy."""


def detail(grey: npt.NDArray[np.uint8]) -> dict[str, float | None]:
    """Sharpness and edge share of a luma picture.

    Parameters
    ----------
    grey : uint8 (h, w), 0..255

    Returns
    -------
    dict
        ``sharpness``: the 90 % quantile, over the quarter of the tiles with most gradient energy after the re-blur
        (at least a tenth of the strongest tile's), of (E_before - r + c) / (E_after + c), with r for rounding and a
        floor c; >= 1, no unit. None where it cannot be told: below 8 pixels on a side, or when the strongest tile's
        gradient after the re-blur is below half a level (root mean square).
        ``edge_share``: share of pixels with a gradient above 16 levels per pixel, 0..1.
        Gradients are taken on every second row.
    """
    if min(grey.shape) < 4 * _RADIUS:
        return {"sharpness": None, "edge_share": 0.0}
    soft = binomial_blur(grey)
    soft >>= 4
    sharp = grey[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS].astype(np.uint16)
    sharp <<= 4
    before, after = gradient_energy(sharp.view(np.int16)), gradient_energy(soft.view(np.int16))
    return {
        "sharpness": _tile_ratio(tile_sums(before), tile_sums(after), before.size),
        "edge_share": int(np.count_nonzero(before > _EDGE * _EDGE)) / before.size,
    }


def binomial_blur(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint16]:
    """Blur with the kernel [1 4 6 4 1] x [1 4 6 4 1] (variance 1 pixel^2), without padding.

    Parameters
    ----------
    grey : uint8 (h, w)

    Returns
    -------
    uint16 (h - 4, w - 4)
        256 times the blurred levels, exact.
    """
    total = grey.astype(np.uint16)
    for _ in range(2 * _RADIUS):
        total = total[1:] + total[:-1]
    for _ in range(2 * _RADIUS):
        total = total[:, 1:] + total[:, :-1]
    return total


def gradient_energy(levels: npt.NDArray[np.int16]) -> npt.NDArray[np.int32]:
    """Squared length of the forward-difference gradient on every second row.

    Parameters
    ----------
    levels : int16 (h, w), 0..4095

    Returns
    -------
    int32 (h // 2, w - 1)
        Exact: at most 2 x 4 095^2.
    """
    n = levels.shape[0] // 2
    upper, lower = levels[: 2 * n : 2], levels[1 : 2 * n : 2]
    across: npt.NDArray[np.int32] = (upper[:, 1:] - upper[:, :-1]).astype(np.int32)
    down = (lower[:, :-1] - upper[:, :-1]).astype(np.int32)
    across *= across
    down *= down
    across += down
    return across


def tile_sums(energy: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Sum over tiles of 16 x 16 pixels (8 x 16 gradients).

    The rest at the right and bottom is left out; a picture smaller than a tile is one tile.
    """
    height, width = energy.shape
    down, across = min(TILE // 2, height), min(TILE, width)
    rows, columns = height // down, width // across
    kept = energy[: rows * down, : columns * across]
    by_rows = kept.reshape(rows, down, columns * across).sum(axis=1, dtype=np.int64)
    total: npt.NDArray[np.int64] = by_rows.reshape(rows, columns, across).sum(axis=2)
    return total.ravel()


def border_share(grey: npt.NDArray[np.uint8]) -> float:
    """Share of the area that lies in a straight, uniform frame or bar at the edges, 0..1.

    A side's bar is its run of rows (columns) that vary by at most 8 levels and stay within 8 levels of the outermost;
    it counts when half the pixels of one of the next two rows differ from it by more than 24 levels, which tells a
    frame from the plain background of an object. A picture that is one plain area has no frame.
    """
    height, width = grey.shape
    top, bottom = _bar(grey), _bar(grey[::-1])
    left, right = _bar(grey.T), _bar(grey.T[::-1])
    inner: int = (height - top - bottom) * (width - left - right)
    return 1.0 - inner / float(height * width)


def _bar(lines: npt.NDArray[np.uint8]) -> int:
    outer = int(lines[0].mean())
    if int(lines[0].max()) - int(lines[0].min()) > 8:
        return 0
    low, high = lines.min(axis=1), lines.max(axis=1)
    plain = (low.astype(np.int16) >= outer - 8) & (high.astype(np.int16) <= outer + 8)
    if plain.all():
        return 0
    n = int(np.argmin(plain))
    beyond = np.abs(lines[n : n + 2].astype(np.int16) - outer) > 24
    return n if float(beyond.mean(axis=1).max()) >= 0.5 else 0


def _tile_ratio(before: npt.NDArray[np.int64], after: npt.NDArray[np.int64], n_gradients: int) -> float | None:
    if int(after.max()) < _STRUCTURE * min(TILE * TILE // 2, n_gradients):
        return None
    n = max(1, len(after) // 4)
    strongest = np.argsort(after, kind="stable")[-max(n, min(4, len(after))) :]
    strongest = strongest[_STRONG * after[strongest] >= after.max()]
    sharp, soft = before[strongest] - _ROUNDING, after[strongest]
    ratios = np.sort((np.maximum(sharp, soft) + _FLOOR) / (soft + _FLOOR))
    return float(ratios[math.floor(0.9 * (len(ratios) - 1))])
