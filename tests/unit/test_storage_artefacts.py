"""Artefacts: whole or not there, first come, verified before use."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest

from storage.artefacts import MANIFEST, Artefacts
from storage.blobs import LocalBlobs, open_blobs
from storage.errors import ArtefactCorruptError, ArtefactMissingError
from storage.parquet import read_table, write_table


@pytest.fixture
def store(tmp_path: Path) -> Artefacts:
    return Artefacts(LocalBlobs(tmp_path / "blobs"), tmp_path / "scratch")


def _file(tmp_path: Path, data: bytes = b"data", name: str = "a.bin") -> dict[str, Path]:
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}-{name}"
    path.write_bytes(data)
    return {name: path}


def test_a_committed_artefact_is_found_with_its_files_and_provenance(store: Artefacts, tmp_path: Path) -> None:
    store.commit("kind", "f1", _file(tmp_path), {"seed": 1})
    found = store.open("kind", "f1")
    assert found.file("a.bin").read_bytes() == b"data"
    assert found.provenance == {"seed": 1}


def test_the_first_of_two_different_commits_wins_for_both(store: Artefacts, tmp_path: Path) -> None:
    first = store.commit("kind", "f1", _file(tmp_path, b"first"), {})
    second = store.commit("kind", "f1", _file(tmp_path, b"second"), {})
    assert first.file("a.bin").read_bytes() == second.file("a.bin").read_bytes() == b"first"


def test_files_without_a_manifest_are_no_artefact(store: Artefacts, tmp_path: Path) -> None:
    store.commit("kind", "f1", _file(tmp_path), {})
    store.blobs.delete(f"artefacts/kind/f1/{MANIFEST}")
    assert store.find("kind", "f1") is None
    with pytest.raises(ArtefactMissingError, match="submit the audit again"):
        store.open("kind", "f1")


def test_what_a_dead_writer_left_does_not_enter_the_next_commit(store: Artefacts, tmp_path: Path) -> None:
    store.commit("kind", "f1", _file(tmp_path, b"half"), {})
    store.blobs.delete(f"artefacts/kind/f1/{MANIFEST}")
    again = store.commit("kind", "f1", _file(tmp_path, b"whole"), {})
    assert again.file("a.bin").read_bytes() == b"whole"


@pytest.mark.parametrize("bit", [0, 1001, 4095])
def test_a_flipped_bit_is_noticed_before_use(store: Artefacts, tmp_path: Path, bit: int) -> None:
    store.commit("kind", "f1", _file(tmp_path, bytes(512)), {})
    path = next((tmp_path / "blobs").rglob("a.bin"))
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    with pytest.raises(ArtefactCorruptError, match=r"a\.bin is not what was committed"):
        store.open("kind", "f1").file("a.bin")


def test_damage_after_the_first_reading_is_noticed_too(store: Artefacts, tmp_path: Path) -> None:
    store.commit("kind", "f1", _file(tmp_path, b"sound"), {})
    path = store.open("kind", "f1").file("a.bin")
    path.write_bytes(b"wrong, and longer")
    with pytest.raises(ArtefactCorruptError):
        store.open("kind", "f1").file("a.bin")


def test_a_damaged_manifest_is_noticed(store: Artefacts, tmp_path: Path) -> None:
    store.commit("kind", "f1", _file(tmp_path), {})
    (tmp_path / "blobs" / "artefacts" / "kind" / "f1" / MANIFEST).write_bytes(b'{"kind": "kind"')
    with pytest.raises(ArtefactCorruptError, match="cannot be read"):
        store.find("kind", "f1")


def test_a_damaged_artefact_is_removed_so_that_it_is_made_again(store: Artefacts, tmp_path: Path) -> None:
    store.commit("kind", "f1", _file(tmp_path), {})
    next((tmp_path / "blobs").rglob("a.bin")).write_bytes(b"DATA")
    assert store.find_sound("kind", "f1") is None
    assert store.find("kind", "f1") is None
    assert store.commit("kind", "f1", _file(tmp_path, b"new"), {}).file("a.bin").read_bytes() == b"new"


def test_a_copy_of_a_remote_file_is_verified_and_fetched_anew_when_damaged(tmp_path: Path) -> None:
    store = Artefacts(open_blobs("memory://"), tmp_path / "scratch")
    found = store.commit("kind", "f1", _file(tmp_path), {})
    found.file("a.bin").write_bytes(b"overwritten")
    with pytest.raises(ArtefactCorruptError):
        found.file("a.bin")
    assert found.file("a.bin").read_bytes() == b"data"


def test_a_deleted_artefact_leaves_no_files(store: Artefacts, tmp_path: Path) -> None:
    store.commit("kind", "f1", _file(tmp_path), {})
    store.delete("kind", "f1")
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []


def test_a_workspace_is_gone_afterwards(store: Artefacts) -> None:
    with store.workspace() as folder:
        (folder / "x").write_bytes(b"x")
    assert not folder.exists()


def test_what_killed_processes_left_is_cleared_and_what_is_in_the_making_is_not(store: Artefacts) -> None:
    with store.workspace() as working:
        for name in ("killed", "slow", "copies"):
            (store.scratch / name / "deep").mkdir(parents=True)
            (store.scratch / name / "deep" / "x").write_bytes(b"x")
        (store.scratch / "file").write_bytes(b"x")
        for path in store.scratch.rglob("*"):
            os.utime(path, (1.0, 1.0))
        for recent in (store.scratch / "slow" / "deep" / "x", working):
            os.utime(recent)
        assert store.clear_scratch(60) == 2
        assert sorted(path.name for path in store.scratch.iterdir()) == sorted(["copies", "slow", working.name])
        assert (store.scratch / "copies" / "deep" / "x").exists()


def test_scratch_that_is_not_there_is_clear(store: Artefacts) -> None:
    assert store.clear_scratch(0) == 0


def test_equal_rows_give_equal_parquet_bytes_however_they_are_chunked(tmp_path: Path) -> None:
    whole = pa.table({"n": list(range(20_000)), "t": [str(i % 7) for i in range(20_000)]})
    pieces = pa.concat_tables([whole.slice(i, 37) for i in range(0, 20_000, 37)])
    one, two = write_table(whole, tmp_path / "1.parquet"), write_table(pieces, tmp_path / "2.parquet")
    assert one.read_bytes() == two.read_bytes()
    assert read_table(one).equals(whole)
