"""Everything a label might be read off: image statistics, neurons, kinds of surroundings, metadata.

Source: docs/spurious.md. Kinds of surroundings are k-means clusters of the border of the last map, over all classes
together: where a shortcut is strong it is what separates the classes, so clustering within classes would hide it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.special import comb

from audit.maths.discrepancy import squared_distances
from audit.maths.mixture import cluster
from audit.model import META_PREFIX, DatasetView
from audit.pictures.statistics import STATISTICS
from audit.spurious.probe import principal

STATISTIC, NEURON, SURROUNDING, METADATA = "statistic", "neuron", "surrounding", "metadata"
BACKGROUND, PATTERN = "background", "pattern"

SAMPLED = (BACKGROUND, PATTERN)
"""Kinds whose values are known of the pictures only whose parts were embedded."""

MAX_VALUES = 30
"""A metadata column of text with more values than this names images, not circumstances."""

MAX_CODES = 10
"""A column of whole numbers with at most so many values is taken for codes, each of which may go with a class."""

CLUSTER_COUNTS = (24, 16, 12, 8, 6, 4)
"""Numbers of kinds of surroundings that are tried, the finest first."""

STABLE = 0.8
"""Least agreement (adjusted Rand index) of two clusterings of different samples."""

CLUSTERED = 4000
"""Images that the clusters are found on; the others go to the nearest centre."""

N_DIRECTIONS = 32

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Candidate:
    """One thing that a label might be read off.

    Attributes
    ----------
    name : str
        ``sharpness``, ``stage3:17``, ``surrounding 2``, ``camera = B``, ``pattern C``.
    kind : str
        ``statistic``, ``neuron``, ``surrounding``, ``metadata``, ``pattern``, or ``background``: what a probe says of
        it as a whole.
    layer : str
        Of a neuron, else "".
    column : int
        Of a neuron: its column in ``Neurons.values``; else −1.
    outside : float
        Of a pattern: how much denser its heat is outside the objects' boxes than spread evenly; else NaN.
    """

    name: str
    kind: str
    layer: str = ""
    column: int = -1
    outside: float = float("nan")


@dataclass(frozen=True)
class Candidates:
    """The candidates of a dataset and their values.

    Attributes
    ----------
    listed : tuple of f Candidate
        Neurons last.
    others : float64 (n, f − neurons)
        Values of all but the neurons, NaN where unknown.
    neurons : float16 (n, N) or None
        May be a memory map.
    extra : tuple of float64 (n,)
        Values of candidates that come after the neurons.
    """

    listed: tuple[Candidate, ...]
    others: Float64
    neurons: npt.NDArray[np.float16] | None
    extra: tuple[Float64, ...] = ()

    def __len__(self) -> int:
        return len(self.listed)

    def column(self, number: int) -> Float64:
        """Values of one candidate for every image, float64 (n,)."""
        if number < self.others.shape[1]:
            return np.asarray(self.others[:, number])
        first_extra = len(self.listed) - len(self.extra)
        if number >= first_extra:
            return self.extra[number - first_extra]
        if self.neurons is None:
            raise IndexError(f"there is no candidate {number}")
        return np.asarray(self.neurons[:, self.listed[number].column], dtype=np.float64)


def joined(candidates: Candidates, more: Sequence[tuple[Candidate, Float64]]) -> Candidates:
    """The candidates with more of them, which are numbered last."""
    return Candidates(
        (*candidates.listed, *(candidate for candidate, _ in more)),
        candidates.others,
        candidates.neurons,
        (*candidates.extra, *(values for _, values in more)),
    )


def collect(view: DatasetView, rows: Int64, rng: np.random.Generator) -> Candidates:
    """The candidates of a dataset.

    Parameters
    ----------
    view : DatasetView
    rows : int64 (m,)
        The labelled images, on which kinds of surroundings are found.
    rng : numpy.random.Generator
    """
    columns = [*_statistics(view), *_surroundings(view, rows, rng), *_metadata(view)]
    listed = [candidate for candidate, _ in columns]
    values = np.column_stack([value for _, value in columns]) if columns else np.zeros((len(view), 0))
    if view.neurons is None:
        return Candidates(tuple(listed), values, None)
    for layer, part in view.neurons.layers.items():
        listed += [
            Candidate(f"{layer}:{number}", NEURON, layer, column)
            for number, column in enumerate(range(view.neurons.values.shape[1])[part])
        ]
    return Candidates(tuple(listed), values, view.neurons.values)


_Column = tuple[Candidate, Float64]


def _statistics(view: DatasetView) -> list[_Column]:
    known = [name for name in STATISTICS if name in view.images.column_names]
    return [(Candidate(name, STATISTIC), view.numbers(name)) for name in known]


def _metadata(view: DatasetView) -> list[_Column]:
    found: list[_Column] = []
    for column in view.circumstances:
        name, kind = column.removeprefix(META_PREFIX), view.images.schema.field(column).type
        values = np.array([None if v in (None, "") else str(v) for v in view.column(column)], dtype=object)
        states = sorted({v for v in values if v is not None})
        is_code = pa.types.is_integer(kind) or pa.types.is_boolean(kind)
        is_float = pa.types.is_floating(kind)
        if not is_float and 2 <= len(states) <= (MAX_CODES if is_code else MAX_VALUES):
            found += [(Candidate(f"{name} = {v}", METADATA), (values == v).astype(np.float64)) for v in states]
        if is_float or (is_code and len(states) > 2):
            found.append((Candidate(name, METADATA), view.numbers(column)))
    return found


def _surroundings(view: DatasetView, rows: Int64, rng: np.random.Generator) -> list[_Column]:
    if view.neurons is None or view.neurons.border.shape[1] == 0 or len(rows) < 2 * CLUSTER_COUNTS[-1] * 10:
        return []
    sample = np.sort(rng.permutation(rows)[:CLUSTERED])
    directions = principal(view.neurons.border[sample], N_DIRECTIONS)
    centres = _centres(directions.of(view.neurons.border[sample]), rng)
    if not len(centres):
        return []
    border = view.neurons.border
    home = np.concatenate(
        [
            squared_distances(directions.of(border[i : i + 4096]), centres).argmin(axis=1)
            for i in range(0, len(view), 4096)
        ]
    )
    return [
        (Candidate(f"surrounding {c + 1}", SURROUNDING), (home == c).astype(np.float64)) for c in range(len(centres))
    ]


def _centres(points: Float64, rng: np.random.Generator) -> Float64:
    """Centres of the finest clustering that another sample of the same images confirms; none if none is."""
    for n_clusters in CLUSTER_COUNTS:
        if len(points) < 20 * n_clusters:
            continue
        halves = [np.sort(rng.permutation(len(points))[: int(0.8 * len(points))]) for _ in range(2)]
        found = [cluster(points[half], n_clusters, rng) for half in halves]
        _, left, right = np.intersect1d(halves[0], halves[1], assume_unique=True, return_indices=True)
        if adjusted_rand(found[0][left], found[1][right]) >= STABLE:
            members = [points[halves[0]][found[0] == c] for c in range(int(found[0].max()) + 1)]
            return np.array([one.mean(axis=0) for one in members])
    return np.zeros((0, points.shape[1]))


def adjusted_rand(left: Int64, right: Int64) -> float:
    """Agreement of two clusterings: 1 if equal, about 0 by chance.

    (Σ C(n_ij, 2) − E) / (½(Σ C(a_i, 2) + Σ C(b_j, 2)) − E), E = Σ C(a_i, 2) Σ C(b_j, 2) / C(n, 2).

    Source: L. Hubert, P. Arabie, "Comparing partitions", J. Classification 2 (1985), equation 5.
    """
    table = np.zeros((int(left.max(initial=0)) + 1, int(right.max(initial=0)) + 1))
    np.add.at(table, (left, right), 1)
    pairs: Callable[[Float64], float] = lambda counts: float(comb(counts, 2).sum())  # noqa: E731
    both, rows, columns = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    expected = rows * columns / max(pairs(np.array([table.sum()])), 1)
    most = (rows + columns) / 2
    return 1.0 if most == expected else (both - expected) / (most - expected)
