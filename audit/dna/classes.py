"""Two datasets compared within each class that both have, so that class shares cannot be what differs."""

from __future__ import annotations

import dataclasses

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
    """Distance within each class that both have, the widest first; nothing without labels or neurons by image.

    At most 200 pictures of a class are taken from each side, and the 20 classes with most pictures.

    Parameters
    ----------
    weights : float64 (N,), >= 0
    """
    if reference.neurons is None or candidate.neurons is None or not weights.any():
        return ()
    rows = [_rows_of_labels(view) for view in (reference, candidate)]
    both = [label for label in rows[0] if min(len(side.get(label, ())) for side in rows) >= FEWEST]
    both = sorted(both, key=lambda label: (-min(len(side[label]) for side in rows), label))[:MOST_CLASSES]
    named = [_named_bursts(view) for view in (reference, candidate)]
    found = [
        _class(label, [_drawn(side[label], rng) for side in rows], (reference, candidate), named, (weights, rng))
        for label in sorted(both)
    ]
    return tuple(sorted(found, key=lambda one: (-one.distance, one.label)))


def _rows_of_labels(view: DatasetView) -> dict[str, npt.NDArray[np.int64]]:
    """Rows of every label in the order of image ids."""
    ids, labels = view.column("image_id"), view.column("label")
    found: dict[str, list[int]] = {}
    for row in sorted(range(len(view)), key=ids.__getitem__):
        if labels[row] is not None:
            found.setdefault(labels[row], []).append(row)
    return {label: np.array(rows, np.int64) for label, rows in found.items()}


def _drawn(rows: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    return rows if len(rows) <= MOST_IMAGES else np.sort(rng.permutation(rows)[:MOST_IMAGES])


def _named_bursts(view: DatasetView) -> npt.NDArray[np.int64]:
    """Bursts by the group column alone; near copies are not looked for."""
    return bursts(dataclasses.replace(view, neighbours=None))


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
