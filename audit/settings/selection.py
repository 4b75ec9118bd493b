"""The labelled images of a dataset in the order of their ids, and rows of large arrays without a copy of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.maths.rows import bursts
from audit.model import META_PREFIX, DatasetView
from audit.settings.verdicts import Labelled

_COLUMNS = ("image_id", "path", "label", "group")
"""What is read of an image besides its metadata."""


class RowsOf(Protocol):
    """n rows that can be read some at a time: an array, or :class:`Picked` rows of one."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Any: ...


@dataclass(frozen=True)
class Picked:
    """Rows of an array that may be a memory map: only those that are asked for are read."""

    array: npt.NDArray[Any]
    rows: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Any, /) -> npt.NDArray[Any]:
        picked: npt.NDArray[Any] = self.array[self.rows[rows]]
        return picked


def labelled(view: DatasetView) -> tuple[DatasetView, Labelled, npt.NDArray[np.int64]]:
    """The labelled images in the order of their ids, their classes and bursts, and their rows in the whole view."""
    labels = view.column("label")
    ids = view.column("image_id")
    rows = np.array(sorted((i for i, c in enumerate(labels) if c is not None), key=lambda i: ids[i]), np.int64)
    wanted = [c for c in view.images.column_names if c in _COLUMNS or c.startswith(META_PREFIX)]
    images = view.images.select(wanted).take(pa.array(rows))
    names, label = np.unique(np.array([labels[i] for i in rows], dtype=str), return_inverse=True)
    data = Labelled(tuple(names.tolist()), label.astype(np.int64), _numbered(bursts(view)[rows]))
    picked = DatasetView(view.name, view.fingerprint, images, view.excluded, answers=view.answers)
    return picked, data, rows


def _numbered(names: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Bursts numbered from 0 in the order of their first image here, whatever their names were."""
    _, first, place = np.unique(names, return_index=True, return_inverse=True)
    number = np.empty(len(first), np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    return number[place]
