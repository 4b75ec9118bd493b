"""Find the copies among pictures: exact files, same pixels, and verified near-copies, as one list of pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field
from threadpoolctl import threadpool_limits

from audit.analyses.base import Config
from audit.duplicates.candidates import Candidates, propose, tidy
from audit.duplicates.looks import AS_IS, MIRRORED, Looks, read_looks
from audit.duplicates.second_look import look_again
from audit.maths.evalue import Tail, fit_tail
from audit.model import DatasetView, Neighbours

Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]

SEARCH_VERSION = 1
"""Goes up whenever the same pictures can give other pairs."""

NEAR = 0.20
"""Largest distance of a near-duplicate, unless it is said otherwise."""

REMEMBERED = 0.5
"""Pairs up to this distance are kept, so that the threshold can be moved without computing again."""

BULK = (0.25, 0.45)
"""Distances between which pairs are taken to be unrelated when E-values are fitted."""


class NearConfig(Config):
    """What counts as a near-duplicate; shared by the analyses that look for copies."""

    threshold: float = Field(
        default=NEAR,
        ge=0.0,
        le=REMEMBERED,
        description="Largest distance of a near-duplicate. 0.12 is strict, 0.30 lenient; chosen on planted copies.",
    )
    candidates: int = Field(default=4, ge=1, le=50, description="Nearest pictures per view that get a second look.")
    likeness: float = Field(
        default=0.88, ge=0.5, lt=1.0, description="Least cosine of two frequency descriptors worth a second look."
    )
    turned: bool = Field(default=True, description="Also find copies turned by quarter turns or upside down.")

    def searches_as(self, other: NearConfig) -> bool:
        """Whether both find the same pairs; the threshold only chooses among them."""
        return self.model_copy(update={"threshold": other.threshold}) == other


@dataclass(frozen=True)
class Pairs:
    """Verified pairs of distinct pictures of one or two datasets.

    Attributes
    ----------
    node : int64 (n,)
        The distinct picture that each image is; images of the same file or pixels share one. Numbered by content.
    first : int64 (m,)
        For each node, the row of the image that stands for it.
    pairs : int64 (p, 2)
        Nodes, smaller first, each pair once, at its least distance.
    distance : float32 (p,), at most REMEMBERED, to four decimals
    expected : float64 (p,)
        E-value; NaN where none could be fitted.
    orientation : int8 (p,)
    warp : float32 (p, 2, 3)
    covered : float32 (p,)
    looks : Looks
        Of the nodes.
    tail : Tail or None
        Where the E-values come from.
    """

    node: Int64
    first: Int64
    pairs: Int64
    distance: Float32
    expected: npt.NDArray[np.float64]
    orientation: npt.NDArray[np.int8]
    warp: Float32
    covered: Float32
    looks: Looks
    tail: Tail | None

    def __len__(self) -> int:
        return len(self.pairs)

    def within(self, threshold: float) -> npt.NDArray[np.bool_]:
        """Which pairs are near-duplicates at a threshold, bool (p,)."""
        return self.distance <= threshold

    def links(self, threshold: float = NEAR) -> Int64:
        """Rows of images that are copies of each other, int64 (k, 2): the same picture, or near-duplicates."""
        same = np.column_stack([np.arange(len(self.node)), self.first[self.node]])
        return np.concatenate([same, self.first[self.pairs[self.within(threshold)]]]).astype(np.int64)

    def confirm(self, asked: Int64, threshold: float) -> npt.NDArray[np.bool_]:
        """Whether pairs of nodes (q, 2) that nobody proposed are near-duplicates after all."""
        distance = np.full(len(asked), np.inf, dtype=np.float32)
        for orientation in (AS_IS, MIRRORED):
            codes = np.full(len(asked), orientation, dtype=np.int8)
            distance = np.minimum(distance, look_again(self.looks, self.looks, asked, codes).distance)
        near: npt.NDArray[np.bool_] = distance <= threshold
        return near


def find_within(view: DatasetView, config: NearConfig) -> Pairs:
    """All pairs of copies within one dataset; those that the view brings along, if they were searched as asked.

    Bytes do not depend on the number of cores: blocks are fixed, and each is computed with one BLAS thread.
    """
    if view.copies is not None and config.searches_as(NearConfig()):
        return view.copies
    with threadpool_limits(1):
        return _find_within(view, config)


def _find_within(view: DatasetView, config: NearConfig) -> Pairs:
    node, first = distinct(view.images)
    looks = read_looks(view.images).take(first)
    proposed = propose(looks, None, k=config.candidates, floor=config.likeness, turned=config.turned)
    if view.neighbours is not None:
        proposed = _merge(proposed, _embedded(view.neighbours, node, len(first)))
    return _verified(proposed, node, first, looks)


def find_between(reference: DatasetView, candidate: DatasetView, config: NearConfig) -> Pairs:
    """All pairs of copies of which one is in each dataset; rows of the second follow those of the first."""
    with threadpool_limits(1):
        return _find_between(reference, candidate, config)


def _find_between(reference: DatasetView, candidate: DatasetView, config: NearConfig) -> Pairs:
    columns = ["image_id", "content_hash", "pixel_hash", "width", "height"]
    images = pa.concat_tables([view.images.select(columns) for view in (reference, candidate)])
    node, first = distinct(images)
    looks = read_looks(reference.images, candidate.images).take(first)
    sides = [np.unique(node[: len(reference)]), np.unique(node[len(reference) :])]
    if not all(len(side) for side in sides):
        return _verified(tidy(np.empty((0, 3), np.int64), within=True), node, first, looks)
    proposed = propose(
        looks.take(sides[0]), looks.take(sides[1]), k=config.candidates, floor=config.likeness, turned=config.turned
    )
    rows = np.column_stack([sides[0][proposed.pairs[:, 0]], sides[1][proposed.pairs[:, 1]], proposed.orientation])
    return _verified(tidy(rows.astype(np.int64), within=True), node, first, looks)


def distinct(images: pa.Table) -> tuple[Int64, Int64]:
    """Number the distinct pictures: the node of each image, and the row that stands for each node.

    Two images are one picture when their files are equal, or their pixels and sizes are. Nodes are numbered by
    pixel hash, so that names and row order have no influence.
    """
    hashes = np.asarray(images.column("pixel_hash").to_pylist(), dtype=object)
    sizes = zip(hashes, images.column("width").to_pylist(), images.column("height").to_pylist(), strict=True)
    keys = np.array([f"{digest}:{width}x{height}" for digest, width, height in sizes], dtype=np.str_)
    ids = np.array(images.column("image_id").to_pylist(), dtype=np.str_)
    _, node = np.unique(keys, return_inverse=True)
    order = np.lexsort((ids, node))
    starts = np.flatnonzero(np.diff(node[order], prepend=-1))
    return node.astype(np.int64), order[starts].astype(np.int64)


def _embedded(neighbours: Neighbours, node: Int64, n_nodes: int) -> Candidates:
    """Images far closer in the embedding than neighbours usually are: at most half the median distance."""
    near = neighbours.indices[:, :2].astype(np.int64)
    distance = neighbours.distances[:, :2]
    known = distance[near >= 0]
    if n_nodes < 2 or not len(known):
        return tidy(np.empty((0, 3), np.int64), within=True)
    row, column = np.nonzero((near >= 0) & (distance <= 0.5 * np.median(known)))
    pairs = np.column_stack([node[row], node[near[row, column]]])
    laid = [np.column_stack([pairs, np.full(len(pairs), code)]) for code in (AS_IS, MIRRORED)]
    return tidy(np.concatenate(laid), within=True)


def _merge(one: Candidates, other: Candidates) -> Candidates:
    rows = [np.column_stack([part.pairs, part.orientation]).astype(np.int64) for part in (one, other)]
    return tidy(np.concatenate(rows), within=True)


def _verified(proposed: Candidates, node: Int64, first: Int64, looks: Looks) -> Pairs:
    """Give every candidate its second look and keep each pair at its best orientation."""
    seen = look_again(looks, looks, proposed.pairs, proposed.orientation)
    distance = np.round(seen.distance, 4)
    order = np.lexsort((proposed.orientation, distance, proposed.pairs[:, 1], proposed.pairs[:, 0]))
    ordered = proposed.pairs[order]
    fresh = np.ones(len(order), dtype=np.bool_)
    fresh[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    best = order[fresh]
    tail: Tail | None = fit_tail(distance[best], low=BULK[0], high=BULK[1])
    best = best[distance[best] <= REMEMBERED]
    distance = distance[best]
    expected = np.full(len(best), np.nan) if tail is None else tail.expected(distance)
    return Pairs(
        node=node,
        first=first,
        pairs=proposed.pairs[best],
        distance=distance,
        expected=expected,
        orientation=proposed.orientation[best],
        warp=seen.warp[best],
        covered=seen.covered[best],
        looks=looks,
        tail=tail,
    )
