"""What every kind of source keeps to, whatever it reads from."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from audit.errors import PictureError
from audit.model import IMAGES_SCHEMA
from audit.pictures.reasons import REASONS
from storage.sources import Source, SourceLimits, SourceSpec, open_source
from storage.sources.identity import dataset_fingerprint
from storage.sources.scan import scan
from tests.sources_samples import (
    MAX_PIXELS,
    PICTURES,
    files,
    jpeg,
    limits,
    write_coco,
    write_csv,
    write_embedded,
    write_folder,
    write_tar,
    write_zip,
)

BROKEN = {"val/dog/broken.jpg": jpeg(9)[:20], "val/dog/empty.jpg": b""}


def folder(root: Path) -> SourceSpec:
    return SourceSpec(uri=str(write_folder(root / "pictures", files() | BROKEN)))


def zipped(root: Path) -> SourceSpec:
    return SourceSpec(uri=str(write_zip(root / "a.zip", [*files().items(), *BROKEN.items()])))


def tarred(root: Path) -> SourceSpec:
    return SourceSpec(uri=str(write_tar(root / "a.tar", [*files().items(), *BROKEN.items()])))


def packed_tar(root: Path) -> SourceSpec:
    return SourceSpec(uri=str(write_tar(root / "a.tar.xz", [*files().items(), *BROKEN.items()], mode="w:xz")))


def csv(root: Path) -> SourceSpec:
    write_folder(root, files() | BROKEN)
    rows = [f"{name},{name.split('/')[1]},{name.split('/')[0]}" for name in [*PICTURES, *BROKEN]]
    return SourceSpec(uri=str(write_csv(root / "m.csv", ["path,label,split", *rows])))


def parquet(root: Path) -> SourceSpec:
    write_folder(root, files() | BROKEN)
    names = [*PICTURES, *BROKEN]
    columns = {
        "path": names,
        "label": [name.split("/")[1] for name in names],
        "split": [n.split("/")[0] for n in names],
    }
    return SourceSpec(uri=str(write_embedded(root / "m.parquet", columns)))


def embedded(root: Path) -> SourceSpec:
    contents = files() | BROKEN
    cells = [{"bytes": data, "path": name} for name, data in contents.items()]
    columns = {
        "image": cells,
        "label": [name.split("/")[1] for name in contents],
        "split": [name.split("/")[0] for name in contents],
    }
    return SourceSpec(uri=str(write_embedded(root / "e.parquet", columns)))


def coco(root: Path) -> SourceSpec:
    write_folder(root, files() | BROKEN)
    names = [*PICTURES, *BROKEN]
    images = [{"id": i, "file_name": name} for i, name in enumerate(names)]
    category = {"cat": 1, "dog": 2}
    objects = [
        {"image_id": i, "category_id": category[name.split("/")[1]], "bbox": [1, 2, 3, 4]}
        for i, name in enumerate(names)
    ]
    return SourceSpec(uri=str(write_coco(root / "c.json", images, objects)), split_from="folder:1")


Build = Callable[[Path], SourceSpec]
KINDS: tuple[Build, ...] = (folder, zipped, tarred, packed_tar, csv, parquet, embedded, coco)
every_kind = pytest.mark.parametrize("build", KINDS, ids=lambda build: build.__name__)


def opened(build: Build, root: Path) -> Source:
    return open_source(build(root), limits=limits(root))


def scan_of(source: Source, threads: int = 2) -> pa.Table:
    with source:
        return scan(source, threads=threads, max_pixels=MAX_PIXELS)


@every_kind
def test_every_input_is_one_row_with_its_label_and_split(build: Build, tmp_path: Path) -> None:
    table = scan_of(opened(build, tmp_path))
    assert sorted(table.column("path").to_pylist()) == sorted([*PICTURES, *BROKEN])
    for row in table.to_pylist():
        assert [row["split"], row["label"]] == row["path"].split("/")[:2]
    assert pa.schema(list(table.schema)[: len(IMAGES_SCHEMA)]).equals(IMAGES_SCHEMA)


@every_kind
def test_broken_and_empty_files_are_quarantined_and_the_others_are_ok(build: Build, tmp_path: Path) -> None:
    rows = {row["path"]: row for row in scan_of(opened(build, tmp_path)).to_pylist()}
    assert all(rows[name]["status"] == "ok" and rows[name]["width"] == 16 for name in PICTURES)
    assert {rows[name]["status"] for name in BROKEN} == {"quarantined"}
    assert rows["val/dog/empty.jpg"]["reason"] == "empty"
    assert all(rows[name]["reason"] in REASONS for name in BROKEN)


@every_kind
def test_every_ok_row_can_be_read_again_from_its_locator(build: Build, tmp_path: Path) -> None:
    table = scan_of(opened(build, tmp_path))
    contents = files()
    with opened(build, tmp_path) as source:
        for row in table.to_pylist():
            if row["status"] == "ok":
                assert source.read(row["locator"]) == contents[row["path"]]


@every_kind
def test_a_locator_pinned_to_other_bytes_is_refused(build: Build, tmp_path: Path) -> None:
    table = scan_of(opened(build, tmp_path))
    row = next(row for row in table.to_pylist() if row["status"] == "ok")
    body = row["locator"].partition("#")[0]
    with opened(build, tmp_path) as source, pytest.raises(PictureError) as caught:
        source.read(f"{body}#{'0' * 32}")
    assert caught.value.reason == "changed"


@every_kind
def test_a_scan_does_not_depend_on_threads_or_on_the_time(build: Build, tmp_path: Path) -> None:
    assert scan_of(opened(build, tmp_path), threads=1).equals(scan_of(opened(build, tmp_path), threads=5))


@every_kind
def test_the_fingerprint_does_not_depend_on_where_the_dataset_lies(build: Build, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "somewhere" / "else"
    for root in (here, there):
        root.mkdir(parents=True)
    first, second = (dataset_fingerprint(scan_of(opened(build, root))) for root in (here, there))
    assert first == second


@every_kind
def test_the_specification_given_back_is_absolute_and_opens_the_same_source(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = build(tmp_path)
    monkeypatch.chdir(tmp_path)
    relative = spec.model_copy(update={"uri": Path(spec.uri).name})
    with open_source(relative, limits=limits(tmp_path)) as source:
        assert Path(source.spec.uri).is_absolute()
        again = SourceSpec.model_validate_json(source.spec.model_dump_json())
    monkeypatch.chdir("/")
    assert scan_of(open_source(again, limits=limits(tmp_path))).num_rows == len(PICTURES) + len(BROKEN)


@every_kind
def test_nothing_is_written_outside_scratch(build: Build, tmp_path: Path) -> None:
    spec = build(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    scan_of(open_source(spec, limits=limits(tmp_path)))
    after = [path for path in sorted(tmp_path.rglob("*")) if tmp_path / "scratch" not in (path, *path.parents)]
    assert after == before


@every_kind
def test_progress_ends_at_the_total(build: Build, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    with opened(build, tmp_path) as source:
        table = scan(
            source, threads=2, max_pixels=MAX_PIXELS, on_progress=lambda done, total: seen.append((done, total))
        )
    assert seen[-1] == (table.num_rows, table.num_rows)


def test_a_spawned_process_reads_every_kind_from_specification_and_locators(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    contents = files()
    work, expected = [], []
    for build in KINDS:
        root = tmp_path / build.__name__
        root.mkdir()
        with opened(build, root) as source:
            table = scan(source, threads=1, max_pixels=MAX_PIXELS)
            spec = source.spec
        good = [row for row in table.to_pylist() if row["status"] == "ok"]
        work.append((spec, limits(root), [row["locator"] for row in good]))
        expected.append([contents[row["path"]] for row in good])
    with context.Pool(1) as pool:
        assert pool.starmap(read_all, work) == expected


def read_all(spec: SourceSpec, allowed: SourceLimits, locators: list[str]) -> list[bytes]:
    with open_source(spec, limits=allowed) as source:
        return [source.read(locator) for locator in locators]
