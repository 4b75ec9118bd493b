"""Clusters common to two datasets and how much of a difference in their shares is due to the classes.

Source: S. Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28 (1982), seeded as D. Arthur,
S. Vassilvitskii, "k-means++", SODA 2007; E. Kitagawa, "Components of a Difference Between Two Rates", JASA 50 (1955).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audit.maths.discrepancy import squared_distances

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


def cluster(vectors: Float64, n_clusters: int, rng: np.random.Generator, *, n_rounds: int = 30) -> Int64:
    """k-means clusters of the rows, numbered by size (largest first, ties by first row).

    Parameters
    ----------
    vectors : float64 (n, d), n ≥ n_clusters

    Returns
    -------
    int64 (n,), in [0, n_clusters)
    """
    centres = vectors[[int(rng.integers(len(vectors)))]]
    while len(centres) < n_clusters:
        nearest = squared_distances(vectors, centres).min(axis=1)
        total = float(nearest.sum())
        chosen = rng.random() * total
        centres = np.concatenate(
            [centres, vectors[[min(int(np.searchsorted(np.cumsum(nearest), chosen)), len(vectors) - 1)]]]
        )
    assigned = np.full(len(vectors), -1)
    for _ in range(n_rounds):
        closest = squared_distances(vectors, centres).argmin(axis=1)
        if np.array_equal(closest, assigned):
            break
        assigned = closest
        for c in np.unique(assigned):
            centres[c] = vectors[assigned == c].mean(axis=0)
    _, first, place, count = np.unique(assigned, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -count))
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.arange(len(order))
    result: Int64 = number[place]
    return result


def kitagawa(counts_1: Float64, counts_0: Float64) -> tuple[Float64, Float64]:
    """Parts of every cluster's difference in share that come from the class shares and from within the classes.

    With class shares p_c, q_c and cluster shares within a class P(j|c), Q(j|c):
    Δ_j = Σ_c (p_c − q_c)·½(P + Q) + Σ_c ½(p_c + q_c)·(P − Q). A class that one side lacks takes the other's P(j|c), so
    all of its part is of the class shares.

    Parameters
    ----------
    counts_1, counts_0 : float64 (n_clusters, n_classes)
        Images of the candidate and of the reference.

    Returns
    -------
    prior, conditional : float64 (n_clusters,)
        Their sum is the difference of the shares, candidate minus reference.

    Source: Kitagawa (1955), equation 4.
    """
    p, q = counts_1.sum(axis=0) / counts_1.sum(), counts_0.sum(axis=0) / counts_0.sum()
    within_1 = counts_1 / np.maximum(counts_1.sum(axis=0), 1)
    within_0 = counts_0 / np.maximum(counts_0.sum(axis=0), 1)
    within_1, within_0 = np.where(p > 0, within_1, within_0), np.where(q > 0, within_0, within_1)
    prior = ((p - q) * (within_1 + within_0) / 2).sum(axis=1)
    conditional = ((p + q) / 2 * (within_1 - within_0)).sum(axis=1)
    return prior, conditional
