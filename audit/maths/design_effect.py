"""How much more the mean over images that hang together varies than that of as many independent ones.

Copies, sequences and pictures of one patient are not so many pictures. Of each neuron the ratio of two variances of
its mean is taken: with whole bursts as the sample, and with images as the sample.

Source: the design effect, L. Kish, "Survey Sampling" (1965), section 8.2; the variance over whole bursts is the
cluster-robust one of K.-Y. Liang, S. Zeger, Biometrika 73 (1986), with the usual B/(B - 1) for B bursts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audit.maths.histograms import Doubles

_BLOCK = 4096
"""Images read at a time."""
_TINY = 1e-12

Int64 = npt.NDArray[np.int64]


def design_effect(values: npt.NDArray[np.floating], bursts: Int64) -> Doubles:
    """The design effect of every neuron, float64 (N,), at least 1.

    deff = B/(B - 1) · (n - 1)/n · Σ_b (Σ_{i in b} (x_i - x̄))² / Σ_i (x_i - x̄)², B bursts of n images: 1 for images
    alone; (n - 1)/(B - 1), about k, where each of B images is there k times, so that V/(n - 1) · deff is what the B
    alone give. Less than 1 is chance, since images of a burst are alike. A single burst is one observation: n.

    Parameters
    ----------
    values : float (n, N)
        One number of every image and neuron; NaN counts as the neuron's mean. May be a memory map: it is read
        twice, in blocks of rows.
    bursts : int64 (n,)
        Name of the burst of each image.

    Examples
    --------
    >>> design_effect(np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([0, 0, 1, 1])).tolist()
    [3.0]
    """
    n, n_bursts = len(bursts), len(np.unique(bursts))
    if n_bursts == n:
        return np.ones(values.shape[1])
    if n_bursts == 1:
        return np.full(values.shape[1], float(n))
    together, alone = _squares(values, bursts)
    free = n_bursts / (n_bursts - 1) * (n - 1) / n
    effect = np.divide(free * together, alone, out=np.ones_like(alone), where=alone > _TINY)
    return np.maximum(effect, 1.0)


def _squares(values: npt.NDArray[np.floating], bursts: Int64) -> tuple[Doubles, Doubles]:
    """Σ over bursts of their squared summed deviations, and Σ over images of their squared deviations."""
    order = np.argsort(bursts, kind="stable")
    names, mean = bursts[order], _means(values)
    together, alone, unfinished = (np.zeros(values.shape[1]) for _ in range(3))
    for start in range(0, len(order), _BLOCK):
        part = names[start : start + _BLOCK]
        apart = np.nan_to_num(np.asarray(values[order[start : start + _BLOCK]], np.float64) - mean)
        begins = np.flatnonzero(np.append(True, part[1:] != part[:-1]))
        sums = np.add.reduceat(apart, begins, axis=0)
        if start and part[0] == names[start - 1]:
            sums[0] += unfinished
        else:
            together += unfinished**2
        together += (sums[:-1] ** 2).sum(axis=0)
        alone += (apart**2).sum(axis=0)
        unfinished = sums[-1]
    return together + unfinished**2, alone


def _means(values: npt.NDArray[np.floating]) -> Doubles:
    total, known = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    for start in range(0, len(values), _BLOCK):
        part = np.asarray(values[start : start + _BLOCK], np.float64)
        known += np.isfinite(part).sum(axis=0)
        total += np.nan_to_num(part).sum(axis=0)
    means: Doubles = total / np.maximum(known, 1)
    return means
