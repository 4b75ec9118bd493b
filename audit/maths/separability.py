"""Can a linear probe tell two samples apart: held-out AUC, its interval, and its permutation p-value.

Ridge regression on ±1 depends on the labels only through Xᵀy, so all permutations share one factorisation a fold.

Source: D. Lopez-Paz, M. Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017; E. DeLong, D. DeLong,
D. Clarke-Pearson, Biometrics 44 (1988) (variance of an AUC), with bursts as the sampling unit after N. Obuchowski,
Biometrics 53 (1997).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from scipy.stats import rankdata
from threadpoolctl import threadpool_limits

from audit.maths import permutation
from audit.maths.intervals import normal_quantile

RIDGE = 0.3
"""Weight of the mean eigenvalue added to the diagonal."""

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ProbeTest:
    """Held-out AUC of a probe, all in [0, 1].

    Attributes
    ----------
    auc, low, high : value and 95 % interval
    p_value : one-sided, by permutation
    null_low, null_high : central 95 % of the permuted AUCs
    scores : float64 (n,), high = looks like group 1
    """

    auc: float
    low: float
    high: float
    p_value: float
    null_low: float
    null_high: float
    scores: Float64


def auc(scores: Float64, positive: npt.NDArray[np.bool_]) -> float:
    """Share of (positive, negative) pairs in which the positive scores higher, ties counted half.

    Examples
    --------
    >>> auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    0.75
    """
    n = int(positive.sum())
    m = len(positive) - n
    return float((rankdata(scores)[positive].sum() - n * (n + 1) / 2) / (n * m))


def probe_test(
    vectors: Float64, groups: Int64, bursts: Int64, folds: Int64, rng: np.random.Generator, *, n_permutations: int = 999
) -> ProbeTest:
    """Test whether group 1 can be told from group 0.

    Parameters
    ----------
    vectors : float64 (n, d)
    groups : int64 (n,), 0 or 1, both present
    bursts : int64 (n,)
        Rows of one burst are in one fold and are permuted together.
    folds : int64 (n,)
    rng : numpy.random.Generator
    n_permutations : int

    Returns
    -------
    ProbeTest
        The p-value is one-sided: is the AUC larger than with permuted groups, refitted every time. The interval is
        that of the placements (:func:`auc_interval`), which take the probe as given, widened by as much as the AUCs of
        permuted groups vary more than their placements say: the probe is learnt from the same images.
    """
    piece, group = permutation.pieces(bursts, groups)
    with threadpool_limits(limits=1):
        hats = _hats(vectors, folds)
        scores = _scores(vectors, folds, hats, groups[:, None].astype(np.float64))[:, 0]
        value = auc(scores, groups == 1)
        null: list[float] = []
        placed: list[float] = []
        for shuffled in _shuffles(piece, group, n_permutations, rng):
            permuted = _scores(vectors, folds, hats, shuffled.astype(np.float64))
            null += [auc(column, own == 1) for column, own in zip(permuted.T, shuffled.T, strict=True)]
            if not placed:
                placed = [auc_spread(*pair, bursts) for pair in zip(permuted.T, shuffled.T == 1, strict=True)]
    placed_spread = max(float(np.sqrt(np.mean(np.square(placed)))), np.finfo(np.float64).tiny)
    widening = max(1.0, float(np.std(null)) / placed_spread)
    low, high = auc_interval(scores, groups == 1, bursts, widening=widening)
    null_low, null_high = np.quantile(null, [0.025, 0.975])
    p_value = permutation.p_value(value, np.array(null))
    return ProbeTest(value, low, high, p_value, float(null_low), float(null_high), scores)


def auc_interval(
    scores: Float64, positive: npt.NDArray[np.bool_], bursts: Int64, level: float = 0.95, *, widening: float = 1.0
) -> tuple[float, float]:
    """Interval of an AUC of given scores: normal on the logit scale, so that it stays in (0, 1).

    At an AUC of exactly 0 or 1 the other bound is that of the rule of three.

    Parameters
    ----------
    widening : float, ≥ 1
        Times the standard error of the placements.

    Source: DeLong et al. (1988), Obuchowski (1997).
    """
    value = auc(scores, positive)
    if value in (0.0, 1.0):
        slack = 3.0 / min(int(positive.sum()), int((~positive).sum()))
        return (max(0.0, 1 - slack), 1.0) if value else (0.0, min(1.0, slack))
    spread = widening * auc_spread(scores, positive, bursts)
    logit, half = np.log(value / (1 - value)), normal_quantile(level) * spread / (value * (1 - value))
    return float(1 / (1 + np.exp(-(logit - half)))), float(1 / (1 + np.exp(-(logit + half))))


def auc_spread(scores: Float64, positive: npt.NDArray[np.bool_], bursts: Int64) -> float:
    """Standard error of an AUC of given scores, from the placements of the rows, summed within bursts.

    A = mean of placements; Var = Σ_b (Σ_{i∈b} (V_i − A)/n_i)², n_i the size of the row's own sample.

    Source: DeLong et al. (1988), Obuchowski (1997).
    """
    n, m = int(positive.sum()), int((~positive).sum())
    value = auc(scores, positive)
    everywhere, within = rankdata(scores), np.empty(len(scores))
    within[positive], within[~positive] = rankdata(scores[positive]), rankdata(scores[~positive])
    placement = everywhere - within
    influence = np.where(positive, (placement / m - value) / n, (1 - placement / n - value) / m)
    _, place = np.unique(bursts, return_inverse=True)
    return float(np.sqrt((np.bincount(place, weights=influence) ** 2).sum()))


def _shuffles(piece: Int64, group: Int64, n_permutations: int, rng: np.random.Generator) -> Iterator[Int64]:
    """Permuted groups of the rows, (n, B), some permutations at a time."""
    for count in permutation.chunks(n_permutations):
        yield permutation.permuted_groups(group, count, rng)[:, piece].T


def _hats(vectors: Float64, folds: Int64) -> list[tuple[Float64, tuple[Float64, bool]]]:
    """For every fold, the mean of the others' rows and the factorised ridge Gram matrix."""
    hats = []
    for fold in range(int(folds.max()) + 1):
        rows = vectors[folds != fold]
        mean = rows.mean(axis=0)
        gram = (rows - mean).T @ (rows - mean)
        gram[np.diag_indices_from(gram)] += max(RIDGE * float(np.trace(gram)) / len(gram), 1e-12)
        hats.append((mean, cho_factor(gram)))
    return hats


def _scores(
    vectors: Float64, folds: Int64, hats: list[tuple[Float64, tuple[Float64, bool]]], targets: Float64
) -> Float64:
    """Out-of-fold predictions (n, B) of the targets (n, B)."""
    scores = np.empty(targets.shape)
    for fold, (mean, factor) in enumerate(hats):
        learned = folds != fold
        centred = targets[learned] - targets[learned].mean(axis=0)
        weights = cho_solve(factor, (vectors[learned] - mean).T @ centred)
        scores[~learned] = (vectors[~learned] - mean) @ weights + targets[learned].mean(axis=0)
    return scores
