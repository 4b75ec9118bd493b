"""Visual DNA exactly as its published library computes it, to compare figures with papers that used it.

Source: Ramtoula et al., CVPR 2023, and the library ``vdna`` 0.1.1: ranges scaled about zero by 1.2, 1 000 bins, EMD
in bins, Fréchet distance of per-image means. The project's own distances are in :mod:`audit.maths.distances`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audit.maths.histograms import Doubles, Ints

WIDEN = 1.2
EPSILON = 1e-8


def norm(low: npt.ArrayLike, high: npt.ArrayLike) -> tuple[Doubles, Doubles]:
    """Centre and half-width of the peer's range [1.2·low, 1.2·high], float64 (c,) each; the half-width plus 1e-8."""
    a, b = WIDEN * np.asarray(low, np.float64), WIDEN * np.asarray(high, np.float64)
    return (a + b) / 2, (b - a) / 2 + EPSILON


def histogram(values: npt.NDArray[np.float32], centre: Doubles, half: Doubles, n_bins: int = 1000) -> Ints:
    """Counts of each channel, int64 (c, n_bins), from activations (b, c, positions); values beyond are clamped.

    The last bin includes its upper edge.
    """
    z = (values - centre.astype(np.float32)[:, None]) / half.astype(np.float32)[:, None]
    z = np.clip(z, -1, 1).astype(np.float64)
    bins = np.minimum(np.floor((z + 1) * (n_bins / 2)), n_bins - 1).astype(np.int64)
    c = values.shape[1]
    place = bins + np.arange(c)[:, None] * n_bins
    return np.bincount(place.ravel(), minlength=c * n_bins).reshape(c, n_bins)


def normals(values: npt.NDArray[np.float32]) -> tuple[Doubles, Doubles]:
    """Mean and variance (n - 1) over images of each neuron's mean over places, float64 (c,) each.

    Parameters
    ----------
    values : float32 (n, c, positions), n >= 2
    """
    means = values.mean(axis=2, dtype=np.float64)
    return means.mean(axis=0), means.var(axis=0, ddof=1)


def layer_normal(values: npt.NDArray[np.float32]) -> tuple[Doubles, Doubles]:
    """Mean float64 (c,) and covariance (n - 1) float64 (c, c) over images of the means over places.

    Parameters
    ----------
    values : float32 (n, c, positions), n >= 2
    """
    means = values.mean(axis=2, dtype=np.float64)
    return means.mean(axis=0), np.atleast_2d(np.cov(means.T))


def emd(left: npt.NDArray[np.integer], right: npt.NDArray[np.integer]) -> Doubles:
    """Earth mover's distance of each neuron, float64 (c,), in bins: Σ_b |CDF_left(b) - CDF_right(b)|.

    Parameters
    ----------
    left, right : int (c, n_bins)
    """
    below = [np.cumsum(side / side.sum(axis=1, keepdims=True), axis=1) for side in (left, right)]
    distance: Doubles = np.abs(below[0] - below[1]).sum(axis=1)
    return distance


def normal_distance(mean: tuple[Doubles, Doubles], variance: tuple[Doubles, Doubles]) -> Doubles:
    """Fréchet distance of two normal distributions per neuron ("NFD"): (μ₁ - μ₂)² + (√v₁ - √v₂)²."""
    distance: Doubles = (mean[0] - mean[1]) ** 2 + (np.sqrt(variance[0]) - np.sqrt(variance[1])) ** 2
    return distance


def frechet(mean: tuple[Doubles, Doubles], covariance: tuple[Doubles, Doubles]) -> float:
    """Fréchet distance of two normal distributions: ‖μ₁ - μ₂‖² + tr(S₁ + S₂ - 2 (S₁S₂)^½).

    The trace of the root is the sum of the roots of the eigenvalues of S₁^½ S₂ S₁^½, which is symmetric.

    Parameters
    ----------
    mean : pair of float64 (c,)
    covariance : pair of float64 (c, c), symmetric, positive semi-definite
    """
    values, vectors = np.linalg.eigh(covariance[0])
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    product = np.maximum(np.linalg.eigvalsh(root @ covariance[1] @ root), 0)
    shift = float(((mean[0] - mean[1]) ** 2).sum())
    return shift + float(np.trace(covariance[0]) + np.trace(covariance[1]) - 2 * np.sqrt(product).sum())
