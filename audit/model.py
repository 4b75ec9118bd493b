"""The values every analysis reads: images, embeddings, neighbours and the view of a dataset that holds them.

Arrow schemas here are constants. A change of one bumps ``SCHEMA_VERSION`` and adds a reader for the old form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

if TYPE_CHECKING:
    from audit.dna import Dna

SCHEMA_VERSION = 1

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

OK = "ok"
QUARANTINED = "quarantined"
SKIPPED = "skipped"

META_PREFIX = "meta."
"""A user's own column ``camera`` is stored as ``meta.camera``, with the type it had."""

IMAGES_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("path_bytes", pa.binary(), nullable=False),
        pa.field("locator", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string()),
        pa.field("label", pa.string()),
        pa.field("split", pa.string()),
        pa.field("group", pa.string()),
        pa.field("box", pa.list_(pa.float32(), 4)),
        pa.field("n_bytes", pa.int64()),
        pa.field("format", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("content_hash", pa.string()),
    ]
)
"""One row per input file or manifest row, bad ones included (scan writes it; ``meta.*`` columns follow).

image_id : 16 hexadecimal digits, from the input's name; unique in its dataset, stable when its content changes
path : how the input is shown to people: UTF-8, undecodable bytes escaped
path_bytes : the raw name, the identity
locator : how the source opens it again (private to the source)
status : ``ok``, ``quarantined`` (bad; ``reason`` is a code of ``audit.pictures.reasons``) or ``skipped`` (by rule)
box : x0, y0, x1, y1 of the labelled object in pixels, or null
width, height : in pixels, as shown (EXIF orientation applied)
content_hash : SHA-256 of the file's bytes, 64 hexadecimal digits
"""


@dataclass(frozen=True)
class Embeddings:
    """Vectors of one dataset under one extractor.

    Attributes
    ----------
    vectors : float32 (n, d), unit length
        May be a read-only memory map: read it in blocks, never copy it whole.
    extractor : str
        Name of the extractor.
    extractor_fingerprint : str
        Hash of architecture, weights, preprocessing and dtype. Only equal ones may be compared.
    """

    vectors: npt.NDArray[np.float32]
    extractor: str
    extractor_fingerprint: str


@dataclass(frozen=True)
class Neighbours:
    """The sealed k-nearest-neighbour table of a dataset, self excluded, nearest first.

    Attributes
    ----------
    indices : int32 (n, k)
        Row numbers; -1 where fewer than k neighbours exist.
    distances : float32 (n, k), in [0, 2]
        Euclidean distance between unit vectors; +inf where the index is -1.
    """

    indices: npt.NDArray[np.int32]
    distances: npt.NDArray[np.float32]


@dataclass(frozen=True)
class DatasetView:
    """One dataset as an analysis sees it; row i of everything is the same image.

    Attributes
    ----------
    name : str
    fingerprint : str
        Of the embedding set (or of the dataset, without one).
    images : pyarrow.Table, n rows
        The usable images: IMAGES_SCHEMA, ``meta.*`` and, after embedding, the columns of
        :data:`audit.pictures.statistics.PICTURE_SCHEMA`, in the order of ``vectors``.
    excluded : pyarrow.Table
        The quarantined and skipped inputs, in IMAGES_SCHEMA.
    embeddings, neighbours, dna
        Present when the analysis says it needs them.
    """

    name: str
    fingerprint: str
    images: pa.Table
    excluded: pa.Table
    embeddings: Embeddings | None = None
    neighbours: Neighbours | None = None
    dna: Dna | None = None

    def __len__(self) -> int:
        return int(self.images.num_rows)

    def column(self, name: str) -> list[Any]:
        """Values of one column as Python objects; all None when the column is absent."""
        if name not in self.images.column_names:
            return [None] * len(self)
        values: list[Any] = self.images.column(name).to_pylist()
        return values

    def numbers(self, name: str) -> npt.NDArray[np.float64]:
        """Values of one numeric column, float64 (n,), NaN where null."""
        column = self.images.column(name).cast(pa.float64())
        array: npt.NDArray[np.float64] = column.to_numpy(zero_copy_only=False)
        return array

    @property
    def vectors(self) -> npt.NDArray[np.float32]:
        """The embedding vectors, float32 (n, d), unit length.

        Raises
        ------
        ValueError
            If the view was made without embeddings.
        """
        if self.embeddings is None:
            raise ValueError(f"the view of {self.name!r} was made without embeddings")
        return self.embeddings.vectors
