"""Linear probes fitted out of fold from streamed moments: memory grows with the dimension, never with the images.

Source: R. A. Fisher, "The use of multiple measurements in taxonomic problems", Ann. Eugenics 7 (1936); shrinkage of
the covariance towards a multiple of the identity after O. Ledoit, M. Wolf, J. Multivariate Anal. 88 (2004).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from threadpoolctl import threadpool_limits

BLOCK = 4096
SHRINKAGE = 0.3
"""Weight of the identity in the pooled covariance, for unit vectors of a few hundred dimensions."""

SMALLEST_SPREAD = 1e-9
"""Spread within classes, as a share of the vectors' own squares, below which it is rounding: one image a class."""

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Judged:
    """What a probe that never saw an image's burst says of its label.

    Attributes
    ----------
    margin : float64 (n,)
        Log posterior of the best other class minus that of the label: high = suspicious. NaN where not judged.
    other : int64 (n,)
        The best class that is not the label; −1 where not judged.
    p_label, p_other : float64 (n,), in [0, 1]
        Posterior of the label and of ``other``.
    """

    margin: Float64
    other: Int64
    p_label: Float64
    p_other: Float64


def deal_folds(bursts: Int64, classes: Int64, n_folds: int, rng: np.random.Generator) -> Int64:
    """A fold for every row, such that bursts stay whole and classes are spread evenly.

    Bursts are shuffled, sorted by the class of their first row, and dealt round-robin.

    Returns
    -------
    int64 (n,), in [0, n_folds)
    """
    names, first, place = np.unique(bursts, return_index=True, return_inverse=True)
    order = rng.permutation(len(names))
    order = order[np.argsort(classes[first][order], kind="stable")]
    dealt = np.empty(len(names), dtype=np.int64)
    dealt[order] = np.arange(len(names)) % n_folds
    folds: Int64 = dealt[place]
    return folds


def judge(
    vectors: Float32, classes: Int64, folds: Int64, *, trusted: Bool | None = None, shrinkage: float = SHRINKAGE
) -> Judged:
    """Judge every label by linear discriminant analysis fitted on the other folds.

    δ_c(x) = μ_cᵀ Σ⁻¹ x − ½ μ_cᵀ Σ⁻¹ μ_c + log π_c with Σ = (1−s)·S_within + s·tr(S_within)/d·I; the posterior is its
    softmax over classes.

    Parameters
    ----------
    vectors : float32 (n, d)
        May be a memory map; read in blocks of 4 096 rows, twice.
    classes : int64 (n,)
        Class of every row, −1 for rows that are neither learned from nor judged.
    folds : int64 (n,)
    trusted : bool (n,), optional
        Only these are learned from; all with a class are judged.
    shrinkage : float, in (0, 1]

    Returns
    -------
    Judged
        The same for any number of threads: one is used.

    Raises
    ------
    ValueError
        If shrinkage is outside (0, 1] or fewer than two classes are given.

    Source: Fisher (1936); T. Hastie, R. Tibshirani, J. Friedman, "The Elements of Statistical Learning", eq. 4.10.
    """
    n_classes = int(classes.max(initial=-1)) + 1
    if not 0 < shrinkage <= 1:
        raise ValueError(f"shrinkage must be in (0, 1]; got {shrinkage}")
    if n_classes < 2:
        raise ValueError(f"a probe needs at least two classes; got {n_classes}")
    learned = classes >= 0 if trusted is None else (classes >= 0) & trusted
    with threadpool_limits(limits=1):
        parts = [moments(vectors, classes, (folds == f) & learned, n_classes) for f in range(int(folds.max()) + 1)]
        total = sum(parts[1:], start=parts[0])
        judged = Judged(
            np.full(len(classes), np.nan),
            np.full(len(classes), -1),
            np.full(len(classes), np.nan),
            np.full(len(classes), np.nan),
        )
        for fold, part in enumerate(parts):
            weights, offsets = discriminant(total - part, shrinkage)
            for rows in _blocks((folds == fold) & (classes >= 0)):
                _judge_block(judged, rows, vectors[rows] @ weights + offsets, classes[rows])
    return judged


@dataclass(frozen=True)
class Moments:
    """What a discriminant is fitted from; moments of disjoint rows add up.

    Attributes
    ----------
    counts : float64 (n_classes,)
    sums : float64 (n_classes, d)
    gram : float64 (d, d)
        Σ x xᵀ.
    """

    counts: Float64
    sums: Float64
    gram: Float64

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.counts + other.counts, self.sums + other.sums, self.gram + other.gram)

    def __sub__(self, other: Moments) -> Moments:
        return Moments(self.counts - other.counts, self.sums - other.sums, self.gram - other.gram)


def moments(vectors: Float32, classes: Int64, kept: Bool, n_classes: int) -> Moments:
    """Moments of the kept rows, whose classes are all in [0, n_classes); read in blocks."""
    d = vectors.shape[1]
    counts, sums, gram = np.zeros(n_classes), np.zeros((n_classes, d)), np.zeros((d, d))
    for rows in _blocks(kept):
        block = vectors[rows].astype(np.float64)
        counts += np.bincount(classes[rows], minlength=n_classes)
        np.add.at(sums, classes[rows], block)
        gram += block.T @ block
    return Moments(counts, sums, gram)


def discriminant(moments: Moments, shrinkage: float = SHRINKAGE) -> tuple[Float64, Float64]:
    """Weights (d, n_classes) and offsets (n_classes,) of the discriminant of :func:`judge`; scores are x @ w + b.

    A class without images scores −∞.
    """
    means = moments.sums / np.maximum(moments.counts, 1)[:, None]
    within = (moments.gram - (means * moments.counts[:, None]).T @ means) / max(moments.counts.sum(), 1)
    d = len(within)
    least = SMALLEST_SPREAD * float(np.trace(moments.gram)) / max(moments.counts.sum(), 1)
    level = max(float(np.trace(within)), least, np.finfo(np.float64).tiny) / d
    covariance = (1 - shrinkage) * within + shrinkage * level * np.eye(d)
    weights = cho_solve(cho_factor(covariance), means.T)
    with np.errstate(divide="ignore"):
        priors = np.log(moments.counts / max(moments.counts.sum(), 1))
    return weights, priors - 0.5 * np.einsum("cd,dc->c", means, weights)


def _judge_block(judged: Judged, rows: Int64, scores: Float64, classes: Int64) -> None:
    at = np.arange(len(rows))
    log_p = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
    own = log_p[at, classes]
    log_p[at, classes] = -np.inf
    other = log_p.argmax(axis=1)
    judged.other[rows] = other
    judged.margin[rows] = np.nan_to_num(log_p[at, other] - own, nan=0.0)
    judged.p_label[rows] = np.exp(own)
    judged.p_other[rows] = np.exp(log_p[at, other])


def _blocks(kept: Bool) -> Iterator[Int64]:
    """Row numbers that are kept, cut at fixed multiples of the block size so that sums have one order."""
    for start in range(0, len(kept), BLOCK):
        rows = start + np.flatnonzero(kept[start : start + BLOCK])
        if len(rows):
            yield rows
