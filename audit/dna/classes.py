"""Two datasets compared within each class that both have, so that class shares cannot be what differs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audit.dna.results import ClassDistance
from audit.maths.histograms import Doubles
from audit.maths.image_distances import group_distance
from audit.maths.rows import bursts
from audit.model import DatasetView

FEWEST = 20
"""Pictures of a class on each side from which it is compared."""
MOST_IMAGES = 200
MOST_CLASSES = 20


def within_classes(
    reference: DatasetView, candidate: DatasetView, weights: Doubles, rng: np.random.Generator
) -> tuple[ClassDistance, ...]:
    """Distance within each class that both have: :func:`within_values` of the labels."""
    return within_values((reference, candidate), "label", weights, rng)


def within_values(
    views: tuple[DatasetView, DatasetView], column: str, weights: Doubles, rng: np.random.Generator
) -> tuple[ClassDistance, ...]:
    """Distance within each value of a column that both have, the widest first; nothing without neurons by image.

    At most 200 pictures of a value are taken from each side, and the 20 values with most pictures.

    Parameters
    ----------
    views : reference and candidate
    column : str
        ``label``, ``split`` or ``meta.NAME``; pictures without a value are left out.
    weights : float64 (N,), >= 0
    """
    if any(view.neurons is None for view in views) or not weights.any():
        return ()
    rows = [_rows_of_values(view, column) for view in views]
    both = [value for value in rows[0] if min(len(side.get(value, ())) for side in rows) >= FEWEST]
    both = sorted(both, key=lambda value: (-min(len(side[value]) for side in rows), value))[:MOST_CLASSES]
    named = [bursts(view) for view in views]
    found = [
        _class(value, [_drawn(side[value], rng) for side in rows], views, named, (weights, rng))
        for value in sorted(both)
    ]
    return tuple(sorted(found, key=lambda one: (-one.distance, one.label)))


def _rows_of_values(view: DatasetView, column: str) -> dict[str, npt.NDArray[np.int64]]:
    """Rows of every value in the order of image ids."""
    ids, values = view.column("image_id"), view.column(column)
    found: dict[str, list[int]] = {}
    for row in sorted(range(len(view)), key=ids.__getitem__):
        if values[row] is not None:
            found.setdefault(str(values[row]), []).append(row)
    return {value: np.array(rows, np.int64) for value, rows in found.items()}


def _drawn(rows: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    return rows if len(rows) <= MOST_IMAGES else np.sort(rng.permutation(rows)[:MOST_IMAGES])


def _class(
    label: str,
    rows: list[npt.NDArray[np.int64]],
    views: tuple[DatasetView, DatasetView],
    named: list[npt.NDArray[np.int64]],
    how: tuple[Doubles, np.random.Generator],
) -> ClassDistance:
    weights, rng = how
    used = np.flatnonzero(weights > 0)
    parts = [
        np.asarray(view.neurons.values[side][:, used], np.float64)
        for view, side in zip(views, rows, strict=True)
        if view.neurons is not None
    ]
    inside = np.arange(len(rows[0]) + len(rows[1])) >= len(rows[0])
    apart = np.concatenate([named[0][rows[0]], named[1][rows[1]] + len(views[0])])
    found = group_distance(np.concatenate(parts), inside, apart, rng)
    share = np.where(np.isfinite(found.distance), weights[used], 0.0)
    share /= max(float(share.sum()), np.finfo(float).tiny)
    distance, floor = (float(np.nan_to_num(part) @ share) for part in (found.distance, found.floor))
    return ClassDistance(
        label=label,
        n_images=(len(rows[0]), len(rows[1])),
        distance=distance,
        floor=floor,
        corrected=float(np.sqrt(max(0.0, distance**2 - floor**2))),
        p_value=found.p_value,
    )
