"""Permutation tests that move whole bursts, alone or for a family by the largest statistic.

Source: P. Westfall, S. Young, "Resampling-Based Multiple Testing" (1993), section 2.3 (single-step maxT); the
"+1" of p-values after B. Phipson, G. Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import sparse

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

CHUNK = 64
"""Permutations held at a time."""


def chunks(n: int) -> Iterator[int]:
    """How many of n resamples or permutations to hold at a time, chunk by chunk."""
    for start in range(0, n, CHUNK):
        yield min(CHUNK, n - start)


def pieces(bursts: Int64, groups: Int64) -> tuple[Int64, Int64]:
    """Exchangeable pieces: the rows of one burst in one group.

    Returns
    -------
    piece : int64 (n,)
        Piece of every row, numbered from 0.
    group : int64 (n_pieces,)
        Group of every piece.
    """
    n_groups = int(groups.max(initial=0)) + 1
    names, piece = np.unique(bursts * n_groups + groups, return_inverse=True)
    return piece.astype(np.int64), (names % n_groups).astype(np.int64)


def permuted_groups(group: Int64, n_permutations: int, rng: np.random.Generator) -> Int64:
    """The groups of the pieces, shuffled: int64 (n_permutations, n_pieces)."""
    return rng.permuted(np.broadcast_to(group, (n_permutations, len(group))), axis=1)


def p_value(observed: float, null: Float64) -> float:
    """(1 + #{null ≥ observed}) / (1 + B): never 0, and at most α with probability at most α."""
    return float((1 + np.count_nonzero(null >= observed)) / (1 + len(null)))


def share_statistics(counts: Float64) -> Float64:
    """Standardised difference of every category's share in a group and outside of it.

    z = (a/n_g − (r−a)/(N−n_g)) / √(p(1−p)(1/n_g + 1/(N−n_g))), p = r/N, r = the category's total; 0 where undefined.

    Parameters
    ----------
    counts : float64 (..., n_categories, n_groups)

    Returns
    -------
    float64, same shape
    """
    row = counts.sum(axis=-1, keepdims=True)
    column = counts.sum(axis=-2, keepdims=True)
    total = column.sum(axis=-1, keepdims=True)
    rest = total - column
    with np.errstate(divide="ignore", invalid="ignore"):
        p = row / total
        z = (counts / column - (row - counts) / rest) / np.sqrt(p * (1 - p) * (1 / column + 1 / rest))
    known: Float64 = np.nan_to_num(z, nan=0.0, posinf=0.0, neginf=0.0)
    return known


def max_t_shares(
    categories: Int64, groups: Int64, bursts: Int64, rng: np.random.Generator, *, n_permutations: int = 999
) -> Float64:
    """Family-wise p-values that a category's share differs between a group and the rest.

    Parameters
    ----------
    categories, groups, bursts : int64 (n,)
        Codes from 0 for the first two.
    rng : numpy.random.Generator
    n_permutations : int

    Returns
    -------
    float64 (n_categories, n_groups), in (0, 1]
        p = share of permutations whose largest \\|z\\| over the family reaches this one's.
    """
    n_categories, n_groups = int(categories.max(initial=-1)) + 1, int(groups.max(initial=-1)) + 1
    if n_categories < 2 or n_groups < 2:
        return np.ones((n_categories, n_groups))
    piece, group = pieces(bursts, groups)
    members = sparse.csr_array((np.ones(len(piece)), (categories, piece)), shape=(n_categories, len(group)))
    observed = np.abs(share_statistics(_counts(members, group[None], n_groups)))[0]
    largest = []
    for count in chunks(n_permutations):
        shuffled = permuted_groups(group, count, rng)
        largest.append(np.abs(share_statistics(_counts(members, shuffled, n_groups))).max(axis=(1, 2)))
    null = np.sort(np.concatenate(largest))
    reached = len(null) - np.searchsorted(null, observed - 1e-9, side="left")
    p: Float64 = (1 + reached) / (1 + len(null))
    return p


def _counts(members: sparse.csr_array, shuffled: Int64, n_groups: int) -> Float64:
    """Counts (permutations, categories, groups)."""
    per_group = [np.asarray(members @ (shuffled == g).T.astype(np.float64)).T for g in range(n_groups)]
    return np.stack(per_group, axis=-1)
