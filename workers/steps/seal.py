"""Seal: the shards of a dataset, each verified, become one embedding set with its neighbours and index.

The rows of a set are in canonical order, by raw path bytes, whatever order the source gives them in: no analysis has
to sort them, and so none has to copy them. The matrix of vectors and the looks are files that are written block by
block and read through memory maps; of the row tables one copy is held in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from audit.dna import DnaCounter, merge
from audit.fingerprint import fingerprint
from audit.maths.graph import EXACT_LIMIT
from audit.maths.neighbours import nearest
from audit.model import OK
from audit.pictures.hashes import LOOKS, look_bytes
from audit.pictures.statistics import PICTURE_SCHEMA
from storage.artefacts import Artefact
from storage.indexes import write_index
from storage.parquet import mapped_table_writer, write_table
from storage.records import Outcome
from workers.context import StepContext
from workers.steps.embed import SHARD_SCHEMA
from workers.steps.params import SEAL_VERSION, SealParams
from workers.steps.scan import count_status
from workers.steps.shard_files import dna_of, rows_of, tops_of, vectors_of
from workers.steps.tops import sealed, to_table

Number = TypeVar("Number", bound=np.floating[Any])

INDEX = "index.faiss"
"""Written only where searching is not exact; below that the vectors themselves are searched, through their map."""


def run(context: StepContext) -> Outcome:
    """Join shards into the artefact ``embedding_set``."""
    params = SealParams.model_validate(context.step.params)
    artefacts = context.runtime.artefacts
    content = content_fingerprint(params)
    name = fingerprint("embedding-set-artefact", {"content": content, "scan": params.scan})
    found = artefacts.find_sound("embedding_set", name)
    if found is None:
        with artefacts.workspace() as folder:
            shards = [artefacts.open("shard", shard.fingerprint) for shard in params.shards]
            about = _about(context, params, content) | {"border_layer": _border_layer(shards)}
            found = artefacts.commit("embedding_set", name, _files(context, params, shards, folder), about)
    summary = count_status(found.table("images.parquet"))
    return Outcome(artefact_kind="embedding_set", artefact=name, fingerprint=content, summary=summary)


def content_fingerprint(params: SealParams) -> str:
    """Name of what the set holds, wherever its pictures lie."""
    return fingerprint(
        "embedding-set",
        {
            "version": SEAL_VERSION,
            "dataset": params.dataset_fingerprint,
            "extractor": params.extractor_fingerprint,
            "neighbours": params.neighbours,
            "shards": [shard.fingerprint for shard in params.shards],
        },
    )


def _about(context: StepContext, params: SealParams, content: str) -> dict[str, object]:
    return {
        "content": content,
        "dataset": params.dataset_fingerprint,
        "extractor": context.runtime.extractor(params.extractor).spec.model_dump(mode="json"),
        "extractor_fingerprint": params.extractor_fingerprint,
        "neighbours": params.neighbours,
    }


def _files(context: StepContext, params: SealParams, shards: list[Artefact], folder: Path) -> dict[str, Path]:
    """Write every file of the set."""
    slim = [name for name in SHARD_SCHEMA.names if name not in LOOKS]
    rows = [rows_of(shard, slim) for shard in shards]
    images, place = canonical(joined(context.runtime.scan(params.scan), rows))
    extractor = context.runtime.extractor(params.extractor)
    n = len(place)
    context.progress(0, n)
    like = np.zeros((0, extractor.spec.dimension), np.float32)
    vectors = write_rows(folder / "vectors.npy", place, like, _checked(context, map(vectors_of, shards)))
    _write_neurons(folder, place, shards, context)
    with context.runtime.single_threaded():
        threads = context.runtime.settings.threads
        table = nearest(vectors, params.neighbours, threads=threads, tell=lambda done: context.progress(done, n))
    np.save(folder / "neighbour-indices.npy", table.indices, allow_pickle=False)
    np.save(folder / "neighbour-distances.npy", table.distances, allow_pickle=False)
    context.check()
    if n > EXACT_LIMIT:
        (folder / INDEX).write_bytes(write_index(vectors))
    empty = DnaCounter(extractor.ranges, params.extractor_fingerprint).dna()
    dna = merge(chain([empty], map(dna_of, shards)))
    write_table(images, folder / "images.parquet")
    write_usable(images.filter(pc.equal(images.column("status"), OK)), place, shards, folder / "usable.arrow")
    write_table(dna.to_table(), folder / "dna.parquet")
    n_neurons = extractor.ranges.n_neurons
    parts = (tops_of(shard, n_neurons) for shard in shards)
    write_table(to_table(sealed(rows, place, parts, n_neurons)), folder / "tops.parquet")
    return {path.name: path for path in sorted(folder.iterdir())}


def joined(scan: pa.Table, shards: list[pa.Table]) -> pa.Table:
    """The rows of a scan with what embedding found: statistics, and the pictures it had to quarantine.

    Parameters
    ----------
    scan : table with a row per input
    shards : tables in SHARD_SCHEMA
        Together a row per usable input, in the order of the scan.

    Raises
    ------
    ValueError
        If the shards are not those of the scan.
    """
    embedded = pc.equal(scan.column("status"), OK).to_numpy(zero_copy_only=False)
    rows = pa.concat_tables(shards) if shards else None
    hashes = pa.chunked_array([pa.array([], pa.string())]) if rows is None else rows.column("content_hash")
    if not hashes.combine_chunks().equals(scan.filter(embedded).column("content_hash").combine_chunks()):
        raise ValueError("the shards do not hold the pictures of the scan in its order; submit the dataset again")
    where = np.full(scan.num_rows, -1, dtype=np.int64)
    where[embedded] = np.arange(int(embedded.sum()))
    taken = pa.array(where, mask=where < 0)
    for column in ("status", "reason", "detail"):
        found = pa.nulls(scan.num_rows, pa.string()) if rows is None else rows.column(column).take(taken)
        merged = pc.if_else(pa.array(embedded), pc.coalesce(found, scan.column(column)), scan.column(column))
        scan = scan.set_column(scan.schema.get_field_index(column), scan.schema.field(column), merged)
    for field in PICTURE_SCHEMA:
        if field.name in LOOKS:
            continue
        column = pa.nulls(scan.num_rows, field.type) if rows is None else rows.column(field.name).take(taken)
        scan = scan.append_column(field, column)
    return scan.combine_chunks()


def canonical(images: pa.Table) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """Rows in the order of their raw path bytes, equal ones as they came.

    Returns
    -------
    images : the sorted table
    place : int64 (n,)
        Where each usable row, in the order that was given, lies among the usable rows of the sorted table.
    """
    order = pc.sort_indices(images.column("path_bytes")).to_numpy().astype(np.int64)
    usable = pc.equal(images.column("status"), OK).to_numpy(zero_copy_only=False)[order]
    number = np.cumsum(usable) - 1
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.where(usable, number, -1)
    if not np.array_equal(order, np.arange(len(order))):
        images = images.take(pa.array(order)).combine_chunks()
    return images, place[place >= 0]


def write_usable(images: pa.Table, place: npt.NDArray[np.int64], shards: list[Artefact], path: Path) -> None:
    """Write the usable images with their looks as one record batch of a file that is read through a memory map.

    The looks go through scratch files beside it, shard by shard, so that they are never in memory together.
    """
    table = images.replace_schema_metadata(None).combine_chunks()
    scratch = {name: path.with_name(f".{name}") for name in LOOKS}
    widths = {name: PICTURE_SCHEMA.field(name).type.byte_width for name in LOOKS}
    if len(place):
        columns = {name: np.memmap(scratch[name], np.uint8, "w+", shape=(len(place), widths[name])) for name in LOOKS}
        end = 0
        for shard in shards:
            rows = rows_of(shard, ["status", *LOOKS])
            rows = rows.filter(pc.equal(rows.column("status"), OK))
            for name, column in columns.items():
                column[place[end : end + rows.num_rows]] = look_bytes(rows.column(name))
            end += rows.num_rows
    for name in LOOKS:
        values = pa.py_buffer(columns[name]) if len(place) else pa.py_buffer(b"")
        array = pa.Array.from_buffers(pa.binary(widths[name]), len(place), [None, values])
        table = table.append_column(PICTURE_SCHEMA.field(name), array)
    with mapped_table_writer(path, table.schema) as write:
        write(table.to_batches())
    for leftover in scratch.values():
        leftover.unlink(missing_ok=True)


def write_rows(
    path: Path, place: npt.NDArray[np.int64], like: npt.NDArray[Number], blocks: Iterable[npt.NDArray[Number]]
) -> npt.NDArray[Number]:
    """Write rows that come block by block, each where it belongs, and map the file.

    Parameters
    ----------
    path : Path
    place : int64 (n,)
        Where each row goes.
    like : array (0, width)
        Type and width of the rows.
    blocks : iterable of arrays (m, width)

    Raises
    ------
    ValueError
        If there are not n rows.
    """
    n, width = len(place), like.shape[1]
    if n * width == 0:
        np.save(path, np.zeros((n, width), like.dtype), allow_pickle=False)
        return np.zeros((n, width), like.dtype)
    matrix = np.lib.format.open_memmap(path, mode="w+", dtype=like.dtype, shape=(n, width))
    end = 0
    for block in blocks:
        matrix[place[end : end + len(block)]] = block
        end += len(block)
    if end != n:
        raise ValueError(f"the shards hold {end} rows of {path.stem} for {n} usable pictures; submit the dataset again")
    matrix.flush()
    del matrix
    mapped: npt.NDArray[Number] = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped


def _write_neurons(folder: Path, place: npt.NDArray[np.int64], shards: list[Artefact], context: StepContext) -> None:
    """Write what every neuron gave for each picture, and at its border."""
    for name in ("neurons.npy", "border.npy"):
        blocks = [shard.file(name) for shard in shards]
        likes = [np.load(block, mmap_mode="r", allow_pickle=False)[:0] for block in blocks]
        like = max(likes, key=lambda one: one.shape[1], default=np.zeros((0, 0), np.float16))
        write_rows(folder / name, place, like, _checked(context, (np.load(block) for block in blocks)))


def _border_layer(shards: list[Artefact]) -> str:
    """The layer whose border was kept; shards without a usable picture do not know it."""
    return max((str(shard.provenance["border_layer"]) for shard in shards), default="")


def _checked(context: StepContext, blocks: Iterable[npt.NDArray[Number]]) -> Iterator[npt.NDArray[Number]]:
    """The same blocks; between two of them the step may be stopped."""
    for block in blocks:
        yield block
        context.check()
