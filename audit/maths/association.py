"""Which classes go with which values: weighted counts, standardised residuals and their joint permutation test.

Sources: residuals after S. J. Haberman, "The Analysis of Residuals in Cross-Classified Tables", Biometrics 29 (1973);
the maximum statistic after P. H. Westfall and S. S. Young, "Resampling-Based Multiple Testing" (1993), section 2.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse, stats

Floats = npt.NDArray[np.float64]

_LEAST = 1e-9
"""A Beta distribution needs parameters above 0: where every image has the value there is nothing on the other side."""


@dataclass(frozen=True)
class Association:
    """Counts and residuals of classes (rows) against values (columns).

    Attributes
    ----------
    counts : float64 (n_classes, n_values)
        Burst-weighted: each burst counts 1 in all, shared among its images.
    residuals : float64 (n_classes, n_values)
        ``(O - E) / sqrt(E (1 - r) (1 - q))``, about standard normal where class and value are independent.
    p_max_t : float64 (n_classes, n_values), in (0, 1]
        Family-wise error of each cell: ``(1 + #{b : max |residuals_b| >= |residual|}) / (1 + B)``.
    """

    counts: Floats
    residuals: Floats
    p_max_t: Floats


def burst_weights(codes: npt.NDArray[np.integer], bursts: npt.NDArray[np.integer], n_values: int) -> sparse.csr_array:
    """Share of each burst that has each value: sparse (n_bursts, n_values), rows sum to 1.

    Parameters
    ----------
    codes : integer (n,), in [0, n_values)
        Value of each image.
    bursts : integer (n,), in [0, n_bursts)
        Burst of each image; every number occurs.
    """
    size = np.bincount(bursts)
    share = 1.0 / size[bursts]
    return sparse.csr_array((share, (bursts, codes)), shape=(len(size), n_values))


def burst_shares(members: npt.NDArray[np.bool_], bursts: npt.NDArray[np.integer]) -> sparse.csr_array:
    """Share of each burst that has each value, where an image may have several: sparse (n_bursts, n_values).

    Parameters
    ----------
    members : bool (n, n_values)
        Whether each image has each value.
    bursts : integer (n,), in [0, n_bursts)
        Burst of each image; every number occurs.
    """
    size = np.bincount(bursts)
    rows, columns = np.nonzero(members)
    return sparse.csr_array((1.0 / size[bursts[rows]], (bursts[rows], columns)), shape=(len(size), members.shape[1]))


def associate(
    classes: sparse.csr_array, values: sparse.csr_array, *, n_permutations: int, rng: np.random.Generator
) -> Association:
    """Test every class against every value at once, moving whole bursts.

    ``O = Cᵀ V`` with C and V from :func:`burst_weights`; the null permutes the rows of V. Columns may belong to several
    attributes: they are permuted together, so that one null covers the whole family.

    Parameters
    ----------
    classes : sparse (n_bursts, n_classes)
    values : sparse (n_bursts, n_values)
    n_permutations : int
        B; the smallest p-value is 1 / (B + 1).
    """
    by_class = sparse.csr_array(classes.T)
    dense = values.toarray()
    n = dense.shape[0]
    expected = np.outer(np.asarray(classes.sum(axis=0)).ravel(), dense.mean(axis=0))
    row, column = expected.sum(axis=1, keepdims=True), dense.mean(axis=0)[None, :]
    shares = np.asarray(classes.sum(axis=0)).ravel()[:, None] / n
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(expected * (1 - shares) * (1 - column))
    usable = (row > 0) & (spread > 0)
    counts = np.asarray(by_class @ dense)
    residuals = _standardise(counts, expected, spread, usable)
    exceeded = np.zeros(counts.shape, np.int64)
    for _ in range(n_permutations):
        shuffled = np.asarray(by_class @ dense[rng.permutation(n)])
        largest = np.abs(_standardise(shuffled, expected, spread, usable)).max(initial=0.0)
        exceeded += largest >= np.abs(residuals) - 1e-9
    return Association(counts, residuals, (1 + exceeded) / (1 + n_permutations))


def conditional_share(
    counts: Floats, values: Floats, *, prior: float, level: float, totals: Floats | None = None
) -> tuple[Floats, Floats, Floats]:
    """P(value | class) with its credible bounds, each float64 (n_classes, n_values).

    ``(n_cs + m q_s) / (n_c + m)``, the mean of the posterior Beta(n_cs + m q_s, n_c - n_cs + m (1 - q_s)).

    Parameters
    ----------
    counts : float64 (n_classes, n_values)
        Of one attribute.
    values : float64 (n_values,)
        q, the share of each value over all classes.
    prior : float
        m, the weight of q in images.
    level : float
        Of the central interval, e.g. 0.95.
    totals : float64 (n_classes,)
        Of each class; by default the sum of its row, which holds where an image has one value.
    """
    total = counts.sum(axis=1, keepdims=True) if totals is None else totals[:, None]
    a = np.maximum(counts + prior * values[None, :], _LEAST)
    b = np.maximum(total - counts + prior * (1 - values[None, :]), _LEAST)
    low, high = (stats.beta.ppf(q, a, b) for q in ((1 - level) / 2, (1 + level) / 2))
    return a / (a + b), np.asarray(low), np.asarray(high)


def _standardise(counts: Floats, expected: Floats, spread: Floats, usable: npt.NDArray[np.bool_]) -> Floats:
    result = np.zeros(counts.shape)
    np.divide(counts - expected, spread, out=result, where=usable)
    return result
