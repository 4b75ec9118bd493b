"""Kernel distance of two labelled samples for given class shares: what remains when the shares are made alike.

With m_c and n_c the mean embeddings (in the kernel's space) of class c in either sample, the squared distance of
mixtures with shares p and q is ‖Σ p_c m_c − Σ q_c n_c‖². With q = p it is what pictures of equal classes differ by.

Source: A. Gretton et al., JMLR 13 (2012), equation 3, by strata; F. Zhang et al., "Domain Adaptation under Target and
Conditional Shift", ICML 2013 (class shares against class-conditional change).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.maths import permutation
from audit.maths.kernels import BurstKernel

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ByClass:
    """Distances for every column of weights.

    Attributes
    ----------
    own_shares : float64 (B,)
        Squared distance of the samples with the class shares they have.
    same_shares : float64 (B,)
        The same with the shares of the reference for both.
    classes : float64 (n_classes, B)
        Squared distance between the two samples' images of one class.
    """

    own_shares: Float64
    same_shares: Float64
    classes: Float64


@dataclass(frozen=True)
class Strata:
    """A kernel matrix, its images' groups (0 reference, 1 candidate) and classes (codes from 0, all in both groups).

    Attributes
    ----------
    kernel : BurstKernel
    groups, classes, bursts : int64 (n,)
        A burst lies within one group.
    """

    kernel: BurstKernel
    groups: Int64
    classes: Int64
    bursts: Int64

    @property
    def shares(self) -> Float64:
        """Class shares of reference and candidate, float64 (2, n_classes)."""
        counts = np.zeros((2, int(self.classes.max()) + 1))
        np.add.at(counts, (self.groups, self.classes), 1.0)
        shares: Float64 = counts / counts.sum(axis=1, keepdims=True)
        return shares


def distances(strata: Strata, left: Float64, right: Float64) -> ByClass:
    """Unbiased squared distances given the class shares, for weights of the reference's and the candidate's images.

    Parameters
    ----------
    left, right : float64 (n, B), ≥ 0
        Every class has two bursts on both sides in every column.
    """
    shares, n_classes = strata.shares, int(strata.classes.max()) + 1
    mean_left, mean_right = (_per_class(strata.classes, w, n_classes) for w in (left, right))
    bias_left, bias_right, within = _within_classes(strata, mean_left, mean_right, left, right)
    found = []
    for own in (shares[1], shares[0]):
        signed = shares[0][strata.classes, None] * mean_left - own[strata.classes, None] * mean_right
        whole = (signed * (strata.kernel.values @ signed)).sum(axis=0)
        found.append(whole + (shares[0] ** 2) @ bias_left + (own**2) @ bias_right)
    return ByClass(found[0], found[1], within)


def observed(strata: Strata) -> ByClass:
    """The distances of the samples themselves."""
    return distances(strata, *_sides(strata.groups[:, None]))


def resampled(strata: Strata, rng: np.random.Generator, n_resamples: int) -> ByClass:
    """The distances when bursts are drawn with replacement within every class of each sample."""
    piece, group = permutation.pieces(strata.bursts, strata.groups)
    stratum = np.zeros((2, len(group)), dtype=np.int64)
    stratum[0], stratum[1][piece] = group, strata.classes
    _, place = np.unique(stratum, axis=1, return_inverse=True)
    found = []
    for count in permutation.chunks(n_resamples):
        times = np.empty((len(group), count))
        for one in range(int(place.max()) + 1):
            own = np.flatnonzero(place == one)
            times[own] = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), size=count).T
        weights = times[piece]
        found.append(distances(strata, *(weights * side for side in _sides(strata.groups[:, None]))))
    return _joined(found)


def permuted(strata: Strata, rng: np.random.Generator, n_permutations: int) -> ByClass:
    """The distances when bursts are dealt to the two samples at random within every class."""
    piece, group = permutation.pieces(strata.bursts, strata.groups)
    of_piece = np.zeros(len(group), dtype=np.int64)
    of_piece[piece] = strata.classes
    found = []
    for count in permutation.chunks(n_permutations):
        shuffled = np.empty((count, len(group)), dtype=np.int64)
        for c in np.unique(of_piece):
            own = np.flatnonzero(of_piece == c)
            shuffled[:, own] = permutation.permuted_groups(group[own], count, rng)
        found.append(distances(strata, *_sides(shuffled[:, piece].T)))
    return _joined(found)


def max_t(values: Float64, null: Float64) -> Float64:
    """Family-wise p-values of classes, each in standard deviations of its own permutations.

    Parameters
    ----------
    values : float64 (n_classes,)
    null : float64 (n_classes, B)
    """
    centre, spread = null.mean(axis=1), np.maximum(null.std(axis=1), np.finfo(np.float64).tiny)
    largest = ((null - centre[:, None]) / spread[:, None]).max(axis=0)
    return np.array([permutation.p_value(z, largest) for z in (values - centre) / spread])


def _sides(groups: Int64) -> tuple[Float64, Float64]:
    return (groups == 0).astype(np.float64), (groups == 1).astype(np.float64)


def _per_class(classes: Int64, weights: Float64, n_classes: int) -> Float64:
    """Weights that sum to 1 within every class."""
    totals = np.zeros((n_classes, weights.shape[1]))
    np.add.at(totals, classes, weights)
    result: Float64 = weights / np.maximum(totals, 1.0)[classes]
    return result


def _within_classes(
    strata: Strata, mean_left: Float64, mean_right: Float64, left: Float64, right: Float64
) -> tuple[Float64, Float64, Float64]:
    """What the pairs left out inside bursts take from each class' own mean, and the distance within each class."""
    n_classes = int(strata.classes.max()) + 1
    bias = np.zeros((2, n_classes, left.shape[1]))
    within = np.zeros((n_classes, left.shape[1]))
    for c in range(n_classes):
        rows = np.flatnonzero(strata.classes == c)
        block, members = strata.kernel.values[np.ix_(rows, rows)], strata.kernel.members[:, rows]
        to_right = block @ mean_right[rows]
        for side, (mean, weights) in enumerate(((mean_left, left), (mean_right, right))):
            own = (mean[rows] * (to_right if side else block @ mean[rows])).sum(axis=0)
            counts = members @ weights[rows]
            total = counts.sum(axis=0)
            n_pairs = total**2 - (counts**2).sum(axis=0)
            corrected = own * total**2 / np.maximum(n_pairs, 1.0)
            bias[side, c] = corrected - own
            within[c] += corrected
        within[c] -= 2 * (mean_left[rows] * to_right).sum(axis=0)
    return bias[0], bias[1], within


def _joined(parts: list[ByClass]) -> ByClass:
    return ByClass(
        np.concatenate([part.own_shares for part in parts]),
        np.concatenate([part.same_shares for part in parts]),
        np.concatenate([part.classes for part in parts], axis=1),
    )
