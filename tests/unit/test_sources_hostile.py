"""Sources made to do harm: nothing crashes, hangs, is written elsewhere, or goes missing from the count."""

from __future__ import annotations

import errno
import gc
import io
import os
import socket
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from audit.errors import PictureError
from audit.pictures.reasons import REASONS
from storage.errors import SourceError, SourceLimitError, SourceUnsupportedError
from tests.sources_samples import (
    by_path,
    files,
    jpeg,
    opened,
    scanned,
    write_embedded,
    write_folder,
    write_tar,
    write_zip,
)


def test_archive_members_that_climb_out_are_quarantined_and_nothing_is_written(tmp_path: Path) -> None:
    names = ["../../escaped.jpg", "/etc/absolute.jpg", "cat/ok.jpg"]
    for path in (
        write_zip(tmp_path / "a.zip", [(name, jpeg(1)) for name in names]),
        write_tar(tmp_path / "a.tar", [(name, jpeg(1)) for name in names]),
    ):
        reasons = by_path(scanned(tmp_path, path), "reason")
        assert reasons == {"../../escaped.jpg": "outside_root", "/etc/absolute.jpg": "outside_root", "cat/ok.jpg": None}
    assert not (tmp_path.parent.parent / "escaped.jpg").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_members_of_one_name_stay_two_inputs_with_their_own_bytes(tmp_path: Path) -> None:
    members = [("cat/a.jpg", jpeg(1)), ("cat/a.jpg", jpeg(2))]
    for path in (write_zip(tmp_path / "a.zip", members), write_tar(tmp_path / "a.tar", members)):
        table = scanned(tmp_path, path)
        with opened(tmp_path, path) as source:
            assert [source.read(locator) for locator in table.column("locator").to_pylist()] == [jpeg(1), jpeg(2)]
        assert len(set(table.column("image_id").to_pylist())) == 2


def test_a_zip_that_unpacks_far_too_much_is_refused_before_unpacking(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "bomb.zip", [(f"{i}.bmp", bytes(30 * 2**20)) for i in range(2)])
    with pytest.raises(SourceLimitError, match="unpacks to 62914560"):
        scanned(tmp_path, path, limit={"max_ratio": 10.0})


def test_one_member_that_unpacks_far_too_much_is_quarantined_alone(tmp_path: Path) -> None:
    path = write_zip(
        tmp_path / "b.zip", [("bomb.bmp", bytes(40 * 2**20)), ("noise.bin", os.urandom(10**6)), ("a.jpg", jpeg(1))]
    )
    reasons = by_path(scanned(tmp_path, path, limit={"max_ratio": 100.0}), "reason")
    assert reasons == {"a.jpg": None, "bomb.bmp": "archive_bomb", "noise.bin": "other_file"}


