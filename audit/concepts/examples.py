"""A concept that a user shows by examples: the direction of the embedding in which they differ from other pictures.

Source: B. Kim et al., "Interpretability Beyond Feature Attribution: Quantitative Testing with Concept Activation
Vectors", ICML 2018 (direction of a linear probe, random counterparts); the probe is R. A. Fisher's (1936) with the
shrunk covariance of :mod:`audit.maths.probes`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from threadpoolctl import threadpool_limits

from audit.maths.permutation import p_value
from audit.maths.probes import SHRINKAGE, deal_folds
from audit.maths.separability import auc

MIN_EXAMPLES = 8
"""Bursts of examples it takes."""

MAX_OTHERS = 1000
N_FOLDS = 4
N_COUNTERPARTS = 199

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Factor = tuple[Float64, bool]


@dataclass(frozen=True)
class Shown:
    """What the examples have in common.

    Attributes
    ----------
    direction : float64 (d,)
        Strength of the concept in a picture is its product with the vector.
    strengths : float64 (n,)
        Of every picture, in units of the spread among the others, 0 at their mean.
    threshold : float
        Half of the examples reach this strength when they are held out: pictures that do show the concept.
    accuracy : float, in [0, 1]
        How often a held-out example is stronger than a held-out other picture (AUC), bursts whole; 0.5 = guessing.
    p : float, in (0, 1]
        Share of random counterparts, so many pictures drawn from the others, that reach this accuracy.
    null : float64 (199,)
        Accuracies of the counterparts.
    """

    direction: Float64
    strengths: Float64
    threshold: float
    accuracy: float
    p: float
    null: Float64


@dataclass(frozen=True)
class _Pool:
    """What every probe of one dataset shares; the factor is that of the covariance."""

    vectors: Float32
    bursts: Int64
    factor: Factor


def learn_concept(vectors: Float32, examples: Int64, bursts: Int64, rng: np.random.Generator) -> Shown:
    """Find the direction of examples against pictures that are none, and test it against random counterparts.

    w = Σ⁻¹(μ₊ − μ₋), Σ the shrunk covariance of the others. Pairs are judged instead of single pictures: with fewer
    examples than dimensions, no threshold taken from the examples holds for those held out.

    Parameters
    ----------
    vectors : float32 (n, d), unit length
    examples : int64 (p,)
        Row numbers.
    bursts : int64 (n,)
        Pictures of the examples' bursts are no counterparts.
    rng : numpy.random.Generator

    Raises
    ------
    ValueError
        If there are too few bursts of examples, or of others.
    """
    n_bursts = len(np.unique(bursts[examples]))
    rest = np.flatnonzero(~np.isin(bursts, bursts[examples]))
    if n_bursts < MIN_EXAMPLES or len(np.unique(bursts[rest])) < 2 * max(n_bursts, len(examples)):
        raise ValueError(
            f"a concept takes {MIN_EXAMPLES} different examples and twice as many other pictures; "
            f"there are {n_bursts} and {len(rest)}"
        )
    others = np.sort(rng.permutation(rest)[:MAX_OTHERS])
    with threadpool_limits(limits=1):
        pool = _Pool(vectors, bursts, _factor(vectors[others].astype(np.float64)))
        accuracy, held_out = _held_out(pool, examples, others, rng)
        null = np.array([_counterpart(pool, len(examples), others, rng) for _ in range(N_COUNTERPARTS)])
        middle = vectors[others].mean(axis=0, dtype=np.float64)
        direction = cho_solve(pool.factor, vectors[examples].mean(axis=0, dtype=np.float64) - middle)
        spread = max(float(np.std(vectors[others] @ direction)), 1e-12)
        strengths = (vectors @ direction - middle @ direction) / spread
    return Shown(direction / spread, strengths, float(np.median(held_out)), accuracy, p_value(accuracy, null), null)


def _factor(others: Float64) -> Factor:
    """Cholesky factor of the shrunk covariance."""
    centred = others - others.mean(axis=0)
    covariance = centred.T @ centred / max(len(others) - 1, 1)
    level = max(float(np.trace(covariance)) / len(covariance), 1e-12)
    found: Factor = cho_factor((1 - SHRINKAGE) * covariance + SHRINKAGE * level * np.eye(len(covariance)))
    return found


def _counterpart(pool: _Pool, n: int, others: Int64, rng: np.random.Generator) -> float:
    """Accuracy of a concept whose examples are pictures drawn from the others."""
    drawn = rng.permutation(others)[:n]
    return _held_out(pool, drawn, np.setdiff1d(others, drawn), rng)[0]


def _held_out(pool: _Pool, examples: Int64, others: Int64, rng: np.random.Generator) -> tuple[float, Float64]:
    """AUC out of fold, and the strengths of the examples in their held-out folds."""
    rows = np.concatenate([examples, others])
    is_example = np.arange(len(rows)) < len(examples)
    folds = deal_folds(pool.bursts[rows], is_example.astype(np.int64), N_FOLDS, rng)
    x = pool.vectors[rows].astype(np.float64)
    strengths = np.zeros(len(rows))
    for fold in range(N_FOLDS):
        learned, judged = folds != fold, folds == fold
        plus, minus = (x[learned & chosen].mean(axis=0) for chosen in (is_example, ~is_example))
        weights = cho_solve(pool.factor, plus - minus)
        spread = max(float(np.std(x[learned & ~is_example] @ weights)), 1e-12)
        strengths[judged] = (x[judged] - minus) @ weights / spread
    return auc(strengths, is_example), strengths[is_example]
