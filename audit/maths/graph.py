"""Approximate nearest neighbours for datasets too large for the exhaustive search, with their recall measured.

Source: Y. Malkov, D. Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable
Small World graphs", IEEE TPAMI 42 (2020).
"""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from audit.maths.neighbours import QUERY_BLOCK, rank_candidates, search
from audit.model import Neighbours

EXACT_LIMIT = 200_000
"""Up to so many vectors the exhaustive search is used."""

LINKS, BUILD_WIDTH = 32, 80
RECALL_GATE = 0.98
RECALL_QUERIES = 1000
WIDTHS = (64, 128, 256, 512, 1024)
"""Search widths tried until the recall gate is passed."""

Float32 = npt.NDArray[np.float32]


def build_graph(vectors: Float32) -> Any:
    """A navigable graph of the vectors, built by one thread so that its bytes are always the same.

    Parameters
    ----------
    vectors : float32 (n, d)
        Read in blocks; the graph holds a copy.

    Returns
    -------
    faiss.IndexHNSWFlat
    """
    graph = faiss.IndexHNSWFlat(vectors.shape[1], LINKS)
    graph.hnsw.efConstruction = BUILD_WIDTH
    with threadpool_limits(limits=1):
        for start in range(0, len(vectors), QUERY_BLOCK):
            graph.add(np.ascontiguousarray(vectors[start : start + QUERY_BLOCK]))
    return graph


def tune(graph: Any, vectors: Float32, k: int, *, threads: int) -> float:
    """Set the search width of a graph to the smallest that passes the recall gate, and return the recall measured.

    Recall: share of the true k nearest of 1 000 evenly spaced rows (fewer in a smaller set) that the graph finds.

    Returns
    -------
    float, in [0, 1]
        Of the widest search when none passes 0.98.
    """
    rows = np.linspace(0, len(vectors) - 1, min(RECALL_QUERIES, len(vectors))).astype(np.int64)
    queries = np.ascontiguousarray(vectors[np.unique(rows)])
    truth = search(queries, vectors, k, threads=threads).indices
    recall = 0.0
    for width in WIDTHS:
        graph.hnsw.efSearch = max(width, k)
        found = graph.search(queries, k)[1]
        recall = float(np.mean([len(np.intersect1d(a, b)) / k for a, b in zip(truth, found, strict=True)]))
        if recall >= RECALL_GATE:
            break
    return recall


def search_graph(graph: Any, queries: Float32, vectors: Float32, k: int) -> Neighbours:
    """The k rows nearest to every query that the graph finds, their distances computed again in float64.

    Parameters
    ----------
    queries : float32 (m, d)
    vectors : float32 (n, d)
        The vectors of which the graph was built.

    Returns
    -------
    Neighbours
        indices int32 (m, k), distances float32 (m, k); −1 and +inf where the graph finds fewer.
    """
    candidates = graph.search(np.ascontiguousarray(queries), min(k + 8, len(vectors)))[1]
    return rank_candidates(queries, vectors, candidates, k)
