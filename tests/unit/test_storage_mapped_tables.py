"""Tables read through a memory map: the same rows, and no memory of their own."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from storage.parquet import map_table, mapped_table_writer, read_table, write_table

TABLE = pa.table({"name": ["a", "b", "c"], "look": pa.array([b"12", b"34", b"56"], pa.binary(2))})


def _write(path: Path, table: pa.Table, rows: int) -> Path:
    with mapped_table_writer(path, table.schema) as write:
        write(table.to_batches(max_chunksize=rows))
    return path


def test_a_mapped_table_holds_what_was_written(tmp_path: Path) -> None:
    assert map_table(_write(tmp_path / "t.arrow", TABLE, 2)).equals(TABLE)


def test_a_table_without_rows_keeps_its_columns(tmp_path: Path) -> None:
    assert map_table(_write(tmp_path / "t.arrow", TABLE.slice(0, 0), 2)).schema == TABLE.schema


def test_the_same_batches_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = (_write(tmp_path / name, TABLE, 1).read_bytes() for name in ("a.arrow", "b.arrow"))
    assert first == second


def test_reading_a_mapped_table_allocates_nothing_for_its_values(tmp_path: Path) -> None:
    big = pa.table({"look": pa.array([bytes(1024)] * 4096, pa.binary(1024))})
    path = _write(tmp_path / "big.arrow", big, 1024)
    before = pa.total_allocated_bytes()
    mapped = map_table(path)
    assert mapped.num_rows == 4096
    assert pa.total_allocated_bytes() - before < 64 * 1024


def test_only_the_named_columns_are_read(tmp_path: Path) -> None:
    path = write_table(TABLE, tmp_path / "t.parquet")
    assert read_table(path, ["name"]).column_names == ["name"]
