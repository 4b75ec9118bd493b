"""Distances between two sets of histograms: 1-D Wasserstein per neuron, what sampling alone would give, and errors.

Everything here reads counted distributions (:class:`audit.dna.Dna` is one) and answers per neuron, in *bins* of the
neuron's range unless said otherwise.

Source: W1 = ∫|F - G| for distributions on a line (Vallender 1974); the floor is the mean of |N(0, s²)| at every
edge, √(2/π) · s, with s² the variance between images of the difference of cumulative distributions.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from audit.maths.histograms import (
    INNER_BINS,
    N_EDGES,
    N_SPREAD,
    SPREAD_EDGES,
    SPREAD_UNIT,
    STEP,
    Doubles,
    Ints,
    cumulative,
)

_NEGLIGIBLE = 1e-12


class Counted(Protocol):
    """Counted distributions of N neurons; units as in :class:`audit.dna.Dna`."""

    @property
    def counts(self) -> Ints:
        """Positions per bin, int64 (N, 128)."""
        ...

    @property
    def tails(self) -> Ints:
        """Summed distances of tail positions, int64 (N, 2)."""
        ...

    @property
    def n_images(self) -> Ints:
        """Images counted, int64 (N,)."""
        ...

    @property
    def spread(self) -> Ints:
        """Sum of squared cumulative shares of images, int64 (N, 16)."""
        ...

    @property
    def buckets(self) -> Ints:
        """Positions by bucket of images and coarse bin, int64 (N, 16, 17)."""
        ...


def wasserstein(left: Counted, right: Counted) -> Doubles:
    """1-D Wasserstein distance of each neuron, float64 (N,), in bins.

    Inside the range both cumulative distributions are taken as straight lines between edges, which is exact for
    masses spread evenly in their bins. Beyond it the distance of the mean overshoots is added, which is exact unless
    the distributions cross out there (then it is a lower bound). NaN where either side counted nothing.
    """
    gap = cumulative(left.counts) - cumulative(right.counts)
    inside = _between(gap).sum(axis=1)
    beyond = np.abs(_overshoot(left) - _overshoot(right)).sum(axis=1)
    distance: Doubles = inside + beyond
    return np.where(_seen(left) & _seen(right), distance, np.nan)


def _between(gap: Doubles) -> Doubles:
    """∫|D| over each bin, D linear between its values at the edges."""
    a, b = gap[:, :-1], gap[:, 1:]
    total = np.abs(a) + np.abs(b)
    crossing = (a * a + b * b) / np.maximum(2 * total, _NEGLIGIBLE)
    return np.where(a * b < 0, crossing, total / 2)


def _overshoot(side: Counted) -> Doubles:
    n = np.maximum(side.counts.sum(axis=1), 1)
    mean: Doubles = side.tails / (STEP * n[:, None])
    return mean


def _seen(side: Counted) -> npt.NDArray[np.bool_]:
    seen: npt.NDArray[np.bool_] = side.counts.sum(axis=1) > 0
    return seen


def floor(left: Counted, right: Counted) -> Doubles:
    """The distance that sampling alone would give on average, float64 (N,), in bins.

    floor = √(2/π) · Σ_e √(V_left(e)/n + V_right(e)/m), V(e) the variance between images of their share of positions
    below edge e. Images are the sample, not positions. NaN where either side has fewer than two images.
    """
    variance = sampling_variance(left) + sampling_variance(right)
    return _edge_sum(np.sqrt(2 / np.pi * variance))


def sampling_variance(side: Counted) -> Doubles:
    """Variance of the cumulative distribution at each edge, float64 (N, 127): V(e) / n.

    V is kept at 16 edges. There it is divided by F(1 - F), the variance of an image with one position; that ratio
    (the design effect) changes slowly and is interpolated, F(1 - F) is known at every edge.
    """
    n = side.n_images.astype(np.float64)[:, None]
    below = cumulative(side.counts)
    single = below * (1 - below)
    ratio = _design_effect(side, below[:, SPREAD_EDGES], n)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance: Doubles = single * (ratio @ _interpolation()) / (n - 1)
    return np.where(n >= 2, variance, np.nan)


def _design_effect(side: Counted, below: Doubles, n: Doubles) -> Doubles:
    single = below * (1 - below)
    square = side.spread / SPREAD_UNIT / np.maximum(n, 1)
    known = single > 1 / np.maximum(side.counts.sum(axis=1), 2)[:, None] ** 2
    ratio = np.divide(square - below * below, single, out=np.zeros_like(single), where=known)
    return np.clip(_filled(ratio, known), 0.0, 1.0)


def _filled(values: Doubles, known: npt.NDArray[np.bool_]) -> Doubles:
    """Unknown entries from the nearest known one before them, else after them, else 1."""
    place = np.arange(N_SPREAD)
    before = np.maximum.accumulate(np.where(known, place, -1), axis=1)
    after = np.minimum.accumulate(np.where(known, place, N_SPREAD)[:, ::-1], axis=1)[:, ::-1]
    source = np.where(before >= 0, before, np.minimum(after, N_SPREAD - 1))
    filled: Doubles = np.take_along_axis(values, source, axis=1)
    return np.where(known.any(axis=1, keepdims=True), filled, 1.0)


def _interpolation() -> Doubles:
    """Linear interpolation from the 16 spread edges to all 127, float64 (16, 127)."""
    return np.stack([np.interp(np.arange(N_EDGES), SPREAD_EDGES, unit) for unit in np.eye(N_SPREAD)])


def _edge_sum(values: Doubles) -> Doubles:
    """Trapezoid sum over the 127 edges, one bin apart."""
    total: Doubles = values.sum(axis=1) - (values[:, 0] + values[:, -1]) / 2
    return total


def standard_deviation(side: Counted) -> Doubles:
    """Standard deviation of each neuron's activations, float64 (N,), in bins, at least 1/√12 of one.

    Masses are even in their bins, as for :func:`wasserstein`; tail positions stand at their mean.
    """
    n = np.maximum(side.counts.sum(axis=1), 1).astype(np.float64)
    centres = np.arange(INNER_BINS) + 0.5
    places = np.concatenate([np.zeros((len(n), 1)), np.tile(centres, (len(n), 1)), np.full((len(n), 1), 126.0)], axis=1)
    tail = side.tails / STEP / np.maximum(side.counts[:, [0, -1]], 1)
    places[:, 0] -= tail[:, 0]
    places[:, -1] += tail[:, 1]
    mean = (side.counts * places).sum(axis=1) / n
    variance = (side.counts * (places - mean[:, None]) ** 2).sum(axis=1) / n
    deviation: Doubles = np.sqrt(variance + 1 / 12)
    return deviation


def corrected(distance: Doubles, sampling_floor: Doubles) -> Doubles:
    """The distance with its floor taken off in squares: √max(0, d² - floor²)."""
    return np.sqrt(np.maximum(distance**2 - sampling_floor**2, 0.0))


def bucket_error(left: Counted, right: Counted, weights: Doubles) -> tuple[float, int]:
    """Standard error of a weighted sum of distances, from the scatter between buckets of images.

    The distance is linearised: bucket g moves it by Σ_e sign(F_left - F_right)(e) · (F_g - F)(e), weighted over
    neurons, so that correlation between neurons counts. Each side adds G/(G-1) Σ_g (n_g/n)² move_g².

    Parameters
    ----------
    weights : float64 (N,)
        Of each neuron's distance in bins; zero leaves it out.

    Returns
    -------
    error : float
        In the unit of weights x bins.
    n_buckets : int
        Non-empty buckets on the side that has fewer.

    Source: the grouped jackknife in its linear form (Efron, Stein, "The jackknife estimate of variance", 1981).
    """
    used = np.flatnonzero(weights)
    gap = cumulative(left.counts[used]) - cumulative(right.counts[used])
    pull = np.sign(gap[:, SPREAD_EDGES]) * _spacing() * weights[used, None]
    sides = [_side_variance(side.buckets[used], pull) for side in (left, right)]
    return float(np.sqrt(sum(variance for variance, _ in sides))), min(n for _, n in sides)


def _spacing() -> Doubles:
    edges = SPREAD_EDGES.astype(np.float64)
    inner = np.convolve(np.diff(edges), [0.5, 0.5], mode="valid")
    return np.concatenate([[np.diff(edges)[0] / 2], inner, [np.diff(edges)[-1] / 2]])


def _side_variance(buckets: Ints, pull: Doubles) -> tuple[float, int]:
    size = buckets.sum(axis=2)
    below = np.cumsum(buckets[:, :, :N_SPREAD], axis=2)
    total = np.maximum(size.sum(axis=1), 1)[:, None, None]
    mean = below.sum(axis=1, keepdims=True) / total
    move = ((below - size[:, :, None] * mean) / total * pull[:, None, :]).sum(axis=(0, 2))
    n_buckets = int((size.max(axis=0, initial=0) > 0).sum())
    return float(n_buckets / max(n_buckets - 1, 1) * (move**2).sum()), n_buckets
