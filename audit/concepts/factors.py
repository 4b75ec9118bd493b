"""Non-negative factors of activations, of which only those are kept that two fits agree on.

Every row (one place of one picture) is written as a sum of a few non-negative directions in the space of neurons.
The rows are first compressed to their leading singular directions, after which an update costs k·r instead of k·c
per row; the factors stay non-negative in the neurons themselves.

Source: D. Lee, H. S. Seung, "Learning the parts of objects by non-negative matrix factorization", Nature 401 (1999);
A. Cichocki, A.-H. Phan, "Fast local algorithms for large scale nonnegative matrix and tensor factorizations", IEICE
Trans. Fundamentals E92-A (2009), algorithm 2 (HALS); G. Zhou, A. Cichocki, S. Xie, "Fast nonnegative matrix/tensor
factorization based on low-rank approximation", IEEE Trans. Signal Process. 60 (2012); over places of pictures: E.
Collins, R. Achanta, S. Süsstrunk, "Deep feature factorization for concept discovery", ECCV 2018.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from threadpoolctl import threadpool_limits

RANK = 96
"""Singular directions that stand for the rows."""

OVERSAMPLING = 16
N_POWER = 2
N_START = 8
"""Random rows whose mean a direction begins with."""

MAX_ROUNDS = 300
TOLERANCE = 1e-5
"""Rounds end when one of them lowers the unexplained share of squares by less than this share of it."""

STABLE = 0.9
"""Least cosine between a factor and its match in the other fit."""

_TINY = np.float32(1e-12)

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Compressed:
    """Rows by their leading singular directions: rows ≈ left @ right.

    Attributes
    ----------
    left : float32 (n, r)
    right : float32 (r, c)
    squares : float
        Sum of squares of the rows themselves.
    """

    left: Float32
    right: Float32
    squares: float


@dataclass(frozen=True)
class Factors:
    """rows ≈ weights @ directions, both without negative entries.

    Attributes
    ----------
    weights : float32 (n, k)
    directions : float32 (k, c), unit length
        Those with the largest share of the squares first.
    explained : float, at most 1
        1 − ‖rows − weights @ directions‖² / ‖rows‖².
    """

    weights: Float32
    directions: Float32
    explained: float


def compress(rows: Float32, rng: np.random.Generator, *, rank: int = RANK) -> Compressed:
    """Leading singular directions of the rows, by a random projection and two power iterations.

    Parameters
    ----------
    rows : float32 (n, c)
    rank : int
        Fewer where there are fewer rows or neurons.

    Source: N. Halko, P.-G. Martinsson, J. Tropp, SIAM Review 53 (2011), algorithms 4.4 and 5.1.
    """
    width = min(rank + OVERSAMPLING, *rows.shape)
    with threadpool_limits(limits=1):
        basis = np.linalg.qr(rows @ rng.normal(size=(rows.shape[1], width)).astype(np.float32))[0]
        for _ in range(N_POWER):
            basis = np.linalg.qr(rows @ np.linalg.qr(rows.T @ basis)[0])[0]
        inner, values, right = np.linalg.svd(basis.T @ rows, full_matrices=False)
        r = min(rank, len(values))
        left = basis @ (inner[:, :r] * values[:r])
    squares = float(np.einsum("ij,ij->", rows, rows, dtype=np.float64))
    return Compressed(left.astype(np.float32), right[:r].astype(np.float32), squares)


def factorise(rows: Compressed, k: int, rng: np.random.Generator) -> Factors:
    """Non-negative factors by hierarchical alternating least squares, from a random beginning.

    w_j ← max(0, w_j + (X h_j − W H h_j)/‖h_j‖²), the same with the roles exchanged, factor after factor.

    Raises
    ------
    ValueError
        If k is not positive or there are no rows.

    Source: Cichocki, Phan (2009), algorithm 2, on the compressed rows of Zhou, Cichocki, Xie (2012).
    """
    if k < 1 or not len(rows.left):
        raise ValueError(f"{k} factors of {len(rows.left)} rows: both must be positive")
    n = len(rows.left)
    with threadpool_limits(limits=1):
        start = rng.integers(0, n, size=(k, N_START))
        directions: Float32 = _unit(np.maximum(rows.left[start].mean(axis=1) @ rows.right, 0) + _TINY)
        left = np.ascontiguousarray(rows.left.T)
        weights: Float32 = np.maximum((directions @ rows.right.T) @ left, 0)
        loss = np.inf
        for _ in range(MAX_ROUNDS):
            _update(weights, (directions @ rows.right.T) @ left, directions @ directions.T)
            _update(directions, (weights @ rows.left) @ rows.right, weights @ weights.T)
            lengths = np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), _TINY)
            directions /= lengths
            weights *= lengths
            previous, loss = loss, _unexplained(rows, weights, directions)
            if previous - loss <= TOLERANCE * loss:
                break
    order = np.argsort(-np.einsum("ij,ij->i", weights, weights, dtype=np.float64), kind="stable")
    explained = 1 - loss / max(rows.squares, float(_TINY))
    return Factors(np.ascontiguousarray(weights[order].T), directions[order], float(explained))


def _update(factor: Float32, target: npt.NDArray[Any], gram: npt.NDArray[Any]) -> None:
    """One round over the rows of a factor (k, m), in place; the target (k, m) is its product with the data."""
    for j in range(len(gram)):
        step = (target[j] - gram[j] @ factor) / max(gram[j, j], _TINY)
        np.maximum(factor[j] + step, 0, out=factor[j])


def _unexplained(rows: Compressed, weights: Float32, directions: Float32) -> float:
    """‖X‖² − 2·tr(W X Hᵀ) + tr(W Wᵀ H Hᵀ), with X in its compressed form where it meets the factors."""
    cross = np.einsum("ij,ij->", (weights @ rows.left) @ rows.right, directions, dtype=np.float64)
    own = np.einsum("ij,ij->", weights @ weights.T, directions @ directions.T, dtype=np.float64)
    return float(max(rows.squares - 2 * cross + own, 0.0))


def weigh(rows: Float32, directions: Float32, *, n_rounds: int = 100) -> Float32:
    """Non-negative weights of other rows for given directions, by the same updates: float32 (n, k)."""
    with threadpool_limits(limits=1):
        target, gram = directions @ rows.T, directions @ directions.T
        weights: Float32 = np.maximum(target, 0)
        for _ in range(n_rounds):
            _update(weights, target, gram)
    return np.ascontiguousarray(weights.T)


def agreement(left: Float32, right: Float32) -> Float64:
    """Cosine between every direction and its match among the others, each used once.

    Parameters
    ----------
    left, right : float32 (k, c), unit length

    Returns
    -------
    float64 (k,)
        Of the directions of ``left``; the matching maximises the sum of the cosines.

    Source: H. W. Kuhn, "The Hungarian method for the assignment problem", Naval Research Logistics 2 (1955).
    """
    cosines = left.astype(np.float64) @ right.T.astype(np.float64)
    rows, columns = linear_sum_assignment(cosines, maximize=True)
    found = np.zeros(len(left))
    found[rows] = cosines[rows, columns]
    return found


def _unit(rows: Float32) -> Float32:
    scaled: Float32 = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return scaled
