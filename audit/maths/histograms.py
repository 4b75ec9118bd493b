"""What Visual DNA counts: activations become integers that add up exactly, and a few numbers of each image.

An activation x of a neuron with range [low, high) is placed at u = (x - low) · 126 / (high - low), in *bins*: 126
uniform bins cover the range, one tail bin lies on either side. u is cut to 1/256 of a bin, so that everything after
it is integer arithmetic: sums do not depend on batch size, order, sharding or threads. The pass itself is compiled:
:mod:`audit.maths.counting`.

Source: the state of Visual DNA after Ramtoula et al., "Visual DNA: Representing and Comparing Images using
Distributions of Neuron Activations", CVPR 2023, with the sampling variance of docs/visual-dna.md added.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

INNER_BINS = 126
N_BINS = INNER_BINS + 2
N_EDGES = INNER_BINS + 1
SPREAD_EDGES = np.rint(np.linspace(0, INNER_BINS, 16)).astype(np.int64)
"""The 16 of the 127 edges at which the image-to-image variance of the cumulative distribution is kept."""
N_SPREAD = len(SPREAD_EDGES)
N_COARSE = N_SPREAD + 1
SPREAD_UNIT = 2**30
"""One unit of a stored squared cumulative share is 2**-30."""
STEP = 256
"""Activations are cut to 1/256 of a bin."""
REACH = 2**14
"""Activations further than this many bins from ``low`` (130 ranges) count as this far."""
MEAN_UNIT = 64
"""One unit of a stored per-image mean is 1/64 of a bin."""
MAX_POSITIONS = 2**15

N_BUCKETS = 16
"""Images are spread over this many buckets by a hash of their activations; buckets give intervals."""
LEAST_GRID = 4
"""A layer is a map when its places are a square of at least this many on a side."""

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Places = npt.NDArray[np.int32]
Bits = npt.NDArray[np.bool_]

COARSE_OF_BIN = np.searchsorted(SPREAD_EDGES, np.arange(N_BINS) - 1, side="right")
"""Between which spread edges each bin lies, int64 (128,), in [0, 17)."""


class Sums(NamedTuple):
    """The state of c neurons, int64, to which :func:`count` adds.

    Attributes
    ----------
    counts : (c, 128)
    tails : (c, 2)
        Summed distance of the tail positions from ``low`` and ``high``, in 1/256 bins, both >= 0.
    n_nan : (c,)
    n_images : (c,)
        Images with at least one position that is a number.
    spread : (c, 16)
        Sum over images of F_i(e)², in 2**-30; F_i(e) is the share of the image's positions below edge e.
    mean_sum, mean_square : (c,)
        Sums over images of its mean and squared mean position, in 1/64 bins (and its square).
    buckets : (c, B, 17)
        Positions by bucket of their image, between neighbouring spread edges.
    """

    counts: Ints
    tails: Ints
    n_nan: Ints
    n_images: Ints
    spread: Ints
    mean_sum: Ints
    mean_square: Ints
    buckets: Ints


SHAPES = ((N_BINS,), (2,), (), (), (N_SPREAD,), (), (), (N_BUCKETS, N_COARSE))
"""What one neuron has in each field of :class:`Sums`."""


class ByImage(NamedTuple):
    """What c neurons gave for each of b images, in parts of the neuron's range, cut to 130 ranges either side.

    Attributes
    ----------
    mean : float32 (b, c)
        Mean over the positions that are numbers; NaN where none is.
    border : float32 (b, c), or (b, 0) where it was not asked for
        The same over the outer ring of the grid.
    top : float32 (b, c)
        The largest position; NaN where there is none.
    place : int32 (b, c)
        Where it is, the first of equal ones; -1 where there is none.
    """

    mean: Floats
    border: Floats
    top: Floats
    place: Places


def count(values: Floats, ranges: tuple[Floats, Floats], buckets: Ints, ring: Bits, sums: Sums) -> ByImage:
    """Add one batch of one layer to the state, and say what each image gave.

    Parameters
    ----------
    values : float32 (b, positions, c)
        NaN is counted apart; ±inf lands in the tails at the furthest distance.
    ranges : low and high, float32 (c,), low < high
    buckets : int64 (b,)
        The bucket of each image.
    ring : bool (positions,)
        Of which positions ``border`` is to be told: see :func:`border`; none for no border.
    sums : Sums
        Changed in place.

    Raises
    ------
    ValueError
        If the shapes do not fit, or there are more than 32 768 positions.
    """
    from audit.maths import counting

    low, high = ranges
    _check(values, low, buckets, sums.buckets.shape[1])
    with np.errstate(over="ignore"):
        scale = np.float32(INNER_BINS * STEP) / (high - low)
    return counting.count(values, np.stack([low, scale]), buckets, ring, sums)


def is_map(n_positions: int) -> bool:
    """Whether so many positions are a square grid of at least 4 x 4."""
    side = math.isqrt(n_positions)
    return side >= LEAST_GRID and side * side == n_positions


def border(n_positions: int) -> Bits:
    """Which positions of a map, row by row, lie on its outer ring, bool (positions,); none if it is no map."""
    ring = np.zeros(n_positions, bool)
    if is_map(n_positions):
        grid = ring.reshape(math.isqrt(n_positions), -1)
        grid[[0, -1]] = grid[:, [0, -1]] = True
    return ring


def _check(values: Floats, low: Floats, buckets: Ints, n_buckets: int) -> None:
    if values.ndim != 3 or values.shape[2] != len(low):
        raise ValueError(f"activations must be (images, positions, {len(low)}), got {values.shape}")
    if values.shape[1] > MAX_POSITIONS:
        raise ValueError(f"at most {MAX_POSITIONS} positions per image can be counted exactly, got {values.shape[1]}")
    if len(buckets) != len(values):
        raise ValueError(f"layers of one batch hold {len(buckets)} and {len(values)} images")
    if len(buckets) and not 0 <= buckets.min() <= buckets.max() < n_buckets:
        raise ValueError(f"buckets must be in [0, {n_buckets}), got {buckets.min()} to {buckets.max()}")


def cumulative(counts: npt.NDArray[Any]) -> Doubles:
    """Cumulative distribution at the 127 edges, float64 (c, 127), from counts (c, 128); 0 where there are none."""
    total = counts.sum(axis=1, keepdims=True)
    below: Doubles = np.cumsum(counts[:, :N_EDGES], axis=1) / np.maximum(total, 1)
    return below
