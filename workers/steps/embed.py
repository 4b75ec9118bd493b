"""Embed: the pictures of one shard, each decoded once, become statistics, hashes, vectors, DNA and neurons by image.

Pictures that decode are forwarded in batches of exactly 32 in row order (the last of a shard may be smaller), each
batch on one thread, several at once. So the bytes of a shard depend on its pictures and the extractor alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.dna.tops import TopKeeper
from audit.model import OK, QUARANTINED
from audit.pictures.statistics import PICTURE_SCHEMA
from storage.records import Outcome
from storage.sources import SourceSpec
from workers.context import StepContext
from workers.forwarding import forwarded
from workers.steps.measuring import Measure, Measured
from workers.steps.params import EmbedParams
from workers.steps.shard_files import write_shard
from workers.steps.tops import first_rows, numbered, renamed

if TYPE_CHECKING:
    from workers.decoders import DecodedBatch

BATCH = 32

SHARD_SCHEMA = pa.schema(
    [
        pa.field("position", pa.int32(), nullable=False),
        pa.field("content_hash", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string()),
        *PICTURE_SCHEMA,
    ]
)
"""One row per picture of the shard, in order. ``position`` counts from the start of the shard, so that the shard
serves every dataset in which the same pictures follow each other, whatever they are called there."""

Float32 = npt.NDArray[np.float32]
Float16 = npt.NDArray[np.float16]
Pixels = npt.NDArray[np.uint8]
T = TypeVar("T")


@dataclass
class Shard:
    """What is known so far about the pictures of a shard, by position.

    ``numbers``, int32 (n,), are the same for pictures of the same content: ``tops`` knows them by these.
    """

    tops: TopKeeper
    numbers: npt.NDArray[np.int32]
    rows: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    failed: dict[int, tuple[str, str]] = field(default_factory=dict)
    vectors: dict[int, Float32] = field(default_factory=dict)
    neurons: dict[int, Float16] = field(default_factory=dict)
    border: dict[int, Float16] = field(default_factory=dict)
    border_layer: str = ""


def run(context: StepContext) -> Outcome:
    """Embed a shard into the artefact ``shard``: rows, vectors, DNA and neurons of its pictures."""
    params = EmbedParams.model_validate(context.step.params)
    runtime = context.runtime
    outcome = Outcome(artefact_kind="shard", artefact=params.shard.fingerprint)
    if runtime.artefacts.find_sound("shard", params.shard.fingerprint):
        return outcome
    images = runtime.usable(params.scan).slice(params.shard.start, params.shard.stop - params.shard.start)
    context.progress(0, images.num_rows)
    extractor = runtime.extractor_of(params.extractor, params.extractor_fingerprint)
    measure = Measure(extractor)
    hashes = images.column("content_hash").to_pylist()
    shard = Shard(TopKeeper(extractor.ranges.n_neurons), numbered(hashes))
    _fill(shard, context, params, images.column("locator").to_pylist(), measure)
    with runtime.artefacts.workspace() as folder:
        empty = np.zeros((0, extractor.spec.dimension), runtime.settings.vector_dtype)
        positions = np.array(sorted(shard.vectors), np.int32)
        tops = renamed(shard.tops.tops(), first_rows(shard.numbers[positions], positions))
        files = write_shard(folder, _rows(shard, hashes), _vectors(shard, empty), measure.dna(), tops)
        files |= _write_neurons(folder, shard, extractor.ranges.n_neurons)
        made_of = {"extractor": params.extractor_fingerprint, "n_pictures": images.num_rows}
        about = made_of | {"border_layer": shard.border_layer}
        runtime.artefacts.commit("shard", params.shard.fingerprint, files, about)
    return outcome


def _fill(shard: Shard, context: StepContext, params: EmbedParams, locators: Sequence[str], measure: Measure) -> None:
    """Decode and measure every picture of the shard."""
    runtime = context.runtime
    source = SourceSpec.model_validate(params.source)
    wanted = runtime.extractor(params.extractor).spec.input
    decoded = runtime.decoders.run(source, locators, wanted, batch=BATCH)
    for batch, measured in forwarded(
        decoded, lambda batch: measure(batch.pixels), runtime.forward, 2 * runtime.settings.threads
    ):
        shard.failed.update(batch.failed)
        if measured is not None:
            _keep(shard, batch, measured)
        context.progress(len(shard.vectors) + len(shard.failed), len(locators))


def _keep(shard: Shard, batch: DecodedBatch, measured: Measured) -> None:
    """Keep unit vectors and neurons; a picture whose vector has no direction is quarantined."""
    shard.rows.update(zip(batch.positions, batch.rows, strict=True))
    neurons = measured.neurons
    shard.border_layer = neurons.border_layer
    shard.tops.add(neurons.top, neurons.place, shard.numbers[np.array(batch.positions)[measured.usable]])
    counted = 0
    for position, vector, is_usable in zip(batch.positions, measured.vectors, measured.usable, strict=True):
        if is_usable:
            shard.vectors[position] = vector
            shard.neurons[position] = neurons.values[counted]
            shard.border[position] = neurons.border[counted]
            counted += 1
        else:
            shard.failed[position] = ("bad_embedding", "the extractor gave a vector with NaN, infinity or length zero")


def _rows(shard: Shard, hashes: Sequence[str]) -> pa.Table:
    """The rows of every picture, in order."""
    rows = [_row(shard, position, content) for position, content in enumerate(hashes)]
    return pa.Table.from_pylist(rows, schema=SHARD_SCHEMA)


def _vectors(shard: Shard, empty: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The vectors of the usable pictures, in order and with the type of ``empty``, which has no row."""
    rows = [shard.vectors[position] for position in sorted(shard.vectors)]
    return np.stack(rows).astype(empty.dtype) if rows else empty


def _write_neurons(folder: Path, shard: Shard, width: int) -> dict[str, Path]:
    """Write what every neuron gave for the usable pictures, in order: float16 (m, N), and (m, c) at the border."""
    positions = sorted(shard.neurons)
    n_border = len(shard.border[positions[0]]) if positions else 0
    empty = {"neurons": np.zeros((0, width), np.float16), "border": np.zeros((0, n_border), np.float16)}
    rows = {"neurons": shard.neurons, "border": shard.border}
    for name, nothing in empty.items():
        matrix = np.stack([rows[name][position] for position in positions]) if positions else nothing
        np.save(folder / f"{name}.npy", matrix, allow_pickle=False)
    return {f"{name}.npy": folder / f"{name}.npy" for name in empty}


def _row(shard: Shard, position: int, content_hash: str) -> dict[str, Any]:
    about = {"position": position, "content_hash": content_hash}
    if position in shard.failed:
        reason, detail = shard.failed[position]
        return about | {"status": QUARANTINED, "reason": reason, "detail": detail}
    return about | {"status": OK} | dict(shard.rows[position])
