"""One contract for every blob store."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from storage.blobs import Blobs, LocalBlobs, StoreBlobs, open_blobs
from storage.errors import BlobMissingError


@pytest.fixture(params=["file", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return open_blobs((tmp_path / "blobs").as_uri() if request.param == "file" else "memory://")


def test_a_blob_comes_back_as_it_was_written(blobs: Blobs, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"\x00\xff" * 4000)
    assert blobs.put_new("a/b/c", source)
    assert blobs.get("a/b/c") == source.read_bytes()
    assert blobs.fetch("a/b/c", tmp_path / "copies" / "c").read_bytes() == source.read_bytes()


def test_a_second_writer_is_told_and_changes_nothing(blobs: Blobs) -> None:
    assert blobs.put_new("key", b"first")
    assert not blobs.put_new("key", b"second")
    assert blobs.get("key") == b"first"


def test_of_many_writers_at_once_exactly_one_wins(blobs: Blobs) -> None:
    won: list[bytes] = []

    def write(data: bytes) -> None:
        if blobs.put_new("race", data):
            won.append(data)

    threads = [threading.Thread(target=write, args=(bytes([i]) * 1000,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [blobs.get("race")] == won


def test_a_missing_blob_is_named(blobs: Blobs, tmp_path: Path) -> None:
    with pytest.raises(BlobMissingError, match="no/such"):
        blobs.get("no/such")
    with pytest.raises(BlobMissingError, match="no/such"):
        blobs.fetch("no/such", tmp_path / "copy")


def test_a_prefix_lists_what_is_below_it_only(blobs: Blobs) -> None:
    for key in ("a/1", "a/b/2", "ab/3"):
        blobs.put_new(key, b"x")
    assert sorted(blobs.list("a/")) == ["a/1", "a/b/2"]


def test_deleting_twice_is_fine(blobs: Blobs) -> None:
    blobs.put_new("gone", b"x")
    blobs.delete("gone")
    blobs.delete("gone")
    assert list(blobs.list("")) == []


def test_the_address_decides_the_kind_of_store(tmp_path: Path) -> None:
    assert isinstance(open_blobs((tmp_path / "a folder").as_uri()), LocalBlobs)
    assert (tmp_path / "a folder").is_dir()
    assert isinstance(open_blobs("memory://"), StoreBlobs)


def test_a_local_writer_that_dies_before_publishing_leaves_nothing_to_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = LocalBlobs(tmp_path)

    def dies(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("storage.blobs.os.link", dies)
    with pytest.raises(OSError, match="no space"):
        blobs.put_new("key", b"data")
    assert list(blobs.list("")) == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
