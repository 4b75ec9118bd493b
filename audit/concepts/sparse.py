"""How few neurons tell an attribute from the rest: linear probes of 1, 2, 4, 8 and 16 neurons, chosen out of fold.

Source: W. Gurnee et al., "Finding Neurons in a Haystack: Case Studies with Sparse Probing", TMLR 2023; neurons are
taken one after another where the residual is largest, after Y. Pati, R. Rezaiifar, P. Krishnaprasad, "Orthogonal
matching pursuit", Asilomar 1993.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from audit.maths.learning import resampled_means
from audit.maths.probes import deal_folds

KS = (1, 2, 4, 8, 16)
N_FOLDS = 5
N_RESAMPLES = 400
_RIDGE = 1e-4

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Known:
    """How well so many neurons tell one attribute from the rest.

    Attributes
    ----------
    accuracy, low, high : float64 (len(KS),), in [0, 1]
        Balanced accuracy on bursts that neither chose nor fitted the neurons, with 95 % intervals; 0.5 = guessing.
    neurons : int64 (16,)
        Chosen with all images, in the order in which they were taken.
    n_same : int
        Folds that took the same first neuron.
    """

    accuracy: Float64
    low: Float64
    high: Float64
    neurons: Int64
    n_same: int


def sparse_probes(values: Float32, attributes: Bool, bursts: Int64, rng: np.random.Generator) -> list[Known]:
    """Probe every attribute with few neurons.

    Parameters
    ----------
    values : float32 (n, N)
        Finite; N at least 16.
    attributes : bool (n, a)
        Each with true and false in several bursts.
    bursts : int64 (n,)
    rng : numpy.random.Generator

    Returns
    -------
    list of Known, one for each attribute
        Selection is part of what is tested: an attribute that no neuron knows has an accuracy of about one half.
    """
    right = np.zeros((len(values), attributes.shape[1], len(KS)), dtype=np.bool_)
    first = np.zeros((N_FOLDS, attributes.shape[1]), dtype=np.int64)
    with threadpool_limits(limits=1):
        classes = np.unique(attributes, axis=0, return_inverse=True)[1].ravel().astype(np.int64)
        folds = deal_folds(bursts, classes, N_FOLDS, rng)
        for fold in range(N_FOLDS):
            learned, judged = folds != fold, folds == fold
            chosen = choose(values[learned], attributes[learned])
            first[fold] = chosen[:, 0]
            for a, neurons in enumerate(chosen):
                said = _said(values[:, neurons], attributes[:, a], learned, judged)
                right[judged, a] = said == attributes[judged, a, None]
        every = choose(values, attributes)
    n_same = (first == every[:, 0]).sum(axis=0)
    return [
        Known(*balanced_accuracy(right[:, a], attributes[:, a], bursts, rng), every[a], int(n_same[a]))
        for a in range(attributes.shape[1])
    ]


def choose(values: Float32, attributes: Bool, *, k: int = KS[-1]) -> Int64:
    """Neurons for every attribute, each the one that correlates most with what those before it leave unexplained.

    Both sides of an attribute weigh the same, whatever their numbers.

    Returns
    -------
    int64 (a, k)
    """
    n_attributes = attributes.shape[1]
    weights = _balanced(attributes)
    targets = np.where(attributes, 1.0, -1.0)
    means, squares = values.T @ weights, (values**2).T @ weights
    spread = np.sqrt(np.maximum(squares - means**2, 1e-12))
    live = np.sqrt(np.maximum(values.var(axis=0, dtype=np.float64), 0)) > 1e-6
    chosen = np.zeros((n_attributes, k), dtype=np.int64)
    residuals = targets.copy()
    for step in range(k):
        strength = np.abs(values.T @ (weights * residuals).astype(np.float32)) / spread
        strength[~live] = -1
        for a in range(n_attributes):
            strength[chosen[a, :step], a] = -1
            chosen[a, step] = int(strength[:, a].argmax())
            fitted = _fit(values[:, chosen[a, : step + 1]], targets[:, a], weights[:, a])
            residuals[:, a] = targets[:, a] - _apply(values[:, chosen[a, : step + 1]], fitted)
    return chosen


def _balanced(attributes: Bool) -> Float64:
    """Weights that sum to one half over each side of each attribute: float64 (n, a)."""
    n_true = np.maximum(attributes.sum(axis=0), 1)
    n_false = np.maximum((~attributes).sum(axis=0), 1)
    weights: Float64 = np.where(attributes, 0.5 / n_true, 0.5 / n_false)
    return weights


def _fit(x: Float32, target: Float64, weights: Float64) -> tuple[Float64, float]:
    """Weighted least squares with an intercept and a trace of ridge."""
    wide = x.astype(np.float64)
    mean, middle = weights @ wide, float(weights @ target)
    centred = wide - mean
    gram = (centred * weights[:, None]).T @ centred
    gram[np.diag_indices_from(gram)] += _RIDGE * max(float(np.trace(gram)) / len(gram), 1e-12)
    slope = np.asarray(np.linalg.solve(gram, (centred * weights[:, None]).T @ target), dtype=np.float64)
    return slope, middle - float(mean @ slope)


def _apply(x: Float32, fitted: tuple[Float64, float]) -> Float64:
    score: Float64 = x.astype(np.float64) @ fitted[0] + fitted[1]
    return score


def _said(x: Float32, attribute: Bool, learned: Bool, judged: Bool) -> Bool:
    """What probes of the first 1, 2, 4, … neurons say: bool (n_judged, len(KS))."""
    target, weights = np.where(attribute[learned], 1.0, -1.0), _balanced(attribute[learned, None])[:, 0]
    fits = [_fit(x[learned][:, :k], target, weights) for k in KS]
    return np.stack([_apply(x[judged][:, :k], fit) > 0 for k, fit in zip(KS, fits, strict=True)], axis=1)


def balanced_accuracy(
    right: Bool, attribute: Bool, bursts: Int64, rng: np.random.Generator
) -> tuple[Float64, Float64, Float64]:
    """Mean of the accuracies on both sides, and its 95 % interval by drawing whole bursts.

    Parameters
    ----------
    right : bool (n, s)
    attribute : bool (n,)

    Returns
    -------
    accuracy, low, high : float64 (s,)
    """
    sides = np.stack([attribute, ~attribute], axis=1).astype(np.float64)
    columns = np.concatenate([sides, *(right * side[:, None] for side in sides.T)], axis=1)
    drawn = np.concatenate([columns.mean(axis=0)[None], resampled_means(columns, bursts, rng, N_RESAMPLES)])
    true, false = np.maximum(drawn[:, 0], 1e-12), np.maximum(drawn[:, 1], 1e-12)
    s = right.shape[1]
    balanced = (drawn[:, 2 : 2 + s] / true[:, None] + drawn[:, 2 + s :] / false[:, None]) / 2
    low, high = np.quantile(balanced[1:], [0.025, 0.975], axis=0)
    value = balanced[0]
    return value, np.minimum(low, value), np.maximum(high, value)
