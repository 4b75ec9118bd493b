"""How many unrelated pairs would be as close as this: E-values from the bulk of a dataset's own distances.

Source: S. Karlin and S. Altschul, PNAS 87, 1990 (expected number of chance matches); the power law of small
distances is that of P. Grassberger and I. Procaccia, Physica D 9, 1983.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.stats import binom

MIN_PAIRS = 30
"""Fewer distances than this say nothing about a tail."""

MIN_POWER, MAX_POWER = 1.0, 40.0
"""Unrelated pairs do not get more frequent the closer they are: their density d^(m-1) does not fall, so m >= 1."""

CROWDED_AT = 0.01
"""One-sided level at which a set is called crowded."""


@dataclass(frozen=True)
class Tail:
    """E(d) = exp(offset) * d**power: expected number of unrelated pairs at distance <= d."""

    offset: float
    power: float

    def expected(self, distances: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Expected number of unrelated pairs at most so far apart, float64, same shape."""
        safe = np.maximum(np.asarray(distances, dtype=np.float64), 1e-6)
        expected: npt.NDArray[np.float64] = np.exp(self.offset + self.power * np.log(safe))
        return expected

    def at(self, distance: float) -> float:
        """Expected number of unrelated pairs within one distance."""
        return float(self.expected(np.array([distance]))[0])

    def reach(self, expected: float) -> float:
        """The distance within which so many unrelated pairs are expected; the inverse of :meth:`at`."""
        return math.exp((math.log(expected) - self.offset) / self.power)


def crowded(distances: npt.NDArray[np.floating], *, low: float, high: float) -> bool:
    """Whether pairs are more frequent just below ``low`` than between ``low`` and ``high``.

    Unrelated pairs never are, and a few copies lie closer: so there is no bulk of unrelated pairs to measure
    against, as among the frames of one camera, where every likeness from equal to hardly alike occurs. With a density
    that does not fall, at most the share (low/2) / (low/2 + high - low) of the pairs in [low/2, high] lies below
    ``low``; a one-sided binomial test at CROWDED_AT says whether more do.

    Parameters
    ----------
    distances : float (p,)
    low, high : float, 0 < low < high

    Returns
    -------
    bool
        False where fewer than MIN_PAIRS pairs lie in [low/2, low).

    Examples
    --------
    >>> crowded(np.linspace(0, 1, 1001), low=0.4, high=0.8), crowded(np.linspace(0, 1, 1001) ** 3, low=0.4, high=0.8)
    (False, True)
    """
    d = np.asarray(distances, dtype=np.float64)
    below = int(((d >= low / 2) & (d < low)).sum())
    bulk = int(((d >= low) & (d <= high)).sum())
    share = (low / 2) / (high - low / 2)
    return below >= MIN_PAIRS and bool(binom.sf(below - 1, below + bulk, share) <= CROWDED_AT)


def fit_tail(distances: npt.NDArray[np.floating], *, low: float, high: float) -> Tail | None:
    """Fit E(d) = A d^m to the pairs between two distances, where copies no longer are.

    The density there is A m d^(m-1). m maximises the likelihood of the truncated power law,
    sum (m-1) log d_i - K log((high^m - low^m) / m), and A = K / (high^m - low^m) for the K pairs seen. What lies
    below ``low``, true copies included, has no influence.

    Parameters
    ----------
    distances : float (p,)
    low, high : float, 0 < low < high

    Returns
    -------
    Tail or None
        None where fewer than MIN_PAIRS distances lie in [low, high], or the set is :func:`crowded`.

    Source: A. Clauset, C. Shalizi and M. Newman, "Power-law distributions in empirical data", SIAM Review 51, 2009,
    section 3 (maximum likelihood), with both ends truncated.

    Examples
    --------
    >>> tail = fit_tail(np.sqrt(np.arange(1, 10001) / 10000), low=0.2, high=0.8)
    >>> round(tail.power, 2), round(float(tail.expected(np.array([0.1]))[0]))
    (2.0, 100)
    """
    d = np.asarray(distances, dtype=np.float64)
    seen = np.log(d[(d >= low) & (d <= high)])
    if len(seen) < MIN_PAIRS or crowded(d, low=low, high=high):
        return None

    def loss(m: float) -> float:
        return len(seen) * _log_mass(m, low, high) - (m - 1) * float(seen.sum())

    power = float(minimize_scalar(loss, bounds=(MIN_POWER, MAX_POWER), method="bounded").x)
    offset = math.log(len(seen)) - (_log_mass(power, low, high) + math.log(power))
    return Tail(offset=offset, power=power)


def _log_mass(m: float, low: float, high: float) -> float:
    """Logarithm of the integral of d^(m-1) from low to high."""
    return m * math.log(high) + math.log1p(-((low / high) ** m)) - math.log(m)
