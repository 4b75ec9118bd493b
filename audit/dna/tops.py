"""What a neuron sees: the few pictures that it answers to most, kept while counting, merged exactly in any order.

A picture's answer is its largest activation. Equal answers are ordered by the picture's number, so that numbers which
follow from content make lists that depend neither on the order of pictures nor on how they came in parts.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from audit.model import Tops

Number = TypeVar("Number", np.float32, np.int32)

K = 9
_NONE = np.iinfo(np.int32).max


class TopKeeper:
    """Keeps the k pictures with the largest activation of each neuron.

    Parameters
    ----------
    n_neurons : int
    k : int
    """

    def __init__(self, n_neurons: int, k: int = K) -> None:
        self._values = np.full((n_neurons, k), -np.inf, np.float32)
        self._pictures = np.full((n_neurons, k), _NONE, np.int32)
        self._places = np.full((n_neurons, k), _NONE, np.int32)

    def add(
        self, values: npt.NDArray[np.float32], places: npt.NDArray[np.int32], pictures: npt.NDArray[np.int32]
    ) -> None:
        """Look at a batch.

        Parameters
        ----------
        values : float32 (b, N)
            The largest activation; NaN is passed over.
        places : int32 (b, N)
            Where it is.
        pictures : int32 (b,) or (b, N), >= 0
            Number of the picture. Of one number only the largest value is kept, so copies share a number.
        """
        from audit.maths import topmost

        lists = topmost.Lists(self._values, self._pictures, self._places)
        numbers = pictures[:, None] if pictures.ndim == 1 else pictures
        topmost.KEEP(_plain(values, np.float32), _plain(numbers, np.int32), _plain(places, np.int32), lists)

    def merge(self, part: Tops, numbers: npt.NDArray[np.int32]) -> None:
        """Look at what was kept of a part, whose picture i has the number ``numbers[i]`` here."""
        if len(numbers) == 0:
            return
        present = part.rows >= 0
        values = np.where(present, part.values, np.float32(np.nan))
        self.add(values.T, part.places.T, numbers[np.where(present, part.rows, 0)].T)

    def tops(self) -> Tops:
        """What was kept so far, by number of the picture."""
        missing = self._pictures == _NONE
        return Tops(
            rows=np.where(missing, np.int32(-1), self._pictures),
            values=np.where(missing, np.float32(np.nan), self._values),
            places=np.where(missing, np.int32(-1), self._places),
        )


def _plain(array: npt.NDArray[Any], kind: type[Number]) -> npt.NDArray[Number]:
    """The array as compiled code takes it; copied only if it has to be."""
    return np.require(array, kind, ["C", "W"])
