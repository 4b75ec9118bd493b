"""Squared kernel distances of two samples in which images of one burst are one observation.

All that is asked of a kernel matrix here (value, bootstrap, permutations, halves) is the same quadratic form for other
columns of weights, so that one matrix product answers many columns at once.

Source: A. Gretton et al., "A Kernel Two-Sample Test", JMLR 13 (2012), equation 3 (unbiased estimate); M. Bińkowski et
al., "Demystifying MMD GANs", ICLR 2018 (KID); S. Jayasumana et al., "Rethinking FID", CVPR 2024 (CMMD).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from audit.maths import permutation
from audit.maths.discrepancy import squared_distances

CMMD_SIGMA = 10.0
CMMD_SCALE = 1000.0

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


def kid_kernel(left: Float64, right: Float64) -> Float64:
    """Polynomial kernel of KID: k(x, y) = (x·y + 1)³, float64 (n, d), (m, d) → (n, m).

    The paper's is (x·y/d + 1)³, for features whose components have a mean square of about 1. Vectors of unit length are
    such features divided by √d. With a further 1/d the kernel would be 1 + 3 x·y/d but for terms that vanish, and see
    nothing but the means.

    Source: Bińkowski et al. (2018), section 4.
    """
    result: Float64 = (left @ right.T + 1.0) ** 3
    return result


def cmmd_kernel(left: Float64, right: Float64) -> Float64:
    """Gaussian kernel of CMMD times its scale: 1000·exp(−‖x−y‖² / 2σ²), σ = 10, for vectors of unit length.

    So wide a kernel is nearly 1000·(1 − ‖x−y‖²/200): CMMD is close to 10·‖μ₁−μ₂‖².

    Source: Jayasumana et al. (2024), section 5.
    """
    result: Float64 = CMMD_SCALE * np.exp(-squared_distances(left, right) / (2 * CMMD_SIGMA**2))
    return result


@dataclass(frozen=True)
class BurstKernel:
    """A kernel matrix without the pairs inside bursts.

    Attributes
    ----------
    values : float64 (n, n)
        0 where both images are of one burst.
    members : sparse float64 (n_bursts, n)
        1 where the image is of the burst.
    """

    values: Float64
    members: sparse.csr_array

    def distances(self, left: Float64, right: Float64) -> Float64:
        """Unbiased squared kernel distance for each column of weights.

        Mean k over pairs of two left images + mean over pairs of two right ones − 2 × mean over pairs of one of each;
        pairs of one burst are no pairs. May be negative.

        Parameters
        ----------
        left, right : float64 (n, B), ≥ 0
            How often each image counts; every column has two bursts on both sides.

        Returns
        -------
        float64 (B,)
        """
        to_left, to_right = self.values @ left, self.values @ right
        counts_left, counts_right = self.members @ left, self.members @ right
        return np.asarray(
            _mean(left, to_left, counts_left, counts_left)
            + _mean(right, to_right, counts_right, counts_right)
            - 2 * _mean(left, to_right, counts_left, counts_right)
        )


def burst_kernel(kernel: Float64, bursts: Int64) -> BurstKernel:
    """Take the pairs inside bursts out of a kernel matrix, float64 (n, n), bursts int64 (n,)."""
    _, place = np.unique(bursts, return_inverse=True)
    n = len(bursts)
    members = sparse.csr_array((np.ones(n), (place, np.arange(n))), shape=(int(place.max(initial=-1)) + 1, n))
    values = kernel.copy()
    values[place[:, None] == place[None, :]] = 0.0
    return BurstKernel(values, members)


def distance(kernel: BurstKernel, groups: Int64) -> float:
    """Unbiased squared kernel distance of group 1 from group 0, groups int64 (n,)."""
    return float(_by_group(kernel, groups[:, None])[0])


def interval(
    kernel: BurstKernel,
    groups: Int64,
    rng: np.random.Generator,
    *,
    n_resamples: int = 499,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile bootstrap interval; bursts are drawn with replacement within each group.

    A burst drawn twice makes no pair with itself, so resampling adds no bias.
    """
    piece, group = permutation.pieces(_burst_of(kernel), groups)
    values = []
    for count in permutation.chunks(n_resamples):
        times = np.empty((len(group), count))
        for g in (0, 1):
            own = np.flatnonzero(group == g)
            times[own] = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), size=count).T
        weights = times[piece]
        values.append(kernel.distances(weights * (groups == 0)[:, None], weights * (groups == 1)[:, None]))
    low, high = np.quantile(np.concatenate(values), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def p_value(kernel: BurstKernel, groups: Int64, rng: np.random.Generator, *, n_permutations: int = 999) -> float:
    """Share of permutations of whole bursts whose distance reaches the observed one."""
    piece, group = permutation.pieces(_burst_of(kernel), groups)
    null = [
        _by_group(kernel, permutation.permuted_groups(group, count, rng)[:, piece].T)
        for count in permutation.chunks(n_permutations)
    ]
    return permutation.p_value(distance(kernel, groups), np.concatenate(null))


def of_halves(kernel: BurstKernel, halves: list[tuple[Int64, Int64]]) -> Float64:
    """Distances between pairs of disjoint sets of rows: float64 (len(halves),)."""
    weights = np.zeros((2, len(kernel.values), len(halves)))
    for i, pair in enumerate(halves):
        for side in (0, 1):
            weights[side, pair[side], i] = 1.0
    return kernel.distances(weights[0], weights[1])


def _by_group(kernel: BurstKernel, groups: Int64) -> Float64:
    return kernel.distances((groups == 0).astype(np.float64), (groups == 1).astype(np.float64))


def _mean(weights: Float64, to_others: Float64, counts: Float64, other_counts: Float64) -> Float64:
    """Mean of k over the pairs that are not of one burst, for every column."""
    n_pairs = counts.sum(axis=0) * other_counts.sum(axis=0) - (counts * other_counts).sum(axis=0)
    result: Float64 = (weights * to_others).sum(axis=0) / n_pairs
    return result


def _burst_of(kernel: BurstKernel) -> Int64:
    place: Int64 = kernel.members.T.tocsr().indices.astype(np.int64)
    return place
