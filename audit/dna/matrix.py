"""Distances between many datasets at once, from the query form of their Visual DNA.

Source: W1 = ∫|F - G| (Vallender 1974); as :mod:`audit.maths.distances`, from 64 stored edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audit.dna.compact import N_STORED, SCALE, Compact
from audit.dna.merging import check_same_space
from audit.errors import ConfigError
from audit.maths.distances import corrected
from audit.maths.histograms import INNER_BINS, Doubles

_SPACING = INNER_BINS // (N_STORED - 1)


@dataclass(frozen=True)
class Matrix:
    """Distances of K datasets; row i is in standard deviations of dataset i.

    Attributes
    ----------
    distance, floor, corrected : float64 (K, K)
        Measured, what sampling alone gives on average, and √max(0, distance² - floor²). 0 on the diagonal; NaN where
        a dataset has too few images.
    """

    distance: Doubles
    floor: Doubles
    corrected: Doubles


def distance_matrix(datasets: Sequence[Compact]) -> Matrix:
    """Distances between all pairs of datasets.

    Parameters
    ----------
    datasets : K query forms of one extractor

    Raises
    ------
    FingerprintMismatchError
        If they were made by different extractors or ranges.
    ConfigError
        If there are none.
    """
    if not datasets:
        raise ConfigError("a matrix takes at least one Visual DNA; there is none")
    for one in datasets[1:]:
        check_same_space((datasets[0].extractor, datasets[0].ranges), (one.extractor, one.ranges))
    below = [one.below.astype(np.int32) for one in datasets]
    k = len(datasets)
    distance, floor = np.zeros((k, k)), np.zeros((k, k))
    for i in range(k):
        for j in range(i + 1, k):
            bins = _bins(datasets[i], datasets[j], np.abs(below[i] - below[j]).sum(axis=1), below[i], below[j])
            noise = np.sqrt(datasets[i].floor.astype(np.float64) ** 2 + datasets[j].floor.astype(np.float64) ** 2)
            living = datasets[i].living & datasets[j].living
            for row, column in ((i, j), (j, i)):
                weights = _weights(datasets[row], living)
                distance[row, column] = _sum(bins, weights)
                floor[row, column] = _sum(noise, weights)
    return Matrix(distance, floor, corrected(distance, floor))


def _bins(left: Compact, right: Compact, total: np.ndarray, a: np.ndarray, b: np.ndarray) -> Doubles:
    """Distance of every neuron in bins, float64 (N,): trapezoid rule, and the difference of mean overshoots."""
    ends = (np.abs(a[:, 0] - b[:, 0]) + np.abs(a[:, -1] - b[:, -1])) / 2
    beyond = np.abs(left.beyond.astype(np.float64) - right.beyond).sum(axis=1)
    bins: Doubles = (total - ends) * (_SPACING / SCALE) + beyond
    return bins


def _weights(reference: Compact, living: np.ndarray) -> Doubles:
    """Mean over living neurons of a layer, then over layers, in standard deviations; float64 (N,)."""
    weights = np.zeros(len(living))
    alive = [rows for rows in reference.layers.values() if living[rows].any()]
    for rows in alive:
        weights[rows] = living[rows] / living[rows].sum() / len(alive)
    return weights / reference.deviation


def _sum(values: Doubles, weights: Doubles) -> float:
    used = weights > 0
    return float(values[used] @ weights[used]) if used.any() else float("nan")
