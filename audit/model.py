"""The values every analysis reads: images, embeddings, neighbours and the view of a dataset that holds them.

Arrow schemas here are constants. A change of one bumps ``SCHEMA_VERSION`` and adds a reader for the old form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

if TYPE_CHECKING:
    from audit.dna import Dna
    from audit.duplicates.find import Pairs
    from audit.extractors.base import InputSpec

SCHEMA_VERSION = 1


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
    is_shared : bool
        The vectors are in the space that two extractors share: how near copies lie there says nothing.
    """

    vectors: npt.NDArray[np.float32]
    extractor: str
    extractor_fingerprint: str
    is_shared: bool = False


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
class Neurons:
    """What every tapped neuron gave for each image, in parts of its range: 0 at the low end, 1 at the high one.

    Attributes
    ----------
    values : float16 (n, N)
        Mean over the places of the image; NaN where no place counted. May be a read-only memory map: read it in
        blocks of rows, never copy it whole.
    layers : mapping of layer name to slice
        The columns of each layer, in the extractor's order.
    border : float16 (n, c)
        Mean over the places at the border of the picture, in the last layer that is a map of at least 4 x 4 places;
        (n, 0) if none is.
    border_layer : str
        The layer that ``border`` is of; "" if none is.
    """

    values: npt.NDArray[np.float16]
    layers: Mapping[str, slice]
    border: npt.NDArray[np.float16]
    border_layer: str = ""


@dataclass(frozen=True)
class Tops:
    """The pictures that each of N neurons answers to most, by its largest activation, the largest first.

    Attributes
    ----------
    rows : int32 (N, k)
        Which rows of the view; of pictures with the same content the first only. -1 where there are fewer than k.
    values : float32 (N, k)
        The largest activation, in parts of the neuron's range; NaN where there is none.
    places : int32 (N, k)
        Where in the layer's grid that is, row by row; -1 where there is none.
    input : InputSpec, optional
        How pictures became the input that the grid lies over; whole and squashed to a square where it is not said.
    """

    rows: npt.NDArray[np.int32]
    values: npt.NDArray[np.float32]
    places: npt.NDArray[np.int32]
    input: InputSpec | None = None


@dataclass(frozen=True)
class PartFeatures:
    """What an extractor says about one part of m pictures.

    Attributes
    ----------
    vectors : float32 (m, d), unit length
    neurons : float16 (m, N)
        As :attr:`Neurons.values`.
    """

    vectors: npt.NDArray[np.float32]
    neurons: npt.NDArray[np.float16]


@dataclass(frozen=True)
class Parts:
    """A sample of the pictures, embedded whole, as their object alone and as their background alone.

    Attributes
    ----------
    rows : int64 (m,), ascending
        Which rows of the view the pictures are.
    boxes : float32 (m, 4), in [0, 1]
        x0, y0, x1, y1 of the object, in shares of the sides of the extractor's input.
    is_given : bool (m,)
        Whether the dataset gave the box; otherwise it is where the network looks.
    whole, foreground : PartFeatures
        The picture; the object in its box (in the middle of one that was found), everything else filled.
    backgrounds : two PartFeatures
        The picture with the (widened) box filled in two different ways: what both agree on is not the filling.
    maps : float16 (m, positions, c)
        The last layer that is a map, of the whole picture, in parts of the neuron's range; row by row.
    map_layer : str
    """

    rows: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.float32]
    is_given: npt.NDArray[np.bool_]
    whole: PartFeatures
    foreground: PartFeatures
    backgrounds: tuple[PartFeatures, PartFeatures]
    maps: npt.NDArray[np.float16]
    map_layer: str


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
    embeddings, neighbours, dna, neurons, parts
        Present when the analysis says it needs them; ``parts`` are None too where they cannot be made.
    copies
        What :func:`audit.duplicates.find.find_within` finds, searched once for all analyses; None: not searched yet.
    tops
        Comes with ``dna``: its rows are the neurons of that.
    texts : mapping of text to float32 (d,)
        Where texts have a place in the space of ``vectors``: every one of :func:`audit.settings.prompts.prompts`, as
        long as the model's temperature, so that its product with a vector is the model's logit. None where the
        extractor embeds no texts.
    answers : frozenset of str
        The user's columns that hold answers about the pictures, a model's or a person's, and no circumstance of them:
        those that the configuration of any analysis of the audit names as such (``Config.answers``).
    """

    name: str
    fingerprint: str
    images: pa.Table
    excluded: pa.Table
    embeddings: Embeddings | None = None
    neighbours: Neighbours | None = None
    dna: Dna | None = None
    neurons: Neurons | None = None
    parts: Parts | None = None
    copies: Pairs | None = None
    tops: Tops | None = None
    texts: Mapping[str, npt.NDArray[np.float32]] | None = None
    answers: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return int(self.images.num_rows)

    def column(self, name: str) -> list[Any]:
        """Values of one column as Python objects; all None when the column is absent."""
        if name not in self.images.column_names:
            return [None] * len(self)
        values: list[Any] = self.images.column(name).to_pylist()
        return values

    @property
    def circumstances(self) -> tuple[str, ...]:
        """The user's columns that say something of the pictures themselves: ``meta.*``, sorted, without answers."""
        names = (name for name in self.images.column_names if name.startswith(META_PREFIX))
        return tuple(sorted(name for name in names if name.removeprefix(META_PREFIX) not in self.answers))

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
