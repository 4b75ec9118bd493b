"""Scores of texts become probabilities by what people saw in a sample of the pictures.

Source: J. Platt, "Probabilistic Outputs for Support Vector Machines", 1999, with the softened targets of its section
2.1; C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2, for values that exclude each
other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit, logsumexp, softmax

Float64 = npt.NDArray[np.float64]

Int64 = npt.NDArray[np.int64]

PULL = 0.01
"""Keeps the likeliest scaling finite where a value never occurs or its scores separate it wholly."""
LEAST_AUDITED = 200
"""Images that people have to look at before a setting counts as calibrated."""


def calibrate(
    scored: Float64, values: Sequence[str], truth: Sequence[tuple[str, ...] | None], *, exclusive: bool
) -> Float64:
    """The probability of every value of every image, float64 (n, n_values).

    Values that exclude each other are scaled together, beside that of no value; others each by itself.

    Parameters
    ----------
    scored : float64 (n, n_values)
        Of :func:`audit.settings.text.scores`.
    truth : n tuples of values
        What people saw; None where nobody looked.
    """
    rows = np.array([i for i, seen in enumerate(truth) if seen is not None], np.int64)
    has = np.array([[value in (truth[i] or ()) for value in values] for i in rows], np.float64)
    if exclusive:
        return _together(scored, rows, has)
    found = np.zeros_like(scored)
    for k in range(len(values)):
        slope, offset = platt(scored[rows, k], has[:, k])
        found[:, k] = expit(slope * scored[:, k] + offset)
    return found


def _together(scored: Float64, rows: Int64, has: Float64) -> Float64:
    """Softmax of a_k s_k + b_k beside 0 for no value, a ≥ 0, the likeliest with a faint pull to 0."""
    mean, spread = scored[rows].mean(axis=0), np.maximum(scored[rows].std(axis=0), 1e-12)
    z, n_values = (scored - mean) / spread, scored.shape[1]
    seen, none = z[rows], 1 - has.sum(axis=1, keepdims=True)
    target = np.concatenate([has, none], axis=1)

    def logits(parameters: Float64, points: Float64) -> Float64:
        scaled = points * parameters[:n_values] + parameters[n_values:]
        return np.concatenate([scaled, np.zeros((len(points), 1))], axis=1)

    def loss(parameters: Float64) -> tuple[float, Float64]:
        told = logits(parameters, seen)
        wrong = (softmax(told, axis=1) - target)[:, :-1]
        value = (logsumexp(told, axis=1) - (target * told).sum(axis=1)).sum() + PULL * (parameters**2).sum()
        gradient = np.concatenate([(wrong * seen).sum(axis=0), wrong.sum(axis=0)]) + 2 * PULL * parameters
        return float(value), gradient

    bounds = [(0, None)] * n_values + [(None, None)] * n_values
    found = minimize(loss, np.zeros(2 * n_values), jac=True, method="L-BFGS-B", bounds=bounds).x
    return np.asarray(softmax(logits(found, z), axis=1))[:, :-1]


def platt(scored: Float64, has: Float64) -> tuple[float, float]:
    """Slope and offset of the likeliest P(has | score) = 1 / (1 + exp(−(a s + b))), a ≥ 0.

    The targets are (n₁ + 1)/(n₁ + 2) and 1/(n₀ + 2), which keep probabilities from 0 and 1.

    Parameters
    ----------
    scored : float64 (n,)
    has : float64 (n,), 0 or 1
    """
    n_has = float(has.sum())
    target = np.where(has > 0, (n_has + 1) / (n_has + 2), 1 / (len(has) - n_has + 2))
    mean, spread = float(scored.mean()), max(float(scored.std()), 1e-12)
    z = (scored - mean) / spread

    def loss(parameters: Float64) -> tuple[float, Float64]:
        logit = parameters[0] * z + parameters[1]
        wrong = expit(logit) - target
        value = float((np.logaddexp(0, logit) - target * logit).sum())
        return value, np.array([float((wrong * z).sum()), float(wrong.sum())])

    slope, offset = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(0, None), (None, None)]).x
    return float(slope / spread), float(offset - slope * mean / spread)
