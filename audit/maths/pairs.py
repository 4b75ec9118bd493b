"""Two datasets side by side: bounded samples made of whole bursts, common folds, and same-size halves for null bands.

Source: split-half null bands, B. Efron, R. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 15.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.errors import FingerprintMismatchError
from audit.maths.neighbours import search
from audit.maths.rows import arrange, bursts, components, near_copy_distance, sample_bursts
from audit.model import DatasetView

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """Some rows of one dataset.

    Attributes
    ----------
    view : DatasetView
        In canonical order.
    rows : int64 (m,)
        Row numbers in the view, increasing.
    bursts : int64 (m,)
    vectors : float64 (m, d)
    """

    view: DatasetView
    rows: Int64
    bursts: Int64
    vectors: Float64

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def labels(self) -> list[str | None]:
        """The label of each row."""
        labels: list[str | None] = self.view.images.column("label").take(pa.array(self.rows)).to_pylist()
        return labels


def samples(views: Sequence[DatasetView], limit: int, rng: np.random.Generator) -> tuple[Sample, Sample]:
    """Whole bursts of reference and candidate, at most ``limit`` images each.

    Raises
    ------
    FingerprintMismatchError
        If the two were embedded by different extractors.
    """
    reference, candidate = views[0].embeddings, views[1].embeddings
    if reference is not None and candidate is not None:
        left, right = reference.extractor_fingerprint, candidate.extractor_fingerprint
        if left != right:
            raise FingerprintMismatchError("the extractors of the two datasets", left, right)
    return _sample(views[0], limit, rng), _sample(views[1], limit, rng)


def joint(left: Sample, right: Sample) -> tuple[Float64, Int64, Int64, Int64]:
    """Both samples as one: vectors, groups (0 reference, 1 candidate), bursts, and bursts that cross the datasets.

    Copies of one image in both datasets are one crossing burst: a probe must not learn from one and be tested on the
    other. Of datasets by two extractors these are the same files only. Permutations keep to the bursts inside each
    dataset.
    """
    n, m = len(left), len(right)
    own = np.concatenate([left.bursts, right.bursts + len(left.view)])
    links_from, links_to = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    if n and m:
        in_left, in_right = _copies(left, right)
        links_from.append(n + in_right)
        links_to.append(in_left)
    _, first, place = np.unique(own, return_index=True, return_inverse=True)
    links_from.append(np.arange(n + m))
    links_to.append(first[place])
    crossing = components(n + m, np.concatenate(links_from), np.concatenate(links_to))
    groups = np.repeat(np.array([0, 1]), [n, m])
    return np.concatenate([left.vectors, right.vectors]), groups, own, crossing


def _copies(left: Sample, right: Sample) -> tuple[Int64, Int64]:
    """Positions in both samples of images of which one is a copy of the other, side by side."""
    if left.view.embeddings is not None and left.view.embeddings.is_shared:
        hashes = [np.array(one.view.column("content_hash"), dtype=object)[one.rows] for one in (left, right)]
        place = {name: i for i, name in enumerate(hashes[0].tolist()) if name is not None}
        same = [(place[name], j) for j, name in enumerate(hashes[1].tolist()) if name in place]
        found = np.array(same, dtype=np.int64).reshape(-1, 2)
        return found[:, 0], found[:, 1]
    if left.view.neighbours is None:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    nearest = search(right.vectors.astype(np.float32), left.vectors.astype(np.float32), 1, threads=1)
    copies = np.flatnonzero(nearest.distances[:, 0] <= near_copy_distance(left.view.neighbours))
    return nearest.indices[copies, 0].astype(np.int64), copies


def halves(sample: Sample, size: int, rng: np.random.Generator) -> tuple[Int64, Int64]:
    """Positions of two disjoint random sets of ``size`` images, bursts whole but for the one cut at the end.

    Raises
    ------
    ValueError
        If there are fewer than 2·size images.
    """
    if 2 * size > len(sample):
        raise ValueError(f"two halves of {size} images need {2 * size}; there are {len(sample)}")
    _, place = np.unique(sample.bursts, return_inverse=True)
    order = np.argsort(rng.permutation(place.max() + 1)[place], kind="stable")
    return order[:size], order[len(order) - size :]


def subset(sample: Sample, size: int, rng: np.random.Generator) -> Int64:
    """Positions of ``size`` random images, bursts whole but for the last."""
    _, place = np.unique(sample.bursts, return_inverse=True)
    return np.argsort(rng.permutation(place.max() + 1)[place], kind="stable")[:size]


def principal(left: Float64, right: Float64, n_dimensions: int) -> tuple[Float64, Float64, float]:
    """Both samples in the leading principal directions of their union, and the share of variance these hold.

    Returned as they are when the dimension is not larger.
    """
    if left.shape[1] <= n_dimensions:
        return left, right, 1.0
    union = np.concatenate([left, right])
    mean = union.mean(axis=0)
    values, directions = np.linalg.eigh((union - mean).T @ (union - mean))
    leading = directions[:, ::-1][:, :n_dimensions]
    kept = float(values[::-1][:n_dimensions].sum() / max(values.sum(), np.finfo(np.float64).tiny))
    return (left - mean) @ leading, (right - mean) @ leading, min(1.0, kept)


def _sample(view: DatasetView, limit: int, rng: np.random.Generator) -> Sample:
    arranged = arrange(view)
    own = bursts(arranged)
    rows = sample_bursts(own, limit, rng)
    return Sample(arranged, rows, own[rows], arranged.vectors[rows].astype(np.float64))
