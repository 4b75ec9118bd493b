"""Exact distances between groups of images, neuron by neuron, and how often chance alone gives them.

Of each image one number per neuron is read, its mean; the distance of two groups is that of these numbers. Images
that hang together (bursts) are moved together.

Source: W1 = ∫|F - G| on the pooled, sorted values (Vallender 1974); permutation as in :mod:`audit.maths.permutation`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.maths.histograms import Doubles
from audit.maths.permutation import p_value, permuted_groups, pieces

_CHUNK = 64
_TINY = 1e-12

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class GroupDistance:
    """How far a group of images is from the others, over all neurons.

    Attributes
    ----------
    distance : float64 (N,)
        Of each neuron, in standard deviations of the images outside; NaN where these do not vary.
    floor : float64 (N,)
        Mean distance under permutation.
    p_value : float
        By the mean over neurons of distance / floor.
    p_neurons : float64 (N,)
        Family-wise over neurons.
    """

    distance: Doubles
    floor: Doubles
    p_value: float
    p_neurons: Doubles


def group_distance(
    values: npt.NDArray[np.floating],
    inside: Bools,
    bursts: npt.NDArray[np.int64],
    rng: np.random.Generator,
    *,
    n_permutations: int = 99,
) -> GroupDistance:
    """Distance of the images inside from those outside, tested by moving whole bursts.

    Parameters
    ----------
    values : float (n, N)
        NaN counts as the neuron's mean.
    inside : bool (n,)
        Some, but not all.
    bursts : int64 (n,)

    Raises
    ------
    ValueError
        If all images, or none, are inside.
    """
    if inside.all() or not inside.any():
        raise ValueError("a distance takes images inside and outside of the group")
    piece, group = pieces(_as_they_come(bursts), inside.astype(np.int64))
    moved = permuted_groups(group, n_permutations, rng)[:, piece].astype(bool)
    groups = np.concatenate([inside[None], moved[moved.any(axis=1) & ~moved.all(axis=1)]])
    array = _filled(np.asarray(values, np.float64))
    scale = array[~inside].std(axis=0)
    found = wasserstein_groups(array, groups)
    centre = found[1:].mean(axis=0) if len(found) > 1 else np.full(found.shape[1], np.nan)
    varies = (scale > _TINY) & (centre > _TINY)
    ratio = np.divide(found, centre, out=np.zeros_like(found), where=varies)
    means, largest = ratio[:, varies].mean(axis=1) if varies.any() else np.ones(len(found)), ratio.max(axis=1)
    p_neurons = np.array([p_value(float(one), largest[1:]) for one in ratio[0]])
    distance, floor = (np.where(varies, part / np.maximum(scale, _TINY), np.nan) for part in (found[0], centre))
    return GroupDistance(distance, floor, p_value(float(means[0]), means[1:]), p_neurons)


@dataclass(frozen=True)
class CodeDistances:
    """How far the images of each of K groups are from all others, over all neurons.

    Attributes
    ----------
    distance, floor : float64 (K,)
        Weighted over neurons, in standard deviations of all images; as measured, and its mean under permutation.
    p_value : float64 (K,)
        Family-wise over the groups: how often the largest distance / floor of all of them is as large.
    """

    distance: Doubles
    floor: Doubles
    p_value: Doubles


def code_distances(
    values: npt.NDArray[np.floating],
    codes: npt.NDArray[np.int64],
    bursts: npt.NDArray[np.int64],
    how: tuple[Doubles, np.random.Generator],
    *,
    n_permutations: int = 199,
) -> CodeDistances:
    """Distance of every group of images from all others, tested together by moving whole bursts.

    Parameters
    ----------
    values : float (n, N)
        NaN counts as the neuron's mean.
    codes : int64 (n,)
        Group of each image, 0 to K - 1, at least two of them.
    bursts : int64 (n,)
    how : weights float64 (N,), >= 0, and the generator
    """
    weights, rng = how
    piece, group = pieces(_as_they_come(bursts), codes)
    moved = np.concatenate([codes[None], permuted_groups(group, n_permutations, rng)[:, piece]])
    array = _filled(np.asarray(values[:, weights > 0], np.float64))
    scale = array.std(axis=0)
    share = np.where(scale > _TINY, weights[weights > 0], 0.0)
    share = share / max(float(share.sum()), _TINY) / np.maximum(scale, _TINY)
    totals = []
    for code in range(int(codes.max()) + 1):
        groups = moved == code
        known = groups.any(axis=1) & ~groups.all(axis=1)
        total = np.zeros(len(groups))
        total[known] = wasserstein_groups(array, groups[known]) @ share
        totals.append(total)
    found = np.stack(totals, axis=1)
    floor = found[1:].mean(axis=0)
    ratio = found / np.maximum(floor, _TINY)
    largest = ratio[1:].max(axis=1)
    p = np.array([p_value(float(one), largest) for one in ratio[0]])
    return CodeDistances(found[0], floor, p)


def _as_they_come(bursts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Bursts numbered in the order in which they come, so that what they were called before changes nothing."""
    _, first, number = np.unique(bursts, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[number]


def _filled(array: Doubles) -> Doubles:
    """NaN as the neuron's mean, or 0 where it has none."""
    known = np.isfinite(array)
    mean = np.where(known, array, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, array, mean)


def wasserstein_groups(values: Doubles, groups: Bools) -> Doubles:
    """Exact 1-D Wasserstein distance inside against outside, float64 (B, N), in the unit of the values.

    With the pooled values sorted, x₁ ≤ … ≤ x_n, W1 = Σ_i |F(x_i) - G(x_i)| (x_{i+1} - x_i).

    Parameters
    ----------
    values : float64 (n, N)
    groups : bool (B, n)
    """
    from audit.maths import gaps

    share = np.where(groups, 1 / groups.sum(axis=1, keepdims=True), -1 / (~groups).sum(axis=1, keepdims=True))
    parted = [np.ascontiguousarray(share[start : start + _CHUNK].T) for start in range(0, len(share), _CHUNK)]
    found = np.empty((len(groups), values.shape[1]))
    for start in range(0, values.shape[1], _CHUNK):
        part = np.ascontiguousarray(values[:, start : start + _CHUNK].T, np.float64)
        order = np.argsort(part, axis=1, kind="stable")
        ranked = gaps.Sorted(order, np.diff(np.take_along_axis(part, order, axis=1), axis=1))
        for at, some in enumerate(parted):
            areas = np.zeros((len(part), some.shape[1]))
            gaps.BETWEEN(ranked, some, np.empty(some.shape[1]), areas)
            found[at * _CHUNK : at * _CHUNK + some.shape[1], start : start + _CHUNK] = areas.T
    return found
