"""Linear probes out of fold with weights on the images, and logistic ones for many yes-no questions.

Sources: R. A. Fisher, Ann. Eugenics 7 (1936) (discriminant); O. Ledoit, M. Wolf, J. Multivariate Anal. 88 (2004)
(shrinkage); D. Cox, J. R. Stat. Soc. B 20 (1958) (logistic regression).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit

from audit.maths.probes import SHRINKAGE

Float64 = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating]
Int64 = npt.NDArray[np.int64]

RIDGE = 1.0
"""Penalty of a logistic probe on standardised directions, in images."""

N_STEPS = 8
"""Newton steps of a logistic probe; the penalty keeps them stable."""


@dataclass(frozen=True)
class Directions:
    """The leading principal directions of some vectors, each scaled to unit variance.

    Attributes
    ----------
    mean : float64 (d,)
    axes : float64 (d, k)
        The sign of a direction is that of its largest loading, so that it is unique.
    """

    mean: Float64
    axes: Float64

    def of(self, vectors: Floats) -> Float64:
        """Coordinates of vectors, float64 (m, k); NaN counts as the mean."""
        return np.asarray(np.nan_to_num(np.asarray(vectors, np.float64) - self.mean) @ self.axes)


def principal(vectors: Floats, n: int) -> Directions:
    """The n leading principal directions of float (m, d), fewer where there are no more; NaN counts as the mean."""
    values = np.asarray(vectors, dtype=np.float64)
    known = np.isfinite(values)
    mean = np.where(known, values, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, values - mean, 0)
    variance, directions = np.linalg.eigh(centred.T @ centred / max(len(centred), 1))
    kept = np.argsort(-variance, kind="stable")[:n]
    kept = kept[variance[kept] > 1e-9 * max(float(variance.max(initial=0)), 1e-300)]
    axes = directions[:, kept] / np.sqrt(variance[kept])
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(len(kept))] if len(kept) else np.ones(0)
    return Directions(mean, axes * np.sign(largest))


def predict(
    vectors: Floats,
    classes: Int64,
    folds: Int64,
    *,
    weights: Float64 | None = None,
    equal_priors: bool = False,
    nuisance: Float64 | None = None,
) -> Int64:
    """The class that a linear discriminant gives each image, fitted on the images of the other folds.

    δ_c(x) = μ_cᵀ Σ⁻¹ x − ½ μ_cᵀ Σ⁻¹ μ_c + log π_c, Σ = (1−s)·S_within + s·tr(S_within)/d·I, all moments weighted.

    Parameters
    ----------
    vectors : float (n, d)
    classes, folds : int64 (n,)
        From 0.
    weights : float64 (n,), optional
        How much each image counts in fitting.
    equal_priors : bool
        Take every class to be as frequent as the others.
    nuisance : float64 (n, k), optional
        The probe sees only what these columns do not explain, by least squares on the images of other folds. (Fitted
        on all images, it would be worse than guessing where the nuisance tells the class.)

    Returns
    -------
    int64 (n,)
    """
    n_classes = int(classes.max(initial=-1)) + 1
    weights = np.ones(len(classes)) if weights is None else weights
    found = np.zeros(len(classes), dtype=np.int64)
    values = np.asarray(vectors, dtype=np.float64)
    for fold in range(int(folds.max(initial=-1)) + 1):
        outside = folds != fold
        if not outside.any():
            continue
        seen = without(values, nuisance, outside)
        slope, offset = _discriminant(seen[outside], classes[outside], weights[outside], n_classes, equal_priors)
        found[~outside] = (seen[~outside] @ slope + offset).argmax(axis=1)
    return found


def without(values: Float64, nuisance: Float64 | None, fitted: npt.NDArray[np.bool_]) -> Float64:
    """Residuals of the columns of float64 (n, d) given a nuisance, the least squares being fitted on some rows only."""
    if nuisance is None:
        return values
    return np.asarray(values - nuisance @ np.linalg.lstsq(nuisance[fitted], values[fitted], rcond=1e-8)[0])


def scores(
    vectors: Floats,
    classes: Int64,
    folds: Int64,
    others: Sequence[Floats] = (),
    *,
    nuisance: Float64 | None = None,
) -> tuple[Float64, tuple[Float64, ...]]:
    """How much a discriminant that takes classes as equally frequent prefers each class to the best other one.

    Parameters
    ----------
    vectors : float (n, d)
        Fitted out of fold, and asked.
    classes, folds : int64 (n,)
        From 0; at least two classes.
    others : float (n, d) each
        The same images in another form: asked the same probe, the one that never saw the image's fold.
    nuisance : float64 (n, k), optional
        As in :func:`predict`; of ``vectors`` only.

    Returns
    -------
    float64 (n, n_classes), and one such for each of the others
    """
    n_classes = int(classes.max(initial=-1)) + 1
    asked = [np.asarray(one, dtype=np.float64) for one in (vectors, *others)]
    found = [np.zeros((len(classes), n_classes)) for _ in asked]
    for fold in range(int(folds.max(initial=-1)) + 1):
        inside = folds == fold
        if inside.all():
            continue
        seen = [without(asked[0], nuisance, ~inside), *asked[1:]]
        fitted = seen[0][~inside], classes[~inside], np.ones(int((~inside).sum()))
        slope, offset = _discriminant(*fitted, n_classes, True)
        for values, one in zip(seen, found, strict=True):
            one[inside] = _margins(np.maximum(values[inside] @ slope + offset, -1e9))
    return found[0], tuple(found[1:])


def _margins(values: Float64) -> Float64:
    """Each entry less the greatest of the other entries of its row."""
    ordered = np.sort(values, axis=1)
    greatest, second = ordered[:, -1:], ordered[:, -2:-1]
    return np.asarray(values - np.where(values == greatest, second, greatest))


def _discriminant(
    values: Float64, classes: Int64, weights: Float64, n_classes: int, equal_priors: bool
) -> tuple[Float64, Float64]:
    onto = np.zeros((n_classes, len(classes)))
    onto[classes, np.arange(len(classes))] = weights
    mass = onto.sum(axis=1)
    means = onto @ values / np.maximum(mass, 1e-300)[:, None]
    spread = values - means[classes]
    within = (spread * weights[:, None]).T @ spread / max(float(mass.sum()), 1e-300)
    level = max(float(np.trace(within)) / len(within), float(np.finfo(np.float64).tiny))
    covariance = (1 - SHRINKAGE) * within + SHRINKAGE * level * np.eye(len(within))
    slope = cho_solve(cho_factor(covariance), means.T)
    with np.errstate(divide="ignore"):
        priors = np.log(mass / max(float(mass.sum()), 1e-300))
    if equal_priors:
        priors = np.where(mass > 0, 0.0, -np.inf)
    return slope, priors - 0.5 * np.einsum("cd,dc->c", means, slope)


def balanced_accuracy(predicted: Int64, classes: Int64) -> float:
    """Mean over the classes of the share of their images that are given it, in [0, 1]."""
    size = np.bincount(classes)
    right = np.bincount(classes[predicted == classes], minlength=len(size))
    return float((right[size > 0] / size[size > 0]).mean()) if (size > 0).any() else 0.0


def usable_information(vectors: Float64, answers: npt.NDArray[np.bool_], folds: Int64) -> float:
    """Share of the uncertainty of a yes-no question that a logistic probe removes out of fold: max(0, 1 − CE / H).

    CE is the mean cross-entropy out of fold, H that of the share of yes in the other folds, both in nats.

    Parameters
    ----------
    vectors : float64 (n, d)
        Of unit variance in every direction.
    answers : bool (n,)
    folds : int64 (n,)

    Returns
    -------
    float, in [0, 1]

    Source: Y. Xu et al., "A Theory of Usable Information under Computational Constraints", ICLR 2020.
    """
    surprise, ignorance = 0.0, 0.0
    y = answers.astype(np.float64)
    for fold in range(int(folds.max(initial=-1)) + 1):
        outside = folds != fold
        base = float(np.clip(y[outside].mean() if outside.any() else 0.5, 1e-6, 1 - 1e-6))
        p = np.clip(_logistic(vectors[outside], y[outside], vectors[~outside]), 1e-6, 1 - 1e-6)
        inside = y[~outside]
        surprise -= float((inside * np.log(p) + (1 - inside) * np.log(1 - p)).sum())
        ignorance -= float((inside * np.log(base) + (1 - inside) * np.log(1 - base)).sum())
    return max(0.0, 1 - surprise / ignorance) if ignorance > 0 else 0.0


def _logistic(train: Float64, y: Float64, test: Float64) -> Float64:
    """Probability of yes for ``test``, by penalised Newton steps."""
    design = np.column_stack([np.ones(len(train)), train])
    penalty = np.full(design.shape[1], RIDGE)
    penalty[0] = 1e-6
    beta = np.zeros(design.shape[1])
    for _ in range(N_STEPS):
        p = expit(design @ beta)
        weight = np.maximum(p * (1 - p), 1e-4)
        gradient = design.T @ (y - p) - penalty * beta
        hessian = (design * weight[:, None]).T @ design + np.diag(penalty)
        beta = beta + cho_solve(cho_factor(hessian), gradient)
    return np.asarray(expit(beta[0] + test @ beta[1:]))
