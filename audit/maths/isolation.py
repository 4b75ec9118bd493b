"""Small groups of images far from all others, and how far an image is from everything outside its own group.

Source: single linkage on the nearest-neighbour graph, R. Sibson, "SLINK: an optimally efficient algorithm for the
single-link cluster method", Computer J. 16 (1973); the height at which a small component joins is its isolation.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree

from audit.maths.neighbours import QUERY_BLOCK, search
from audit.maths.tails import MIN_SCORES, expected_above
from audit.model import Neighbours

MOST_CANDIDATES = 1024
"""Neighbours looked at, at most, to find some outside a large group."""

CLASS_REFERENCE = 10_000
"""Images of a class that others are compared with, at most."""

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]


def joining(neighbours: Neighbours, largest: int) -> tuple[Float64, Int64]:
    """Where every image's small component joins something large under single linkage.

    Parameters
    ----------
    neighbours : Neighbours
        Sealed table of n rows.
    largest : int, at least 1
        Components of at most so many images are small.

    Returns
    -------
    heights : float64 (n,), in the unit of the distances
        The distance at which the image's component first has more than ``largest`` images; +inf if the table's
        links never make it so.
    groups : int64 (n,)
        The component just before that, named by its first row.
    """
    n = len(neighbours.indices)
    heights = np.full(n, np.inf)
    groups = np.arange(n)
    members: dict[int, list[int]] = {i: [i] for i in range(n)}
    parents = np.arange(n)
    for left, right, height in _tree(neighbours):
        a, b = _root(parents, left), _root(parents, right)
        small = [root for root in (a, b) if root in members]
        if len(small) == 2 and len(members[a]) + len(members[b]) <= largest:
            a, b = (a, b) if len(members[a]) >= len(members[b]) else (b, a)
            members[a] += members.pop(b)
        else:
            for root in small:
                rows = members.pop(root)
                heights[rows], groups[rows] = height, min(rows)
        parents[b] = a
    for rows in members.values():
        groups[rows] = min(rows)
    return heights, groups


def close_gaps(heights: Float64, groups: Int64, vectors: Float32, *, threads: int) -> Float64:
    """Heights with the infinite ones replaced by the true distance from the group to the nearest other image."""
    closed = heights.copy()
    for name in np.unique(groups[np.isinf(heights)]):
        rows = np.flatnonzero(groups == name)
        if len(rows) == len(vectors) or len(rows) > MOST_CANDIDATES:
            continue
        found = search(np.ascontiguousarray(vectors[rows]), vectors, len(rows) + 1, threads=threads)
        outside = ~np.isin(found.indices, rows) & (found.indices >= 0)
        closed[rows] = float(found.distances[outside].min())
    return closed


def mean_outside(neighbours: Neighbours, own: Int64, vectors: Float32, k: int, *, threads: int) -> Float64:
    """Mean distance from every image to its k nearest images outside its own group.

    Parameters
    ----------
    neighbours : Neighbours
        Table of n rows; where it holds fewer than k images outside the group, they are searched for.
    own : int64 (n,)
        Group of every row.
    vectors : float32 (n, d)
    k : int, at least 1

    Returns
    -------
    float64 (n,)
        Over fewer than k where the dataset has no more; NaN where it has none.
    """
    scores, n_found = mean_of_first(neighbours.indices, neighbours.distances, own, own, k)
    _, names, sizes = np.unique(own, return_inverse=True, return_counts=True)
    size = sizes[names]
    short = np.flatnonzero(n_found < np.minimum(k, len(own) - size))
    for wanted in np.unique(np.minimum(_power_of_two(size[short] + k + 1), MOST_CANDIDATES)):
        rows = short[np.minimum(_power_of_two(size[short] + k + 1), MOST_CANDIDATES) == wanted]
        found = search(np.ascontiguousarray(vectors[rows]), vectors, int(min(wanted, len(own))), threads=threads)
        scores[rows], _ = mean_of_first(found.indices, found.distances, own[rows], own, k)
    return scores


def mean_of_first(
    indices: npt.NDArray[np.int32], distances: Float32, own: Int64, of_all: Int64, k: int
) -> tuple[Float64, Int64]:
    """Mean distance to the first k candidates of another group than the row's own, and how many there were.

    Parameters
    ----------
    indices, distances : (m, c)
        Candidates, nearest first; −1 where there is none.
    own : int64 (m,)
        Group of every row.
    of_all : int64 (n,)
        Group of everything that ``indices`` can name.
    k : int, at least 1

    Returns
    -------
    means : float64 (m,), NaN without a candidate
    n_found : int64 (m,), at most k
    """
    if not len(of_all):
        return np.zeros(0), np.zeros(0, dtype=np.int64)
    usable = (indices >= 0) & (of_all[indices] != own[:, None])
    usable &= np.cumsum(usable, axis=1) <= k
    n_found = usable.sum(axis=1)
    total = np.where(usable, distances, 0.0).sum(axis=1, dtype=np.float64)
    return np.where(n_found > 0, total / np.maximum(n_found, 1), np.nan), n_found


def mean_among(rows: Int64, among: Int64, own: Int64, vectors: Float32, k: int) -> Float64:
    """Mean distance from every one of some rows to its k nearest among other rows.

    Parameters
    ----------
    rows, among : int64 (m,), (c,)
        Row numbers. The vectors of at most ``CLASS_REFERENCE`` of ``among``, evenly spaced, are held in memory.
    own : int64 (n,)
        Group of every row; rows of one group are left out of each other's mean.
    vectors : float32 (n, d)
    k : int, at least 1

    Returns
    -------
    float64 (m,)
        NaN where nothing is left.
    """
    kept = among[np.linspace(0, len(among) - 1, min(len(among), CLASS_REFERENCE)).astype(np.int64)]
    held = np.ascontiguousarray(vectors[kept])
    means = np.full(len(rows), np.nan)
    for start in range(0, len(rows) if len(kept) else 0, QUERY_BLOCK):
        block = rows[start : start + QUERY_BLOCK]
        found = search(np.ascontiguousarray(vectors[block]), held, min(len(kept), 4 * k + 1), threads=1)
        indices = np.where(found.indices >= 0, kept[found.indices], -1).astype(np.int32)
        means[start : start + len(block)], _ = mean_of_first(indices, found.distances, own[block], own, k)
    return means


def isolated_groups(
    neighbours: Neighbours, own: Int64, vectors: Float32, largest: int, *, expected_false: float
) -> tuple[Int64, Int64]:
    """Groups of 2 to ``largest`` images that join the rest later than chance allows.

    A group counts when it holds images of several bursts and its joining height has an E-value (as
    :func:`audit.maths.tails.expected_above`) of at most ``expected_false``.

    Returns
    -------
    groups : int64 (n,)
        The isolated group of every image, or its burst ``own`` where it is in none.
    sizes : int64 (n,)
        Images in the isolated group; 1 where it is in none.
    """
    if largest < 2 or len(own) < MIN_SCORES:
        return own, np.ones(len(own), dtype=np.int64)
    heights, groups = joining(neighbours, largest)
    heights = close_gaps(heights, groups, vectors, threads=1)
    expected = expected_above(np.where(np.isinf(heights), np.nan, heights))
    _, place, count = np.unique(groups, return_inverse=True, return_counts=True)
    n_bursts = np.bincount(place[np.unique(place * len(own) + own, return_index=True)[1]])
    together = (np.nan_to_num(expected, nan=np.inf) <= expected_false) & (n_bursts[place] > 1)
    return np.where(together, groups, own), np.where(together, count[place], 1)


def _power_of_two(values: Int64) -> Int64:
    return np.exp2(np.ceil(np.log2(np.maximum(values, 1)))).astype(np.int64)


def _tree(neighbours: Neighbours) -> Iterator[tuple[int, int, float]]:
    """Edges of the minimum spanning forest of the neighbour graph, shortest first, ties by row numbers."""
    rows, columns = np.nonzero(neighbours.indices >= 0)
    others = neighbours.indices[rows, columns]
    weights = neighbours.distances[rows, columns].astype(np.float64) + 1.0  # scipy takes a weight of 0 for no edge
    low, high = np.minimum(rows, others), np.maximum(rows, others)
    keep = np.unique(low.astype(np.int64) * len(neighbours.indices) + high, return_index=True)[1]
    graph = coo_array((weights[keep], (low[keep], high[keep])), shape=(len(neighbours.indices),) * 2).tocsr()
    tree = minimum_spanning_tree(graph).tocoo()
    for i in np.lexsort((tree.col, tree.row, tree.data)):
        yield int(tree.row[i]), int(tree.col[i]), float(tree.data[i]) - 1.0


def _root(parents: Int64, i: int) -> int:
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = int(parents[i])
    return i
