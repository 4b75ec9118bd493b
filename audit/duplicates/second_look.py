"""The second look: align two thumbnails, set a covered part aside, and measure how much the rest differs.

Source: see :mod:`audit.maths.alignment`; local contrast normalisation after N. Pinto, D. Cox and J. DiCarlo, "Why is
real-world visual object recognition hard?", PLoS Comput. Biol. 4(1), 2008.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.duplicates.looks import Looks, orient
from audit.maths.alignment import identity, refine, sample, standardise
from audit.pictures.hashes import LUMA_SIDE

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

REJECTED = 1.0
"""Distance of a pair that was given up on the way."""

MAX_COVERED = 0.25
"""Largest share of the picture that one rectangle may cover and still be set aside."""

_GRID = 8
_CELL = LUMA_SIDE // _GRID
_BLOCK = 512
_KEEP_COARSE = 0.55
_FINE_SIGMA, _WIDE_SIGMA, _LOCAL_SIGMA, _NOISE = 0.75, 3.0, 3.75, 4.0


@dataclass(frozen=True)
class SecondLook:
    """What the second look saw of p pairs.

    Attributes
    ----------
    distance : float32 (p,), in [0, 1]
        1 - correlation of the aligned, locally normalised thumbnails outside the covered part.
    covered : float32 (p,), in [0, MAX_COVERED]
        Share of the picture set aside as covered.
    warp : float32 (p, 2, 3)
        Where the first picture's points lie in the second (:mod:`audit.maths.alignment`).
    """

    distance: Float32
    covered: Float32
    warp: Float32


def look_again(left: Looks, right: Looks, pairs: Int64, orientation: npt.NDArray[np.int8]) -> SecondLook:
    """Compare pairs of pictures closely, from their thumbnails.

    Parameters
    ----------
    left, right : Looks
        May be the same object.
    pairs : int64 (p, 2)
        Row in ``left``, row in ``right``.
    orientation : int8 (p,)
        How the right picture is laid (:func:`audit.duplicates.looks.orient`).

    Returns
    -------
    SecondLook
    """
    p = len(pairs)
    seen = SecondLook(np.full(p, REJECTED, np.float32), np.zeros(p, np.float32), identity(p))
    for start in range(0, p, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, p))
        first = left.luma[pairs[rows, 0]].astype(np.float32)
        second = _laid(right, pairs[rows, 1], orientation[rows])
        alive, warp = _align(first, second)
        distance, covered = _compare(first[alive], second[alive], warp)
        seen.distance[rows[alive]], seen.covered[rows[alive]], seen.warp[rows[alive]] = distance, covered, warp
    return seen


def _laid(looks: Looks, rows: Int64, orientation: npt.NDArray[np.int8]) -> Float32:
    pictures = looks.luma[rows].astype(np.float32)
    for code in np.unique(orientation):
        where = orientation == code
        pictures[where] = orient(pictures[where], int(code))
    return pictures


def _align(first: Float32, second: Float32) -> tuple[Int64, Float32]:
    """Warps of the pairs that are worth going on with, coarse to fine."""
    coarse = [_blurred(_shrunk(x, 3), 0.5) for x in (first, second)]
    warp = refine(coarse[0], coarse[1], identity(len(first)), n_steps=6)
    alive = np.flatnonzero(_likeness(coarse[0], coarse[1], warp) >= _KEEP_COARSE)
    fine = [_band(_shrunk(x[alive], 2), 0.5, 5.0) for x in (first, second)]
    return alive, refine(fine[0], fine[1], warp[alive], n_steps=5)


def _likeness(first: Float32, second: Float32, warp: Float32) -> Float32:
    """Correlation of the aligned pair after leaving out the tenth that differs most."""
    values, inside = sample(second, warp)
    weights = inside.astype(np.float32)
    flat = first.reshape(len(first), -1)
    apart = np.abs(standardise(flat, weights) - standardise(values, weights)) * weights
    weights *= apart <= np.quantile(apart, 0.9, axis=1, keepdims=True)
    return _correlation(flat, values, weights)


def _compare(first: Float32, second: Float32, warp: Float32) -> tuple[Float32, Float32]:
    n = len(first)
    if n == 0:
        return np.empty(0, np.float32), np.empty(0, np.float32)
    flat = _normalised(first).reshape(n, -1)
    values, inside = sample(_normalised(second), warp)
    everywhere = inside.astype(np.float32)
    weights = everywhere
    for _ in range(2):
        residual = np.square(standardise(flat, weights) - standardise(values, weights)) * everywhere
        rectangle = _worst_rectangle(residual, everywhere)
        weights = everywhere * ~rectangle
    distance = 1 - np.clip(_correlation(flat, values, weights), 0, 1)
    covered = 1 - weights.sum(axis=1) / np.maximum(everywhere.sum(axis=1), 1)
    return distance.astype(np.float32), covered.astype(np.float32)


def _correlation(first: Float32, second: Float32, weights: Float32) -> Float32:
    product = np.einsum("np,np,np->n", standardise(first, weights), standardise(second, weights), weights)
    correlation: Float32 = product / np.maximum(weights.sum(axis=1), 1)
    return correlation


def _worst_rectangle(residual: Float32, inside: Float32) -> npt.NDArray[np.bool_]:
    """The rectangle of cells whose residual most exceeds the pair's mean, bool (n, p)."""
    n = len(residual)
    energy, area = (x.reshape(n, _GRID, _CELL, _GRID, _CELL).sum(axis=(2, 4)) for x in (residual, inside))
    mean = energy.sum(axis=(1, 2)) / np.maximum(area.sum(axis=(1, 2)), 1)
    excess = np.zeros((n, _GRID + 1, _GRID + 1), dtype=np.float64)
    excess[:, 1:, 1:] = (energy - mean[:, None, None] * area).cumsum(axis=1).cumsum(axis=2)
    top, bottom, left, right = _RECTANGLES
    sums = excess[:, bottom, right] - excess[:, top, right] - excess[:, bottom, left] + excess[:, top, left]
    cells = _RECTANGLE_CELLS[sums.argmax(axis=1)]
    return cells.repeat(_CELL, axis=1).repeat(_CELL, axis=2).reshape(n, -1)


