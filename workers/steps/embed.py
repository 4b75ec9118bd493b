"""Embed: the pictures of one shard, each decoded once, become statistics, hashes, vectors and DNA counts.

Pictures that decode are forwarded in batches of exactly 32 in row order (the last of a shard may be smaller), each
batch on one thread, several at once. So the bytes of a shard depend on its pictures and the extractor alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.dna import DnaCounter
from audit.errors import FingerprintMismatchError
from audit.extractors.base import Extractor, Features
from audit.model import OK, QUARANTINED
from audit.pictures.statistics import PICTURE_SCHEMA
from storage.parquet import vectors_array, write_table
from storage.records import Outcome
from storage.sources import SourceSpec
from workers.context import StepContext
from workers.steps.params import EmbedParams

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


@dataclass
class Shard:
    """What is known so far about the pictures of a shard, by position."""

    rows: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    failed: dict[int, tuple[str, str]] = field(default_factory=dict)
    vectors: dict[int, Float32] = field(default_factory=dict)


def run(context: StepContext) -> Outcome:
    """Embed a shard into the artefact ``shard``: ``rows.parquet``, ``vectors.parquet``, ``dna.parquet``."""
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
    counter = DnaCounter(extractor.ranges, params.extractor_fingerprint)
    shard = _fill(context, params, images.column("locator").to_pylist(), counter)
    with runtime.artefacts.workspace() as folder:
        empty = np.zeros((0, extractor.spec.dimension), runtime.settings.vector_dtype)
        files = _write(folder, shard, images.column("content_hash").to_pylist(), empty)
        files["dna.parquet"] = write_table(counter.dna().to_table(), folder / "dna.parquet")
        made_of = {"extractor": params.extractor_fingerprint, "n_pictures": images.num_rows}
        runtime.artefacts.commit("shard", params.shard.fingerprint, files, made_of)
    return outcome


def _fill(context: StepContext, params: EmbedParams, locators: Sequence[str], counter: DnaCounter) -> Shard:
    """Decode, forward and count every picture of the shard."""
    shard = Shard()
    runtime = context.runtime
    extractor = runtime.extractor(params.extractor)
    source = SourceSpec.model_validate(params.source)
    decoded = runtime.decoders.run(source, locators, extractor.spec.input, batch=BATCH)
    for batch, features in forwarded(decoded, extractor, runtime.forward, 2 * runtime.settings.threads):
        shard.failed.update(batch.failed)
        if features is not None:
            _keep(shard, counter, batch, features)
        context.progress(len(shard.vectors) + len(shard.failed), len(locators))
    return shard


def forwarded(
    batches: Iterable[DecodedBatch], extractor: Extractor, threads: Executor, in_flight: int
) -> Iterator[tuple[DecodedBatch, Features | None]]:
    """Run the extractor over batches, several at once; results come in the order of the batches."""
    pending: deque[tuple[DecodedBatch, Future[Features] | None]] = deque()
    try:
        for batch in batches:
            pending.append((batch, threads.submit(extractor.features, batch.pixels) if batch.positions else None))
            while pending and (len(pending) > in_flight or _is_done(pending[0][1])):
                yield _result(pending.popleft())
        while pending:
            yield _result(pending.popleft())
    finally:
        for _, future in pending:
            if future is not None:
                future.cancel()


def _is_done(future: Future[Features] | None) -> bool:
    return future is None or future.done()


def _result(pair: tuple[DecodedBatch, Future[Features] | None]) -> tuple[DecodedBatch, Features | None]:
    batch, future = pair
    return batch, None if future is None else future.result()


def _keep(shard: Shard, counter: DnaCounter, batch: DecodedBatch, features: Features) -> None:
    """Keep unit vectors and count activations; a picture whose vector has no direction is quarantined, not counted."""
    vectors, usable = unit_vectors(features.embedding)
    shard.rows.update(zip(batch.positions, batch.rows, strict=True))
    for position, vector, is_usable in zip(batch.positions, vectors, usable, strict=True):
        if is_usable:
            shard.vectors[position] = vector
        else:
            shard.failed[position] = ("bad_embedding", "the extractor gave a vector with NaN, infinity or length zero")
    if usable.all():
        counter.add(features.layers)
    elif usable.any():
        counter.add({name: values[usable] for name, values in features.layers.items()})


def unit_vectors(embedding: Float32) -> tuple[Float32, npt.NDArray[np.bool_]]:
    """Scale rows to unit length.

    Parameters
    ----------
    embedding : float32 (b, d)

    Returns
    -------
    vectors : float32 (b, d)
        Unit length, computed in float64; rows that are not usable are zero.
    usable : bool (b,)
        False where the row holds NaN or infinity, or has length zero.
    """
    wide = embedding.astype(np.float64)
    lengths = np.sqrt(np.square(wide).sum(axis=1))
    usable = np.isfinite(lengths) & (lengths > 0)
    unit = np.divide(wide, lengths[:, None], out=np.zeros_like(wide), where=usable[:, None])
    return unit.astype(np.float32), usable


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


def _row(shard: Shard, position: int, content_hash: str) -> dict[str, Any]:
    about = {"position": position, "content_hash": content_hash}
    if position in shard.failed:
        reason, detail = shard.failed[position]
        return about | {"status": QUARANTINED, "reason": reason, "detail": detail}
    return about | {"status": OK} | dict(shard.rows[position])
