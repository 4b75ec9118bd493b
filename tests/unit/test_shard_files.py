"""The files of a shard: seal reads from them what embed wrote, and from shards of older versions the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from audit.dna import Dna, DnaCounter
from audit.dna.ranges import LayerRanges, NeuronRanges
from audit.dna.tops import TopKeeper
from audit.model import Tops
from storage.artefacts import Artefact, Artefacts
from storage.blobs import open_blobs
from storage.parquet import vectors_array, write_table
from workers.steps.embed import SHARD_SCHEMA
from workers.steps.shard_files import dna_of, rows_of, tops_of, vectors_of, write_shard
from workers.steps.tops import to_table

N, NEURONS = 5, 3
LOOKS = {"look_luma": bytes(2304), "look_chroma": bytes(128)}


def rows() -> pa.Table:
    filled = {
        field.name: "" if pa.types.is_string(field.type) else [] if pa.types.is_list(field.type) else 0
        for field in SHARD_SCHEMA
    }
    some = [filled | LOOKS | {"position": i, "content_hash": f"{i}", "detail": None} for i in range(N)]
    return pa.Table.from_pylist(some, SHARD_SCHEMA)


def seen() -> tuple[Dna, Tops]:
    values = np.random.default_rng(0).normal(size=(N, 4, NEURONS)).astype(np.float32)
    values[0, 0, 0] = np.nan
    low = np.full(NEURONS, -1, np.float32)
    ranges = NeuronRanges({"last": LayerRanges(low, -low, np.zeros(NEURONS, bool))}, "test")
    counter, keeper = DnaCounter(ranges, "x"), TopKeeper(NEURONS)
    by_image = counter.add({"last": values})
    keeper.add(by_image.top, by_image.place, np.arange(N, dtype=np.int32))
    return counter.dna(), keeper.tops()


def vectors(kind: type[np.floating] = np.float32) -> np.ndarray:
    drawn = np.random.default_rng(1).normal(size=(N, 8))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(kind)


def committed(tmp_path: Path, files: dict[str, Path]) -> Artefact:
    store = Artefacts(open_blobs((tmp_path / "blobs").as_uri()), tmp_path / "scratch")
    return store.commit("shard", "f" * 64, files, {})


def shard(tmp_path: Path, kind: type[np.floating] = np.float32) -> Artefact:
    (tmp_path / "made").mkdir()
    return committed(tmp_path, write_shard(tmp_path / "made", rows(), vectors(kind), *seen()))


def old_shard(tmp_path: Path) -> Artefact:
    """As versions until November 2026 wrote it."""
    dna, tops = seen()
    embeddings = pa.table({"position": np.arange(N, dtype=np.int32), "embedding": vectors_array(vectors())})
    tables = {"rows": rows(), "vectors": embeddings, "dna": dna.to_table(), "tops": to_table(tops)}
    files = {f"{name}.parquet": write_table(table, tmp_path / f"{name}.parquet") for name, table in tables.items()}
    return committed(tmp_path, files)


@pytest.fixture(params=[shard, old_shard], ids=["new", "old"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Artefact:
    made: Artefact = request.param(tmp_path)
    return made


def test_columns_of_rows_come_back_in_the_order_asked_for(either: Artefact) -> None:
    names = ["look_chroma", "position", "content_hash"]
    assert rows_of(either, names).equals(rows().select(names))


def test_vectors_come_back_bit_by_bit(either: Artefact) -> None:
    assert vectors_of(either).tobytes() == vectors().tobytes()


def test_the_dna_comes_back_exactly_and_in_its_wide_types(either: Artefact) -> None:
    dna = dna_of(either)
    assert dna.same_as(seen()[0])
    assert {getattr(dna, name).dtype for name in ("counts", "buckets", "mean_sum")} == {np.dtype(np.int64)}


def test_what_neurons_see_most_comes_back(either: Artefact) -> None:
    kept, expected = tops_of(either, NEURONS), seen()[1]
    for name in ("rows", "values", "places"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(expected, name))


def test_vectors_kept_in_half_precision_are_scaled_to_unit_length_again(tmp_path: Path) -> None:
    read = vectors_of(shard(tmp_path, np.float16))
    assert read.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(read.astype(np.float64), axis=1), 1, atol=1e-7)
    np.testing.assert_allclose(read, vectors(), atol=1e-3)


def test_the_same_shard_is_written_in_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_shard(tmp_path / name, rows(), vectors(), *seen())
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name
