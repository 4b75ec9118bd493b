"""Small synthetic datasets in the form every analysis reads, for the tests of all analyses."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.dna import Dna, DnaCounter, LayerRanges, NeuronRanges
from audit.maths.neighbours import nearest
from audit.maths.rows import take_neurons, take_parts
from audit.model import IMAGES_SCHEMA, DatasetView, Embeddings, Neurons, Parts
from audit.pictures.hashes import HASH_SCHEMA

CLASSES = ("boat", "car", "dog")
EXTRACTOR = "synthetic"
EXTRACTOR_FINGERPRINT = hashlib.sha256(EXTRACTOR.encode()).hexdigest()
RANGES = NeuronRanges(
    layers={
        "early": LayerRanges(np.full(4, -1.2, np.float32), np.full(4, 1.2, np.float32), np.zeros(4, np.bool_)),
        "late": LayerRanges(np.full(6, -1.2, np.float32), np.full(6, 1.2, np.float32), np.zeros(6, np.bool_)),
    },
    calibration="synthetic",
)


def unit(vectors: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Rows scaled to length one, read-only as a memory map is."""
    array = np.asarray(vectors, dtype=np.float64)
    array = (array / np.maximum(np.linalg.norm(array, axis=1, keepdims=True), 1e-12)).astype(np.float32)
    array.flags.writeable = False
    return array


def view_of(
    vectors: npt.ArrayLike,
    *,
    labels: Sequence[str | None] | None = None,
    splits: Sequence[str | None] | None = None,
    groups: Sequence[str | None] | None = None,
    paths: Sequence[str] | None = None,
    name: str = "reference",
    k: int = 20,
) -> DatasetView:
    """A dataset around given vectors (scaled to unit length); image i is ``{name}/{i:05d}.png`` unless it is said."""
    array = unit(vectors)
    images = _images(array, name, labels=labels, splits=splits, groups=groups, paths=paths)
    return _complete(
        DatasetView(name, hashlib.sha256(name.encode()).hexdigest(), images, IMAGES_SCHEMA.empty_table()), array, k
    )


def make_view(
    seed: int = 0,
    *,
    name: str = "reference",
    n_per_class: int = 30,
    d: int = 16,
    shift: float = 0.0,
    wrong: int = 0,
    labelled: bool = True,
) -> DatasetView:
    """Three classes as round clusters, in splits train and test, with two exact copies and some wrong labels.

    ``shift`` moves every class by so many within-class standard deviations, in one direction.
    The first ``wrong`` images of the first class are called by the name of the second.
    """
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(1234).normal(size=(len(CLASSES), d))
    vectors = np.repeat(centres, n_per_class, axis=0) + 0.25 * rng.normal(size=(len(CLASSES) * n_per_class, d))
    vectors[:, 0] += 0.25 * shift
    vectors[1] = vectors[0]
    labels: list[str | None] = [c for c in CLASSES for _ in range(n_per_class)]
    labels[:wrong] = [CLASSES[1]] * wrong
    splits = ["test" if i % 5 == 0 else "train" for i in range(len(labels))]
    return view_of(vectors, labels=labels if labelled else None, splits=splits, name=name)


def taken(view: DatasetView, rows: npt.ArrayLike) -> DatasetView:
    """The same dataset with only these rows, in this order; neighbours and DNA made again."""
    indices = np.asarray(rows, dtype=np.int64)
    k = 20 if view.neighbours is None else view.neighbours.indices.shape[1]
    vectors = np.ascontiguousarray(view.vectors[indices])
    vectors.flags.writeable = False
    left = dataclasses.replace(
        view,
        images=view.images.take(pa.array(indices)),
        neurons=view.neurons and take_neurons(view.neurons, indices),
        parts=view.parts and take_parts(view.parts, indices),
    )
    return _complete(left, vectors, k)


def with_features(view: DatasetView, *, neurons: Neurons | None = None, parts: Parts | None = None) -> DatasetView:
    """The same dataset with its neurons by image and the maps of some of its pictures."""
    return dataclasses.replace(view, neurons=neurons, parts=parts)


def shuffled(view: DatasetView, seed: int = 0) -> DatasetView:
    """The same dataset in another row order."""
    return taken(view, np.random.default_rng(seed).permutation(len(view)))


def _complete(view: DatasetView, vectors: npt.NDArray[np.float32], k: int) -> DatasetView:
    return dataclasses.replace(
        view,
        embeddings=Embeddings(vectors, EXTRACTOR, EXTRACTOR_FINGERPRINT),
        neighbours=nearest(vectors, k, threads=1),
        dna=_dna(vectors),
    )


def _dna(vectors: npt.NDArray[np.float32]) -> Dna:
    counter = DnaCounter(RANGES, EXTRACTOR_FINGERPRINT)
    if len(vectors):
        early = np.ascontiguousarray(np.resize(vectors.T, (12, len(vectors))).T.reshape(len(vectors), 3, 4))
        late = np.ascontiguousarray(np.resize(vectors.T, (6, len(vectors))).T[:, None])
        counter.add({"early": early, "late": late})
    return counter.dna()


def _images(
    vectors: npt.NDArray[np.float32],
    name: str,
    *,
    labels: Sequence[str | None] | None,
    splits: Sequence[str | None] | None,
    groups: Sequence[str | None] | None,
    paths: Sequence[str] | None = None,
) -> pa.Table:
    n = len(vectors)
    paths = [f"{name}/{i:05d}.png" for i in range(n)] if paths is None else list(paths)
    hashes = [hashlib.sha256(row.tobytes()).hexdigest() for row in vectors]
    nothing: list[None] = [None] * n
    columns: dict[str, Sequence[Any]] = {
        "image_id": [hashlib.sha256(p.encode()).hexdigest()[:16] for p in paths],
        "path": paths,
        "path_bytes": [p.encode() for p in paths],
        "locator": paths,
        "status": ["ok"] * n,
        "reason": nothing,
        "detail": nothing,
        "label": nothing if labels is None else labels,
        "split": nothing if splits is None else splits,
        "group": nothing if groups is None else groups,
        "box": nothing,
        "n_bytes": [4096] * n,
        "format": ["png"] * n,
        "width": [64] * n,
        "height": [64] * n,
        "content_hash": hashes,
    }
    table = pa.table({f.name: pa.array(columns[f.name], f.type) for f in IMAGES_SCHEMA}, schema=IMAGES_SCHEMA)
    for field in _picture_schema():
        table = table.append_column(field, pa.array(_values(field, hashes), field.type))
    return table


def _picture_schema() -> pa.Schema:
    try:
        from audit.pictures.statistics import PICTURE_SCHEMA
    except ModuleNotFoundError:
        return HASH_SCHEMA
    return PICTURE_SCHEMA


def _values(field: pa.Field, hashes: Sequence[str]) -> list[Any]:
    """A plausible value of a picture column for every image, drawn from its content hash and the column's name."""
    if field.name == "pixel_hash":
        return list(hashes)
    return [_value(field, np.random.default_rng(int(h[:12], 16) + len(field.name))) for h in hashes]


def _value(field: pa.Field, rng: np.random.Generator) -> Any:
    kind = field.type
    if pa.types.is_fixed_size_binary(kind):
        return rng.bytes(kind.byte_width)
    if pa.types.is_list(kind):
        return []
    if pa.types.is_string(kind):
        return None if field.nullable else ""
    return 64 if pa.types.is_integer(kind) else (False if pa.types.is_boolean(kind) else 0.4 + 0.2 * rng.random())
