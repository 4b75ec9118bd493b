"""Manifests: CSV, Parquet and COCO rows that name pictures, and metadata files among them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from storage.errors import SourceColumnError, SourceError, SourceForbiddenError
from storage.sources.coco import find_root, summarise
from tests.sources_samples import (
    by_path,
    files,
    jpeg,
    opened,
    scanned,
    write_coco,
    write_csv,
    write_embedded,
    write_folder,
)


def manifest(root: Path, *rows: str, encoding: str = "utf-8") -> Path:
    write_folder(root, {"a.jpg": jpeg(1), "b.jpg": jpeg(2)})
    return write_csv(root / "m.csv", rows, encoding=encoding)


def test_files_that_are_not_there_are_quarantined_rows(tmp_path: Path) -> None:
    path = manifest(tmp_path, "path,label", "a.jpg,cat", "nowhere.jpg,dog")
    assert by_path(scanned(tmp_path, path), "reason") == {"a.jpg": None, "nowhere.jpg": "missing"}


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = manifest(tmp_path, "path,label", "a.jpg,cat", encoding="utf-8-sig")
    assert by_path(scanned(tmp_path, path), "label") == {"a.jpg": "cat"}


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_other_separators_are_recognised(tmp_path: Path, mark: str) -> None:
    path = manifest(tmp_path, mark.join(["path", "label"]), mark.join(["a.jpg", "a, b"]))
    assert by_path(scanned(tmp_path, path), "label") == {"a.jpg": "a, b"}


def test_utf_16_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = manifest(tmp_path, "path,label", "a.jpg,cat", encoding="utf-16")
    with pytest.raises(SourceError, match="save it as UTF-8"):
        opened(tmp_path, path)


def test_rows_that_repeat_a_path_are_inputs_of_their_own_in_any_order(tmp_path: Path) -> None:
    rows = ["a.jpg,cat", "b.jpg,dog", "a.jpg,dog", "a.jpg,cat"]
    first = scanned(tmp_path, manifest(tmp_path, "path,label", *rows))
    second = scanned(tmp_path, manifest(tmp_path, "path,label", *reversed(rows)))
    assert first.equals(second)
    assert first.column("label").to_pylist() == ["cat", "cat", "dog", "dog"]
    assert len(set(first.column("image_id").to_pylist())) == len(rows)


def test_a_mistyped_column_is_refused_when_opened_with_the_columns_that_exist(tmp_path: Path) -> None:
    path = manifest(tmp_path, "path,label,site", "a.jpg,cat,x")
    with pytest.raises(SourceColumnError, match="path, label, site"):
        opened(tmp_path, path, label_from="lable")


@pytest.mark.parametrize("text", ["", "\n", "path,path\na.jpg,b.jpg\n"])
def test_a_manifest_without_usable_columns_is_refused_when_opened(tmp_path: Path, text: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text(text)
    with pytest.raises(SourceError):
        opened(tmp_path, path)


def test_a_manifest_with_columns_and_no_rows_has_no_inputs(tmp_path: Path) -> None:
    assert scanned(tmp_path, manifest(tmp_path, "path,label")).num_rows == 0


def test_lines_with_a_wrong_number_of_cells_are_quarantined_rows(tmp_path: Path) -> None:
    path = manifest(tmp_path, "path,label", "a.jpg,cat", "b.jpg,dog,extra", ",cat")
    reasons = by_path(scanned(tmp_path, path), "reason")
    assert reasons == {"a.jpg": None, "line 3": "bad_row", "row 2": "bad_row"}


@pytest.mark.parametrize("name", ["../outside.jpg", "sub/../../outside.jpg", "/etc/hostname"])
def test_paths_that_leave_the_images_root_are_quarantined(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside.jpg").write_bytes(jpeg(3))
    root = tmp_path / "inside"
    path = manifest(root, "path,label", f"{name},cat", "a.jpg,cat")
    assert by_path(scanned(tmp_path, path), "reason") == {"a.jpg": None, name: "outside_root"}


def test_a_link_that_leaves_the_images_root_is_quarantined(tmp_path: Path) -> None:
    root = tmp_path / "inside"
    path = manifest(root, "path", "out/secret.jpg", "direct.jpg")
    write_folder(tmp_path / "outside", {"secret.jpg": jpeg(3)})
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "direct.jpg").symlink_to(tmp_path / "outside" / "secret.jpg")
    assert set(by_path(scanned(tmp_path, path), "reason").values()) == {"not_a_file"}


def test_absolute_paths_below_the_images_root_are_read(tmp_path: Path) -> None:
    path = manifest(tmp_path, "path", str(tmp_path / "a.jpg"))
    assert scanned(tmp_path, path).column("status").to_pylist() == ["ok"]


def test_relative_paths_start_from_the_images_root_when_it_is_given(tmp_path: Path) -> None:
    write_folder(tmp_path / "pictures", {"c.jpg": jpeg(4)})
    path = manifest(tmp_path / "lists", "path", "c.jpg")
    table = scanned(tmp_path, path, images_root=str(tmp_path / "pictures"))
    assert table.column("status").to_pylist() == ["ok"]


def test_an_images_root_outside_the_allowed_roots_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "allowed"
    path = manifest(root, "path", "a.jpg")
    with pytest.raises(SourceForbiddenError, match="outside the folders"):
        opened(tmp_path, path, limit={"roots": (root,)}, images_root=str(tmp_path))


def test_labels_keep_their_zeros_and_other_columns_their_types(tmp_path: Path) -> None:
    path = manifest(
        tmp_path, "path,label,height_m,indoor,taken,camera", "a.jpg,007,1.5,true,2024-05-01,A", "b.jpg,,,,,"
    )
    table = scanned(tmp_path, path)
    assert by_path(table, "label") == {"a.jpg": "007", "b.jpg": None}
    assert table.schema.field("meta.height_m").type == pa.float64()
    assert table.schema.field("meta.indoor").type == pa.bool_()
    assert table.schema.field("meta.taken").type == pa.date32()
    assert by_path(table, "meta.height_m") == {"a.jpg": 1.5, "b.jpg": None}


def test_an_empty_label_in_a_label_column_is_not_filled_from_the_folder(tmp_path: Path) -> None:
    write_folder(tmp_path, {"cat/a.jpg": jpeg(1), "cat/b.jpg": jpeg(2)})
    path = write_csv(tmp_path / "m.csv", ["path,label", "cat/a.jpg,tabby", "cat/b.jpg,"])
    assert by_path(scanned(tmp_path, path), "label") == {"cat/a.jpg": "tabby", "cat/b.jpg": None}


def test_a_manifest_without_labels_takes_them_from_the_folders_of_its_paths(tmp_path: Path) -> None:
    write_folder(tmp_path, {"cat/a.jpg": jpeg(1), "dog/b.jpg": jpeg(2)})
    path = write_csv(tmp_path / "m.csv", ["path", "cat/a.jpg", "dog/b.jpg"])
    assert by_path(scanned(tmp_path, path), "label") == {"cat/a.jpg": "cat", "dog/b.jpg": "dog"}


def test_labels_can_be_a_folder_of_the_path_by_number(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "d", files(["photo/dog/a.jpg", "sketch/cat/b.jpg"]))
    assert by_path(scanned(tmp_path, root, label_from="folder:1"), "label") == {
        "photo/dog/a.jpg": "photo",
        "sketch/cat/b.jpg": "sketch",
    }
    with pytest.raises(SourceError, match="after folder: comes a number"):
        opened(tmp_path, root, label_from="folder:first")


def test_groups_and_boxes_come_from_their_columns(tmp_path: Path) -> None:
    path = manifest(tmp_path, "path,camera,box", 'a.jpg,north,"1, 2, 9, 8"', 'b.jpg,south,"9 9 1 1"')
    table = scanned(tmp_path, path, group_from="camera")
    assert by_path(table, "group") == {"a.jpg": "north", "b.jpg": "south"}
    assert by_path(table, "box") == {"a.jpg": [1.0, 2.0, 9.0, 8.0], "b.jpg": None}
    assert "box" in str(by_path(table, "detail")["b.jpg"])


def test_a_parquet_manifest_reads_dictionaries_and_nulls(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a.jpg": jpeg(1)})
    labels = pa.array(["cat", None]).dictionary_encode()
    path = write_embedded(
        tmp_path / "m.parquet", {"path": ["a.jpg", None], "label": labels, "depth": [0.5, float("nan")]}
    )
    table = scanned(tmp_path, path)
    assert by_path(table, "reason") == {"a.jpg": None, "row 2": "bad_row"}
    assert by_path(table, "label")["a.jpg"] == "cat"


def test_a_metadata_file_labels_the_pictures_beside_it_and_names_those_that_are_lost(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "d", files(["a.jpg", "b.jpg", "unnamed.jpg"]))
    write_csv(
        root / "metadata.csv", ["file_name,y,split,place", "a.jpg,1,train,3", "b.jpg,0,val,4", "lost.jpg,1,train,5"]
    )
    rows = {row["path"]: row for row in scanned(tmp_path, root).to_pylist()}
    assert (rows["a.jpg"]["label"], rows["a.jpg"]["split"], rows["a.jpg"]["meta.place"]) == ("1", "train", 3)
    assert (rows["lost.jpg"]["reason"], rows["lost.jpg"]["label"]) == ("missing", "1")
    assert (rows["unnamed.jpg"]["status"], rows["unnamed.jpg"]["label"]) == ("ok", None)
    assert rows["metadata.csv"]["status"] == "skipped"


def test_metadata_files_of_several_splits_are_joined(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "d", files(["train/a.jpg", "test/b.jpg"]))
    for split, name, label in (("train", "a.jpg", "cat"), ("test", "b.jpg", "dog")):
        (root / split / "metadata.jsonl").write_text(json.dumps({"file_name": name, "label": label}) + "\n")
    table = scanned(tmp_path, root)
    assert by_path(table, "label")["test/b.jpg"] == "dog"
    assert by_path(table, "split")["train/a.jpg"] == "train"


def test_a_metadata_file_about_something_else_is_a_file_like_any_other(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "d", files(["cat/a.jpg", "dog/b.jpg"]))
    write_csv(root / "metadata.csv", ["key,value", "licence,CC0"])
    assert by_path(scanned(tmp_path, root), "label")["cat/a.jpg"] == "cat"


def test_a_mistyped_column_of_a_metadata_file_is_refused_when_opened(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "d", files(["a.jpg"]))
    write_csv(root / "metadata.csv", ["file_name,species", "a.jpg,wren"])
    with pytest.raises(SourceColumnError, match="file_name, species"):
        opened(tmp_path, root, label_from="specis")


def test_a_column_of_a_folder_without_a_table_is_refused_with_what_to_do(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "d", files())
    with pytest.raises(SourceError, match=r"'species' is asked for.*metadata\.csv"):
        scanned(tmp_path, root, label_from="species")


@pytest.mark.parametrize(
    ("names", "settings", "said"),
    [
        (["a.jpg"], {"label_from": "species"}, "label_from: 'species' is asked for as a column"),
        (["cat/a.jpg"], {"split_from": "fold"}, "split_from: 'fold' is asked for as a column"),
        (["a.jpg"], {"label_from": "folder"}, "its pictures lie in no folder"),
        (["train/a.jpg", "val/b.jpg"], {"label_from": "folder"}, "label_from is folder, but"),
        (["x/cat/a.jpg"], {"label_from": "folder:9"}, "a picture lies in 2 folder"),
        (["cat/a.jpg", "dog/b.jpg"], {"split_from": "folder"}, "split_from is folder, but"),
        (["a.jpg"], {"group_from": "folder:-1"}, "group_from is folder:-1, but"),
    ],
)
def test_what_a_folder_does_not_have_is_refused_before_it_is_scanned(
    tmp_path: Path, names: list[str], settings: dict[str, str], said: str
) -> None:
    root = write_folder(tmp_path / "d", files(names))
    with opened(tmp_path, root, **settings) as source, pytest.raises(SourceError, match=said):
        source.check()


def test_what_a_manifest_names_is_looked_for_in_the_folders_of_its_paths(tmp_path: Path) -> None:
    write_folder(tmp_path, {"cat/a.jpg": jpeg(1)})
    path = write_csv(tmp_path / "m.csv", ["path", "cat/a.jpg"])
    opened(tmp_path, path, label_from="folder:1").check()
    with pytest.raises(SourceError, match="label_from is folder:2, but"):
        opened(tmp_path, path, label_from="folder:2").check()


def test_pictures_inside_parquet_have_no_folders_to_name(tmp_path: Path) -> None:
    path = write_embedded(tmp_path / "e.parquet", {"image": [{"bytes": jpeg(1), "path": "cat/a.jpg"}]})
    with pytest.raises(SourceError, match="in no folder; name a column"):
        opened(tmp_path, path, label_from="folder")


def test_json_that_is_not_coco_is_refused_before_it_is_scanned(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text("{}")
    with opened(tmp_path, tmp_path / "c.json") as source, pytest.raises(SourceError, match="'images' is not a list"):
        source.check()


def test_nothing_is_listed_where_nothing_is_asked_for_by_name(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "d", files(["a.jpg"]))
    with opened(tmp_path, root, label_from="none") as source:
        source.check()
        assert source.total is None


def test_an_empty_folder_is_not_refused_for_the_folders_it_lacks(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "d", {})
    assert scanned(tmp_path, root, label_from="folder:1").num_rows == 0


def test_the_group_can_be_the_folder_a_picture_lies_in(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "d", files(["cam1/a.jpg", "cam2/b.jpg"]))
    groups = by_path(scanned(tmp_path, root, group_from="folder"), "group")
    assert groups == {"cam1/a.jpg": "cam1", "cam2/b.jpg": "cam2"}
    assert set(by_path(scanned(tmp_path, root), "group").values()) == {None}


def coco_object(category: int, *box: float, **more: int) -> dict[str, object]:
    return {"image_id": 1, "category_id": category, "bbox": list(box), **more}


def test_the_label_of_a_coco_picture_is_the_category_that_covers_most(tmp_path: Path) -> None:
    objects = [
        coco_object(1, 0, 0, 6, 6),
        coco_object(2, 0, 0, 5, 5),
        coco_object(2, 5, 5, 4, 5),
        coco_object(1, 0, 0, 9, 9, iscrowd=1),
    ]
    document = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": objects,
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }
    (row,) = summarise("c.json", document)
    assert (row["label"], row["box"], row["categories"], row["n_objects"]) == (
        "dog",
        (0.0, 0.0, 5.0, 5.0),
        ["cat", "dog"],
        4,
    )


def test_a_coco_picture_without_objects_has_no_label(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a.jpg": jpeg(1)})
    path = write_coco(tmp_path / "c.json", [{"id": 1, "file_name": "a.jpg"}], [])
    (row,) = scanned(tmp_path, path).to_pylist()
    assert (row["label"], row["box"], row["meta.categories"], row["status"]) == (None, None, [], "ok")


def test_what_coco_says_of_a_picture_may_be_its_group_or_label(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a.jpg": jpeg(1), "b.jpg": jpeg(2)})
    images = [
        {"id": 1, "file_name": "a.jpg", "width": 8, "seq_id": "s1", "location": 7, "at": 1, "label": "x", "rights": []},
        {"id": 2, "file_name": "b.jpg", "width": 8, "seq_id": "s2", "at": "noon", "huge": 2**70},
    ]
    path = write_coco(tmp_path / "c.json", images, [{**coco_object(1, 0, 0, 6, 6)}])
    first, second = scanned(tmp_path, path, group_from="seq_id").to_pylist()
    assert (first["label"], first["group"], second["group"]) == ("cat", "s1", "s2")
    assert (first["meta.location"], second["meta.location"]) == (7, None)
    assert (first["meta.at"], second["meta.at"], second["meta.huge"]) == ("1", "noon", str(2**70))
    assert first["meta.image.label"] == "x"
    assert not {"meta.width", "meta.rights", "meta.id"} & first.keys()
    assert by_path(scanned(tmp_path, path, label_from="location"), "label") == {"a.jpg": "7", "b.jpg": None}
    assert set(by_path(scanned(tmp_path, path, label_from="none"), "label").values()) == {None}


def test_a_column_that_a_coco_file_lacks_is_refused_with_those_it_has(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a.jpg": jpeg(1)})
    path = write_coco(tmp_path / "c.json", [{"id": 1, "file_name": "a.jpg", "seq_id": 3}], [])
    with opened(tmp_path, path, group_from="camera") as source, pytest.raises(SourceColumnError, match="seq_id"):
        source.check()


@pytest.mark.parametrize("place", ["annotations", "val2017", "images/val2017", "images"])
def test_coco_pictures_are_found_where_the_published_archives_put_them(tmp_path: Path, place: str) -> None:
    write_folder(tmp_path, {f"{place}/a.jpg": jpeg(1)})
    (tmp_path / "annotations").mkdir(exist_ok=True)
    path = write_coco(tmp_path / "annotations" / "instances_val2017.json", [{"id": 1, "file_name": "a.jpg"}], [])
    assert find_root(path) == tmp_path / place
    assert scanned(tmp_path, path).column("status").to_pylist() == ["ok"]


@pytest.mark.parametrize("text", ["{", "{}", '{"images": 3}', '{"images": [{"id": 1}], "annotations": [{}]}', "[]"])
def test_json_that_is_not_coco_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(SourceError):
        scanned(tmp_path, path)


def test_a_manifest_that_is_not_utf_8_keeps_names_as_bytes_and_counts_its_bad_lines(tmp_path: Path) -> None:
    with open(bytes(tmp_path) + b"/caf\xe9.jpg", "wb") as file:  # noqa: PTH123
        file.write(jpeg(1))
    (tmp_path / "m.csv").write_bytes(b"path,label,note,n\ncaf\xe9.jpg,th\xe9,\xe0,3\nb\xe9.jpg,a,b,4,\xe9\n")
    rows = scanned(tmp_path, tmp_path / "m.csv").to_pylist()
    assert [(row["path_bytes"], row["status"]) for row in rows] == [(b"caf\xe9.jpg", "ok"), (b"line 3", "quarantined")]
    assert (rows[0]["label"], rows[0]["meta.note"], rows[0]["meta.n"]) == ("th\\xe9", "\\xe0", 3)


def test_a_parquet_manifest_with_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = write_embedded(tmp_path / "m.parquet", {"path": ["aaaa.jpg"], "label": ["zzzz"]})
    path.write_bytes(path.read_bytes().replace(b"zzzz", b"zz\xe9z"))
    with pytest.raises(SourceError, match="cannot be read as Parquet"):
        scanned(tmp_path, path)
