"""Facets: the different kinds of pictures that one neuron answers to.

Source: Nguyen, Yosinski, Clune, "Multifaceted Feature Visualization", 2016 (clusters of the pictures that a neuron
answers to most); number of facets by the mean silhouette, Rousseeuw, J. Comput. Appl. Math. 20 (1987).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]

MOST = 3
FEWEST = 3
"""Pictures that a facet has at least."""
CLEAR = 0.2
"""Mean silhouette from which facets are told apart: halves and thirds of one round cloud of 24 in 64 dimensions or more
stay below 0.13; those of 9 stay below 0.14 in 95 of 100 draws in 64 dimensions, below 0.08 in 256."""
_ROUNDS = 50


def facets(vectors: Floats) -> list[list[int]]:
    """Groups of pictures of one kind, in each the strongest first; one group where kinds are not clear.

    Spherical k-means for k = 2 and 3, begun at the strongest picture and each time the one farthest from those taken.

    Parameters
    ----------
    vectors : float (m, d), unit length
        Embeddings of the pictures, the strongest answer first.
    """
    array = np.asarray(vectors, np.float64)
    best, groups = CLEAR, np.zeros(len(array), np.int64)
    for k in range(2, min(MOST, len(array) // FEWEST) + 1):
        found = _clustered(array, k)
        if np.bincount(found, minlength=k).min() < FEWEST:
            continue
        score = silhouette(array, found)
        if score > best:
            best, groups = score, found
    order = dict.fromkeys(groups.tolist())
    return [np.flatnonzero(groups == group).tolist() for group in order]


def _clustered(array: npt.NDArray[np.float64], k: int) -> npt.NDArray[np.int64]:
    taken = [0]
    while len(taken) < k:
        taken.append(int((array @ array[taken].T).max(axis=1).argmin()))
    centres, groups = array[taken], np.full(len(array), -1, np.int64)
    for _ in range(_ROUNDS):
        found = (array @ centres.T).argmax(axis=1)
        if np.array_equal(found, groups):
            break
        groups = found
        sums = np.stack([array[groups == i].sum(axis=0) if (groups == i).any() else centres[i] for i in range(k)])
        centres = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return groups


def silhouette(array: npt.NDArray[np.float64], groups: npt.NDArray[np.int64]) -> float:
    """Mean of (b - a)/max(a, b): a the mean distance within the group, b that to the nearest other; 0 if alone.

    Distances are 1 - cosine.

    Source: Rousseeuw (1987), equation 2.
    """
    distance = np.maximum(0.0, 1 - array @ array.T)
    members = groups[:, None] == np.unique(groups)[None]
    sizes = members.sum(axis=0)
    total = distance @ members
    own = members.argmax(axis=1)
    rows = np.arange(len(groups))
    within = total[rows, own] / np.maximum(sizes[own] - 1, 1)
    others = np.where(members, np.inf, total / sizes).min(axis=1)
    score = np.where(sizes[own] > 1, (others - within) / np.maximum(np.maximum(within, others), 1e-12), 0.0)
    return float(score.mean())
