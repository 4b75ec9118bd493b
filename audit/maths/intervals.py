"""Intervals for proportions, differences of proportions and any statistic of bursts.

Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927);
R. G. Newcombe, "Interval estimation for the difference between independent proportions", Statist. Med. 17 (1998),
method 10; B. Efron, "Better bootstrap confidence intervals", JASA 82 (1987).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

Statistic = Callable[[npt.NDArray[np.int64]], float]
"""Takes row numbers (with repetitions) and returns one number."""


def wilson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Score interval of a proportion k/n.

    (p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n), clipped to [0, 1]; exact 0 and 1 at k = 0 and k = n.

    Parameters
    ----------
    k, n : int
        Successes and trials, 0 ≤ k ≤ n. With n = 0 nothing is known and the interval is (0, 1).
    level : float, in (0, 1)

    Returns
    -------
    (low, high) : float, in [0, 1]

    Raises
    ------
    ValueError
        If k is not in [0, n] or level is not in (0, 1).

    Source: Wilson (1927), equation 5.

    Examples
    --------
    >>> [round(x, 4) for x in wilson(2, 10)]
    [0.0567, 0.5098]
    """
    _check_level(level)
    if not 0 <= k <= n:
        raise ValueError(f"a proportion needs 0 <= k <= n; got k={k}, n={n}")
    if n == 0:
        return 0.0, 1.0
    z = normal_quantile(level)
    p = k / n
    centre = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if k == 0 else max(0.0, (centre - half) / scale)
    high = 1.0 if k == n else min(1.0, (centre + half) / scale)
    return low, high


def newcombe(k1: int, n1: int, k2: int, n2: int, *, level: float = 0.95) -> tuple[float, float]:
    """Interval of the difference of two independent proportions, k1/n1 − k2/n2.

    With Wilson bounds (l, u) of each: δ − √((p1−l1)² + (u2−p2)²), δ + √((u1−p1)² + (p2−l2)²).

    Returns
    -------
    (low, high) : float, in [−1, 1]
        (−1, 1) when one of the samples is empty.

    Raises
    ------
    ValueError
        As :func:`wilson`.

    Source: Newcombe (1998), method 10.

    Examples
    --------
    >>> [round(x, 4) for x in newcombe(56, 70, 48, 80)]
    [0.0524, 0.3339]
    """
    low1, high1 = wilson(k1, n1, level)
    low2, high2 = wilson(k2, n2, level)
    if n1 == 0 or n2 == 0:
        return -1.0, 1.0
    p1, p2 = k1 / n1, k2 / n2
    difference = p1 - p2
    low = difference - math.hypot(p1 - low1, high2 - p2)
    high = difference + math.hypot(high1 - p1, p2 - low2)
    return max(-1.0, low), min(1.0, high)


def resample_bursts(bursts: npt.NDArray[Any], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Row numbers of one bootstrap sample that draws whole bursts with replacement.

    Parameters
    ----------
    bursts : (n,), any sortable dtype
        Burst of each row; as many bursts are drawn as there are.

    Returns
    -------
    int64 (m,), m = n when all bursts have one row
    """
    order, starts, sizes = _spans(bursts)
    drawn = rng.integers(0, len(starts), len(starts))
    return _gather(order, starts[drawn], sizes[drawn])


def bootstrap(
    statistic: Statistic,
    bursts: npt.NDArray[Any],
    rng: np.random.Generator,
    *,
    n_resamples: int = 2000,
    level: float = 0.95,
    method: str = "bca",
) -> tuple[float, float]:
    """Bootstrap interval of a statistic, with bursts as the sampling unit.

    BCa: with z0 = Φ⁻¹(share of resamples below the estimate, ties counted half) and the acceleration
    a = Σ(θ̄−θᵢ)³ / 6(Σ(θ̄−θᵢ)²)^{3/2} of the leave-one-burst-out values, the quantiles taken are
    Φ(z0 + (z0 ± z)/(1 − a(z0 ± z))). Above 400 bursts the jackknife leaves out 400 blocks of bursts.

    Parameters
    ----------
    statistic : (rows: int64 (m,)) -> float
    bursts : (n,)
        Burst of each row.
    rng : numpy.random.Generator
    n_resamples : int
    level : float, in (0, 1)
    method : "bca" or "percentile"

    Returns
    -------
    (low, high) : float
        Both the estimate itself when every resample gives it.

    Raises
    ------
    ValueError
        For an unknown method, a level outside (0, 1), or fewer than two bursts.

    Source: Efron (1987), equations 2.3 and 6.6; burst resampling after Davison and Hinkley (1997), section 3.8.
    """
    _check_level(level)
    if method not in ("bca", "percentile"):
        raise ValueError(f"bootstrap methods are 'bca' and 'percentile'; got {method!r}")
    order, starts, sizes = _spans(bursts)
    if len(starts) < 2:
        raise ValueError(f"a bootstrap needs at least two bursts; there are {len(starts)}")
    values = np.empty(n_resamples)
    for i in range(n_resamples):
        drawn = rng.integers(0, len(starts), len(starts))
        values[i] = statistic(_gather(order, starts[drawn], sizes[drawn]))
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    if method == "bca":
        estimate = statistic(np.sort(order))
        tails = _corrected(tails, values, estimate, _acceleration(statistic, order, starts))
    low, high = np.quantile(values, tails)
    return float(low), float(high)


def _corrected(
    tails: npt.NDArray[np.float64], values: npt.NDArray[np.float64], estimate: float, acceleration: float
) -> npt.NDArray[np.float64]:
    below = (np.count_nonzero(values < estimate) + 0.5 * np.count_nonzero(values == estimate)) / len(values)
    z0 = ndtri(np.clip(below, 0.5 / len(values), 1 - 0.5 / len(values)))
    z = z0 + ndtri(tails)
    corrected: npt.NDArray[np.float64] = ndtr(z0 + z / (1 - acceleration * z))
    return corrected


def _acceleration(statistic: Statistic, order: npt.NDArray[np.int64], starts: npt.NDArray[np.int64]) -> float:
    blocks = np.array_split(np.arange(len(starts)), min(len(starts), 400))
    ends = np.append(starts[1:], len(order))
    left_out = [np.concatenate([order[: starts[b[0]]], order[ends[b[-1]] :]]) for b in blocks]
    values = np.array([statistic(np.sort(rows)) for rows in left_out])
    deviations = values.mean() - values
    spread = float((deviations**2).sum())
    return 0.0 if spread == 0 else float((deviations**3).sum()) / (6 * spread**1.5)


def _spans(bursts: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    order = np.argsort(bursts, kind="stable").astype(np.int64)
    _, starts, sizes = np.unique(bursts, return_index=True, return_counts=True)
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64) if len(starts) else starts.astype(np.int64)
    return order, first, sizes.astype(np.int64)


def _gather(
    order: npt.NDArray[np.int64], starts: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Concatenate order[start : start + size] for every span."""
    offsets = np.repeat(starts - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes)
    rows: npt.NDArray[np.int64] = order[offsets + np.arange(int(sizes.sum()))]
    return rows


def normal_quantile(level: float) -> float:
    """Two-sided standard normal quantile: 1.96 at level 0.95."""
    return float(ndtri((1 + level) / 2))


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"a confidence level lies between 0 and 1; got {level!r}")
