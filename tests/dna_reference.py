"""Visual DNA counted by numpy alone, one operation after another: the compiled pass has to agree bit by bit."""

from __future__ import annotations

import numpy as np

from audit.maths.histograms import (
    INNER_BINS,
    MEAN_UNIT,
    N_BINS,
    N_BUCKETS,
    N_COARSE,
    N_SPREAD,
    REACH,
    SPREAD_EDGES,
    SPREAD_UNIT,
    STEP,
)

RANGE = INNER_BINS * STEP


def positions(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Where activations lie, float32, in 1/256 bins; NaN stays."""
    with np.errstate(over="ignore", invalid="ignore"):
        scale = np.float32(RANGE) / (high - low)
        u = (values - low) * scale
    return np.clip(u, np.float32(-REACH * STEP), np.float32(REACH * STEP))


def sums(values: np.ndarray, low: np.ndarray, high: np.ndarray, buckets: np.ndarray) -> dict[str, np.ndarray]:
    """What a batch (b, positions, c) adds to each field of the state."""
    b, _, c = values.shape
    u = positions(values, low, high)
    missing = np.isnan(u)
    steps = np.floor(np.where(missing, 0, u)).astype(np.int64)
    bins = np.where(missing, N_BINS, np.clip((steps >> 8) + 1, 0, N_BINS - 1))
    by_image = np.zeros((b, c, N_BINS + 1), np.int64)
    np.add.at(by_image, (np.arange(b)[:, None, None], np.arange(c)[None, None], bins), 1)
    coarse = np.stack(
        [
            by_image[:, :, first:last].sum(axis=2)
            for first, last in zip([0, *(SPREAD_EDGES + 1)], [*(SPREAD_EDGES + 1), N_BINS], strict=True)
        ],
        axis=2,
    )
    n = by_image[:, :, :N_BINS].sum(axis=2)
    share = np.cumsum(coarse, axis=2)[:, :, :N_SPREAD] / np.maximum(n, 1)[:, :, None]
    means = (steps.sum(axis=1) * MEAN_UNIT) // np.maximum(n * STEP, 1)
    by_bucket = np.zeros((N_BUCKETS, c, N_COARSE), np.int64)
    np.add.at(by_bucket, buckets, coarse)
    return {
        "counts": by_image[:, :, :N_BINS].sum(axis=0),
        "tails": np.stack([-np.minimum(steps, 0).sum((0, 1)), np.maximum(steps - RANGE, 0).sum((0, 1))], axis=1),
        "n_nan": missing.sum(axis=(0, 1)),
        "n_images": (n > 0).sum(axis=0),
        "spread": np.rint(share * share * SPREAD_UNIT).astype(np.int64).sum(axis=0),
        "mean_sum": means.sum(axis=0),
        "mean_square": (means * means).sum(axis=0),
        "buckets": by_bucket.transpose(1, 0, 2),
    }
