"""The pass of :func:`audit.maths.image_distances.wasserstein_groups` over sorted values, by numba (ADR 0015)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from audit.maths.compiled import Compiled
from audit.maths.histograms import Doubles


class Sorted(NamedTuple):
    """The values of W neurons in ascending order.

    Attributes
    ----------
    order : int64 (W, n)
        Which image has each value.
    steps : float64 (W, n - 1)
        From each value to the next.
    """

    order: npt.NDArray[np.int64]
    steps: Doubles


def _between(values: Sorted, share: Doubles, gap: Doubles, found: Doubles) -> None:
    n_groups = share.shape[1]
    for neuron in range(values.steps.shape[0]):
        gap[:] = 0.0
        for i in range(values.steps.shape[1]):
            image, step = values.order[neuron, i], values.steps[neuron, i]
            for group in range(n_groups):
                gap[group] += share[image, group]
                found[neuron, group] += abs(gap[group]) * step


def _nothing() -> tuple[Any, ...]:
    empty = np.zeros((0, 0))
    return Sorted(np.zeros((0, 0), np.int64), empty), empty, np.zeros(0), empty


BETWEEN = Compiled(_between, _nothing)
"""Add to found, float64 (W, B), the area between two distributions for each of B groups of images.

share, float64 (n, B), is what each image adds to F - G; gap, float64 (B,), is room for one step. Values are passed in
ascending order, so nothing depends on how many neurons or groups are passed at once.
"""
