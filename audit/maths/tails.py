"""How many images of a clean dataset would score so high: E-values from a tail anchored below the outliers.

Source: the exponential limit of a generalised Pareto tail with shape 0, J. Pickands, "Statistical inference using
extreme order statistics", Ann. Statist. 3 (1975); anchored at quantiles so that up to 5 % outliers cannot move it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LOWER, UPPER = 0.75, 0.95
MIN_SCORES = 40
"""Below this the upper quantile rests on two values, and nothing is extrapolated."""


def expected_above(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """E-value of every score: the number of the n images expected at or above it if none were an outlier.

    E(s) = n·0.05·exp(−(s − q₉₅)/β), β = (q₉₅ − q₇₅)/ln 5; at most n. The exponential is heavier than the Gaussian
    tail that distances have, so on clean data fewer than one image is expected to have E ≤ 1.

    Parameters
    ----------
    scores : float64 (n,), any unit; NaN are left out and get NaN

    Returns
    -------
    float64 (n,), in [0, n]
        NaN for all when fewer than 40 scores are finite. Where the upper quarter of the scores is one value, every
        larger score has E = 0.

    Examples
    --------
    >>> e = expected_above(np.append(np.linspace(0.0, 1.0, 999), 9.0))
    >>> bool(e[-1] < 1e-6), int((e <= 1).sum())
    (True, 1)
    """
    finite = scores[np.isfinite(scores)]
    if len(finite) < MIN_SCORES:
        return np.full(len(scores), np.nan)
    lower, upper = np.quantile(finite, [LOWER, UPPER])
    scale = (upper - lower) / np.log((1 - LOWER) / (1 - UPPER))
    excess = np.maximum(scores - upper, 0.0) / max(scale, np.finfo(np.float64).tiny)
    expected = len(finite) * (1 - UPPER) * np.exp(-np.minimum(excess, 700.0))
    counted = len(finite) - np.searchsorted(np.sort(finite), scores, side="left")
    known = np.where(scores <= upper, counted, expected)
    result: npt.NDArray[np.float64] = np.where(np.isnan(scores), np.nan, known)
    return result


def score_at(scores: npt.NDArray[np.float64], expected: float = 1.0) -> float:
    """The score whose E-value is ``expected``; NaN where :func:`expected_above` says nothing."""
    finite = scores[np.isfinite(scores)]
    if len(finite) < MIN_SCORES:
        return float("nan")
    lower, upper = np.quantile(finite, [LOWER, UPPER])
    scale = (upper - lower) / np.log((1 - LOWER) / (1 - UPPER))
    return float(upper + scale * np.log(len(finite) * (1 - UPPER) / expected))
