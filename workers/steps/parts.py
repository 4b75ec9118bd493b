"""Parts: some pictures of a set are embedded whole, as their object alone and as their background alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.extractors.base import InputSpec
from audit.model import PartFeatures, Parts
from audit.parts.closeup import Box, Closeup, joined, look_closely
from audit.pictures.process import box_in_input
from storage.arrays import mapped
from storage.artefacts import Artefact
from storage.sources import SourceSpec
from storage.sources.shards import usable
from workers.context import StepContext
from workers.decoders import DecodedBatch
from workers.forwarding import forwarded
from workers.steps.embed import BATCH
from workers.steps.measuring import unit_vectors
from workers.steps.params import PartsParams

ARRAYS = ("rows", "boxes", "is_given", "vectors", "neurons", "maps")
"""Files of an artefact of kind ``parts``; vectors and neurons are of the whole, the object and two backgrounds."""

LAYER = "layer.json"

Rows = npt.NDArray[np.int64]


def embed(context: StepContext, params: PartsParams, folder: Path) -> None:
    """Look closely at some pictures of a set, and write what was seen. Pictures that are gone by now are left out."""
    runtime = context.runtime
    extractor = runtime.extractor_of(params.extractor, params.extractor_fingerprint)
    columns = ["status", "locator", "box", "width", "height"]
    table = runtime.artefacts.open("embedding_set", params.embedding_set).table("images.parquet", columns)
    images = usable(table).take(pa.array(params.rows, pa.int64()))
    given = _given(images, extractor.spec.input)
    decoded = runtime.decoders.run(
        SourceSpec.model_validate(params.source), images.column("locator").to_pylist(), extractor.spec.input, BATCH
    )

    def look(batch: DecodedBatch) -> Closeup:
        return look_closely(extractor, batch.pixels, [given[place] for place in batch.positions])

    seen: list[Parts] = []
    for batch, closeup in forwarded(decoded, look, runtime.forward, runtime.settings.threads):
        if closeup is not None:
            seen.append(_kept(closeup, np.array(params.rows)[list(batch.positions)]))
        context.progress(sum(len(one.rows) for one in seen), len(params.rows))
    _write(joined(seen), folder)


def _given(images: pa.Table, spec: InputSpec) -> list[Box | None]:
    """The boxes that the dataset names, as they lie in the extractor's input."""
    sides = zip(*(images.column(name).to_pylist() for name in ("box", "width", "height")), strict=True)
    return [None if box is None else box_in_input(tuple(box), width, height, spec) for box, width, height in sides]


def _kept(closeup: Closeup, rows: Rows) -> Parts:
    """What is known of the pictures whose object is, and of which every part has a direction."""
    unit = [unit_vectors(one.vectors) for one in closeup.features]
    kept = closeup.known & np.logical_and.reduce([usable for _, usable in unit])
    whole, foreground, smooth, mirror = (
        PartFeatures(vectors[kept], one.neurons[kept]) for (vectors, _), one in zip(unit, closeup.features, strict=True)
    )
    return Parts(
        rows=rows[kept].astype(np.int64),
        boxes=closeup.boxes[kept],
        is_given=closeup.is_given[kept],
        whole=whole,
        foreground=foreground,
        backgrounds=(smooth, mirror),
        maps=closeup.maps[kept],
        map_layer=closeup.map_layer,
    )


def _write(parts: Parts | None, folder: Path) -> None:
    """Write the arrays; nothing but the name of no layer, where nothing was seen."""
    (folder / LAYER).write_text(json.dumps({"map_layer": parts.map_layer if parts else ""}), encoding="utf-8")
    if parts is None:
        return
    features = (parts.whole, parts.foreground, *parts.backgrounds)
    arrays = {name: getattr(parts, name) for name in ("rows", "boxes", "is_given", "maps")}
    arrays["vectors"] = np.stack([one.vectors for one in features])
    arrays["neurons"] = np.stack([one.neurons for one in features])
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


def load(artefacts: Sequence[Artefact]) -> Parts | None:
    """The parts of a dataset from the artefacts of its steps; None if no picture is in them."""
    return joined([_loaded(one) for one in artefacts if "rows.npy" in one])


def _loaded(artefact: Artefact) -> Parts:
    """The parts of one step, in the file until they are joined."""
    arrays = {name: mapped(artefact.file(f"{name}.npy")) for name in ARRAYS}
    vectors, neurons = arrays.pop("vectors"), arrays.pop("neurons")
    whole, foreground, smooth, mirror = (PartFeatures(*pair) for pair in zip(vectors, neurons, strict=True))
    layer = artefact.json(LAYER)["map_layer"]
    return Parts(**arrays, whole=whole, foreground=foreground, backgrounds=(smooth, mirror), map_layer=layer)
