"""Whether a source was touched since."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.sources.state import LATELY_IN_WHOLE_SECONDS_S, LATELY_S, state
from tests.sources_samples import files, jpeg, opened, write_coco, write_csv, write_embedded, write_folder, write_zip

NAMES = ("cat/a.jpg", "dog/b.jpg")


def later() -> float:
    """A clock for which everything was long ago."""
    return 1e10


def of(tmp_path: Path, path: Path) -> str:
    with opened(tmp_path, path) as source:
        return state(source, clock=later)


def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "d", files(NAMES))


def zipped(tmp_path: Path) -> Path:
    return write_zip(tmp_path / "a.zip", list(files(NAMES).items()))


def manifest(tmp_path: Path) -> Path:
    write_folder(tmp_path, files(NAMES))
    return write_csv(tmp_path / "m.csv", ["path,label", *(f"{name},x" for name in NAMES)])


def coco(tmp_path: Path) -> Path:
    write_folder(tmp_path, files(NAMES))
    return write_coco(tmp_path / "c.json", [{"id": i, "file_name": name} for i, name in enumerate(NAMES)], [])


def embedded(tmp_path: Path) -> Path:
    return write_embedded(tmp_path / "e.parquet", {"image": [{"bytes": jpeg(1), "path": "a.jpg"}]})


@pytest.mark.parametrize("build", [folder, zipped, manifest, coco, embedded])
def test_what_nobody_touched_has_the_same_state(tmp_path: Path, build: Callable[[Path], Path]) -> None:
    path = build(tmp_path)
    assert of(tmp_path, path) == of(tmp_path, path) != ""


@pytest.mark.parametrize(
    ("build", "touched"),
    [
        (folder, "d/cat/a.jpg"),
        (zipped, "a.zip"),
        (manifest, "cat/a.jpg"),
        (manifest, "m.csv"),
        (coco, "dog/b.jpg"),
        (coco, "c.json"),
        (embedded, "e.parquet"),
    ],
)
def test_a_file_that_is_written_again_changes_the_state_even_with_its_old_time(
    tmp_path: Path, build: Callable[[Path], Path], touched: str
) -> None:
    path = build(tmp_path)
    before, file = of(tmp_path, path), tmp_path / touched
    status = file.stat()
    while file.stat().st_ctime_ns == status.st_ctime_ns:
        file.write_bytes(file.read_bytes())
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file.stat().st_mtime_ns == status.st_mtime_ns
    assert of(tmp_path, path) != before


@pytest.mark.parametrize("build", [folder, manifest])
def test_a_picture_that_goes_changes_the_state(tmp_path: Path, build: Callable[[Path], Path]) -> None:
    path = build(tmp_path)
    before = of(tmp_path, path)
    next(tmp_path.rglob("b.jpg")).unlink()
    assert of(tmp_path, path) != before


def test_a_name_that_changes_changes_the_state(tmp_path: Path) -> None:
    path = folder(tmp_path)
    before = of(tmp_path, path)
    (path / "cat" / "a.jpg").rename(path / "cat" / "c.jpg")
    assert of(tmp_path, path) != before


def test_what_was_touched_just_now_is_not_vouched_for(tmp_path: Path) -> None:
    path = folder(tmp_path)
    newest = max(max(file.stat().st_mtime_ns, file.stat().st_ctime_ns) for file in path.rglob("*.jpg")) / 1e9
    with opened(tmp_path, path) as source:
        assert state(source, clock=lambda: newest + LATELY_S / 2) == ""
        assert state(source, clock=lambda: newest + LATELY_IN_WHOLE_SECONDS_S + 1) != ""
