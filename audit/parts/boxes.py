"""Where the object of a picture is when nobody drew a box: the places at which a network's last map is strongest.

Source: M. B. Muhammad, M. Yeasin, "Eigen-CAM: Class Activation Map using Principal Components", IJCNN 2020.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from threadpoolctl import threadpool_limits

SALIENT = 0.6
"""A place belongs to the object from this share of the way between the weakest and the strongest of its picture."""

RASTER = 16
"""Saliency is interpolated to so many places along each side, and the box has its edges on them."""

WIDER = 0.10
"""A box is widened by this share of its side on every side before the background is looked at alone."""

CORE = 0.5
"""A box that was found, not given, has background at its edges: of its width and height this share is the object."""

SIZES = 0.125
"""The sides of a hole are multiples of this share of the picture's."""

Floats = npt.NDArray[np.float32]
Maps = npt.NDArray[np.floating]


def saliency(maps: Maps) -> npt.NDArray[np.float64]:
    """How strongly each place takes part in what is strongest in its picture (Eigen-CAM).

    With A (positions, c) the map of one picture and v its first right singular vector, |A v|: computed as
    the first eigenvector of A Aᵀ, in float64, so that c may be thousands.

    Parameters
    ----------
    maps : float (m, positions, c)
        Activations, at or above 0 where nothing is seen; NaN counts as 0.

    Returns
    -------
    float64 (m, positions), >= 0, unit length per picture

    Source: Muhammad and Yeasin (2020), equation 5.
    """
    strength = np.empty(maps.shape[:2])
    with threadpool_limits(limits=1):
        for row, picture in enumerate(maps):
            values = np.nan_to_num(picture.astype(np.float64))
            strength[row] = np.abs(np.linalg.eigh(values @ values.T)[1][:, -1])
    return strength


def saliency_box(maps: Maps, *, threshold: float = SALIENT) -> Floats:
    """Box around the connected places where a picture is most salient.

    Saliency is interpolated bilinearly to ``RASTER`` places a side and scaled to [0, 1] within the picture; of the
    connected regions (by sides) at or above ``threshold`` the one with the greatest sum is boxed. A picture that is
    alike everywhere has the whole of itself as box.

    Parameters
    ----------
    maps : float (m, positions, c)
        Row by row; positions is a square number.
    threshold : float, in (0, 1]

    Returns
    -------
    float32 (m, 4), in [0, 1]
        x0, y0, x1, y1 in shares of the sides.

    Raises
    ------
    ValueError
        If the number of positions is no square.
    """
    side = round(maps.shape[1] ** 0.5)
    if side * side != maps.shape[1] or side == 0:
        raise ValueError(f"a map is a square of places, row by row; got {maps.shape[1]} positions")
    blend = _interpolation(side, RASTER)
    fine = np.einsum("ui,mij,vj->muv", blend, saliency(maps).reshape(-1, side, side), blend)
    return np.array([_box(one, threshold) for one in fine], dtype=np.float32).reshape(-1, 4)


def widened(boxes: Floats, by: float = WIDER) -> Floats:
    """The hole that a box leaves when the background is looked at alone: wider, square, and of one of a few sizes.

    A filling shows where it is, and the shape of a tight box tells classes apart (of drawn cars and mugs always). So
    ``by`` of its width and height is added on each side, and it grows about its middle to a square, in shares of the
    sides, of a multiple of ``SIZES``; it is moved into the picture. Where that square would be the whole picture the
    wider box is only cut at the picture.

    Parameters
    ----------
    boxes : float32 (m, 4), in [0, 1]
    by : float

    Returns
    -------
    float32 (m, 4), in [0, 1]
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    grown = np.clip(np.concatenate([boxes[:, :2] - by * sides, boxes[:, 2:] + by * sides], axis=1), 0, 1)
    side = np.ceil((grown[:, 2:] - grown[:, :2]).max(axis=1, keepdims=True) / SIZES - 1e-4) * SIZES
    corner = np.clip((grown[:, :2] + grown[:, 2:] - side) / 2, 0, np.maximum(1 - side, 0))
    holes: Floats = np.where(side < 1, np.concatenate([corner, corner + side], axis=1), grown).astype(np.float32)
    return holes


def core(boxes: Floats, share: float = CORE) -> Floats:
    """The middle of boxes that were found: what is shown as the object alone.

    A box around the strongest places of a coarse map is larger than the object (of drawn scenes 56 % of it was
    background), and a background seen in the "object" too would count as the object's. Its middle is on the object
    more often than its edges.

    Parameters
    ----------
    boxes : float32 (m, 4), in [0, 1]
    share : float, in (0, 1]
        Of the width and of the height.

    Returns
    -------
    float32 (m, 4), in [0, 1]

    Source: measured, ADR 28.
    """
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) * np.float32(share / 2)
    inner: Floats = np.concatenate([middle - half, middle + half], axis=1).astype(np.float32)
    return inner


def areas(boxes: Floats) -> npt.NDArray[np.float64]:
    """Share of the picture that each box takes, float64 (m,), in [0, 1]."""
    sides = boxes[:, 2:].astype(np.float64) - boxes[:, :2]
    return np.asarray(sides[:, 0] * sides[:, 1])


def _box(saliency: npt.NDArray[np.float64], threshold: float) -> tuple[float, float, float, float]:
    low, high = float(saliency.min()), float(saliency.max())
    if high - low <= 1e-9 * max(high, 1e-300):
        return 0.0, 0.0, 1.0, 1.0
    scaled = (saliency - low) / (high - low)
    regions, n = ndimage.label(scaled >= threshold)
    sums = ndimage.sum_labels(scaled, regions, np.arange(1, n + 1))
    rows, columns = np.nonzero(regions == 1 + int(np.argmax(sums)))
    across, down = saliency.shape[1], saliency.shape[0]
    return columns.min() / across, rows.min() / down, (columns.max() + 1) / across, (rows.max() + 1) / down


def _interpolation(n_from: int, n_to: int) -> npt.NDArray[np.float64]:
    """Weights of bilinear interpolation between the centres of cells, float64 (n_to, n_from), rows sum to 1."""
    at = np.clip((np.arange(n_to) + 0.5) / n_to * n_from - 0.5, 0, n_from - 1)
    left = np.minimum(at.astype(np.int64), max(n_from - 2, 0))
    weights = np.zeros((n_to, n_from))
    weights[np.arange(n_to), left] += 1 - (at - left)
    weights[np.arange(n_to), np.minimum(left + 1, n_from - 1)] += at - left
    return weights
