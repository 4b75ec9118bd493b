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
    piece, group = pieces(bursts, inside.astype(np.int64))
    moved = permuted_groups(group, n_permutations, rng)[:, piece].astype(bool)
    groups = np.concatenate([inside[None], moved[moved.any(axis=1) & ~moved.all(axis=1)]])
    array = np.asarray(values, np.float64)
    array = np.where(np.isnan(array), np.nanmean(np.where(np.isfinite(array), array, np.nan), axis=0), array)
    scale = array[~inside].std(axis=0)
    found = wasserstein_groups(array, groups)
    centre = found[1:].mean(axis=0) if len(found) > 1 else np.full(found.shape[1], np.nan)
    varies = (scale > _TINY) & (centre > _TINY)
    ratio = np.divide(found, centre, out=np.zeros_like(found), where=varies)
    means, largest = ratio[:, varies].mean(axis=1) if varies.any() else np.ones(len(found)), ratio.max(axis=1)
    p_neurons = np.array([p_value(float(one), largest[1:]) for one in ratio[0]])
    distance, floor = (np.where(varies, part / np.maximum(scale, _TINY), np.nan) for part in (found[0], centre))
    return GroupDistance(distance, floor, p_value(float(means[0]), means[1:]), p_neurons)


def wasserstein_groups(values: Doubles, groups: Bools) -> Doubles:
    """Exact 1-D Wasserstein distance inside against outside, float64 (B, N), in the unit of the values.

    With the pooled values sorted, x₁ ≤ … ≤ x_n, W1 = Σ_i |F(x_i) - G(x_i)| (x_{i+1} - x_i).

    Parameters
    ----------
    values : float64 (n, N)
    groups : bool (B, n)
    """
    share = np.where(groups, 1 / groups.sum(axis=1, keepdims=True), -1 / (~groups).sum(axis=1, keepdims=True))
    found = np.empty((len(groups), values.shape[1]))
    for start in range(0, values.shape[1], _CHUNK):
        part = values[:, start : start + _CHUNK]
        order = np.argsort(part, axis=0, kind="stable")
        steps = np.diff(np.take_along_axis(part, order, axis=0), axis=0)
        for row, one in enumerate(share):
            gap = np.cumsum(one[order[:-1]], axis=0)
            found[row, start : start + _CHUNK] = (np.abs(gap) * steps).sum(axis=0)
    return found
