"""How alike two extractors see the same images: CKA, SVCCA, and a translation from one embedding into the other.

Source: S. Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML 2019 (CKA); L. Song et al.,
"Feature Selection via Dependence Maximization", JMLR 13 (2012), equation 5, and T. Nguyen et al., ICLR 2021 (its
unbiased HSIC); M. Raghu et al., "SVCCA", NeurIPS 2017; P. Schönemann, Psychometrika 31 (1966) (Procrustes);
A. Hoerl, R. Kennard, Technometrics 12 (1970) (ridge regression).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve

from audit.maths.discrepancy import squared_distances
from audit.maths.intervals import normal_quantile

RIDGE = 0.3
"""Weight of the mean eigenvalue added to the diagonal; of 0.01 to 1 the best for neighbours, or within .02 of it, on
three real sets and six pairs of spaces."""

N_GROUPS = 20
"""Groups of bursts that are left out in turn for the interval of an alignment."""

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Method = Literal["procrustes", "ridge"]


def cka(left: Float64, right: Float64) -> float:
    """Debiased linear centred kernel alignment of two representations of the same images.

    HSIC₁(K, L) / √(HSIC₁(K, K)·HSIC₁(L, L)), K = XXᵀ, L = YYᵀ with zero diagonals; about 0 for unrelated
    representations whatever their dimensions (the biased one goes to 1 as they grow), and may fall below.

    Parameters
    ----------
    left, right : float64 (n, d), (n, e), n ≥ 4, row i of both the same image

    Returns
    -------
    float, ≤ 1; 1 for representations that differ by rotation and scale; 0 where one of them is constant

    Raises
    ------
    ValueError
        If the numbers of rows differ or are below 4.

    Source: Kornblith et al. (2019), equation 4, with Song et al. (2012), equation 5.
    """
    _check(left, right, 4)
    return _alignment(_gram(left), _gram(right))


def cka_matrix(left: Sequence[Float64], right: Sequence[Float64]) -> Float64:
    """:func:`cka` of every representation on the left with every one on the right, all of the same n images.

    Parameters
    ----------
    left, right : a and b matrices float64 (n, any), n ≥ 4

    Returns
    -------
    float64 (a, b)
    """
    for one in (*left, *right):
        _check(left[0], one, 4)
    rows, columns = ([_gram(one) for one in side] for side in (left, right))
    cross = np.array([[_hsic(row, column) for column in columns] for row in rows])
    own = [np.array([_hsic(gram, gram) for gram in side]) for side in (rows, columns)]
    scale = np.outer(*own)
    result: Float64 = np.where(scale > 0, cross / np.sqrt(np.where(scale > 0, scale, 1.0)), 0.0)
    return result


def cka_interval(
    left: Float64, right: Float64, bursts: Int64, rng: np.random.Generator, *, level: float = 0.95
) -> tuple[float, float]:
    """Normal interval of :func:`cka` by leaving out each of 20 random groups of whole bursts in turn.

    θ ± z·√((g − 1)/g · Σ(θ₍ᵢ₎ − θ̄)²). A bootstrap would not do: an image drawn twice looks like structure.

    Source: B. Efron, C. Stein, Ann. Statist. 9 (1981) (jackknife).
    """
    grams = _gram(left), _gram(right)
    _, place = np.unique(bursts, return_inverse=True)
    n_groups = min(N_GROUPS, int(place.max(initial=-1)) + 1)
    group = (rng.permutation(place.max(initial=0) + 1) % max(n_groups, 1))[place]
    kept = [np.flatnonzero(group != g) for g in range(n_groups)]
    values = np.array([_alignment(*(gram[np.ix_(rows, rows)] for gram in grams)) for rows in kept])
    spread = float(np.sqrt((n_groups - 1) / n_groups * ((values - values.mean()) ** 2).sum()))
    value, half = _alignment(*grams), normal_quantile(level) * spread
    return value - half, min(1.0, value + half)


def svcca(left: Float64, right: Float64, *, kept: float = 0.99) -> float:
    """Mean canonical correlation of the leading singular directions that hold a share of the variance.

    In-sample: unrelated representations reach about √((k + l)/n) of it, k and l directions; shuffle the rows of one to
    see how much.

    Parameters
    ----------
    left, right : float64 (n, d), (n, e), row i of both the same image
    kept : float, in (0, 1]
        Share of the variance of each that its directions hold together, at least.

    Returns
    -------
    float, in [0, 1]

    Source: Raghu et al. (2017), section 2.1.
    """
    _check(left, right, 3)
    first, second = _leading(left, kept), _leading(right, kept)
    n = min(first.shape[1], second.shape[1])
    if n == 0:
        return 0.0
    correlations = np.linalg.svd(first.T @ second, compute_uv=False)
    return float(np.clip(correlations[:n], 0, 1).mean())


@dataclass(frozen=True)
class Translation:
    """An affine map from one embedding space into another: y ≈ target_mean + (x − source_mean) @ matrix.

    Attributes
    ----------
    matrix : float64 (d, e)
    source_mean, target_mean : float64 (d,), (e,)
    """

    matrix: Float64
    source_mean: Float64
    target_mean: Float64

    def __call__(self, vectors: Float64) -> Float64:
        """Translate float64 (n, d) to float64 (n, e), unit length."""
        moved = self.target_mean + (vectors - self.source_mean) @ self.matrix
        length = np.linalg.norm(moved, axis=1, keepdims=True)
        result: Float64 = moved / np.maximum(length, np.finfo(np.float64).tiny)
        return result


def fit(source: Float64, target: Float64, method: Method = "ridge") -> Translation:
    """Learn a translation from vectors of the same images in both spaces.

    ``procrustes``: the scaled rotation (semi-orthogonal if the dimensions differ) s·R that minimises ‖XsR − Y‖, keeping
    the shape of the cloud. ``ridge``: the linear map that minimises ‖XW − Y‖² + λ‖W‖², with λ 0.3 times the mean
    eigenvalue of XᵀX.

    Parameters
    ----------
    source, target : float64 (n, d), (n, e), row i of both the same image
    method : "procrustes" or "ridge"
    """
    _check(source, target, 2)
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    x, y = source - source_mean, target - target_mean
    if method == "procrustes":
        u, values, vt = np.linalg.svd(x.T @ y, full_matrices=False)
        rotation = u @ vt
        spread = max(float(((x @ rotation) ** 2).sum()), np.finfo(np.float64).tiny)
        return Translation(rotation * values.sum() / spread, source_mean, target_mean)
    gram = x.T @ x
    gram[np.diag_indices_from(gram)] += max(RIDGE * float(np.trace(gram)) / len(gram), 1e-12)
    return Translation(cho_solve(cho_factor(gram), x.T @ y), source_mean, target_mean)


@dataclass(frozen=True)
class Quality:
    """How well images that a translation was not learnt from are translated; float64 (n,) by image.

    Attributes
    ----------
    cosine : in [-1, 1]
        Between the translated and the true vector, both less the mean of the target space.
    agreement : in [0, 1]
        Share of the true k nearest images that the translated vector finds.
    """

    cosine: Float64
    agreement: Float64


def held_out(
    source: Float64, target: Float64, bursts: Int64, folds: Int64, *, method: Method = "ridge", k: int = 10
) -> Quality:
    """Translate each fold by what was learnt on the others, and compare with the truth.

    Parameters
    ----------
    source, target : float64 (n, d), (n, e), row i of both the same image
    bursts : int64 (n,)
        Images of an image's own burst are no neighbours of it.
    folds : int64 (n,), bursts whole
    k : int
        Neighbours compared, among all images in the target space.
    """
    translated, means = np.empty_like(target), np.empty_like(target)
    for fold in np.unique(folds):
        inside = folds == fold
        learned = fit(source[~inside], target[~inside], method)
        translated[inside], means[inside] = learned(source[inside]), learned.target_mean
    x, y = translated - means, target - means
    scale = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    cosine = (x * y).sum(axis=1) / np.maximum(scale, np.finfo(np.float64).tiny)
    found, true = (_nearest(vectors, target, bursts, k) for vectors in (translated, target))
    shared = (found[:, :, None] == true[:, None, :]).any(axis=2)
    return Quality(cosine, shared.mean(axis=1))


def _nearest(vectors: Float64, target: Float64, bursts: Int64, k: int) -> Int64:
    distances = squared_distances(vectors, target)
    distances[bursts[:, None] == bursts[None, :]] = np.inf
    nearest: Int64 = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return nearest


def _alignment(left: Float64, right: Float64) -> float:
    """CKA from two Gram matrices with zero diagonals; unbiased HSIC needs no centring, so rows may be left out."""
    scale = _hsic(left, left) * _hsic(right, right)
    return float(_hsic(left, right) / np.sqrt(scale)) if scale > 0 else 0.0


def _gram(vectors: Float64) -> Float64:
    centred = vectors - vectors.mean(axis=0)
    gram: Float64 = centred @ centred.T
    np.fill_diagonal(gram, 0.0)
    return gram


def _hsic(left: Float64, right: Float64) -> float:
    """Unbiased HSIC from two Gram matrices with zero diagonals."""
    n = len(left)
    rows_left, rows_right = left.sum(axis=1), right.sum(axis=1)
    sums = rows_left.sum() * rows_right.sum() / ((n - 1) * (n - 2))
    return float(((left * right).sum() + sums - 2 * (rows_left @ rows_right) / (n - 2)) / (n * (n - 3)))


def _leading(vectors: Float64, kept: float) -> Float64:
    """Left singular vectors (n, k) of the centred rows that hold ``kept`` of the variance."""
    u, values, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    shares = np.cumsum(values**2) / max(float((values**2).sum()), np.finfo(np.float64).tiny)
    if not shares[-1] > 0.5:
        return u[:, :0]
    result: Float64 = u[:, : int(np.searchsorted(shares, kept - 1e-12)) + 1]
    return result


def _check(left: Float64, right: Float64, least: int) -> None:
    if len(left) != len(right) or len(left) < least:
        raise ValueError(
            f"two representations of the same images have as many rows, at least {least}; got {len(left)} and "
            f"{len(right)}"
        )
