"""Pairs worth a second look: alike in the low frequencies of some window, or neighbours in the embedding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.duplicates.looks import (
    ANTITRANSPOSED,
    AS_IS,
    FLIPPED,
    HALF_TURN,
    MIRRORED,
    QUARTER_BACK,
    QUARTER_TURN,
    TRANSPOSED,
    WINDOWS,
    Looks,
    describe,
    orient,
)
from audit.maths.cells import close_pairs

Int64 = npt.NDArray[np.int64]

TURNS = (HALF_TURN, FLIPPED, QUARTER_TURN, TRANSPOSED, ANTITRANSPOSED)
"""Searched with the centre window only: copies laid on their side are rarely also covered."""


@dataclass(frozen=True)
class Candidates:
    """Pairs to be verified.

    Attributes
    ----------
    pairs : int64 (p, 2)
        Row of the first, row of the second; unique with ``orientation``, sorted.
    orientation : int8 (p,)
        How the second is laid.
    """

    pairs: Int64
    orientation: npt.NDArray[np.int8]


def propose(left: Looks, right: Looks | None, *, k: int, floor: float, turned: bool) -> Candidates:
    """Candidates within one set of pictures (``right`` None) or between two.

    Parameters
    ----------
    left, right : Looks
        Distinct pictures, ordered by content.
    k : int
        Nearest kept per picture, window and orientation.
    floor : float
        Least cosine of the frequency descriptors.
    turned : bool
        Also look for copies turned by quarter turns or flipped upside down.
    """
    found: list[npt.NDArray[np.int64]] = []
    other = left if right is None else right
    for window in WINDOWS:
        queries = describe(left.luma, window)
        turns = TURNS if turned and window == "centre" else ()
        for orientation in (AS_IS, MIRRORED, *turns):
            laid = np.ascontiguousarray(orient(other.luma, orientation))
            extra = 1 if right is None and orientation == AS_IS else 0
            i, j, _ = close_pairs(queries, describe(laid, window), k=k + extra, floor=floor)
            found.append(np.stack([i, j, np.full(len(i), orientation)], axis=1))
    return tidy(np.concatenate(found), within=right is None)


def tidy(rows: Int64, *, within: bool) -> Candidates:
    """Unique candidates from rows (first, second, orientation); within one set (i, j) and (j, i) are the same."""
    if within:
        rows = rows[rows[:, 0] != rows[:, 1]]
        swap = rows[:, 0] > rows[:, 1]
        back = np.where(rows[:, 2] == QUARTER_TURN, QUARTER_BACK, rows[:, 2])
        rows = np.where(swap[:, None], np.stack([rows[:, 1], rows[:, 0], back], axis=1), rows)
    rows = np.unique(rows, axis=0) if len(rows) else rows.reshape(0, 3)
    return Candidates(pairs=np.ascontiguousarray(rows[:, :2]), orientation=rows[:, 2].astype(np.int8))
