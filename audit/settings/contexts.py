"""Groups of pictures whose surroundings look alike, without text or metadata.

The border of the last feature map stands for the surroundings. Its leading principal directions are grouped by k-means
over all classes together; the number of groups is the one that resamples agree on most, and without agreement there
are none. Never within a class: a strong shortcut is the class.

Source: S. Ben-David, U. von Luxburg, D. Pal, "A sober look at clustering stability", COLT 2006, for choosing the number
by agreement; the figures behind the choices are in docs/adr/0024-settings-without-metadata.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh
from threadpoolctl import threadpool_limits

from audit.maths.discrepancy import squared_distances
from audit.maths.intervals import resample_bursts
from audit.maths.mixture import cluster
from audit.maths.partitions import adjusted_rand, contingency
from audit.maths.rows import sample_bursts
from audit.settings.selection import RowsOf

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

N_DIRECTIONS = 16
"""Principal directions kept, in their own scale: making them equally wide lets noise decide."""
NUMBERS = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24)
"""Numbers of groups that are tried."""
FIRST, MORE, IN_REACH = 5, 15, 0.15
"""Resamples of every number, and the further ones of those whose agreement is then within reach of the best."""
RESTARTS = 5
"""Starts of each k-means grouping; with fewer, its own local optima pass for disagreement."""
ABOUT = 0.01
"""Agreements that differ by less are equal: where several numbers fit alike, the finer one says more."""
LEAST_EACH = 20
"""Images per group below which a number of groups is not tried."""
SAMPLE = 2000
"""Images that decide the directions, the number and the centres; every image is then put to its nearest centre."""
_BLOCK = 4096


@dataclass(frozen=True)
class Groups:
    """Images sorted by their surroundings.

    Attributes
    ----------
    number : int64 (n,)
        Group of each image, 0 the largest; -1 where the border is not known, or everywhere if there are none.
    distance : float64 (n,)
        From the centre of its group; NaN where there is none.
    stability : tuple of (int, float)
        Each number of groups tried and its mean adjusted Rand index between resamples.
    """

    number: Int64
    distance: Float64
    stability: tuple[tuple[int, float], ...]

    @property
    def chosen(self) -> tuple[int, float] | None:
        """The largest number of groups on which resamples agree about as well as on any, with its agreement."""
        best = max((agreement for _, agreement in self.stability), default=0.0)
        return max((tried for tried in self.stability if tried[1] >= best - ABOUT), default=None)


def find_groups(border: RowsOf, bursts: Int64, rng: np.random.Generator, *, min_stability: float) -> Groups:
    """Sort images by the look of their borders.

    Parameters
    ----------
    border : floating (n, c)
        :attr:`audit.model.Neurons.border`, read in blocks; rows with NaN are left out.
    bursts : int64 (n,)
        Resamples move whole bursts.
    min_stability : float
        Agreement below which there are no groups.
    """
    rows = _readable(border)
    none = Groups(np.full(len(border), -1, np.int64), np.full(len(border), np.nan), ())
    sample = rows[sample_bursts(bursts[rows], SAMPLE, rng)] if len(rows) else rows
    numbers = [k for k in NUMBERS if k * LEAST_EACH <= len(sample)]
    if not numbers:
        return none
    with threadpool_limits(limits=1):
        mean, directions = _directions(border[sample].astype(np.float64))
        points = (border[sample] - mean) @ directions
        references = {k: centres_of(points, k, rng) for k in numbers}
        stability = _stability(points, bursts[sample], references, rng)
        found = Groups(none.number, none.distance, stability)
        chosen = found.chosen
        if chosen is None or chosen[1] < min_stability:
            return found
        return _put(border, rows, mean, directions, references[chosen[0]], found)


def _readable(border: RowsOf) -> Int64:
    """Rows whose border is known throughout."""
    blocks = [np.arange(start, min(start + _BLOCK, len(border))) for start in range(0, len(border), _BLOCK)]
    known = [block[np.isfinite(border[block]).all(axis=1)] for block in blocks]
    return np.concatenate([np.zeros(0, np.int64), *known])


def _directions(values: Float64) -> tuple[Float64, Float64]:
    """Mean (c,) and the leading principal directions (c, at most N_DIRECTIONS)."""
    mean = values.mean(axis=0)
    centred = values - mean
    n_columns = values.shape[1]
    kept = min(N_DIRECTIONS, n_columns)
    _, directions = eigh(centred.T @ centred, subset_by_index=(n_columns - kept, n_columns - 1))
    return mean, directions


def centres_of(points: Float64, k: int, rng: np.random.Generator) -> Float64:
    """Centres of the tightest of several k-means groupings, float64 (k, d)."""
    found = []
    for _ in range(RESTARTS):
        number = cluster(points, k, rng)
        centres = np.stack([points[number == j].mean(axis=0) for j in range(int(number.max()) + 1)])
        found.append((float(squared_distances(points, centres).min(axis=1).sum()), centres))
    return min(found, key=lambda one: one[0])[1]


def _stability(
    points: Float64, bursts: Int64, references: Mapping[int, Float64], rng: np.random.Generator
) -> tuple[tuple[int, float], ...]:
    """Each number of groups and its mean agreement; the promising ones are resampled more often."""
    found = {k: _agreements(points, bursts, centres, FIRST, rng) for k, centres in references.items()}
    best = max(float(np.mean(agreements)) for agreements in found.values())
    for k, agreements in found.items():
        if np.mean(agreements) >= best - IN_REACH:
            agreements.extend(_agreements(points, bursts, references[k], MORE, rng))
    return tuple((k, float(np.mean(agreements))) for k, agreements in found.items())


def _agreements(
    points: Float64, bursts: Int64, reference: Float64, n_resamples: int, rng: np.random.Generator
) -> list[float]:
    """Adjusted Rand indices of the groups and those found again in resamples of whole bursts."""
    number = nearest(points, reference)
    again = (centres_of(points[resample_bursts(bursts, rng)], len(reference), rng) for _ in range(n_resamples))
    return [adjusted_rand(contingency(number, nearest(points, centres))) for centres in again]


def nearest(points: Float64, centres: Float64) -> Int64:
    """The nearest centre of each point, int64 (n,)."""
    number: Int64 = squared_distances(points, centres).argmin(axis=1)
    return number


def _put(border: RowsOf, rows: Int64, mean: Float64, directions: Float64, centres: Float64, found: Groups) -> Groups:
    """Put every image to its nearest centre; groups numbered by size, ties by their first image."""
    number, distance = found.number.copy(), found.distance.copy()
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        squared = squared_distances((border[block] - mean) @ directions, centres)
        number[block], distance[block] = squared.argmin(axis=1), np.sqrt(squared.min(axis=1))
    _, first, place, count = np.unique(number[rows], return_index=True, return_inverse=True, return_counts=True)
    new = np.empty(len(count), np.int64)
    new[np.lexsort((first, -count))] = np.arange(len(count))
    number[rows] = new[place]
    return Groups(number, distance, found.stability)


def kept_groups(number: Int64, label: Int64, min_images: int) -> tuple[int, ...]:
    """The groups that say something of surroundings: two classes or more have at least so many images in each.

    Parameters
    ----------
    number, label : int64 (n,)
        Group (-1 for none) and class of each image.
    """
    is_known = number >= 0
    table = contingency(number[is_known], label[is_known])
    return tuple(np.flatnonzero((table >= min_images).sum(axis=1) >= 2).tolist())