def _rectangles() -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    edges = [(a, b) for a in range(_GRID) for b in range(a + 1, _GRID + 1)]
    limit = MAX_COVERED * _GRID**2
    found = [(t, b, x0, x1) for t, b in edges for x0, x1 in edges if (b - t) * (x1 - x0) <= limit]
    cells = np.zeros((len(found), _GRID, _GRID), dtype=np.bool_)
    for number, (t, b, x0, x1) in enumerate(found):
        cells[number, t:b, x0:x1] = True
    return np.array(found).T, cells


_RECTANGLES, _RECTANGLE_CELLS = _rectangles()


def _normalised(pictures: Float32) -> Float32:
    """Band-passed pictures over their local contrast, so that one strong edge does not decide alone."""
    band = _band(pictures, _FINE_SIGMA, _WIDE_SIGMA)
    local: Float32 = band / (np.sqrt(np.maximum(_blurred(band * band, _LOCAL_SIGMA), 0)) + _NOISE)
    return local.astype(np.float32)


def _band(pictures: Float32, fine: float, wide: float) -> Float32:
    return _blurred(pictures, fine) - _blurred(pictures, wide)


def _blurred(pictures: Float32, sigma: float) -> Float32:
    """Gaussian blur of (n, s, s), edges repeated by renormalising the kernel."""
    side = pictures.shape[-1]
    apart = np.subtract.outer(np.arange(side), np.arange(side))
    kernel = np.exp(-0.5 * np.square(apart / sigma))
    kernel = (kernel / kernel.sum(axis=1, keepdims=True)).astype(np.float32)
    blurred: Float32 = kernel @ pictures @ kernel.T
    return blurred


def _shrunk(pictures: Float32, factor: int) -> Float32:
    n, side, _ = pictures.shape
    small = side // factor
    shrunk: Float32 = pictures.reshape(n, small, factor, small, factor).mean(axis=(2, 4), dtype=np.float32)
    return shrunk
