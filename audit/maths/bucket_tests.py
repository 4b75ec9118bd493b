"""Tests and intervals for distances between counted distributions, by moving whole buckets of images.

Images are the sample, not positions, and a neuron never differs alone: so what is moved is the whole dataset, in
the 16 buckets that a hash has spread its images over, and every neuron moves together.

Bucket g of a side holds the share w_g of its positions and has the cumulative distribution F_g.

*Sides of like size* (at most twice as large): with the pooled F̄ = (F_A + F_B)/2 the units u_g = G w_g (F_g - F̄)
have the means F_A - F̄ and F_B - F̄, so the observed difference is one of the assignments of 2 G units to two sides,
and all of them are equally likely under the null.

*Sides of unlike size*: a bucket of one side is not exchangeable for one of the other. The units are then scaled to
one size, √s_g (F_g - F̄) with s_g positions and F̄ of all positions together, and a difference is drawn as
√(1/s_A + 1/s_B) Σ ±u_g/√(2 G - 1) with signs by the toss of a coin: the variance is right for any sizes, the tail of
a rare neuron is not. So nothing is said of single neurons.

Where images hang together, buckets scatter as independent images do: the p-value is then that of
:mod:`audit.maths.burst_tests`.

Source: permutation tests after Fisher, "The Design of Experiments" (1935), section 21; largest statistic over a
family: Westfall, Young, "Resampling-Based Multiple Testing" (1993), section 2.3; the bootstrap interval: Davison,
Hinkley, "Bootstrap Methods and their Application" (1997), equation 5.6 ("basic").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.maths.distances import Counted, Effects
from audit.maths.histograms import N_SPREAD, SPREAD_EDGES, Doubles, Ints

MIN_BUCKETS = 8
"""Filled buckets on each side from which exchanging them says anything."""
_CHUNK = 2**19
_TINY = 1e-12


LIKE_SIZES = 2.0
"""Sides whose numbers of positions differ by at most this factor exchange their buckets."""


@dataclass(frozen=True)
class JointTest:
    """How often chance alone gives what was seen, over all neurons together.

    Attributes
    ----------
    p_value : float
        That the two datasets are samples of one source. With sides of like size the smaller of the next two,
        calibrated by the same permutations; otherwise ``p_mean``.
    p_mean : float
        By the mean over neurons of distance / mean distance under permutation: many small differences.
    p_max : float or None
        By the most extreme neuron, in standard deviations of its permuted distances: one large difference.
    p_neurons : float64 (N,)
        Family-wise: how often the most extreme of all neurons is as extreme as this one; NaN where not known.
    null : float64 (B,)
        Weighted distance of every permutation, in the unit of weights x bins.
    """

    p_value: float
    p_mean: float
    p_max: float | None
    p_neurons: Doubles
    null: Doubles


def joint_test(
    left: Counted, right: Counted, weights: Doubles, rng: np.random.Generator, *, n_permutations: int = 999
) -> JointTest | None:
    """Test that two datasets are samples of one source, by moving their buckets between them.

    Parameters
    ----------
    weights : float64 (N,), >= 0
        Of each neuron's distance in bins; zero leaves the neuron out.
    rng : numpy.random.Generator
    n_permutations : int
        B; the smallest p-value is 1 / (B + 1).

    Returns
    -------
    JointTest, or None if a side has fewer than 8 filled buckets or no neuron is weighted
    """
    used = np.flatnonzero(weights > 0)
    if not len(used) or min(filled(left), filled(right)) < MIN_BUCKETS:
        return None
    moved, alike = _moved(left, right, used, n_permutations, rng)
    return judged(moved, weights, used, single=alike)


def judged(moved: Doubles, weights: Doubles, used: npt.NDArray[np.intp], *, single: bool) -> JointTest:
    """What distances say that were measured (row 0) and drawn by chance (the others), over all neurons together.

    Parameters
    ----------
    moved : float64 (B + 1, N used)
    weights : float64 (N,)
    used : int (N used,)
        Neurons with a weight.
    single : bool
        Whether single neurons can be judged.
    """
    null = moved[1:] @ weights[used]
    centre, scatter = moved.mean(axis=0), moved.std(axis=0)
    varies = scatter > _TINY
    ratio = np.divide(moved, centre, out=np.ones_like(moved), where=varies)
    means = ratio @ (weights[used] / weights[used].sum())
    p_means = _reached(means, means)
    p_neurons = np.full(len(weights), np.nan)
    if not single:
        return JointTest(float(p_means[0]), float(p_means[0]), None, p_neurons, null)
    standard = np.divide(moved - centre, scatter, out=np.zeros_like(moved), where=varies)
    largest = standard.max(axis=1)
    p_neurons[used] = _reached(largest, standard[0])
    p_largest = _reached(largest, largest)
    smaller = np.minimum(p_means, p_largest)
    p_value = float(_reached(-smaller, -smaller[:1])[0])
    return JointTest(p_value, float(p_means[0]), float(p_largest[0]), p_neurons, null)


def bootstrap_distances(
    left: Counted,
    right: Counted,
    weights: Doubles,
    rng: np.random.Generator,
    *,
    n_resamples: int = 999,
    effects: Effects | None = None,
) -> Doubles:
    """Weighted distance of datasets made of buckets drawn again with replacement, float64 (1 + B,), as observed first.

    D* = D + √(G/(G-1)) (Σ k_g r_g - Σ l_g r_g'), k and l the times each bucket is drawn, r_g = w_g (F_g - F) what it
    adds to its side; the root makes the variance that of the G - 1 free buckets. D* has the noise of D twice. Where
    images hang together, r_g is longer by the root of the design effect of its neuron.
    """
    used = np.flatnonzero(weights > 0)
    residuals, gap = [], np.zeros((len(used), N_SPREAD))
    for place, (sign, side) in enumerate(((1.0, left), (-1.0, right))):
        below, share = contributions(side.buckets[used])
        whole = below.sum(axis=0)
        gap += sign * whole
        longer = 1.0 if effects is None else np.sqrt(effects[place][used])[:, None]
        residuals.append(sign * longer * (below - share[:, :, None] * whole))
    n_buckets = left.buckets.shape[1]
    even = np.full(n_buckets, 1 / n_buckets)
    drawn = [rng.multinomial(n_buckets, even, n_resamples) * np.sqrt(n_buckets / (n_buckets - 1)) for _ in range(2)]
    mixtures = np.ones((n_resamples + 1, 2 * n_buckets + 1))
    mixtures[0, 1:] = 0
    mixtures[1:, 1:] = np.concatenate(drawn, axis=1)
    return distances_of(mixtures, np.concatenate([gap[None], *residuals])) @ weights[used]


def filled(side: Counted) -> int:
    """Buckets that hold at least one position of any neuron."""
    return int((side.buckets.sum(axis=2).max(axis=0, initial=0) > 0).sum())


def _assignments(n_buckets: int, n_permutations: int, rng: np.random.Generator) -> Doubles:
    """Row 0: as observed; the others: shuffled. +1/G for one side, -1/G for the other, float64 (B + 1, 2 G)."""
    observed = np.repeat([1.0, -1.0], n_buckets) / n_buckets
    shuffled = rng.permuted(np.broadcast_to(observed, (n_permutations, len(observed))), axis=1)
    return np.concatenate([observed[None], shuffled])


def _moved(
    left: Counted, right: Counted, used: npt.NDArray[np.intp], n_permutations: int, rng: np.random.Generator
) -> tuple[Doubles, bool]:
    """Distances as observed (row 0) and of every permutation, float64 (B + 1, N used); whether sides are alike."""
    totals = [side.counts[used].sum() for side in (left, right)]
    n_buckets = left.buckets.shape[1]
    if max(totals) <= LIKE_SIZES * min(totals):
        signs = _assignments(n_buckets, n_permutations, rng)
        return distances_of(signs, _units(left, right, used)), True
    gap = [contributions(side.buckets[used])[0].sum(axis=0) for side in (left, right)]
    signs = rng.choice([-1.0, 1.0], (n_permutations, 2 * n_buckets)) / np.sqrt(2 * n_buckets)
    moved = distances_of(signs, _scaled_units(left, right, used))
    return np.concatenate([distances_of(np.ones((1, 1)), (gap[0] - gap[1])[None]), moved]), False


def _units(left: Counted, right: Counted, used: npt.NDArray[np.intp]) -> Doubles:
    """Units of two sides of like size, float64 (2 G, N used, 16)."""
    sides = [contributions(side.buckets[used]) for side in (left, right)]
    pooled = sum(below.sum(axis=0) for below, _ in sides) / 2
    n_buckets = left.buckets.shape[1]
    return np.concatenate([n_buckets * (below - share[:, :, None] * pooled) for below, share in sides])


def _scaled_units(left: Counted, right: Counted, used: npt.NDArray[np.intp]) -> Doubles:
    """Units of two sides of unlike size, all of the variance of the difference, float64 (2 G, N used, 16)."""
    buckets = np.concatenate([left.buckets[used], right.buckets[used]], axis=1)
    size = buckets.sum(axis=2).T.astype(np.float64)
    below = np.cumsum(buckets[:, :, :N_SPREAD], axis=2).transpose(1, 0, 2).astype(np.float64)
    pooled = below.sum(axis=0) / size.sum(axis=0)[:, None]
    half = len(size) // 2
    spread = np.sqrt(1 / size[:half].sum(axis=0) + 1 / size[half:].sum(axis=0))
    free = np.sqrt(len(size) / (len(size) - 1))
    scale = free * spread / np.sqrt(np.maximum(size, 1))
    units: Doubles = (below - size[:, :, None] * pooled) * scale[:, :, None]
    return units


def contributions(buckets: Ints) -> tuple[Doubles, Doubles]:
    """What each bucket adds to a side's cumulative distribution.

    Returns
    -------
    below : float64 (G, N, 16)
        w_g F_g at the 16 spread edges; sums to F over buckets.
    share : float64 (G, N)
        w_g; sums to 1 where the neuron has any position.
    """
    total = np.maximum(buckets.sum(axis=(1, 2)), 1)[:, None]
    below = np.cumsum(buckets[:, :, :N_SPREAD], axis=2) / total[:, :, None]
    share = buckets.sum(axis=2) / total
    return below.transpose(1, 0, 2), share.T


def distances_of(mixtures: Doubles, units: Doubles) -> Doubles:
    """∫|D| of every neuron for many mixtures of units, D = mixture · units at 16 edges, float64 (B, N), in bins.

    Trapezoid rule between edges, so it is the distance of :func:`audit.maths.distances.wasserstein` up to what lies
    between edges and beyond the range.

    Parameters
    ----------
    mixtures : float64 (B, U)
    units : float64 (U, N, 16)
    """
    n_units, n, n_edges = units.shape
    moved = np.empty((len(mixtures), n))
    step = max(1, _CHUNK // (n_edges * len(mixtures)))
    weighted = (units * edge_widths()).transpose(0, 2, 1)
    for start in range(0, n, step):
        part = np.ascontiguousarray(weighted[:, :, start : start + step])
        gap = (mixtures @ part.reshape(n_units, -1)).reshape(len(mixtures), n_edges, -1)
        np.abs(gap, out=gap)
        moved[:, start : start + step] = gap.sum(axis=1)
    return moved


def edge_widths() -> Doubles:
    """Weights of the trapezoid rule at the 16 spread edges, float64 (16,), in bins; they sum to 126."""
    steps = np.diff(SPREAD_EDGES.astype(np.float64))
    return np.append(steps, 0.0) / 2 + np.append(0.0, steps) / 2


def _reached(null: Doubles, values: Doubles) -> Doubles:
    """Share of the null, the observation among it, that is at least each value; equal up to rounding counts."""
    ordered = np.sort(null)
    slack = 1e-9 * np.maximum(np.abs(values), _TINY)
    reached = len(ordered) - np.searchsorted(ordered, values - slack, side="left")
    p: Doubles = reached / len(ordered)
    return p
