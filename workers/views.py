"""An embedding-set artefact as analyses see it: memory-mapped vectors, its sealed neighbours, rows and DNA."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from audit.analyses.base import Need
from audit.dna import Dna
from audit.duplicates.kept import pairs_from_tables
from audit.extractors.base import InputSpec
from audit.model import IMAGES_SCHEMA, OK, DatasetView, Embeddings, Neighbours, Neurons
from storage.arrays import mapped
from storage.artefacts import Artefact, Artefacts
from storage.parquet import map_table, vectors_numpy
from workers.steps.params import ViewRef
from workers.steps.parts import load as load_parts
from workers.steps.tops import from_table

EVERYTHING = frozenset(Need)

PAIRS, NODES = "pairs.parquet", "nodes.parquet"
"""Files of an artefact of kind ``copies``."""

TEXTS = "texts.parquet"
"""The file of an artefact of kind ``texts``."""


def load_view(artefact: Artefact, name: str, needs: Collection[Need] = EVERYTHING) -> DatasetView:
    """The view of a dataset, holding what is needed.

    Parameters
    ----------
    artefact : Artefact
        Of kind ``embedding_set``.
    name : str
        What the dataset is called in the report.
    needs : collection of Need
    """
    inputs = artefact.table("images.parquet", IMAGES_SCHEMA.names)
    about = artefact.provenance
    embeddings = neighbours = dna = tops = None
    if Need.EMBEDDINGS in needs or Need.NEIGHBOURS in needs:
        vectors = mapped(artefact.file("vectors.npy"))
        embeddings = Embeddings(vectors, about["extractor"]["name"], about["extractor_fingerprint"])
    if Need.NEIGHBOURS in needs:
        neighbours = load_neighbours(artefact)
    if Need.DNA in needs:
        dna = Dna.from_table(artefact.table("dna.parquet"))
        tops = from_table(artefact.table("tops.parquet"), dna.ranges.n_neurons)
        tops = replace(tops, input=InputSpec.model_validate(about["extractor"]["input"]))
    return DatasetView(
        name=name,
        fingerprint=about["content"],
        images=map_table(artefact.file("usable.arrow")),
        excluded=inputs.filter(pc.not_equal(inputs.column("status"), OK)),
        embeddings=embeddings,
        neighbours=neighbours,
        dna=dna,
        neurons=load_neurons(artefact) if Need.NEURONS in needs else None,
        tops=tops,
    )


def load_neurons(artefact: Artefact) -> Neurons:
    """What every neuron gave for each image."""
    about = artefact.provenance
    layers = about["extractor"]["layers"]
    ends = np.cumsum([0, *(layer["n_neurons"] for layer in layers)]).tolist()
    return Neurons(
        values=mapped(artefact.file("neurons.npy")),
        layers={layer["name"]: slice(*ends[i : i + 2]) for i, layer in enumerate(layers)},
        border=mapped(artefact.file("border.npy")),
        border_layer=about["border_layer"],
    )


def with_prepared(view: DatasetView, ref: ViewRef, artefacts: Artefacts) -> DatasetView:
    """A view with what was prepared for the analyses of an audit."""
    if ref.copies:
        view = with_copies(view, artefacts.open("copies", ref.copies))
    parts = load_parts([artefacts.open("parts", name) for name in ref.parts])
    tables = [artefacts.open("texts", name).table(TEXTS) for name in ref.texts]
    texts = {text: vector for table in tables for text, vector in _texts(table)} if tables else None
    return replace(view, parts=parts, texts=texts)


def with_copies(view: DatasetView, found: Artefact) -> DatasetView:
    """A view with the copies that were searched for; ``found`` is of kind ``copies``."""
    return replace(view, copies=pairs_from_tables(found.table(PAIRS), found.table(NODES), view.images))


def _texts(table: pa.Table) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    return zip(table.column("text").to_pylist(), vectors_numpy(table.column("embedding")), strict=True)


def load_neighbours(artefact: Artefact) -> Neighbours:
    """The sealed k-nearest-neighbour table."""
    return Neighbours(
        indices=mapped(artefact.file("neighbour-indices.npy")),
        distances=mapped(artefact.file("neighbour-distances.npy")),
    )


def has_labels(images: pa.Table) -> bool:
    """Whether any image has a label."""
    labels = images.column("label")
    return bool(labels.null_count < len(labels))
