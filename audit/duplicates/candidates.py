"""Pairs worth a second look: alike in the low frequencies of some window, or neighbours in the embedding."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.duplicates.looks import (
    ANTITRANSPOSED,
    AS_IS,
    FLIPPED,
    HALF_TURN,
    MIRROR_WINDOW,
    MIRRORED,
    QUARTER_BACK,
    QUARTER_TURN,
    TRANSPOSED,
    WINDOWS,
    Looks,
    frequencies,
    orient_frequencies,
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
        Nearest kept per picture, window and orientation; one for those that lie on their side or head.
    floor : float
        Least cosine of the frequency descriptors.
    turned : bool
        Also look for copies turned by quarter turns or flipped upside down.
    """
    queries = {window: frequencies(left, window) for window in WINDOWS}
    others = queries if right is None else {window: frequencies(right, window) for window in WINDOWS}
    extra = 1 if right is None else 0

    def search(job: tuple[str, int]) -> Int64:
        window, orientation = job
        source = MIRROR_WINDOW.get(window, window) if orientation == MIRRORED else window
        laid = orient_frequencies(others[source], orientation)
        most = {AS_IS: k + extra, MIRRORED: k}.get(orientation, 1)
        i, j, _ = close_pairs(queries[window], laid, k=most, floor=floor)
        return np.stack([i, j, np.full(len(i), orientation)], axis=1)

    jobs = [(window, orientation) for window in WINDOWS for orientation in (AS_IS, MIRRORED)]
    jobs += [("centre", orientation) for orientation in TURNS] if turned else []
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as threads:
        return tidy(np.concatenate(list(threads.map(search, jobs))), within=right is None)


def tidy(rows: Int64, *, within: bool) -> Candidates:
    """Unique candidates from rows (first, second, orientation); within one set (i, j) and (j, i) are the same."""
    if within:
        rows = rows[rows[:, 0] != rows[:, 1]]
        swap = rows[:, 0] > rows[:, 1]
        back = np.where(rows[:, 2] == QUARTER_TURN, QUARTER_BACK, rows[:, 2])
        rows = np.where(swap[:, None], np.stack([rows[:, 1], rows[:, 0], back], axis=1), rows)
    rows = np.unique(rows, axis=0) if len(rows) else rows.reshape(0, 3)
    return Candidates(pairs=np.ascontiguousarray(rows[:, :2]), orientation=rows[:, 2].astype(np.int8))
