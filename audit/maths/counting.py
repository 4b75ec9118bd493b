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
_ZERO = np.float32(0)
_COARSE = np.append(COARSE_OF_BIN, N_COARSE).astype(np.uint8)

Bins = npt.NDArray[np.uint8]


class _Block(NamedTuple):
    """The neurons of a block: ``counts`` and ``tails`` over the whole batch, the rest of the image that passes by.

    Attributes
    ----------
    counts : int64 (w, 129)
        The last bin is for NaN.
    tails : int64 (2, w)
        In 1/256 bins.
    coarse : int64 (w, 18)
    sums : int64 (3, w)
        Summed steps (1/256 bins) of all places and of those at the border, and how many of the latter are numbers.
    top : float32 (w,)
        In 1/256 bins.
    place : int32 (w,)
    u : float32 (w,)
        One place of the image, in 1/256 bins; 0 where NaN.
    step : int32 (w,)
        The same, cut to whole numbers.
    bin : uint8 (w,)
    squares : int64 (positions + 1,)
        (i / positions)², in 2**-30.
    """

    counts: Ints
    tails: Ints
    coarse: Ints
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
def _cut(row: Floats, low: Floats, scale: Floats, block: _Block) -> None:
    """Where the activations of one place lie, in float32 arithmetic throughout, and in which bin."""
    u, step, bins = block.u, block.step, block.bin
    for k in range(len(row)):
        value = (row[k] - low[k]) * scale[k]
        is_number = value == value  # noqa: PLR0124 (NaN is not)
        value = _FURTHEST if value > _FURTHEST else value
        value = -_FURTHEST if value < -_FURTHEST else value
        value = value if is_number else _ZERO
        whole = np.int32(np.floor(value))
        inner = min(max((whole >> np.int32(8)) + np.int32(1), np.int32(0)), np.int32(N_BINS - 1))
        u[k] = value
        step[k] = whole
        bins[k] = np.uint8(inner if is_number else np.int32(N_BINS))


@inlined
def _put(width: int, place: int, is_ring: bool, block: _Block) -> None:
    """Count one place of the image."""
    u, step, bins, top, where = block.u, block.step, block.bin, block.top, block.place
    counts, coarse, tails, sums = block.counts, block.coarse, block.tails, block.sums
    for k in range(width):
        is_larger = (u[k] > top[k]) & (bins[k] != N_BINS)
        top[k] = u[k] if is_larger else top[k]
        where[k] = np.int32(place) if is_larger else where[k]
    for k in range(width):
        sums[0, k] += step[k]
        tails[0, k] -= min(step[k], np.int32(0))
        tails[1, k] += max(step[k] - np.int32(_RANGE), np.int32(0))
    for k in range(width):
        counts[k, bins[k]] += 1
        coarse[k, _COARSE[bins[k]]] += 1
    if is_ring:
        for k in range(width):
            sums[1, k] += step[k]
            sums[2, k] += bins[k] != N_BINS


@inlined
def _square(below: int, n: int) -> np.int64:
    """A squared share, in 2**-30."""
    share = below / n
    return np.int64(np.rint(share * share * SPREAD_UNIT))


@inlined
def _end(start: int, width: int, bucket: int, block: _Block, into: Sums) -> None:
    """Add what is known of the image to the state; the sum of its positions becomes their number in ``coarse``."""
    coarse, total, buckets, spread = block.coarse, block.sums, into.buckets, into.spread
    n_images, mean_sum, mean_square, squares = into.n_images, into.mean_sum, into.mean_square, block.squares
    for k in range(width):
        row = start + k
        n = 0
        for i in range(N_COARSE):
            buckets[row, bucket, i] += coarse[k, i]
            n += coarse[k, i]
        coarse[k, N_COARSE] = n
        if n == 0:
            continue
        n_images[row] += 1
        mean = (total[0, k] * MEAN_UNIT) // (n * STEP)
        mean_sum[row] += mean
        mean_square[row] += mean * mean
        below = 0
        for i in range(N_SPREAD):
            below += coarse[k, i]
            spread[row, i] += squares[below] if n + 1 == len(squares) else _square(below, n)


@inlined
def _mean(total: int, n: int) -> float:
    """A mean of cut positions in parts of the range; they lie half a step low, which is added."""
    return (total / n + 0.5) / _RANGE if n else np.nan


@inlined
def _describe(start: int, width: int, image: int, block: _Block, into: ByImage) -> None:
    """Write what the image gave."""
    coarse, sums, top, place = block.coarse, block.sums, block.top, block.place
    mean, border, tops, places = into
    for k in range(width):
        n = coarse[k, N_COARSE]
        mean[image, start + k] = _mean(sums[0, k], n)
        tops[image, start + k] = top[k] / _RANGE if n else np.nan
        places[image, start + k] = place[k]
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
        np.zeros((_BLOCK, N_BINS + 1), np.int64),
        np.zeros((2, _BLOCK), np.int64),
        np.zeros((_BLOCK, N_COARSE + 1), np.int64),
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
        for i in range(n):
            _begin(block)
            for p in range(positions):
                _cut(values[i, p, start:stop], ranges[0, start:stop], ranges[1, start:stop], block)
                _put(stop - start, p, is_ring[p], block)
            _end(start, stop - start, buckets[i], block, sums)
            _describe(start, stop - start, i, block, images)
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


PASS = Compiled(_count, _nothing)
