"""Exact nearest neighbours of memory-mapped vectors, with the same bytes whatever the threads and blocks.

faiss proposes a few more candidates than asked for, in float32; their distances are computed again in float64 in a
fixed order and ties go to the smaller row number. Where float32 rounding could have kept a true neighbour out of the
candidates, more of them are asked for until it cannot.

Source: M. Douze et al., "The Faiss library", arXiv:2401.08281 (exhaustive search); the error bound is that of a
dot product, N. J. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from audit.model import Neighbours

SPARE = 8
"""Candidates beyond k: enough that float32 rounding almost never decides who is among the k nearest."""

QUERY_BLOCK = 4096
"""Queries in flight; heap is proportional to it and not to n."""

RERANK_BYTES = 8 << 20
"""Size of one float64 block of differences while distances are computed again."""

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


def nearest(vectors: Float32, k: int, *, threads: int, tell: Callable[[int], object] = lambda done: None) -> Neighbours:
    """The k nearest other rows of every row.

    Parameters
    ----------
    vectors : float32 (n, d), finite
        Unit length in this project, though any will do. May be a memory map; it is never copied whole.
    k : int, at least 1
    threads : int
        At most so many; the result does not depend on it.
    tell : callable, optional
        Told how many rows have their neighbours, now and then; what it raises ends the search.

    Returns
    -------
    Neighbours
        indices int32 (n, k) and distances float32 (n, k), Euclidean, nearest first, equal distances by row number.
        A row is never its own neighbour; its exact copies are, at distance 0. −1 and +inf where there are fewer.

    Raises
    ------
    ValueError
        If k < 1, or the vectors are not a float32 matrix.

    Examples
    --------
    >>> table = nearest(np.array([[0.0], [1.0], [3.0]], dtype=np.float32), 1, threads=1)
    >>> table.indices[:, 0].tolist(), table.distances[:, 0].tolist()
    ([1, 0, 1], [1.0, 1.0, 2.0])
    """
    return search(vectors, vectors, k, threads=threads, exclude_self=True, tell=tell)


def search(
    queries: Float32,
    vectors: Float32,
    k: int,
    *,
    threads: int,
    exclude_self: bool = False,
    tell: Callable[[int], object] = lambda done: None,
) -> Neighbours:
    """The k rows of ``vectors`` nearest to every query.

    Parameters
    ----------
    queries : float32 (m, d)
    vectors : float32 (n, d)
    k : int, at least 1
    threads : int
    exclude_self : bool
        Query i *is* row i: leave row i out, by number and not by distance.
    tell : callable, optional
        As of :func:`nearest`.

    Returns
    -------
    Neighbours
        As :func:`nearest`, with m rows.

    Raises
    ------
    ValueError
        If k < 1, a matrix is not float32 with two dimensions, or the dimensions differ.
    """
    _check(queries, vectors, k)
    indices = np.full((len(queries), k), -1, dtype=np.int32)
    distances = np.full((len(queries), k), np.inf, dtype=np.float32)
    if len(queries) and len(vectors):
        slack = _rounding(queries, vectors)
        with threadpool_limits(limits=threads), ThreadPoolExecutor(threads) as pool:
            for start in range(0, len(queries), QUERY_BLOCK):
                block = np.ascontiguousarray(queries[start : start + QUERY_BLOCK])
                own = start + np.arange(len(block)) if exclude_self else np.full(len(block), -1)
                found, squared = _nearest_block(block, vectors, own, k, _Reach(slack, pool))
                indices[start : start + len(block), : found.shape[1]] = found
                distances[start : start + len(block), : found.shape[1]] = np.sqrt(squared)
                tell(start + len(block))
    return Neighbours(indices=indices, distances=distances)


def rank_candidates(queries: Float32, vectors: Float32, candidates: Int64, k: int) -> Neighbours:
    """The k nearest of given candidates, by distances computed again in float64 and ties by row number.

    Parameters
    ----------
    candidates : int64 (m, c)
        Row numbers, −1 for none.

    Returns
    -------
    Neighbours
        As :func:`nearest`, with m rows; nothing but the candidates is looked at.
    """
    indices = np.full((len(queries), k), -1, dtype=np.int32)
    distances = np.full((len(queries), k), np.inf, dtype=np.float32)
    if len(queries) and candidates.shape[1]:
        with ThreadPoolExecutor(1) as pool:
            exact = _squared_distances(queries, vectors, np.maximum(candidates, 0), pool)
        exact[candidates < 0] = np.inf
        order = np.lexsort((candidates, exact), axis=-1)[:, :k]
        exact = np.take_along_axis(exact, order, axis=1)
        found = np.where(np.isfinite(exact), np.take_along_axis(candidates, order, axis=1), -1)
        indices[:, : order.shape[1]], distances[:, : order.shape[1]] = found, np.sqrt(exact)
    return Neighbours(indices=indices, distances=distances)


@dataclass(frozen=True)
class _Reach:
    slack: float
    pool: ThreadPoolExecutor


def _nearest_block(
    queries: Float32, vectors: Float32, own: Int64, k: int, reach: _Reach
) -> tuple[npt.NDArray[np.int64], Float64]:
    """Row numbers and squared distances of the nearest of one block, −1 and inf where there are none."""
    n = len(vectors)
    width = min(k, n)
    found = np.full((len(queries), width), -1, dtype=np.int64)
    squared = np.full((len(queries), width), np.inf)
    open_rows = np.arange(len(queries))
    n_candidates = min(n, k + 1 + SPARE)
    while len(open_rows):
        approximate, candidates = faiss.knn(queries[open_rows], vectors, n_candidates)
        exact = _squared_distances(queries[open_rows], vectors, candidates, reach.pool)
        exact[candidates == own[open_rows, None]] = np.inf
        order = np.lexsort((candidates, exact), axis=-1)[:, :width]
        exact = np.take_along_axis(exact, order, axis=1)
        settled = (exact[:, -1] + reach.slack < approximate[:, -1]) | (n_candidates == n)
        rows = open_rows[settled]
        squared[rows] = exact[settled]
        found[rows] = np.where(np.isfinite(squared[rows]), np.take_along_axis(candidates, order, axis=1)[settled], -1)
        open_rows = open_rows[~settled]
        n_candidates = min(n, 2 * n_candidates)
    return found, squared


def _squared_distances(queries: Float32, vectors: Float32, candidates: Int64, pool: ThreadPoolExecutor) -> Float64:
    """Σ (x − y)² in float64 by numpy's pairwise summation, whose order depends on the dimension alone."""
    d = vectors.shape[1]
    step = max(1, RERANK_BYTES // (8 * d * candidates.shape[1]))

    def part(start: int) -> Float64:
        block = slice(start, start + step)
        difference = vectors[candidates[block]].astype(np.float64)
        difference -= queries[block, None, :]
        np.square(difference, out=difference)
        total: Float64 = difference.sum(axis=-1)
        return total

    return np.concatenate(list(pool.map(part, range(0, len(queries), step))))


def _rounding(queries: Float32, vectors: Float32) -> float:
    """How far a float32 squared distance ‖x‖² + ‖y‖² − 2x·y may be from the true one.

    4·√d·ε·max(‖x‖², ‖y‖²): the probabilistic form of the dot-product bound, with ε = 2⁻²³, for each of three terms.
    """
    largest = max(_largest_square(queries), _largest_square(vectors))
    return 4 * float(np.sqrt(vectors.shape[1])) * float(np.finfo(np.float32).eps) * largest


def _largest_square(vectors: Float32) -> float:
    blocks = (vectors[start : start + QUERY_BLOCK] for start in range(0, len(vectors), QUERY_BLOCK))
    return max(float(np.einsum("ij,ij->i", block, block).max()) for block in blocks)


def _check(queries: Float32, vectors: Float32, k: int) -> None:
    if k < 1:
        raise ValueError(f"the number of neighbours must be at least 1; got {k}")
    for name, matrix in (("queries", queries), ("vectors", vectors)):
        if matrix.ndim != 2 or matrix.dtype != np.float32:
            raise ValueError(f"{name} must be a float32 matrix (n, d); got {matrix.dtype} of shape {matrix.shape}")
    if queries.shape[1] != vectors.shape[1]:
        raise ValueError(f"queries have {queries.shape[1]} dimensions and vectors {vectors.shape[1]}: embed both alike")
