"""The sum of :func:`audit.maths.image_distances.wasserstein_groups`, by numba (ADR 0015)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from audit.maths.compiled import Compiled

Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def _sweep(order: Ints, steps: Doubles, share: Doubles, found: Doubles) -> None:
    """found[b, j] = Σ_i |Σ_{h ≤ i} share[b, order[j, h]]| · steps[j, i]."""
    for j in range(order.shape[0]):
        for b in range(share.shape[0]):
            gap = 0.0
            total = 0.0
            for i in range(steps.shape[1]):
                gap += share[b, order[j, i]]
                total += abs(gap) * steps[j, i]
            found[b, j] = total


def _nothing() -> tuple[Any, ...]:
    return np.zeros((0, 1), np.int64), np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((0, 0))


SWEEP = Compiled(_sweep, _nothing)
"""Takes order int64 (N, n), steps float64 (N, n - 1), share float64 (B, n); fills found float64 (B, N)."""
