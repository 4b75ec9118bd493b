"""Do numbers fall into a low and a high mode, and how probably is each of the high one?

Source: A. Dempster, N. Laird, D. Rubin, "Maximum likelihood from incomplete data via the EM algorithm", JRSS B 39
(1977); G. Schwarz, "Estimating the dimension of a model", Annals of Statistics 6 (1978), for one mode or two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import expit

Float64 = npt.NDArray[np.float64]

N_ROUNDS = 200
MOST = 20_000
"""More numbers than this are stood for by so many of their quantiles."""
STARTS = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98)
"""Shares of the numbers that are first put into the low mode."""
LEAST_APART = 2.0
"""Distance of the modes, in spreads, below which there is one mode: two equal halves nearer than that have one peak."""


@dataclass(frozen=True)
class TwoModes:
    """Two normal distributions of one spread.

    Attributes
    ----------
    low, high : float
        Means.
    spread : float
        Standard deviation of both.
    share : float
        Of the high one.
    gain : float
        Twice the log-likelihood over that of one normal distribution, less Schwarz's price of two parameters, 2 log n.
    """

    low: float
    high: float
    spread: float
    share: float
    gain: float = 0.0

    @property
    def are_apart(self) -> bool:
        """Whether there are two modes rather than one."""
        return self.gain > 0 and self.high - self.low >= LEAST_APART * self.spread

    def logit(self, values: Float64) -> Float64:
        """Log-odds that each number is of the high mode: (μ₁ − μ₀)/σ² · (x − (μ₀ + μ₁)/2) + log(π/(1 − π))."""
        slope = (self.high - self.low) / self.spread**2
        prior = np.log(self.share / (1 - self.share))
        result: Float64 = slope * (values - (self.low + self.high) / 2) + prior
        return result


def fit_two_modes(values: Float64) -> TwoModes | None:
    """The likeliest two normal distributions of one spread; None without at least ten different numbers."""
    if len(np.unique(values)) < 10:
        return None
    if len(values) > MOST:
        values = np.quantile(values, (np.arange(MOST) + 0.5) / MOST)
    likelihood, modes = max((_fit(values, start) for start in STARTS), key=lambda one: one[0])
    one_mode = -len(values) * (np.log(float(np.std(values))) + 0.5)
    return replace(modes, gain=2 * (likelihood - one_mode) - 2 * float(np.log(len(values))))


def _fit(values: Float64, start: float) -> tuple[float, TwoModes]:
    """Log-likelihood (without the constant of the normal density) and modes from one start."""
    high = (values > np.quantile(values, start)).astype(np.float64)
    floor, n = 1e-6 * float(np.std(values)), len(values)
    for _ in range(N_ROUNDS):
        share = float(np.clip(high.mean(), 1 / n, 1 - 1 / n))
        upper = float((high * values).sum() / max(high.sum(), 1e-9))
        lower = float(((1 - high) * values).sum() / max((1 - high).sum(), 1e-9))
        variance = (high * (values - upper) ** 2 + (1 - high) * (values - lower) ** 2).mean()
        modes = TwoModes(lower, upper, max(float(np.sqrt(variance)), floor), share)
        logit = modes.logit(values)
        again = expit(logit)
        if np.abs(again - high).max() < 1e-6:
            break
        high = again
    scaled = (values - modes.low) / modes.spread
    likelihood = np.log(1 - modes.share) - np.log(modes.spread) - scaled**2 / 2 + np.logaddexp(0, logit)
    return float(likelihood.sum()), modes if modes.high >= modes.low else _swapped(modes)


def _swapped(modes: TwoModes) -> TwoModes:
    return replace(modes, low=modes.high, high=modes.low, share=1 - modes.share)
