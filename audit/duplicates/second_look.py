"""The second look: align two thumbnails, set a covered part aside, and measure how much the rest differs.

Source: see :mod:`audit.maths.alignment`; local contrast normalisation after N. Pinto, D. Cox and J. DiCarlo, "Why is
real-world visual object recognition hard?", PLoS Comput. Biol. 4(1), 2008; the effective number of pixels is the
participation ratio, R. Bell and P. Dean, Discuss. Faraday Soc. 50, 1970.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import numpy.typing as npt

from audit.duplicates.looks import TURNED, Looks, orient
from audit.maths.alignment import identity, refine, sample, standardise
from audit.maths.rectangles import worst_rectangle
from audit.pictures.hashes import CHROMA_SIDE, LUMA_SIDE

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

REJECTED = 1.0
"""Distance of a pair that was given up on the way, and the largest there is."""

LOSS_PRICE = 0.1
"""What setting aside all structure of a picture would add to its distance."""

FULL_SHARE = 0.3
"""Share of effective pixels in an ordinary photograph; a drawing on white has a tenth of it and must agree more."""

COLOUR_SLACK = 6.0
"""Chroma levels by which two copies may differ without a word; twice that doubles the distance."""

TURNED_FACTOR = 2.0
"""Copies that lie on their side are rare: they must agree twice as well."""

_GREY = 3.0
_GAINS = (0.7, 0.85, 1.0, 1.2, 1.4)
_COLOUR_KEPT = 0.7
_BLOCK = 512
_KEEP_COARSE, _KEEP_FINE = 0.72, 0.75
_FINE_SIGMA, _WIDE_SIGMA, _LOCAL_SIGMA, _NOISE = 0.75, 2.2, 3.0, 4.0
_SMALL_SIDE, _SMALL_SIGMA = 24, 1.5


@dataclass(frozen=True)
class SecondLook:
    """What the second look saw of p pairs.

    Attributes
    ----------
    distance : float32 (p,), in [0, 1]
        See :func:`look_again`.
    covered : float32 (p,), in [0, 1]
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

    Notes
    -----
    With r the correlation of the aligned, locally normalised thumbnails, r' the same without the rectangle that
    differs most, e the share of structure (squared normalised value) that rectangle held, f the share of effective
    pixels, (sum a^2)^2 / (n sum a^4), and c the median-like colour difference in levels:

        distance = min(1 - r, 1 - r' + 0.1 e) * sqrt(max(1, 0.3 / f)) * (1 + max(0, c - 6) / 6) * (2 if turned)

    Where one of the two is smaller than 24 pixels, only structure that such a picture can hold is compared. Each
    factor answers a way in which different pictures pass for copies: a covered part that hides all that differs,
    plain drawings, the same cut in another colour, chance fits of turned pictures.
    """
    p = len(pairs)
    seen = SecondLook(np.full(p, REJECTED, np.float32), np.zeros(p, np.float32), identity(p))
    blocks = [np.arange(start, min(start + _BLOCK, p)) for start in range(0, p, _BLOCK)]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as threads:
        look = partial(_look_block, left, right, pairs, orientation)
        for rows, (alive, distance, covered, warp) in zip(blocks, threads.map(look, blocks), strict=True):
            seen.distance[rows[alive]], seen.covered[rows[alive]], seen.warp[rows[alive]] = distance, covered, warp
    return seen


def _look_block(
    left: Looks, right: Looks, pairs: Int64, orientation: npt.NDArray[np.int8], rows: Int64
) -> tuple[Int64, Float32, Float32, Float32]:
    codes = orientation[rows]
    first = left.luma(pairs[rows, 0]).astype(np.float32)
    second = _laid(right.luma(pairs[rows, 1]), codes)
    alive, warp = _align(first, second)
    chosen = pairs[rows[alive]]
    small = np.minimum(left.short[chosen[:, 0]], right.short[chosen[:, 1]]) < _SMALL_SIDE
    likeness, covered = np.empty(len(alive), np.float32), np.empty(len(alive), np.float32)
    for which, sigma in ((small, _SMALL_SIGMA), (~small, _FINE_SIGMA)):
        likeness[which], covered[which] = _compare(first[alive[which]], second[alive[which]], warp[which], sigma)
    colour = _colour_difference(left.chroma(chosen[:, 0]), _laid(right.chroma(chosen[:, 1]), codes[alive]))
    distance = likeness * (1 + np.maximum(colour - COLOUR_SLACK, 0) / COLOUR_SLACK)
    distance = distance * np.where(np.isin(codes[alive], TURNED), TURNED_FACTOR, 1)
    return alive, np.minimum(distance, REJECTED).astype(np.float32), covered, warp


def _laid(pictures: npt.NDArray[np.uint8], orientation: npt.NDArray[np.int8]) -> Float32:
    laid = pictures.astype(np.float32)
    for code in np.unique(orientation):
        where = orientation == code
        laid[where] = orient(laid[where], int(code))
    return laid


def _align(first: Float32, second: Float32) -> tuple[Int64, Float32]:
    """Warps of the pairs that are worth going on with, coarse to fine; most are given up after two coarse steps."""
    coarse = [_blurred(x, 0.5, shrink=3) for x in (first, second)]
    fine = [_band(x, 0.5, 3.0, shrink=2) for x in (first, second)]
    warp = refine(coarse[0], coarse[1], identity(len(first)), n_steps=2)
    alive = np.flatnonzero(_likeness(fine[0], fine[1], warp) >= _KEEP_COARSE)
    warp = refine(coarse[0][alive], coarse[1][alive], warp[alive], n_steps=4)
    one, other = fine[0][alive], fine[1][alive]
    warp = refine(one, other, warp, n_steps=5)
    good = _likeness(one, other, warp) >= _KEEP_FINE
    return alive[good], warp[good]


def _likeness(first: Float32, second: Float32, warp: Float32) -> Float32:
    """Correlation of the aligned pair after leaving out the tenth that differs most."""
    values, inside = sample(second, warp)
    weights = inside.astype(np.float32)
    flat = first.reshape(len(first), first.shape[1] ** 2)
    apart = np.abs(standardise(flat, weights) - standardise(values, weights)) * weights
    ninth = int(0.9 * apart.shape[1])
    weights *= apart <= np.partition(apart, ninth, axis=1)[:, ninth : ninth + 1]
    return _correlation(flat, values, weights)


def _compare(first: Float32, second: Float32, warp: Float32, sigma: float) -> tuple[Float32, Float32]:
    """Distance by structure no finer than sigma thumbnail pixels, and the covered share."""
    flat = _normalised(first, sigma).reshape(len(first), LUMA_SIDE**2)
    values, inside = sample(_normalised(second, sigma), warp)
    everywhere = inside.astype(np.float32)
    plain = 1 - _correlation(flat, values, everywhere)
    weights = everywhere
    for _ in range(2):
        residual = np.square(standardise(flat, weights) - standardise(values, weights)) * everywhere
        weights = everywhere * ~worst_rectangle(residual, everywhere)
    lost = np.maximum(_share_lost(flat, everywhere, weights), _share_lost(values, everywhere, weights))
    spared = 1 - _correlation(flat, values, weights) + LOSS_PRICE * lost
    effective = np.minimum(_effective_share(flat, weights), _effective_share(values, weights))
    distance = np.minimum(plain, spared) * np.sqrt(np.maximum(1, FULL_SHARE / np.maximum(effective, 1e-3)))
    covered = np.where(spared < plain, 1 - weights.sum(axis=1) / np.maximum(everywhere.sum(axis=1), 1), 0)
    return np.clip(distance, 0, REJECTED).astype(np.float32), covered.astype(np.float32)


def _correlation(first: Float32, second: Float32, weights: Float32) -> Float32:
    product = np.einsum("np,np,np->n", standardise(first, weights), standardise(second, weights), weights)
    correlation: Float32 = product / np.maximum(weights.sum(axis=1), 1)
    return correlation


def _share_lost(values: Float32, everywhere: Float32, kept: Float32) -> Float32:
    energy = np.square(values)
    all_of_it = np.maximum(np.einsum("np,np->n", energy, everywhere), 1e-6)
    lost: Float32 = 1 - np.einsum("np,np->n", energy, kept) / all_of_it
    return lost


def _effective_share(values: Float32, weights: Float32) -> Float32:
    energy = np.square(values) * weights
    share: Float32 = np.square(energy.sum(axis=1)) / np.maximum(
        np.einsum("np,np->n", energy, energy) * values.shape[1], 1e-12
    )
    return share


def _colour_difference(first: npt.NDArray[np.uint8], second: Float32) -> Float32:
    """Mean |Cb| + |Cr| difference, in levels, over the 70 % of cells that agree best, at the best gain.

    Zero where one of the two has no colour: a grey copy is a copy.
    """
    n, kept = len(first), int(_COLOUR_KEPT * CHROMA_SIDE**2)
    one, other = first.astype(np.float32) - 128, second - 128
    at_gain = np.empty((len(_GAINS), n), dtype=np.float32)
    for number, gain in enumerate(_GAINS):
        apart = np.abs(one - other * np.float32(gain)).sum(axis=1).reshape(n, CHROMA_SIDE**2)
        at_gain[number] = np.sort(apart, axis=1)[:, :kept].mean(axis=1) / np.sqrt(gain)
    strength = [np.abs(x).sum(axis=1).mean(axis=(1, 2)) for x in (one, other)]
    return np.where(np.minimum(*strength) < _GREY, 0, at_gain.min(axis=0)).astype(np.float32)


def _normalised(pictures: Float32, sigma: float) -> Float32:
    """Band-passed pictures over their local contrast, so that one strong edge does not decide alone."""
    band = _band(pictures, sigma, _WIDE_SIGMA)
    contrast = np.sqrt(np.maximum(_blurred(np.square(band), _LOCAL_SIGMA), 0)) + _NOISE
    return (band / contrast).astype(np.float32)


def _band(pictures: Float32, fine: float, wide: float, *, shrink: int = 1) -> Float32:
    return _blurred(pictures, fine, shrink=shrink) - _blurred(pictures, wide, shrink=shrink)


def _blurred(pictures: Float32, sigma: float, *, shrink: int = 1) -> Float32:
    """Means of ``shrink`` x ``shrink`` pixels, then a Gaussian blur whose kernel is renormalised at the edges."""
    kernel = _kernel(pictures.shape[-1], sigma, shrink)
    return np.asarray(kernel @ pictures @ kernel.T, dtype=np.float32)


@cache
def _kernel(side: int, sigma: float, shrink: int) -> Float32:
    small = side // shrink
    apart = np.subtract.outer(np.arange(small), np.arange(small))
    gauss = np.exp(-0.5 * np.square(apart / sigma))
    means = np.repeat(np.eye(small), shrink, axis=1) / shrink
    return np.asarray(gauss / gauss.sum(axis=1, keepdims=True) @ means, dtype=np.float32)
