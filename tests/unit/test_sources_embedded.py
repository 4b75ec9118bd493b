"""Pictures inside Parquet files."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.errors import PictureError
from storage.errors import SourceColumnError, SourceError
from storage.sources.row_groups import BATCH, CellReader
from tests.sources_samples import by_path, jpeg, limits, opened, scanned, write_embedded, write_folder


def test_rows_keep_their_order_and_unnamed_ones_are_numbered(tmp_path: Path) -> None:
    path = write_embedded(tmp_path / "e.parquet", {"image": [jpeg(i) for i in range(7)], "label": list("zyxwvut")})
    table = scanned(tmp_path, path)
    assert table.column("label").to_pylist() == list("zyxwvut")
    assert table.column("path").to_pylist()[:2] == ["row 000000000", "row 000000001"]


def test_a_null_or_empty_cell_is_a_quarantined_row(tmp_path: Path) -> None:
    cells = [jpeg(1), None, b""]
    path = write_embedded(tmp_path / "e.parquet", {"image": cells, "name": ["a", "b", "c"]})
    assert by_path(scanned(tmp_path, path), "reason") == {"a": None, "b": "bad_row", "c": "empty"}


def test_a_cell_with_a_path_and_no_bytes_is_a_quarantined_row(tmp_path: Path) -> None:
    cells = [{"bytes": jpeg(1), "path": "a.jpg"}, {"bytes": None, "path": "b.jpg"}, None]
    path = write_embedded(tmp_path / "e.parquet", {"image": pa.array(cells)})
    reasons = by_path(scanned(tmp_path, path), "reason")
    assert reasons == {"a.jpg": None, "b.jpg": "bad_row", "row 000000002": "bad_row"}


def test_rows_of_one_name_have_their_own_ids(tmp_path: Path) -> None:
    path = write_embedded(tmp_path / "e.parquet", {"image": [jpeg(1), jpeg(2)], "file_name": ["a.jpg", "a.jpg"]})
    assert len(set(scanned(tmp_path, path).column("image_id").to_pylist())) == 2


def test_class_labels_of_hugging_face_are_shown_by_name(tmp_path: Path) -> None:
    features = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    table = pa.table({"image": [jpeg(1), jpeg(2)], "label": [1, 0]})
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(features)}), tmp_path / "e.parquet")
    assert scanned(tmp_path, tmp_path / "e.parquet").column("label").to_pylist() == ["dog", "cat"]


def test_a_folder_of_parquet_files_is_one_dataset_with_splits_from_their_names(tmp_path: Path) -> None:
    write_folder(tmp_path / "d" / "data", {})
    for i, name in enumerate(["test-00000-of-00001", "train-00000-of-00002", "train-00001-of-00002"]):
        write_embedded(tmp_path / "d" / "data" / f"{name}.parquet", {"image": [jpeg(i)], "label": ["x"]})
    table = scanned(tmp_path, tmp_path / "d")
    assert table.column("split").to_pylist() == ["test", "train", "train"]
    assert table.column("status").to_pylist() == ["ok"] * 3
    assert len(set(table.column("path").to_pylist())) == 3


def test_files_with_other_columns_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "d", {})
    write_embedded(tmp_path / "d" / "a.parquet", {"image": [jpeg(1)]})
    write_embedded(tmp_path / "d" / "b.parquet", {"image": [jpeg(1)], "label": ["x"]})
    with pytest.raises(SourceError, match="other columns"):
        scanned(tmp_path, tmp_path / "d")


def test_a_column_that_holds_no_bytes_is_refused(tmp_path: Path) -> None:
    path = write_embedded(tmp_path / "e.parquet", {"image": [jpeg(1)], "label": ["x"]})
    with pytest.raises(SourceError, match="not bytes"):
        opened(tmp_path, path, image_column="label")
    with pytest.raises(SourceColumnError, match="image, label"):
        opened(tmp_path, path, image_column="picture")


def test_a_damaged_row_group_is_quarantined_row_by_row_or_refused(tmp_path: Path) -> None:
    path = write_embedded(tmp_path / "e.parquet", {"image": [jpeg(i) for i in range(6)], "label": list("abcdef")})
    chunk = pq.read_metadata(path).row_group(0).column(0)
    data = bytearray(path.read_bytes())
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    data[start : start + 40] = b"\xff" * 40
    path.write_bytes(data)
    assert scanned(tmp_path, path).column("reason").to_pylist() == ["unreadable"] * 3 + [None] * 3


def test_a_small_file_that_names_one_large_picture_often_stays_small_in_memory(tmp_path: Path) -> None:
    picture = jpeg(1) + bytes(4 * 2**20)
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 500, pa.int32()), pa.array([picture]))
    path = tmp_path / "e.parquet"
    pq.write_table(pa.table({"image": column}), path, compression="zstd", store_schema=False)
    assert path.stat().st_size < 10_000
    before = pa.total_allocated_bytes()
    cells = CellReader([path], "image", limits(tmp_path))
    assert cells.read(0, 0, 150) == picture
    assert pa.total_allocated_bytes() - before < 25 * len(picture)
    cells.close()


def test_cells_are_read_right_in_any_order(tmp_path: Path) -> None:
    values = [b"%d" % i * 50 for i in range(BATCH * 30)]
    path = write_embedded(tmp_path / "e.parquet", {"image": values}, row_group_size=BATCH * 10 + 3)
    cells = CellReader([path], "image", limits(tmp_path))
    for row in [0, 479, 5, 163, 162, 200, 3, 478, 326, 325]:
        group, rest = divmod(row, BATCH * 10 + 3)
        assert cells.read(0, group, rest) == values[row]
    cells.close()


def test_a_picture_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    path = write_embedded(tmp_path / "e.parquet", {"image": [bytes(2000)]})
    with opened(tmp_path, path, limit={"max_file_bytes": 1000}) as source, pytest.raises(PictureError) as caught:
        source.read("0:0:0")
    assert caught.value.reason == "too_large"


def test_pictures_without_any_other_column_are_read(tmp_path: Path) -> None:
    path = write_embedded(tmp_path / "e.parquet", {"image": [jpeg(i) for i in range(5)]}, row_group_size=2)
    table = scanned(tmp_path, path)
    assert table.column("status").to_pylist() == ["ok"] * 5
    assert len(set(table.column("content_hash").to_pylist())) == 5
