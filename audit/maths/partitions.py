"""How far two ways of sorting the same images into groups agree, beyond chance.

Source: L. Hubert, P. Arabie, "Comparing partitions", Journal of Classification 2 (1985); N. X. Vinh, J. Epps, J.
Bailey, "Information Theoretic Measures for Clusterings Comparison", JMLR 11 (2010).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, xlogy

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

_REACH = 12.0
"""Standard deviations of a cell's count beyond which its chance is below 1e-30."""


def contingency(first: npt.NDArray[np.integer], second: npt.NDArray[np.integer]) -> Float64:
    """Images in each group of the first and of the second: float64 (n_first, n_second), codes from 0."""
    table = np.zeros((int(first.max(initial=-1)) + 1, int(second.max(initial=-1)) + 1))
    np.add.at(table, (first, second), 1)
    return table


def adjusted_rand(table: Float64) -> float:
    """Share of pairs of images on which both agree, 0 as expected by chance and 1 when equal.

    (Σ C(n_ij, 2) − E) / (½ (Σ C(a_i, 2) + Σ C(b_j, 2)) − E) with E = Σ C(a_i, 2) Σ C(b_j, 2) / C(n, 2).

    Parameters
    ----------
    table : float64 (n_first, n_second)
        Of :func:`contingency`.

    Source: Hubert and Arabie (1985), equation 5.
    """
    both, first, second = (_pairs(t) for t in (table, table.sum(axis=1), table.sum(axis=0)))
    expected = first * second / max(_pairs(table.sum()), 1.0)
    largest = (first + second) / 2
    return 1.0 if largest == expected else float((both - expected) / (largest - expected))


def adjusted_mutual_information(table: Float64) -> float:
    """Information that both share, 0 as expected by chance and 1 when equal (arithmetic mean of the entropies).

    (I − E[I]) / (½ (H₁ + H₂) − E[I]), E over tables with the same margins (hypergeometric).

    Parameters
    ----------
    table : float64 (n_first, n_second)
        Counts of whole images, of :func:`contingency`.

    Source: Vinh, Epps and Bailey (2010), equations 8 and 24.
    """
    n, rows, columns = table.sum(), table.sum(axis=1), table.sum(axis=0)
    entropies = [_entropy(margin / max(n, 1.0)) for margin in (rows, columns)]
    if min((rows > 0).sum(), (columns > 0).sum()) < 2:
        return 0.0
    shared = sum(entropies) - _entropy(table.ravel() / n)
    expected = sum(_expected_part(int(a), int(b), int(n)) for a in rows if a for b in columns if b)
    room = sum(entropies) / 2 - expected
    return float((shared - expected) / room) if abs(room) > 1e-12 else 0.0


def _expected_part(a: int, b: int, n: int) -> float:
    """Σ_k P(k) (k/n) log(n k / (a b)) over the hypergeometric counts k of one cell."""
    mean = a * b / n
    reach = _REACH * np.sqrt(mean * (1 - a / n) * (n - b) / max(n - 1, 1)) + _REACH
    low, high = max(1, a + b - n, int(mean - reach)), min(a, b, int(mean + reach) + 1)
    k = np.arange(low, high + 1, dtype=np.float64)
    ways = _log_choose(b, k) + _log_choose(n - b, a - k) - _log_choose(n, np.float64(a))
    return float((np.exp(ways) * k / n * np.log(n * k / (a * b))).sum())


def _log_choose(n: int, k: npt.NDArray[np.float64] | np.float64) -> Float64:
    result: Float64 = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return result


def _entropy(shares: Float64) -> float:
    return float(-xlogy(shares, shares).sum())


def _pairs(counts: npt.NDArray[np.float64] | np.float64) -> float:
    return float((counts * (counts - 1) / 2).sum())


def names_alike(values: Sequence[object], others: Sequence[object]) -> bool:
    """Whether two columns say the same in other words: one to one, for all rows known in both; None is not known.

    Columns of one value, or never known together, say nothing of each other.
    """
    pairs = {(one, other) for one, other in zip(values, others, strict=True) if None not in (one, other)}
    return len(pairs) >= 2 and len({one for one, _ in pairs}) == len(pairs) == len({other for _, other in pairs})
