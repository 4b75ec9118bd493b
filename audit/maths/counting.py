"""The pass of :mod:`audit.maths.histograms` over activations, compiled by numba (ADR 0015).

Only :func:`audit.maths.histograms.count` imports it, when something is counted.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from audit.maths import histograms
from audit.maths.compiled import Compiled, inlined
from audit.maths.histograms import (
    COARSE_OF_BIN,
    INNER_BINS,
    MEAN_UNIT,
    N_BINS,
    N_COARSE,
    N_SPREAD,
    REACH,
    SPREAD_UNIT,
    STEP,
    Bits,
    ByImage,
    Floats,
    Ints,
    Places,
    Sums,
)

_BLOCK = 64
"""Neurons counted together: what is known of them stays in the nearest cache while an image passes by."""
_RANGE = INNER_BINS * STEP
_FURTHEST = np.float32(REACH * STEP)
_ZERO, _ONE, _LAST, _MISSING = (np.float32(value) for value in (0, 1, N_BINS - 1, N_BINS))
_STEPS = STEP // MEAN_UNIT
_BIN = np.float32(1 / STEP)
_COARSE = np.append(COARSE_OF_BIN, N_COARSE).astype(np.uint8)

Bins = npt.NDArray[np.uint8]


class _Block(NamedTuple):
    """The neurons of a block: ``counts`` and ``tails`` over the whole batch, the rest of the image that passes by.

    Attributes
    ----------
    low, scale : float32 (w,)
    counts : int64 (w, 129)
        The last bin is for NaN.
    tails : int64 (2, w)
        In 1/256 bins.
    coarse : int32 (w, 18)
        The last one is for NaN.
    sums : int64 (3, w)
        Summed steps (1/256 bins) of all places and of those at the border, and how many of the latter are numbers.
    top : float32 (w,)
        In 1/256 bins.
    place : int32 (w,)
    u : float32 (w,)
        One place of the image, in 1/256 bins.
    step : int32 (w,)
        The same, cut to whole numbers; 0 where NaN.
    bin : uint8 (w,)
    squares : int64 (positions + 1,)
        (i / positions)², in 2**-30.
    """

    low: Floats
    scale: Floats
    counts: Ints
    tails: Ints
    coarse: Places
    sums: Ints
    top: Floats
    place: Places
    u: Floats
    step: Places
    bin: Bins
    squares: Ints


@inlined
def _begin(block: _Block) -> None:
    """Begin an image."""
    coarse, sums, top, place = block.coarse, block.sums, block.top, block.place
    for k in range(_BLOCK):
        for i in range(N_COARSE + 1):
            coarse[k, i] = 0
        sums[0, k] = sums[1, k] = sums[2, k] = 0
        top[k] = -np.inf
        place[k] = -1


@inlined
def _see(values: Floats, start: int, width: int, is_ring: Bits, block: _Block) -> None:
    """Place and count the activations of one image, (positions, c): float32 until a position is cut, then integers."""
    low, scale, u, step, bins = block.low, block.scale, block.u, block.step, block.bin
    counts, coarse, tails, sums = block.counts, block.coarse, block.tails, block.sums
    top, where = block.top, block.place
    for p in range(len(values)):
        row = values[p, start : start + width]
        for k in range(width):
            value = (row[k] - low[k]) * scale[k]
            value = _FURTHEST if value > _FURTHEST else value
            u[k] = -_FURTHEST if value < -_FURTHEST else value
        for k in range(width):
            is_number = u[k] == u[k]
            whole = np.floor(u[k] if is_number else _ZERO)
            inner = np.floor(whole * _BIN) + _ONE
            inner = _ZERO if inner < _ZERO else inner
            inner = _LAST if inner > _LAST else inner
            step[k] = np.int32(whole)
            bins[k] = np.uint8(np.int32(inner if is_number else _MISSING))
        for k in range(width):
            is_larger = u[k] > top[k]
            top[k] = u[k] if is_larger else top[k]
            where[k] = np.int32(p) if is_larger else where[k]
        for k in range(width):
            sums[0, k] += step[k]
            tails[0, k] -= min(step[k], np.int32(0))
            tails[1, k] += max(step[k] - np.int32(_RANGE), np.int32(0))
        for k in range(width):
            counts[k, bins[k]] += 1
            coarse[k, _COARSE[bins[k]]] += 1
        if is_ring[p]:
            for k in range(width):
                sums[1, k] += step[k]
                sums[2, k] += bins[k] != N_BINS


@inlined
def _square(below: int, n: int) -> np.int64:
    """A squared share, in 2**-30."""
    share = below / n
    return np.int64(np.rint(share * share * SPREAD_UNIT))


@inlined
def _end(start: int, width: int, place: tuple[int, int], block: _Block, into: Sums) -> None:
    """Add what is known of the image, whose bucket and number of positions are ``place``, to the state."""
    coarse, total, squares, buckets, spread = block.coarse, block.sums, block.squares, into.buckets, into.spread
    n_images, mean_sum, mean_square = into.n_images, into.mean_sum, into.mean_square
    bucket, positions = place
    for k in range(width):
        row = start + k
        n = positions - coarse[k, N_COARSE]
        if n == 0:
            continue
        for i in range(N_COARSE):
            buckets[row, bucket, i] += coarse[k, i]
        n_images[row] += 1
        mean = np.int64(np.floor(total[0, k] / (n * _STEPS)))  # exact: the dividend is less than 2**53
        mean_sum[row] += mean
        mean_square[row] += mean * mean
        below = 0
        for i in range(N_SPREAD):
            below += coarse[k, i]
            spread[row, i] += squares[below] if n == positions else _square(below, n)


@inlined
def _mean(total: int, n: int) -> float:
    """A mean of cut positions in parts of the range; they lie half a step low, which is added."""
    return (total + 0.5 * n) / (n * _RANGE) if n else np.nan


@inlined
def _describe(start: int, width: int, place: tuple[int, int], block: _Block, into: ByImage) -> None:
    """Write what the image, whose row and number of positions are ``place``, gave."""
    coarse, sums, top, where = block.coarse, block.sums, block.top, block.place
    mean, border, tops, places = into
    image, positions = place
    for k in range(width):
        n = positions - coarse[k, N_COARSE]
        mean[image, start + k] = _mean(sums[0, k], n)
        tops[image, start + k] = top[k] / _RANGE if n else np.nan
        places[image, start + k] = where[k]
    if border.shape[1]:
        for k in range(width):
            border[image, start + k] = _mean(sums[1, k], sums[2, k])


@inlined
def _leave(start: int, width: int, block: _Block, into: Sums) -> None:
    """Add what is known of the batch to the state, and forget it."""
    counts, tails = block.counts, block.tails
    for k in range(width):
        for j in range(N_BINS):
            into.counts[start + k, j] += counts[k, j]
            counts[k, j] = 0
        into.n_nan[start + k] += counts[k, N_BINS]
        counts[k, N_BINS] = 0
        for side in range(2):
            into.tails[start + k, side] += tails[side, k]
            tails[side, k] = 0


@inlined
def _new_block(positions: int) -> _Block:
    squares = np.zeros(positions + 1, np.int64)
    for below in range(positions):
        squares[below + 1] = _square(below + 1, positions)
    return _Block(
        np.zeros(_BLOCK, np.float32),
        np.zeros(_BLOCK, np.float32),
        np.zeros((_BLOCK, N_BINS + 1), np.int64),
        np.zeros((2, _BLOCK), np.int64),
        np.zeros((_BLOCK, N_COARSE + 1), np.int32),
        np.zeros((3, _BLOCK), np.int64),
        np.zeros(_BLOCK, np.float32),
        np.zeros(_BLOCK, np.int32),
        np.zeros(_BLOCK, np.float32),
        np.zeros(_BLOCK, np.int32),
        np.zeros(_BLOCK, np.uint8),
        squares,
    )


def _count(values: Floats, ranges: Floats, buckets: Ints, is_ring: Bits, into: tuple[Sums, ByImage]) -> None:
    """Count a batch; ``ranges`` are low and scale, float32 (2, c)."""
    sums, images = into
    n, positions, c = values.shape
    block = _new_block(positions)
    for start in range(0, c, _BLOCK):
        stop = min(c, start + _BLOCK)
        for k in range(stop - start):
            block.low[k], block.scale[k] = ranges[0, start + k], ranges[1, start + k]
        for i in range(n):
            _begin(block)
            _see(values[i], start, stop - start, is_ring, block)
            _end(start, stop - start, (buckets[i], positions), block, sums)
            _describe(start, stop - start, (i, positions), block, images)
        _leave(start, stop - start, block, sums)


def count(values: Floats, ranges: Floats, buckets: Ints, ring: Bits, sums: Sums) -> ByImage:
    """As :func:`audit.maths.histograms.count`, of arguments that were checked; ``ranges`` are low and scale (2, c)."""
    b, _, c = values.shape
    images = _empty(b, c, c if ring.any() else 0)
    values = values if values.flags.c_contiguous and values.flags.writeable else np.array(values, np.float32, order="C")
    PASS(values, ranges, np.array(buckets), ring, (sums, images))
    return images


def _empty(b: int, c: int, n_border: int) -> ByImage:
    return ByImage(
        np.empty((b, c), np.float32),
        np.empty((b, n_border), np.float32),
        np.empty((b, c), np.float32),
        np.empty((b, c), np.int32),
    )


def _nothing() -> tuple[Any, ...]:
    sums = Sums(*(np.zeros((0, *shape), np.int64) for shape in histograms.SHAPES))
    values, ranges = np.zeros((0, 0, 0), np.float32), np.zeros((2, 0), np.float32)
    return values, ranges, np.zeros(0, np.int64), np.zeros(0, bool), (sums, _empty(0, 0, 0))


PASS = Compiled(_count, _nothing, reads=(histograms,))
