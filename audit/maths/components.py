"""Connected components, and their division into stars.

Source: scipy.sparse.csgraph (D. Pearce, 2005).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

Int64 = npt.NDArray[np.int64]


def components(n: int, pairs: Int64) -> Int64:
    """Component of each of n nodes, numbered by first appearance.

    Parameters
    ----------
    n : int
    pairs : int64 (p, 2)

    Returns
    -------
    int64 (n,)
    """
    ones = np.ones(len(pairs), dtype=np.int8)
    graph = coo_matrix((ones, (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    numbered: Int64 = rank[inverse]
    return numbered


def stars(
    pairs: Int64, worth: Int64, confirm: Callable[[Int64], npt.NDArray[np.bool_]], *, first: Int64 | None = None
) -> list[Int64]:
    """Divide linked nodes into groups in which everyone is linked to the first.

    The centre of a component is its node with the most links, the one of greatest worth among equals; with ``first``,
    one of those for which that is greatest. Nodes not linked to it are put to ``confirm``; those it refuses go on
    without it, so a chain of small changes never makes
    one group of unlike ends. Nodes left without a link to any centre are in no group.

    Parameters
    ----------
    pairs : int64 (p, 2)
        Links, each once.
    worth : int64 (n,)
        Distinct ranks; greater is better.
    confirm : (q, 2) pairs (centre, node) -> bool (q,)
    first : int64 (n,), optional
        Goes before the number of links in the choice of the centre.

    Returns
    -------
    list of int64 arrays
        The centre first, the others ascending; in the order of their centres.
    """
    found: list[Int64] = []
    before = np.zeros(len(worth), dtype=np.int64) if first is None else first
    while len(pairs):
        nodes, flat = np.unique(pairs, return_inverse=True)
        links = flat.reshape(pairs.shape)
        degree = np.bincount(links.ravel(), minlength=len(nodes))
        part = components(len(nodes), links)
        order = np.lexsort((worth[nodes], degree, before[nodes], part))
        centre_of = order[np.append(part[order][1:] != part[order][:-1], True)][part]
        direct = centre_of == np.arange(len(nodes))
        for a, b in ((0, 1), (1, 0)):
            direct[links[centre_of[links[:, a]] == links[:, a], b]] = True
        asked = np.flatnonzero(~direct)
        if len(asked):
            direct[asked] = confirm(np.stack([nodes[centre_of[asked]], nodes[asked]], axis=1))
        for centre in np.unique(centre_of):
            members = np.flatnonzero(direct & (centre_of == centre))
            found.append(nodes[np.append(centre, members[members != centre])])
        pairs = pairs[~direct[links].any(axis=1)]
    return sorted(found, key=lambda group: int(group[0]))
