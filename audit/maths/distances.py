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

Effects = tuple[Doubles, Doubles]
"""Design effect of each neuron on either side, float64 (N,), >= 1: how many times the variance of independent images
(:func:`audit.maths.design_effect.design_effect`)."""


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


def floor(left: Counted, right: Counted, effects: Effects | None = None) -> Doubles:
    """The distance that sampling alone would give on average, float64 (N,), in bins.

    floor = √(2/π) · Σ_e √(V_left(e)/n + V_right(e)/m), V(e) the variance between images of their share of positions
    below edge e, times the design effect where images hang together. Images are the sample, not positions. NaN where
    either side has fewer than two images.
    """
    return _edge_sum(np.sqrt(2 / np.pi * _difference_variance(left, right, effects)))


def _difference_variance(left: Counted, right: Counted, effects: Effects | None) -> Doubles:
    """Variance of the difference of two cumulative distributions at each edge, float64 (N, 127)."""
    if effects is None:
        return sampling_variance(left) + sampling_variance(right)
    return sampling_variance(left) * effects[0][:, None] + sampling_variance(right) * effects[1][:, None]


def sampling_variance(side: Counted) -> Doubles:
    """Variance of the cumulative distribution of independent images at each edge, float64 (N, 127): V(e) / n.

    V is kept at 16 edges. There it is divided by F(1 - F), the variance of an image with one position; that ratio
    (of positions in images) changes slowly and is interpolated, F(1 - F) is known at every edge.
    """
    n = side.n_images.astype(np.float64)[:, None]
    below = cumulative(side.counts)
    single = below * (1 - below)
    ratio = _position_effect(side, below[:, SPREAD_EDGES], n)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance: Doubles = single * (ratio @ _interpolation()) / (n - 1)
    return np.where(n >= 2, variance, np.nan)


def _position_effect(side: Counted, below: Doubles, n: Doubles) -> Doubles:
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


def cramer(left: Counted, right: Counted, effects: Effects | None = None) -> Doubles:
    """Squared Cramér distance of each neuron without the part that sampling adds, float64 (N,), in bins.

    Σ_e (F_left - F_right)²(e) - V_left(e)/n - V_right(e)/m over the 127 edges (trapezoid rule), variances times the
    design effect as for :func:`floor`. Its mean over samples
    is the true Σ_e (F - G)², so it is 0 on average, and as often negative as chance has it, where both are samples of
    one source. NaN where either side has fewer than two images.

    Source: Székely, Rizzo, "Energy statistics", J. Stat. Plan. Inference 143 (2013), section 2: ∫(F - G)² is half
    the energy distance on a line; the unbiased form subtracts the variance of the estimate.
    """
    gap = cumulative(left.counts) - cumulative(right.counts)
    if effects is None:
        return _edge_sum(gap * gap - sampling_variance(left) - sampling_variance(right))
    return _edge_sum(gap * gap - _difference_variance(left, right, effects))


def images_needed(
    sides: tuple[Counted, Counted], weights: Doubles, distance: float, ratio: float, effects: Effects | None = None
) -> int | None:
    """Images on each side from which a true distance is measured at a given multiple of its floor.

    The floor of n images a side is k/√n, k = √(2/π) Σ_e √(V_left(e) + V_right(e)), weighted over neurons. A true
    distance c is measured as √(c² + k²/n), which is `ratio` times the floor at n = (ratio² - 1) k²/c².

    Parameters
    ----------
    sides : left and right
    weights : float64 (N,)
        Of each neuron's distance in bins, in the unit of ``distance``.
    distance : float
        The true distance c.
    ratio : float, > 1
    effects : design effects of both sides, where images hang together: images are then as alike as these

    Returns
    -------
    int, at least 2; None without a positive distance or a known variance
    """
    used = weights > 0
    spread = [side.n_images[used, None] * sampling_variance(side)[used] for side in sides]
    if effects is not None:
        spread = [one * effect[used, None] for one, effect in zip(spread, effects, strict=True)]
    single = float(_edge_sum(np.sqrt(2 / np.pi * (spread[0] + spread[1]))) @ weights[used])
    if not (distance > 0 and np.isfinite(single)):
        return None
    return max(2, int(np.ceil((ratio**2 - 1) * (single / distance) ** 2)))
