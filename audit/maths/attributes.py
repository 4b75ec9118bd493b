"""Which neurons answer to an attribute: pictures that have it against pictures that have it not.

Source: standardised mean differences with the family-wise level of the largest under permutation (Westfall, Young,
"Resampling-Based Multiple Testing", 1993, section 2.3); AUC as the Mann-Whitney statistic with the interval of Hanley,
McNeil, "The meaning and use of the area under a receiver operating characteristic curve", Radiology 143 (1982).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from audit.maths.histograms import Doubles
from audit.maths.intervals import normal_quantile

N_PERMUTATIONS = 199
LEVEL = 0.95
_TINY = 1e-9

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Attribute:
    """What was learnt, and how it did on pictures held out.

    Attributes
    ----------
    weights : float64 (N,), sum to 1
        Standardised difference beyond chance; 0 for neurons within it.
    n_learnt, n_held_out : (with, without)
    auc, low, high : float
        Of the held-out pictures' scores, with a 95 % interval.
    """

    weights: Doubles
    n_learnt: tuple[int, int]
    n_held_out: tuple[int, int]
    auc: float
    low: float
    high: float


def learn(
    having: npt.NDArray[np.floating], lacking: npt.NDArray[np.floating], usable: Bools, rng: np.random.Generator
) -> Attribute | None:
    """Weights of an attribute from one half of the pictures, checked on the other; None if no neuron shows it.

    t = (mean with - mean without) / pooled standard deviation. A neuron counts when |t| is beyond 95 % of the largest
    |t| of all neurons under permutation, with the weight by which it is. The score of a held-out picture is
    Σ w sign(t) (x - mean)/sd.

    Parameters
    ----------
    having, lacking : float (n, N), (m, N)
        NaN counts as the neuron's mean.
    usable : bool (N,)
        Neurons that may be given a weight.
    """
    sides = [_filled(side) for side in (having, lacking)]
    halves = [_halves(len(side), rng) for side in sides]
    learnt, held = ([side[half[i]] for side, half in zip(sides, halves, strict=True)] for i in (0, 1))
    together = np.concatenate(learnt)
    centre, scale = together.mean(axis=0), together.std(axis=0)
    together = np.where(usable & (scale > _TINY), (together - centre) / np.maximum(scale, _TINY), 0.0)
    n = len(learnt[0])
    difference = _differences(together, np.arange(len(together))[None] < n)[0]
    groups = rng.permuted(np.broadcast_to(np.arange(len(together)) < n, (N_PERMUTATIONS, len(together))), axis=1)
    bound = float(np.quantile(np.abs(_differences(together, groups)).max(axis=1), LEVEL))
    weights = np.maximum(0.0, np.abs(difference) - bound)
    if not weights.any():
        return None
    weights /= weights.sum()
    direction = weights * np.sign(difference) / np.maximum(scale, _TINY)
    scores = [(side - centre) @ direction for side in held]
    auc, low, high = auc_interval(*scores)
    return Attribute(weights, (n, len(learnt[1])), (len(held[0]), len(held[1])), auc, low, high)


def squared_differences(having: npt.NDArray[np.floating], lacking: npt.NDArray[np.floating]) -> Doubles:
    """Unbiased squared standardised difference of the means of every neuron, float64 (N,).

    ((x̄ - ȳ)² - s² (1/n + 1/m)) / s², s² the pooled variance: 0 on average, and as often negative, where the attribute
    does nothing. NaN counts as the neuron's mean; 0 where a neuron does not vary.

    Source: E(x̄ - ȳ)² = (μ - ν)² + σ² (1/n + 1/m) for independent samples of one variance.
    """
    sides = [_filled(side) for side in (having, lacking)]
    n, m = (len(side) for side in sides)
    within = sum(((side - side.mean(axis=0)) ** 2).sum(axis=0) for side in sides) / max(n + m - 2, 1)
    difference = (sides[0].mean(axis=0) - sides[1].mean(axis=0)) ** 2 - within * (1 / n + 1 / m)
    squared: Doubles = np.divide(difference, within, out=np.zeros_like(difference), where=within > _TINY)
    return squared


def _filled(values: npt.NDArray[np.floating]) -> Doubles:
    array = np.asarray(values, np.float64)
    missing = np.isnan(array)
    if not missing.any():
        return array
    known = np.maximum((~missing).sum(axis=0), 1)
    return np.where(missing, np.where(missing, 0.0, array).sum(axis=0) / known, array)


def _halves(n: int, rng: np.random.Generator) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    order = rng.permutation(n)
    return np.sort(order[: (n + 1) // 2]), np.sort(order[(n + 1) // 2 :])


def _differences(values: Doubles, groups: Bools) -> Doubles:
    """Mean inside less mean outside of every group, in pooled standard deviations; float64 (B, N)."""
    n = groups.sum(axis=1, keepdims=True).astype(np.float64)
    m = groups.shape[1] - n
    inside = groups.astype(np.float64) @ values
    outside = values.sum(axis=0) - inside
    difference = inside / n - outside / m
    total = (values * values).sum(axis=0)
    within = np.maximum(total - inside**2 / n - outside**2 / m, _TINY) / np.maximum(groups.shape[1] - 2, 1)
    standard: Doubles = difference / np.sqrt(within)
    return standard


def auc_interval(with_it: Doubles, without: Doubles, level: float = LEVEL) -> tuple[float, float, float]:
    """AUC of two samples of scores, and its interval.

    A = P(with > without) + P(equal)/2; its variance, with Q₁ = A/(2 - A) and Q₂ = 2A²/(1 + A), is
    [A(1 - A) + (n - 1)(Q₁ - A²) + (m - 1)(Q₂ - A²)]/(n m).

    Source: Hanley, McNeil (1982), equations 1 and 2.

    Examples
    --------
    >>> auc_interval(np.array([2.0, 3.0]), np.array([1.0, 2.0]))[0]
    0.875
    """
    n, m = len(with_it), len(without)
    ranks = rankdata(np.concatenate([with_it, without]))
    auc = float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    variance = (auc * (1 - auc) + (n - 1) * (q1 - auc * auc) + (m - 1) * (q2 - auc * auc)) / (n * m)
    reach = normal_quantile(level) * float(np.sqrt(max(variance, 0.0)))
    return auc, max(0.0, auc - reach), min(1.0, auc + reach)
