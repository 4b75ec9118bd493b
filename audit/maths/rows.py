"""Canonical row order and bursts, so that no result depends on the order in which images came in.

Source: bursts are the connected components of "shares a group" and "is a near copy"; R. Tarjan, "Depth-first search
and linear graph algorithms", SIAM J. Comput. 1 (1972).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from audit.model import DatasetView, Embeddings, Neighbours, Neurons, PartFeatures, Parts

NEAR_COPY = 0.25
"""Two images are near copies, for folds and permutations, when they are nearer than this share of the dataset's
median distance to the tenth neighbour."""

Int64 = npt.NDArray[np.int64]


def arrange(view: DatasetView) -> DatasetView:
    """The same dataset with its rows in the order of their raw path bytes.

    A view that is in that order already, as the engine makes them, is returned as it is; nothing is copied. In another
    order it loses what
    names rows of the old one (``copies``, ``tops``).
    """
    order = pc.sort_indices(view.images.column("path_bytes")).to_numpy().astype(np.int64)
    if np.array_equal(order, np.arange(len(order))):
        return view
    return dataclasses.replace(
        view,
        images=view.images.take(pa.array(order)),
        embeddings=view.embeddings and _take_embeddings(view.embeddings, order),
        neighbours=view.neighbours and _take_neighbours(view.neighbours, order),
        neurons=view.neurons and take_neurons(view.neurons, order),
        parts=view.parts and take_parts(view.parts, order),
        copies=None,
        tops=None,
    )


def near_copy_distance(neighbours: Neighbours) -> float:
    """Distance below which two images of this dataset are taken for copies of each other.

    A quarter of the median distance to the tenth neighbour (to the last one of a shorter table), at least 1e-6.
    0.25 of it is far below what different pictures of one class have, and above what re-encoding a file does.
    """
    n, k = neighbours.distances.shape
    if n == 0 or k == 0:
        return 0.0
    finite = neighbours.distances[:, min(k, 10) - 1]
    finite = finite[np.isfinite(finite)]
    return max(1e-6, NEAR_COPY * float(np.median(finite))) if len(finite) else 0.0


def bursts(view: DatasetView) -> Int64:
    """Burst of every row: images with one value of ``group``, copies and near copies are together.

    Copies are those that were searched for (``view.copies``), near copies those nearer in the embedding than different
    pictures are (:func:`near_copy_distance`), each as far as the view holds it. A chain of them is one burst.

    Returns
    -------
    int64 (n,)
        Number of the first row of the burst, so it is the same for the same images in the same order.
    """
    n = len(view)
    left, right = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    if view.neighbours is not None:
        rows, columns = np.nonzero(view.neighbours.distances <= near_copy_distance(view.neighbours))
        left.append(rows)
        right.append(view.neighbours.indices[rows, columns].astype(np.int64))
    named = [(i, group) for i, group in enumerate(view.column("group")) if group is not None]
    if view.copies is not None:
        copies = view.copies.links()
        left.append(copies[:, 0])
        right.append(copies[:, 1])
    first: dict[str, int] = {}
    for i, group in named:
        first.setdefault(group, i)
    left.append(np.array([i for i, _ in named], dtype=np.int64))
    right.append(np.array([first[group] for _, group in named], dtype=np.int64))
    return components(n, np.concatenate(left), np.concatenate(right))


def components(n: int, left: Int64, right: Int64) -> Int64:
    """Connected components of n rows under the links left[i] – right[i], each named by its first row."""
    if n == 0:
        return np.zeros(0, dtype=np.int64)
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(n, n))
    _, names = connected_components(graph, directed=False)
    _, first, inverse = np.unique(names, return_index=True, return_inverse=True)
    found: Int64 = first[inverse].astype(np.int64)
    return found


def sample_bursts(names: Int64, n_rows: int, rng: np.random.Generator) -> Int64:
    """At most about n_rows row numbers, in order, made of whole bursts drawn without replacement.

    A burst that would pass the limit is skipped, so that one long sequence cannot be the whole sample; every row
    when they all fit.
    """
    if len(names) <= n_rows:
        return np.arange(len(names))
    unique, sizes = np.unique(names, return_counts=True)
    kept, left = [], n_rows
    for burst in rng.permutation(len(unique)):
        if sizes[burst] <= left:
            kept.append(burst)
            left -= sizes[burst]
    return np.flatnonzero(np.isin(names, unique[kept]))


def one_a_burst(order: Int64, names: Int64, n: int) -> Int64:
    """The first n rows of an order that are of different bursts.

    Examples
    --------
    >>> one_a_burst(np.array([3, 1, 0, 2]), np.array([0, 1, 2, 1]), 2).tolist()
    [3, 0]
    """
    _, first = np.unique(names[order], return_index=True)
    return order[np.sort(first)[:n]]


def image_rows(images: pa.Table, rows: Int64, columns: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    """A table in ``schema`` with a row per image: what was computed, and the rest from the images themselves.

    Parameters
    ----------
    images : pyarrow.Table
        May be a memory map: only the columns that are wanted are read.
    rows : int64 (m,)
        Which images, in the order of the result.
    columns : mapping of name to m values
    """
    taken = images.select([name for name in schema.names if name not in columns]).take(pa.array(rows))
    arrays = [
        pa.array(columns[field.name], field.type, from_pandas=True)
        if field.name in columns
        else taken.column(field.name)
        for field in schema
    ]
    return pa.table(arrays, schema=schema)


def _take_embeddings(embeddings: Embeddings, order: Int64) -> Embeddings:
    return dataclasses.replace(embeddings, vectors=embeddings.vectors[order])


def take_neurons(neurons: Neurons, rows: Int64) -> Neurons:
    """The neurons of these rows, in this order."""
    return dataclasses.replace(neurons, values=neurons.values[rows], border=neurons.border[rows])


def take_parts(parts: Parts, rows: Int64) -> Parts:
    """The parts of a dataset of which only these rows are left, in this order."""
    _, new, old = np.intersect1d(rows, parts.rows, assume_unique=True, return_indices=True)
    order = np.argsort(new)
    new, old = new[order], old[order]

    def features(part: PartFeatures) -> PartFeatures:
        return PartFeatures(part.vectors[old], part.neurons[old])

    return Parts(
        rows=new.astype(np.int64),
        boxes=parts.boxes[old],
        is_given=parts.is_given[old],
        whole=features(parts.whole),
        foreground=features(parts.foreground),
        backgrounds=(features(parts.backgrounds[0]), features(parts.backgrounds[1])),
        maps=parts.maps[old],
        map_layer=parts.map_layer,
    )


def _take_neighbours(neighbours: Neighbours, order: Int64) -> Neighbours:
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    indices = neighbours.indices[order]
    indices = np.where(indices >= 0, place[indices], -1).astype(np.int32)
    distances = neighbours.distances[order]
    by_distance = np.lexsort((indices, distances), axis=-1)
    return Neighbours(
        indices=np.take_along_axis(indices, by_distance, axis=1),
        distances=np.take_along_axis(distances, by_distance, axis=1),
    )
