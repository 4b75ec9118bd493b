"""How much of one sample lies where another has images, and the other way round.

Source: T. Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models", NeurIPS 2019,
equation 1; M. F. Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", ICML 2020,
equations 3 and 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Support:
    """Shares in [0, 1] except density, which is 1 in expectation for equal distributions and may be larger.

    Attributes
    ----------
    precision : share of candidate images inside some reference image's k-NN ball
    recall : share of reference images inside some candidate image's k-NN ball
    density : mean number of reference balls a candidate image is in, over k
    coverage : share of reference balls that hold a candidate image
    """

    precision: float
    recall: float
    density: float
    coverage: float


def support(reference: Float64, candidate: Float64, cross: Float64, k: int) -> Support:
    """Precision, recall, density and coverage of a candidate against a reference.

    Parameters
    ----------
    reference : float64 (n, n)
        Squared distances among reference images; only the order on each row matters.
    candidate : float64 (m, m)
        Squared distances among candidate images.
    cross : float64 (n, m)
        Squared distances from reference to candidate.
    k : int, 1 ≤ k < n, m

    Raises
    ------
    ValueError
        If a sample has no k-th neighbour.
    """
    if min(len(reference), len(candidate)) <= k:
        raise ValueError(f"k = {k} neighbours need more images than {min(len(reference), len(candidate))}")
    radius_of_reference, radius_of_candidate = kth(reference, k), kth(candidate, k)
    in_reference = cross <= radius_of_reference[:, None]
    in_candidate = cross <= radius_of_candidate[None, :]
    return Support(
        precision=float(in_reference.any(axis=0).mean()),
        recall=float(in_candidate.any(axis=1).mean()),
        density=float(in_reference.sum(axis=0).mean() / k),
        coverage=float(in_reference.any(axis=1).mean()),
    )


def kth(squared: Float64, k: int) -> Float64:
    """Squared distance from every row to its k-th other row, from a (n, n) matrix whose diagonal is the row itself."""
    without_self = squared.copy()
    np.fill_diagonal(without_self, np.inf)
    result: Float64 = np.partition(without_self, k - 1, axis=1)[:, k - 1]
    return result
