"""Which datasets are alike: distances between many as a tree, and an order that puts the alike side by side.

Source: average linkage (Sokal, Michener 1958); leaf order by Bar-Joseph, Gifford, Jaakkola, "Fast optimal leaf ordering
for hierarchical clustering", Bioinformatics 17 (2001).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform


@dataclass(frozen=True)
class Tree:
    """A tree over n datasets.

    Attributes
    ----------
    order : tuple of int
        The datasets, those that are alike side by side.
    joins : tuple of (int, int, float)
        The two nodes that are joined, and their mean distance; datasets are the nodes 0 to n - 1, join i is node n + i.
    """

    order: tuple[int, ...]
    joins: tuple[tuple[int, int, float], ...]


def tree(matrix: Sequence[Sequence[float | None]]) -> Tree:
    """The tree of a matrix of distances.

    Parameters
    ----------
    matrix : n x n numbers
        Row i in units of dataset i: the mean of both directions counts. What is not known counts as the farthest.

    Examples
    --------
    >>> tree([[0, 9, 1], [9, 0, 8], [1, 8, 0]])
    Tree(order=(1, 2, 0), joins=((0, 2, 1.0), (1, 3, 8.5)))
    """
    n = len(matrix)
    if n < 2:
        return Tree(tuple(range(n)), ())
    known = np.array([[np.nan if value is None else value for value in row] for row in matrix], np.float64)
    known = np.where(np.isnan(known), np.nanmax(known, initial=0.0), known)
    both = (known + known.T) / 2
    np.fill_diagonal(both, 0.0)
    joins = linkage(squareform(both, checks=False), "average", optimal_ordering=True)
    pairs = tuple((int(min(a, b)), int(max(a, b)), float(distance)) for a, b, distance, _ in joins.tolist())
    return Tree(tuple(leaves_list(joins).tolist()), pairs)
