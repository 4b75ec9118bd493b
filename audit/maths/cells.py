"""Pairs of unit vectors at a small angle, without comparing all of them: vectors are sorted into cells first.

Source: J. Sivic and A. Zisserman, "Video Google", ICCV 2003, and H. Jegou et al., "Product quantization for nearest
neighbor search", TPAMI 33(1), 2011, section 4 (inverted file with several probes). Centres are rows of the data.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

EXACT_BELOW = 4096
"""Up to so many vectors all pairs are compared."""

N_PROBES = 12
"""Cells looked into per query."""

_BLOCK = 2048


def close_pairs(queries: Float32, vectors: Float32, *, k: int, floor: float) -> tuple[Int64, Int64, Float32]:
    """For every query, at most its k most similar vectors of cosine >= floor.

    Exact up to EXACT_BELOW vectors. Above, a query sees the N_PROBES cells (of sqrt(n)) nearest to it: time grows
    as n * sqrt(n), memory as n * k. The result depends on the order of ``vectors`` only through which rows become
    centres: order them by content, not by name.

    Parameters
    ----------
    queries : float32 (m, d), unit length
    vectors : float32 (n, d), unit length
    k : int, at least 1
    floor : float, cosine in (-1, 1]

    Returns
    -------
    query, vector : int64 (p,)
        Row numbers, sorted by query and then by falling similarity; a vector that is the query itself is included.
    similarity : float32 (p,)
        Cosine.
    """
    if len(queries) == 0 or len(vectors) == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
    if len(vectors) <= EXACT_BELOW:
        parts = [
            _above(
                queries, vectors, np.arange(start, min(start + _BLOCK, len(queries))), np.arange(len(vectors)), floor
            )
            for start in range(0, len(queries), _BLOCK)
        ]
        return _best(parts, k)
    return _best(_by_cells(queries, vectors, floor, k), k)


def _by_cells(queries: Float32, vectors: Float32, floor: float, k: int) -> list[tuple[Int64, Int64, Float32]]:
    n_cells = math.isqrt(len(vectors))
    centres = vectors[np.linspace(0, len(vectors) - 1, n_cells).astype(np.int64)]
    home = _nearest_centres(vectors, centres, 1)[:, 0]
    members, first = _sorted_by(home, n_cells)
    probes = _nearest_centres(queries, centres, N_PROBES)
    asking, begin = _sorted_by(probes.ravel(), n_cells)
    parts = []
    for cell in range(n_cells):
        who = np.sort(asking[begin[cell] : begin[cell + 1]] // probes.shape[1])
        inside = members[first[cell] : first[cell + 1]]
        for start in range(0, len(who), _BLOCK):
            part = _above(queries, vectors, who[start : start + _BLOCK], inside, floor)
            parts.append(_best([part], k))
    return parts


def _above(queries: Float32, vectors: Float32, who: Int64, among: Int64, floor: float) -> tuple[Int64, Int64, Float32]:
    similarity = queries[who] @ vectors[among].T
    row, column = np.nonzero(similarity >= floor)
    return who[row], among[column], similarity[row, column]


def _best(parts: list[tuple[Int64, Int64, Float32]], k: int) -> tuple[Int64, Int64, Float32]:
    query, vector, similarity = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((vector, -similarity, query))
    query = query[order]
    fresh = np.flatnonzero(np.diff(query, prepend=-1))
    rank = np.arange(len(query)) - np.repeat(fresh, np.diff(np.append(fresh, len(query))))
    kept = order[rank < k]
    return query[rank < k], vector[kept], similarity[kept]


def _nearest_centres(vectors: Float32, centres: Float32, k: int) -> Int64:
    k = min(k, len(centres))
    found = np.empty((len(vectors), k), dtype=np.int64)
    for start in range(0, len(vectors), _BLOCK):
        similarity = vectors[start : start + _BLOCK] @ centres.T
        found[start : start + _BLOCK] = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
    return found


def _sorted_by(cell: Int64, n_cells: int) -> tuple[Int64, Int64]:
    """Positions grouped by cell, and where each cell starts (n_cells + 1)."""
    order = np.argsort(cell, kind="stable").astype(np.int64)
    starts = np.searchsorted(cell[order], np.arange(n_cells + 1)).astype(np.int64)
    return order, starts
