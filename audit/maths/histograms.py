"""The counting kernel of Visual DNA: one pass over activations into integers that add up exactly.

An activation x of a neuron with range [low, high) is placed at u = (x - low) · 126 / (high - low), in *bins*: 126
uniform bins cover the range, one tail bin lies on either side. u is cut to 1/256 of a bin, so that everything after
it is integer arithmetic: sums do not depend on batch size, order, sharding or threads.

Source: the state of Visual DNA after Ramtoula et al., "Visual DNA: Representing and Comparing Images using
Distributions of Neuron Activations", CVPR 2023, with the sampling variance of docs/visual-dna.md added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_MISSING = N_BINS
_COARSE_OF_BIN = np.append(np.searchsorted(SPREAD_EDGES, np.arange(N_BINS) - 1, side="right"), N_COARSE).astype(
    np.int64
)
_CHUNK = 2**18


@dataclass(frozen=True)
class LayerCounts:
    """What one batch adds to the state of one layer of c neurons.

    Attributes
    ----------
    counts : int64 (c, 128)
    tails : int64 (c, 2)
        Summed distance of the tail positions from ``low`` and ``high``, in 1/256 bins, both >= 0.
    n_nan : int64 (c,)
    n_images : int64 (c,)
        Images with at least one position that is a number.
    spread : int64 (c, 16)
        Sum over images of F_i(e)², in 2**-30; F_i(e) is the share of the image's positions below edge e.
    mean_sum, mean_square : int64 (c,)
        Sums over images of its mean and squared mean position, in 1/64 bins (and its square).
    coarse : int64 (b, c, 17)
        Positions of each image between neighbouring spread edges.
    """

    counts: Ints
    tails: Ints
    n_nan: Ints
    n_images: Ints
    spread: Ints
    mean_sum: Ints
    mean_square: Ints
    coarse: Ints


def count(values: Floats, low: Floats, high: Floats) -> LayerCounts:
    """Count one batch of one layer.

    Parameters
    ----------
    values : float32 (b, positions, c)
        NaN is counted apart; ±inf lands in the tails at the furthest distance.
    low, high : float32 (c,), low < high

    Returns
    -------
    LayerCounts

    Raises
    ------
    ValueError
        If the shapes do not fit, or there are more than 32 768 positions.
    """
    b, positions, c = _shape(values, low)
    chunk = max(1, _CHUNK // max(1, positions * c))
    parts = [_count_chunk(values[i : i + chunk], low, high) for i in range(0, max(b, 1), chunk)]
    return parts[0] if len(parts) == 1 else _added(parts)


def _added(parts: list[LayerCounts]) -> LayerCounts:
    names = [name for name in LayerCounts.__dataclass_fields__ if name != "coarse"]
    fields: dict[str, Ints] = {name: np.sum([getattr(part, name) for part in parts], axis=0) for name in names}
    return LayerCounts(**fields, coarse=np.concatenate([part.coarse for part in parts]))


def _shape(values: Floats, low: Floats) -> tuple[int, int, int]:
    if values.ndim != 3 or values.shape[2] != len(low):
        raise ValueError(f"activations must be (images, positions, {len(low)}), got {values.shape}")
    if values.shape[1] > MAX_POSITIONS:
        raise ValueError(f"at most {MAX_POSITIONS} positions per image can be counted exactly, got {values.shape[1]}")
    b, positions, c = values.shape
    return b, positions, c


def _count_chunk(values: Floats, low: Floats, high: Floats) -> LayerCounts:
    b, _, c = values.shape
    steps, missing = quantise(values, low, high)
    bins = np.clip((steps >> 8) + 1, 0, N_BINS - 1)
    if missing is not None:
        bins[missing] = _MISSING
    channel = np.arange(c, dtype=np.int64)
    counts = np.bincount((bins + channel * (N_BINS + 1)).ravel(), minlength=c * (N_BINS + 1)).reshape(c, -1)
    place = np.arange(b * c, dtype=np.int64).reshape(b, 1, c) * (N_COARSE + 1)
    coarse = np.bincount((_COARSE_OF_BIN[bins] + place).ravel(), minlength=b * c * (N_COARSE + 1))
    coarse = coarse.reshape(b, c, N_COARSE + 1)[:, :, :N_COARSE]
    n_valid = coarse.sum(axis=2)
    means = _means(steps, n_valid)
    return LayerCounts(
        counts=counts[:, :N_BINS],
        tails=_tails(steps),
        n_nan=counts[:, _MISSING],
        n_images=(n_valid > 0).sum(axis=0),
        spread=_squares(coarse, n_valid),
        mean_sum=means.sum(axis=0),
        mean_square=(means * means).sum(axis=0),
        coarse=coarse,
    )


def quantise(values: Floats, low: Floats, high: Floats) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_] | None]:
    """Cut activations to 1/256 of a bin, float32 arithmetic throughout.

    Returns
    -------
    steps : int32, shape of ``values``, in [-2**22, 2**22]
        floor(256 u) for u = (x - low) · (126 / (high - low)); 0 where NaN.
    missing : bool, shape of ``values``, or None
        Where the activation is NaN; None if nowhere.
    """
    scale = np.float32(INNER_BINS * STEP) / (high - low)
    with np.errstate(over="ignore"):
        u = (values - low) * scale
    np.clip(u, np.float32(-REACH * STEP), np.float32(REACH * STEP), out=u)
    np.floor(u, out=u)
    missing = np.isnan(u)
    if not missing.any():
        return u.astype(np.int32), None
    u[missing] = 0
    return u.astype(np.int32), missing


def _tails(steps: npt.NDArray[np.int32]) -> Ints:
    below = np.minimum(steps, 0).sum(axis=(0, 1), dtype=np.int64)
    above = np.maximum(steps - INNER_BINS * STEP, 0).sum(axis=(0, 1), dtype=np.int64)
    return np.stack([-below, above], axis=1)


def _means(steps: npt.NDArray[np.int32], n_valid: Ints) -> Ints:
    """Mean position of each image, int64 (b, c), in 1/64 bins; 0 where the image has none."""
    total = steps.sum(axis=1, dtype=np.int64)
    means: Ints = (total * MEAN_UNIT) // np.maximum(n_valid * STEP, 1)
    return means


def _squares(coarse: Ints, n_valid: Ints) -> Ints:
    below = np.cumsum(coarse[:, :, :N_SPREAD], axis=2)
    share = below / np.maximum(n_valid, 1)[:, :, None]
    squares: Ints = np.rint(share * share * SPREAD_UNIT).astype(np.int64).sum(axis=0)
    return squares


def cumulative(counts: npt.NDArray[Any]) -> Doubles:
    """Cumulative distribution at the 127 edges, float64 (c, 127), from counts (c, 128); 0 where there are none."""
    total = counts.sum(axis=1, keepdims=True)
    below: Doubles = np.cumsum(counts[:, :N_EDGES], axis=1) / np.maximum(total, 1)
    return below
