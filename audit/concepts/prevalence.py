"""How many pictures show something, in all and in each class, with copies and groups counting once.

Source: L. Brown, T. Cai, A. DasGupta, "Interval estimation for a binomial proportion", Statistical Science 16 (2001)
(Wilson's interval, here of bursts); :mod:`audit.maths.intervals`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.maths.intervals import newcombe, wilson

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

MIN_BURSTS = 20
"""Different pictures of a class from which it is compared with the others."""


@dataclass(frozen=True)
class Share:
    """A share of bursts that show something; a burst that does in part counts in part.

    k, n : bursts that do (rounded), and bursts
    value : their share, not rounded; low, high : 95 % Wilson interval
    """

    k: int
    n: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Tie:
    """The class that shows something most, beside all others.

    low, high, level : interval of the difference, its level raised for the number of differences that were looked at
    """

    name: str
    own: Share
    rest: Share
    low: float
    high: float
    level: float


def share(shows: Bool, bursts: Int64) -> Share:
    """Share of the bursts that show something.

    Examples
    --------
    >>> share(np.array([True, False, False]), np.array([0, 0, 1])).value
    0.25
    """
    _, place = np.unique(bursts, return_inverse=True)
    n = int(place.max(initial=-1)) + 1
    value = float(np.mean(np.bincount(place, weights=shows) / np.bincount(place))) if n else 0.0
    k = round(value * n)
    low, high = wilson(k, n)
    return Share(k, n, value, min(low, value), max(high, value))


def by_class(shows: Bool, labels: Sequence[str | None], bursts: Int64) -> dict[str, Share]:
    """The share in each class, by name."""
    named = np.array(["" if label is None else label for label in labels], dtype=object)
    has = np.array([label is not None for label in labels], dtype=np.bool_)
    names = sorted({label for label in labels if label is not None})
    return {name: share(shows[has & (named == name)], bursts[has & (named == name)]) for name in names}


def strongest_tie(shows: Bool, labels: Sequence[str | None], bursts: Int64, *, n_looked_at: int) -> Tie | None:
    """The class that differs most surely from all others, by the lower bound of the difference of the shares.

    The interval is Newcombe's at 1 − 0.05/n_looked_at, so that among all differences looked at a false one is rare.

    Returns
    -------
    Tie or None
        None when no class with 20 bursts stands beside 20 bursts of others.
    """
    names = np.array(["" if label is None else label for label in labels], dtype=object)
    has = np.array([label is not None for label in labels], dtype=np.bool_)
    found: list[Tie] = []
    level = 1 - 0.05 / max(n_looked_at, 1)
    for name, own in by_class(shows, labels, bursts).items():
        other = has & (names != name)
        rest = share(shows[other], bursts[other])
        if min(own.n, rest.n) < MIN_BURSTS:
            continue
        low, high = newcombe(own.k, own.n, rest.k, rest.n, level=level)
        found.append(Tie(name, own, rest, low, high, level))
    return max(found, key=lambda tie: (tie.low, tie.name), default=None)
