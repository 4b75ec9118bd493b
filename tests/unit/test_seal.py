"""Sealing: rows in canonical order, each with its own looks, and what scanning saw is kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from audit.duplicates.looks import read_looks
from storage.parquet import map_table
from workers.steps.seal import canonical, joined, write_rows, write_usable

NAMES = [b"c", b"a", b"bad", b"b"]
STATUS = ["ok", "ok", "quarantined", "ok"]


@dataclass(frozen=True)
class Shard:
    """The rows of a shard artefact."""

    rows: pa.Table

    def table(self, _name: str, columns: list[str]) -> pa.Table:
        return self.rows.select(columns)

    def __contains__(self, _name: str) -> bool:
        return False


def inputs() -> pa.Table:
    return pa.table({"path_bytes": pa.array(NAMES, pa.binary()), "status": STATUS})


def looks(level: int) -> dict[str, bytes]:
    return {"look_luma": bytes([level]) * 48 * 48, "look_chroma": bytes([level]) * 128}


def test_rows_are_sorted_by_raw_path_and_usable_ones_know_their_place() -> None:
    images, place = canonical(inputs())
    assert images.column("path_bytes").to_pylist() == sorted(NAMES)
    assert place.tolist() == [2, 0, 1]


def test_rows_that_are_in_order_stay_the_same_object() -> None:
    ordered = inputs().take(pa.array([1, 3, 2, 0]))
    images, place = canonical(ordered)
    assert images is ordered
    assert place.tolist() == [0, 1, 2]


def test_looks_follow_their_rows_and_leave_no_scratch_file(tmp_path: Path) -> None:
    images, place = canonical(inputs())
    usable = images.filter(pa.compute.equal(images.column("status"), "ok"))
    usable = usable.append_column("width", pa.array([1, 1, 1])).append_column("height", pa.array([1, 1, 1]))
    schema = pa.schema([("status", pa.string()), ("look_luma", pa.binary(48 * 48)), ("look_chroma", pa.binary(128))])
    levels = {"first": [ord("c"), ord("a")], "second": [ord("b")]}
    shards = [
        Shard(pa.Table.from_pylist([{"status": "ok", **looks(level)} for level in part], schema))
        for part in levels.values()
    ]
    write_usable(usable, place, shards, tmp_path / "usable.arrow")  # type: ignore[arg-type]
    stored = map_table(tmp_path / "usable.arrow")
    assert stored.column("path_bytes").to_pylist() == [b"a", b"b", b"c"]
    np.testing.assert_array_equal(read_looks(stored).mean_luma(), [ord("a"), ord("b"), ord("c")])
    assert [path.name for path in tmp_path.iterdir()] == ["usable.arrow"]


def test_what_scanning_noted_of_a_picture_survives_embedding(tmp_path: Path) -> None:
    from workers.steps.embed import SHARD_SCHEMA

    scan = pa.table(
        {
            "status": ["ok"],
            "reason": pa.array([None], pa.string()),
            "detail": ["wrong_extension"],
            "content_hash": ["h"],
        }
    )
    row = {"position": 0, "content_hash": "h", "status": "ok", **looks(0)}
    filled = {
        field.name: row.get(field.name, "" if pa.types.is_string(field.type) else 0)
        for field in SHARD_SCHEMA
        if not field.nullable
    }
    shard = pa.Table.from_pylist([filled], SHARD_SCHEMA)
    assert joined(scan, [shard]).column("detail").to_pylist() == ["wrong_extension"]


def test_rows_of_blocks_are_written_where_they_belong(tmp_path: Path) -> None:
    blocks = [np.float16([[1, 10], [2, 20]]), np.float16([[3, np.nan]])]
    written = write_rows(tmp_path / "neurons.npy", np.array([2, 0, 1]), blocks[0][:0], blocks)
    np.testing.assert_array_equal(written, np.float16([[2, 20], [3, np.nan], [1, 10]]))
    assert written.dtype == np.float16


def test_rows_that_are_missing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="hold 1 rows of border for 2 usable pictures"):
        write_rows(tmp_path / "border.npy", np.array([0, 1]), np.zeros((0, 3), np.float16), [np.zeros((1, 3))])


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_no_rows_or_no_columns_are_written_too(tmp_path: Path, shape: tuple[int, int]) -> None:
    like = np.zeros((0, shape[1]), np.float16)
    write_rows(tmp_path / "border.npy", np.arange(shape[0]), like, [np.zeros(shape, np.float16)])
    assert np.load(tmp_path / "border.npy").shape == shape
