"""The pass of :mod:`audit.dna.tops`: each row of a batch goes into sorted lists of k, by numba (ADR 0015)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from audit.maths.compiled import Compiled, inlined

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int32]


class Lists(NamedTuple):
    """For each of N neurons its k largest, by value (large first), then picture, then place (small first).

    Attributes
    ----------
    values : float32 (N, k)
        -inf where there is none.
    pictures, places : int32 (N, k)
        The largest int32 where there is none.
    """

    values: Floats
    pictures: Places
    places: Places


@inlined
def _before(value: float, picture: int, place: int, row: int, at: int, lists: Lists) -> bool:
    kept = lists.values[row, at]
    if value != kept:
        return bool(value > kept)
    if picture != lists.pictures[row, at]:
        return bool(picture < lists.pictures[row, at])
    return bool(place < lists.places[row, at])


@inlined
def _insert(value: float, picture: int, place: int, row: int, lists: Lists) -> None:
    """Put an entry that comes before the last one where it belongs; the last one, or the picture's own, makes room."""
    values, pictures, places = lists.values, lists.pictures, lists.places
    at = values.shape[1] - 1
    for j in range(values.shape[1]):
        if pictures[row, j] == picture:
            at = j
            break
    if not _before(value, picture, place, row, at, lists):
        return
    while at > 0 and _before(value, picture, place, row, at - 1, lists):
        values[row, at] = values[row, at - 1]
        pictures[row, at] = pictures[row, at - 1]
        places[row, at] = places[row, at - 1]
        at -= 1
    values[row, at] = value
    pictures[row, at] = picture
    places[row, at] = place


def _keep(values: Floats, pictures: Places, places: Places, lists: Lists) -> None:
    b, n = values.shape
    last = lists.values.shape[1] - 1
    per_neuron = pictures.shape[1] > 1
    for i in range(b):
        for row in range(n):
            if values[i, row] >= lists.values[row, last]:
                picture = pictures[i, row if per_neuron else 0]
                if _before(values[i, row], picture, places[i, row], row, last, lists):
                    _insert(values[i, row], picture, places[i, row], row, lists)


def _nothing() -> tuple[Any, ...]:
    places = np.zeros((0, 0), np.int32)
    return np.zeros((0, 0), np.float32), places, places, Lists(np.zeros((0, 0), np.float32), places, places)


KEEP = Compiled(_keep, _nothing)
"""Put values float32 (b, N), with their pictures int32 (b, 1) or (b, N) and places int32 (b, N), into lists.

NaN is passed over."""
