"""Where the tail of a dataset begins: thresholds drawn from its own quantiles, held between two bounds.

Source: the robust z-score of Iglewicz and Hoaglin, "How to Detect and Handle Outliers" (1993), with the spread of the
bad side only, since the two sides of picture statistics are not alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Origin = Literal["tail", "lenient", "strict", "rare", "fixed"]

_QUARTILE_Z = 0.6744897501960817


@dataclass(frozen=True)
class Fence:
    """A threshold on badness (larger is worse), and where it came from.

    Attributes
    ----------
    threshold : float
        A value strictly above it is beyond the fence.
    origin : str
        ``tail``: the dataset's own tail; ``lenient`` / ``strict``: held by that bound; ``rare``: raised until only
        the allowed share lies beyond; ``fixed``: given.
    median : float
        Of the finite values; NaN without any.
    n : int
        Finite values.
    n_beyond : int
        Values beyond the threshold before it was raised for rarity.
    """

    threshold: float
    origin: Origin
    median: float
    n: int
    n_beyond: int


def fence(
    badness: npt.NDArray[np.floating[Any]], *, z: float, lenient: float, strict: float, rare_share: float | None = None
) -> Fence:
    """Draw a threshold from the bad side of a dataset.

    threshold = min(max(median + z (q75 - median) / 0.6745, lenient), strict). With ``rare_share``, if more than
    max(1, rare_share n) values lie beyond, the threshold is raised to the largest value that is not among that many
    worst, so ties with it stay inside.

    Parameters
    ----------
    badness : float (n,)
        Larger is worse; values that are not finite are left out.
    z : float
        Robust standard deviations from the median.
    lenient, strict : float
        Bounds of the threshold, lenient <= strict.
    rare_share : float in [0, 1], optional

    Examples
    --------
    >>> fence(np.arange(101.0), z=2.0, lenient=0.0, strict=1000.0).threshold.__round__(2)
    124.13
    """
    values = np.sort(badness[np.isfinite(badness)].astype(np.float64))
    if not len(values):
        return Fence(lenient, "lenient", math.nan, 0, 0)
    median, upper = (float(q) for q in np.quantile(values, [0.5, 0.75]))
    tail = median + z * (upper - median) / _QUARTILE_Z
    threshold, origin = _held(tail, lenient, strict)
    n_beyond = int(np.count_nonzero(values > threshold))
    if rare_share is not None:
        allowed = max(1, int(rare_share * len(values)))
        if n_beyond > allowed:
            threshold, origin = float(values[-allowed - 1]), "rare"
    return Fence(threshold, origin, median, len(values), n_beyond)


def excess(badness: npt.NDArray[np.floating[Any]], drawn: Fence) -> npt.NDArray[np.float64]:
    """How far beyond: 1 at the threshold, 2 twice as far from the median; comparable between statistics.

    Where the threshold is not above the median (nearly everything is beyond it), distances are counted in units of
    the threshold itself.

    Returns
    -------
    float64 (n,)
        NaN where the badness is not finite.
    """
    width = drawn.threshold - drawn.median
    if not width > 0:
        width = max(abs(drawn.threshold), 1e-6)
    result: npt.NDArray[np.float64] = 1.0 + (badness.astype(np.float64) - drawn.threshold) / width
    return result


def _held(tail: float, lenient: float, strict: float) -> tuple[float, Origin]:
    if tail <= lenient:
        return lenient, "lenient"
    if tail >= strict:
        return strict, "strict"
    return tail, "tail"
