"""How far apart two samples of vectors are: maximum mean discrepancy and Fréchet distance.

Source: A. Gretton et al., "A Kernel Two-Sample Test", JMLR 13 (2012), lemma 6; M. Heusel et al., NeurIPS 2017
(Fréchet distance of Gaussians, after Dowson and Landau 1982); M. Chong, D. Forsyth, "Effectively Unbiased FID and
Inception Score", CVPR 2020 (extrapolation to infinitely many images).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import svdvals

from audit.maths import permutation

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


def squared_distances(left: Float64, right: Float64) -> Float64:
    """‖x − y‖² of every pair: float64 (n, d), (m, d) → (n, m), never negative."""
    square = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None, :] - 2 * left @ right.T
    result: Float64 = np.maximum(square, 0.0)
    return result


def mmd(kernel: Float64, groups: Int64) -> float:
    """Unbiased squared maximum mean discrepancy from the kernel matrix of both samples.

    Σ_{i≠j} k(xᵢ,xⱼ)/n(n−1) + Σ_{i≠j} k(yᵢ,yⱼ)/m(m−1) − 2 Σ k(xᵢ,yⱼ)/nm; may be negative.

    Parameters
    ----------
    kernel : float64 (n + m, n + m), symmetric
    groups : int64 (n + m,), 0 or 1, at least two of each

    Source: Gretton et al. (2012), equation 3.
    """
    return float(_mmd_of(kernel, (groups == 1).astype(np.float64)[:, None])[0])


def mmd_test(
    vectors: Float64, groups: Int64, bursts: Int64, rng: np.random.Generator, *, n_permutations: int = 999
) -> tuple[float, float, float]:
    """Squared MMD with a Gaussian kernel of the median distance, the 95 % point of its null, and its p-value.

    Bursts are permuted whole. Memory is that of one (n, n) matrix.
    """
    squared = squared_distances(vectors, vectors)
    width = float(np.median(squared[np.triu_indices(len(squared), 1)]))
    kernel = np.exp(-squared / max(width, np.finfo(np.float64).tiny))
    value = mmd(kernel, groups)
    piece, group = permutation.pieces(bursts, groups)
    null = [
        _mmd_of(kernel, permutation.permuted_groups(group, count, rng)[:, piece].T.astype(np.float64))
        for count in permutation.chunks(n_permutations)
    ]
    values = np.concatenate(null)
    return value, float(np.quantile(values, 0.95)), permutation.p_value(value, values)


def frechet(left: Float64, right: Float64) -> float:
    """Fréchet distance of the Gaussians with the samples' means and covariances.

    ‖μ₁−μ₂‖² + tr S₁ + tr S₂ − 2 tr (S₁S₂)^½. With Aᵀ, Bᵀ the centred samples over √(n−1), the last trace is the sum of
    the singular values of A Bᵀ (n × m), or of R₁R₂ᵀ with the triangular factors where the dimension is smaller.

    Parameters
    ----------
    left, right : float64 (n, d), (m, d), n, m ≥ 2

    Returns
    -------
    float, ≥ 0, in squared units of the vectors

    Raises
    ------
    ValueError
        If a sample has fewer than two rows.
    """
    if min(len(left), len(right)) < 2:
        raise ValueError(f"a Fréchet distance needs two images on both sides; got {len(left)} and {len(right)}")
    mean_1, mean_2 = left.mean(axis=0), right.mean(axis=0)
    a, b = (left - mean_1) / np.sqrt(len(left) - 1), (right - mean_2) / np.sqrt(len(right) - 1)
    trace = float((a**2).sum() + (b**2).sum())
    if left.shape[1] < len(left):
        a = np.linalg.qr(a, mode="r")
    if right.shape[1] < len(right):
        b = np.linalg.qr(b, mode="r")
    cross = float(svdvals(a @ b.T).sum())
    return max(0.0, float(((mean_1 - mean_2) ** 2).sum()) + trace - 2 * cross)


def extrapolated(sizes: npt.NDArray[np.int64], values: Float64) -> float:
    """Value at infinitely many images: the intercept of the least-squares line of values on 1/sizes.

    Source: Chong and Forsyth (2020), section 3.

    Examples
    --------
    >>> round(extrapolated(np.array([10, 20, 40]), np.array([3.0, 2.0, 1.5])), 9)
    1.0
    """
    design = np.stack([np.ones(len(sizes)), 1.0 / sizes], axis=1)
    solution, *_ = np.linalg.lstsq(design, values, rcond=None)
    return float(solution[0])


def _mmd_of(kernel: Float64, ones: Float64) -> Float64:
    """Squared MMD for every column of 0/1 group membership (n, B)."""
    n_1 = ones.sum(axis=0)
    n_0 = len(ones) - n_1
    to_ones = kernel @ ones
    diagonal = np.diag(kernel)
    inside_1 = (ones * to_ones).sum(axis=0)
    cross = to_ones.sum(axis=0) - inside_1
    inside_0 = kernel.sum() - inside_1 - 2 * cross
    own_1 = diagonal @ ones
    within = (inside_1 - own_1) / (n_1 * (n_1 - 1)) + (inside_0 - (diagonal.sum() - own_1)) / (n_0 * (n_0 - 1))
    result: Float64 = within - 2 * cross / (n_0 * n_1)
    return result
