"""Embed: the pictures of one shard, each decoded once, become statistics, hashes, vectors, DNA and neurons by image.

Pictures that decode are forwarded in batches of exactly 32 in row order (the last of a shard may be smaller), each
batch on one thread, several at once. So the bytes of a shard depend on its pictures and the extractor alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.dna.tops import TopKeeper
from audit.errors import FingerprintMismatchError
from audit.model import OK, QUARANTINED
from audit.pictures.statistics import PICTURE_SCHEMA
from storage.parquet import vectors_array, write_table
from storage.records import Outcome
from storage.sources import SourceSpec
from workers.context import StepContext
from workers.steps.measuring import Measure, Measured
from workers.steps.params import EmbedParams
from workers.steps.tops import first_rows, numbered, renamed, to_table

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
    extractor = runtime.extractor(params.extractor)
    if extractor.spec.fingerprint != params.extractor_fingerprint:
        raise FingerprintMismatchError(
            "the extractor at submission and here", params.extractor_fingerprint, extractor.spec.fingerprint
        )
    measure = Measure(extractor)
    hashes = images.column("content_hash").to_pylist()
    shard = Shard(TopKeeper(extractor.ranges.n_neurons), numbered(hashes))
    _fill(shard, context, params, images.column("locator").to_pylist(), measure)
    with runtime.artefacts.workspace() as folder:
        empty = np.zeros((0, extractor.spec.dimension), runtime.settings.vector_dtype)
        files = _write(folder, shard, hashes, empty)
        files["dna.parquet"] = write_table(measure.dna().to_table(), folder / "dna.parquet")
        files |= _write_neurons(folder, shard, extractor.ranges.n_neurons)
        positions = np.array(sorted(shard.vectors), np.int32)
        tops = renamed(shard.tops.tops(), first_rows(shard.numbers[positions], positions))
        files["tops.parquet"] = write_table(to_table(tops), folder / "tops.parquet")
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
    for batch, measured in forwarded(decoded, measure, runtime.forward, 2 * runtime.settings.threads):
        shard.failed.update(batch.failed)
        if measured is not None:
            _keep(shard, batch, measured)
        context.progress(len(shard.vectors) + len(shard.failed), len(locators))


def forwarded(
    batches: Iterable[DecodedBatch], work: Callable[[Pixels], T], threads: Executor, in_flight: int
) -> Iterator[tuple[DecodedBatch, T | None]]:
    """Do something with the pixels of batches, several at once; results come in the order of the batches."""
    pending: deque[tuple[DecodedBatch, Future[T] | None]] = deque()

    def first() -> tuple[DecodedBatch, T | None]:
        batch, future = pending.popleft()
        return batch, None if future is None else future.result()

    try:
        for batch in batches:
            pending.append((batch, threads.submit(work, batch.pixels) if batch.positions else None))
            while pending and (len(pending) > in_flight or _is_done(pending[0][1])):
                yield first()
        while pending:
            yield first()
    finally:
        for _, future in pending:
            if future is not None:
                future.cancel()


def _is_done(future: Future[T] | None) -> bool:
    return future is None or future.done()


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


def _write(folder: Path, shard: Shard, hashes: Sequence[str], empty: npt.NDArray[Any]) -> dict[str, Path]:
    """Write the rows of every picture and the vectors of the usable ones, in order and with the type of ``empty``."""
    rows = [_row(shard, position, content) for position, content in enumerate(hashes)]
    table = pa.Table.from_pylist(rows, schema=SHARD_SCHEMA)
    positions = sorted(shard.vectors)
    vectors = np.concatenate([empty, *(shard.vectors[p][None].astype(empty.dtype) for p in positions)])
    columns = {"position": pa.array(positions, pa.int32()), "embedding": vectors_array(vectors)}
    return {
        "rows.parquet": write_table(table, folder / "rows.parquet"),
        "vectors.parquet": write_table(pa.table(columns), folder / "vectors.parquet"),
    }


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
