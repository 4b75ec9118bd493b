"""The scan and what a dataset is called."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pytest

from storage.errors import (
    SourceError,
    SourceForbiddenError,
    SourceNotFoundError,
    SourceUnsupportedError,
)
from storage.sources import SourceSpec, open_source
from storage.sources.identity import dataset_fingerprint
from storage.sources.scan import LAYOUT_KEY, scan
from tests.sources_samples import MAX_PIXELS, by_path, files, jpeg, limits, opened, scanned, write_csv, write_folder


def test_hash_size_and_format_are_those_of_the_bytes(tmp_path: Path) -> None:
    (row,) = scanned(tmp_path, write_folder(tmp_path / "d", {"a.jpg": jpeg(1)})).to_pylist()
    assert row["content_hash"] == hashlib.sha256(jpeg(1)).hexdigest()
    assert (row["n_bytes"], row["format"], row["width"], row["height"]) == (len(jpeg(1)), "JPEG", 16, 12)
    assert row["image_id"] == hashlib.sha256(b"a.jpg").hexdigest()[:16]


def test_a_picture_with_more_pixels_than_allowed_is_quarantined_and_keeps_its_hash(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "d", {"a.jpg": jpeg(1)})
    with opened(tmp_path, root) as source:
        (row,) = scan(source, threads=1, max_pixels=100).to_pylist()
    assert (row["status"], row["reason"], len(row["content_hash"])) == ("quarantined", "too_many_pixels", 64)


def test_an_empty_folder_gives_an_empty_table(tmp_path: Path) -> None:
    table = scanned(tmp_path, write_folder(tmp_path / "d", {}))
    assert table.num_rows == 0
    assert table.schema.field("box").type == pa.list_(pa.float32(), 4)


def test_the_layout_is_told_in_the_metadata_of_the_table(tmp_path: Path) -> None:
    table = scanned(tmp_path, write_folder(tmp_path / "d", files()))
    assert b"split from folder 1" in table.schema.metadata[LAYOUT_KEY]


def test_labels_and_metadata_of_the_same_text_are_shown_and_compare_the_same(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "d", {"a.jpg": jpeg(1)})
    write_csv(root / "list.csv", ["path,label,said", "a.jpg,x\u202ey,x\u202ey"])
    (row,) = scanned(tmp_path, root / "list.csv").to_pylist()
    assert (row["label"], row["meta.said"]) == ("x\\u202ey", "x\\u202ey")


def test_an_error_in_the_progress_ends_the_scan(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "d", files([f"{i}.jpg" for i in range(200)]))

    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt(f"{done} of {total}")

    with opened(tmp_path, root) as source, pytest.raises(KeyboardInterrupt, match="32 of 200"):
        scan(source, threads=2, max_pixels=MAX_PIXELS, on_progress=stop)


@pytest.mark.parametrize(
    "change",
    [{"cat/a.jpg": jpeg(50)}, {"cat/new.jpg": jpeg(51)}, {"cat/new.txt": b"x"}],
    ids=["content", "picture", "other file"],
)
def test_the_fingerprint_changes_with_what_is_in_the_dataset(tmp_path: Path, change: dict[str, bytes]) -> None:
    contents = files(["cat/a.jpg", "dog/b.jpg"])
    first = scanned(tmp_path, write_folder(tmp_path / "one", contents))
    second = scanned(tmp_path, write_folder(tmp_path / "two", contents | change))
    assert dataset_fingerprint(first) != dataset_fingerprint(second)


@pytest.mark.parametrize("settings", [{"label_from": "none"}, {"split_from": "none"}, {"group_from": "folder:1"}])
def test_the_fingerprint_changes_with_labels_splits_and_groups(tmp_path: Path, settings: dict[str, str]) -> None:
    root = write_folder(tmp_path / "d", files())
    assert dataset_fingerprint(scanned(tmp_path, root)) != dataset_fingerprint(scanned(tmp_path, root, **settings))


def test_the_fingerprint_holds_for_metadata_that_json_has_no_form_for(tmp_path: Path) -> None:
    write_folder(tmp_path, files(["a.jpg", "b.jpg"]))
    rows = ["path,label,depth,seen", "a.jpg,x,nan,2024-05-01 10:00:00", "b.jpg,y,0.5,2024-05-02 10:00:00"]
    first = scanned(tmp_path, write_csv(tmp_path / "m.csv", rows))
    second = scanned(tmp_path, write_csv(tmp_path / "m.csv", [*rows[:2], rows[2].replace("10:00", "10:01")]))
    assert dataset_fingerprint(first) == dataset_fingerprint(first.combine_chunks())
    assert dataset_fingerprint(first) != dataset_fingerprint(second)


def test_nothing_at_the_path_is_refused_with_the_path(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="nowhere"):
        opened(tmp_path, tmp_path / "nowhere")


@pytest.mark.parametrize("uri", ["s3://bucket/prefix", "https://example.org/a.zip"])
def test_addresses_are_refused_with_what_to_do(tmp_path: Path, uri: str) -> None:
    with pytest.raises(SourceUnsupportedError, match="copy the dataset"):
        open_source(SourceSpec(uri=uri), limits=limits(tmp_path))


def test_a_path_outside_the_allowed_roots_is_refused_even_through_a_link(tmp_path: Path) -> None:
    allowed = write_folder(tmp_path / "allowed", {})
    write_folder(tmp_path / "secret", files())
    (allowed / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(SourceForbiddenError):
        opened(tmp_path, allowed / "link", limit={"roots": (allowed,)})


def test_one_picture_is_no_dataset(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg(1))
    with pytest.raises(SourceUnsupportedError, match="give the folder"):
        opened(tmp_path, path)


def test_a_kind_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "d", {})
    with pytest.raises(SourceUnsupportedError):
        opened(tmp_path, root, kind="zip")
    with pytest.raises(SourceError):
        opened(tmp_path, write_csv(tmp_path / "m.csv", ["path"]), kind="folder")


def test_a_wrapper_folder_in_a_flat_dataset_changes_no_label(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "d", files(["set/cat/a.jpg", "set/dog/b.jpg"]))
    assert set(by_path(scanned(tmp_path, root), "label").values()) == {"cat", "dog"}


@pytest.mark.data
def test_the_waterbirds_folder_is_labelled_by_its_metadata_file(tmp_path: Path, shared_data: Path) -> None:
    table = scanned(tmp_path, shared_data / "images" / "waterbirds", label_from="species")
    assert table.column("status").to_pylist().count("ok") == 1332
    assert table.column("split").to_pylist().count("train") == 1032
    assert len(set(table.column("label").to_pylist()) - {None}) == 198


@pytest.mark.data
def test_the_manifest_of_the_evaluation_pictures_agrees_with_their_content(tmp_path: Path, shared_data: Path) -> None:
    lines = (shared_data / "MANIFEST.csv").read_text(encoding="utf-8").splitlines()
    some = write_csv(tmp_path / "some.csv", [lines[0], *lines[1::40]])
    table = scanned(tmp_path, some, images_root=str(shared_data))
    assert table.num_rows == len(lines[1::40])
    assert set(table.column("status").to_pylist()) == {"ok"}
    assert table.column("content_hash").equals(table.column("meta.sha256"))
    assert table.column("n_bytes").equals(table.column("meta.bytes"))
