"""Archives are recognised by their bytes, never by their names."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from api.errors import UnsupportedMediaError
from api.uploads import archive_ending, forget_archive


def tar_bytes(mode: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        archive.addfile(tarfile.TarInfo("a.txt"), io.BytesIO(b""))
    return out.getvalue()


def zip_bytes() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", "x")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "ending"),
    [
        (zip_bytes(), ".zip"),
        (tar_bytes("w"), ".tar"),
        (tar_bytes("w:gz"), ".tar.gz"),
        (tar_bytes("w:bz2"), ".tar.bz2"),
        (tar_bytes("w:xz"), ".tar.xz"),
    ],
    ids=["zip", "tar", "gzip", "bzip2", "xz"],
)
def test_an_archive_is_known_by_its_bytes(tmp_path: Path, data: bytes, ending: str) -> None:
    (tmp_path / "upload.jpg").write_bytes(data)
    assert archive_ending(tmp_path / "upload.jpg") == ending


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04 but no more", b"\x1f\x8b not gzip"])
def test_anything_else_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "upload.zip").write_bytes(data)
    with pytest.raises(UnsupportedMediaError, match="neither a zip nor a tar"):
        archive_ending(tmp_path / "upload.zip")


def test_an_archive_goes_with_its_last_dataset(tmp_path: Path) -> None:
    kept = tmp_path / "uploads" / "a.zip"
    kept.parent.mkdir()
    kept.write_bytes(b"x")
    forget_archive(str(kept), kept.parent, still_used=True)
    assert kept.exists()
    forget_archive(str(kept), kept.parent, still_used=False)
    assert not kept.exists()


def test_a_source_that_was_not_uploaded_is_never_deleted(tmp_path: Path) -> None:
    (tmp_path / "mine.zip").write_bytes(b"x")
    forget_archive(str(tmp_path / "mine.zip"), tmp_path / "uploads", still_used=False)
    forget_archive(str(tmp_path / "uploads" / ".." / "mine.zip"), tmp_path / "uploads", still_used=False)
    assert (tmp_path / "mine.zip").exists()