def test_a_zip_member_that_lies_about_its_size_is_caught_while_reading(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", [("a.jpg", jpeg(1) + bytes(10**6))])
    data = path.read_bytes()
    size = struct.pack("<I", len(jpeg(1)) + 10**6)
    path.write_bytes(data.replace(size, struct.pack("<I", 100)))
    assert by_path(scanned(tmp_path, path), "reason") == {"a.jpg": "corrupt_member"}


def test_damaged_member_data_is_quarantined(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", [("a.jpg", jpeg(1)), ("b.jpg", jpeg(2))])
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(data)
    assert by_path(scanned(tmp_path, path), "reason") == {"a.jpg": "corrupt_member", "b.jpg": None}


def test_an_encrypted_member_is_quarantined(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", [("a.jpg", jpeg(1))])
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    assert by_path(scanned(tmp_path, path), "reason") == {"a.jpg": "encrypted"}


def test_a_member_packed_with_lzma_is_quarantined(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", [("a.jpg", jpeg(1))], method=zipfile.ZIP_LZMA)
    assert by_path(scanned(tmp_path, path), "reason") == {"a.jpg": "unsupported_compression"}


def test_a_link_inside_a_zip_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    info = zipfile.ZipInfo("passwd.jpg")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert by_path(scanned(tmp_path, path), "reason") == {"passwd.jpg": "not_a_file"}


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_cut_zip_is_refused_when_opened(tmp_path: Path, cut: int) -> None:
    path = write_zip(tmp_path / "a.zip", list(files().items()))
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(SourceError, match=r"cut short|damaged"):
        scanned(tmp_path, path)


def test_links_and_devices_in_a_tar_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    kinds = {
        "hard.jpg": tarfile.LNKTYPE,
        "soft.jpg": tarfile.SYMTYPE,
        "dev.jpg": tarfile.CHRTYPE,
        "pipe.jpg": tarfile.FIFOTYPE,
    }
    with tarfile.open(path, "w") as archive:
        for name, kind in kinds.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert by_path(scanned(tmp_path, path), "reason") == dict.fromkeys(kinds, "not_a_file")


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz"])
def test_a_cut_tar_is_refused_because_what_is_gone_cannot_be_counted(tmp_path: Path, name: str) -> None:
    mode = {"tar": "w"}.get(name.rpartition(".")[2], f"w:{name.rpartition('.')[2]}")
    path = write_tar(tmp_path / name, [(f"{i}.jpg", jpeg(i, width=64, height=64)) for i in range(8)], mode=mode)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SourceError, match="damaged"):
        scanned(tmp_path, path)
    assert not list((tmp_path / "scratch").glob("*.tar"))
    assert not list((tmp_path / "scratch").glob("*.part"))


def test_a_tar_cut_between_two_members_is_refused_too(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", [(f"{i}.jpg", jpeg(i)) for i in range(4)])
    with tarfile.open(path) as archive:
        start = archive.getmembers()[2].offset
    path.write_bytes(path.read_bytes()[:start])
    with pytest.raises(SourceError, match="after 2 members"):
        scanned(tmp_path, path)


def test_garbage_between_tar_members_is_refused_and_not_taken_for_the_end(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", [(f"{i}.jpg", jpeg(i)) for i in range(4)])
    with tarfile.open(path) as archive:
        start = archive.getmembers()[2].offset
    data = bytearray(path.read_bytes())
    data[start : start + 512] = b"\xa5" * 512
    path.write_bytes(data)
    with pytest.raises(SourceError, match="after 2 members"):
        scanned(tmp_path, path)


def test_a_packed_tar_that_unpacks_far_too_much_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar.gz", [("a.bmp", bytes(40 * 2**20))], mode="w:gz")
    with pytest.raises(SourceLimitError, match="unpacks to more than"):
        scanned(tmp_path, path, limit={"max_ratio": 2.0})
    assert [found.suffix for found in (tmp_path / "scratch").iterdir()] == [".lock"]


def test_a_tar_header_that_asks_for_a_gigabyte_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2**30
    path = tmp_path / "a.tar"
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    with pytest.raises(SourceLimitError, match="header"):
        scanned(tmp_path, path)


def test_long_and_undecodable_names_survive_in_archives(tmp_path: Path) -> None:
    raw = [b"n" * 251 + b".jpg", b"caf\xe9.jpg", "café.jpg".encode(), "cafe\u0301.jpg".encode(), b"new\nline.jpg"]
    path = write_tar(tmp_path / "a.tar", [(name.decode("utf-8", "surrogateescape"), jpeg(1)) for name in raw])
    table = scanned(tmp_path, path)
    assert sorted(table.column("path_bytes").to_pylist()) == sorted(raw)
    assert set(table.column("status").to_pylist()) == {"ok"}


def test_long_and_undecodable_names_survive_in_folders(tmp_path: Path) -> None:
    raw = [b"n" * 251 + b".jpg", b"caf\xe9.jpg", "café.jpg".encode(), "cafe\u0301.jpg".encode(), b"new\nline#%41.jpg"]
    root = bytes(write_folder(tmp_path / "d", {}))
    for name in raw:
        with open(root + b"/" + name, "wb") as file:  # noqa: PTH123
            file.write(jpeg(1))
    table = scanned(tmp_path, tmp_path / "d")
    assert table.column("path_bytes").to_pylist() == sorted(raw)
    assert set(table.column("status").to_pylist()) == {"ok"}


def test_links_pipes_and_sockets_in_a_folder_are_skipped_without_waiting(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "d", files() | {"keep.jpg": jpeg(5)})
    os.mkfifo(root / "pipe.jpg")
    (root / "link.jpg").symlink_to(root / "keep.jpg")
    (root / "linked").symlink_to("/etc")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket.jpg"))
        reasons = by_path(scanned(tmp_path, root), "reason")
    special = {name for name, reason in reasons.items() if reason == "not_a_file"}
    assert special == {"pipe.jpg", "link.jpg", "linked", "socket.jpg"}
    assert len(reasons) == len(files()) + 5


def test_a_file_replaced_by_a_pipe_or_link_after_the_scan_is_refused(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "d", {"a.jpg": jpeg(1), "b/c.jpg": jpeg(2)})
    table = by_path(scanned(tmp_path, root), "locator")
    (root / "a.jpg").unlink()
    os.mkfifo(root / "a.jpg")
    (root / "b").rename(tmp_path / "moved")
    (root / "b").symlink_to(tmp_path / "moved")
    with opened(tmp_path, root) as source:
        for locator in table.values():
            with pytest.raises(PictureError) as caught:
                source.read(locator)
            assert caught.value.reason == "not_a_file"


def test_a_file_gone_or_changed_after_the_scan_is_said_to_be_so(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "d", {"gone.jpg": jpeg(1), "other.jpg": jpeg(2)})
    locators = by_path(scanned(tmp_path, root), "locator")
    (root / "gone.jpg").unlink()
    (root / "other.jpg").write_bytes(jpeg(3))
    with opened(tmp_path, root) as source:
        for name, reason in (("gone.jpg", "vanished"), ("other.jpg", "changed")):
            with pytest.raises(PictureError) as caught:
                source.read(locators[name])
            assert caught.value.reason == reason


def test_a_touched_file_with_the_same_bytes_is_still_the_same(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "d", {"a.jpg": jpeg(1)})
    locator = by_path(scanned(tmp_path, root), "locator")["a.jpg"]
    os.utime(root / "a.jpg", (1, 1))
    with opened(tmp_path, root) as source:
        assert source.read(locator) == jpeg(1)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_a_file_that_cannot_be_opened_is_quarantined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    root = write_folder(tmp_path / "d", files(["cat/locked.jpg", "cat/open.jpg"]))
    real = os.open

    def fake(path: bytes | str, flags: int, *rest: int, dir_fd: int | None = None) -> int:
        if path == b"locked.jpg":
            raise OSError(number, os.strerror(number))
        return real(path, flags, *rest, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", fake)
    assert by_path(scanned(tmp_path, root), "reason") == {"cat/locked.jpg": "unreadable", "cat/open.jpg": None}


def test_a_folder_that_cannot_be_listed_is_one_quarantined_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_folder(tmp_path / "d", files(["cat/a.jpg", "dog/b.jpg"]))
    real = os.open

    def fake(path: bytes | str, flags: int, *rest: int, dir_fd: int | None = None) -> int:
        if path == b"dog":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, flags, *rest, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", fake)
    assert by_path(scanned(tmp_path, root), "reason") == {"cat/a.jpg": None, "dog/": "unreadable"}


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_folder(tmp_path / "d", {"a.jpg": jpeg(1)})
    real = os.read

    def grow(fd: int, n_bytes: int) -> bytes:
        data = real(fd, n_bytes)
        with (root / "a.jpg").open("ab") as file:
            file.write(b"more")
        return data

    with opened(tmp_path, root) as source:
        monkeypatch.setattr(os, "read", grow)
        with pytest.raises(PictureError) as caught:
            source.read("a.jpg")
    assert caught.value.reason == "changed"


def test_a_file_larger_than_allowed_is_quarantined_unread(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "d", {"small.jpg": jpeg(1)})
    with (root / "large.jpg").open("wb") as file:
        file.truncate(2**33)
    assert by_path(scanned(tmp_path, root), "reason") == {"large.jpg": "too_large", "small.jpg": None}


@pytest.mark.parametrize("locator", ["../secret", "/etc/passwd", "%2e%2e/secret", "a/../../secret", "%00", ""])
def test_a_forged_locator_reads_nothing_outside(tmp_path: Path, locator: str) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    root = write_folder(tmp_path / "d", {"a/b.jpg": jpeg(1)})
    with opened(tmp_path, root) as source, pytest.raises(PictureError) as caught:
        source.read(locator)
    assert caught.value.reason == "outside_root"


def test_more_members_than_allowed_are_refused(tmp_path: Path) -> None:
    contents = files()
    for path in (
        write_folder(tmp_path / "d", contents),
        write_zip(tmp_path / "a.zip", list(contents.items())),
        write_tar(tmp_path / "a.tar", list(contents.items())),
    ):
        with pytest.raises(SourceLimitError):
            scanned(tmp_path, path, limit={"max_members": 3})


def test_files_that_are_no_archives_are_refused_when_opened(tmp_path: Path) -> None:
    for name, data in (
        ("a.zip", b"no"),
        ("a.tar", b"x" * 2000),
        ("b.zip", b"PK\x03\x04" + bytes(100)),
        ("a.xyz", b"?"),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(SourceUnsupportedError):
            opened(tmp_path, path)


def test_every_reason_of_a_hostile_folder_is_a_known_code(tmp_path: Path) -> None:
    contents = {
        "ok.jpg": jpeg(1),
        "no_ending": jpeg(2),
        "text_without_ending": b"just words",
        "named.jpg": b"just words",
        "cut.jpg": jpeg(1)[:30],
        "empty.jpg": b"",
        "inner.zip": b"PK",
        "Thumbs.db": b"x",
        ".hidden.jpg": jpeg(3),
        "notes.txt": b"x",
        "wrong.png": jpeg(4),
    }
    rows = {row["path"]: row for row in scanned(tmp_path, write_folder(tmp_path / "d", contents)).to_pylist()}
    assert {name: row["status"] for name, row in rows.items() if row["status"] != "quarantined"} == {
        "ok.jpg": "ok",
        "no_ending": "ok",
        "wrong.png": "ok",
        "text_without_ending": "skipped",
        "inner.zip": "skipped",
        "Thumbs.db": "skipped",
        ".hidden.jpg": "skipped",
        "notes.txt": "skipped",
    }
    assert len(rows) == len(contents)
    assert all(row["reason"] in REASONS for row in rows.values() if row["status"] != "ok")
    assert rows["wrong.png"]["detail"] == "wrong_extension: .png holds JPEG"


def test_a_zip_in_memory_of_random_damage_never_crashes(tmp_path: Path) -> None:
    data = write_zip(tmp_path / "whole.zip", list(files().items())).read_bytes()
    for seed in range(60):
        broken = bytearray(data)
        position = (seed * 7919) % len(data)
        broken[position] ^= 1 << seed % 8
        path = tmp_path / f"{seed}.zip"
        path.write_bytes(broken)
        try:
            table = scanned(tmp_path, path)
        except SourceError:
            continue
        assert table.num_rows >= 1
        assert set(table.column("status").to_pylist()) <= {"ok", "quarantined", "skipped"}


def test_a_tar_of_random_damage_never_crashes(tmp_path: Path) -> None:
    buffer = io.BytesIO(write_tar(tmp_path / "whole.tar", list(files().items())).read_bytes())
    data = buffer.getvalue()
    for seed in range(60):
        broken = bytearray(data)
        broken[(seed * 7919) % 4096] ^= 1 << seed % 8
        path = tmp_path / f"{seed}.tar"
        path.write_bytes(broken)
        try:
            table = scanned(tmp_path, path, kind="tar")
        except SourceError:
            continue
        assert set(table.column("status").to_pylist()) <= {"ok", "quarantined", "skipped"}


def test_a_source_that_is_forgotten_leaves_no_file_open(tmp_path: Path) -> None:
    contents = list(files().items())
    kinds = [write_folder(tmp_path / "d", dict(contents)), write_zip(tmp_path / "a.zip", contents)]
    kinds.append(write_tar(tmp_path / "a.tar", contents))
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for path in kinds:
        source = opened(tmp_path, path)
        assert len(list(source.entries())) == len(contents)
    del source
    gc.collect()
    assert set(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_parquet_file_with_fewer_row_groups_than_were_scanned_is_said_to_be_unreadable(tmp_path: Path) -> None:
    path = write_embedded(tmp_path / "e.parquet", {"image": [jpeg(1)]})
    with opened(tmp_path, path) as source, pytest.raises(PictureError) as caught:
        source.read("0:7:0")
    assert caught.value.reason == "unreadable"
