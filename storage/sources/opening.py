"""From the description of a source to the source: which kind it is, and whether it may and can be read."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from storage.errors import (
    SourceError,
    SourceForbiddenError,
    SourceNotFoundError,
    SourceUnsupportedError,
)
from storage.sources.base import Source, SourceLimits, SourceSpec
from storage.sources.coco import CocoSource, find_root
from storage.sources.embedded import EmbeddedSource, find_image_column
from storage.sources.folder import FolderSource
from storage.sources.manifest import CsvSource, ParquetPathSource
from storage.sources.names import PICTURE_ENDINGS, ending
from storage.sources.row_groups import read_schema
from storage.sources.tars import TarSource
from storage.sources.zips import ZipSource

Found = Literal["folder", "zip", "tar", "csv", "parquet", "coco"]

_ENDINGS: dict[bytes, Found] = {
    b"zip": "zip",
    b"tar": "tar",
    b"tgz": "tar",
    b"tbz": "tar",
    b"tbz2": "tar",
    b"txz": "tar",
    b"csv": "csv",
    b"tsv": "csv",
    b"parquet": "parquet",
    b"json": "coco",
}
_BEGINNINGS: tuple[tuple[bytes, Found], ...] = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"PAR1", "parquet"),
    (b"\x1f\x8b", "tar"),
    (b"BZh", "tar"),
    (b"\xfd7zXZ\0", "tar"),
)
_TAR_MAGIC = slice(257, 262)


def open_source(spec: SourceSpec, *, limits: SourceLimits) -> Source:
    """Open a source, checking everything that can be checked without reading pictures.

    Parameters
    ----------
    spec : SourceSpec
        Relative paths start from the working directory; ``Source.spec`` has them absolute, so that it can be opened
        again from anywhere.
    limits : SourceLimits

    Raises
    ------
    SourceError
        If nothing is there, it lies outside the allowed roots, no kind reads it, or a column does not exist.
    """
    path = _allowed(spec.uri, spec.uri, limits)
    if not path.exists():
        raise SourceNotFoundError(spec.uri, f"there is nothing at {path}.")
    _check_words(spec)
    kind = find_kind(spec, path)
    images_root = None if spec.images_root is None else _allowed(spec.uri, spec.images_root, limits)
    if images_root is not None and not images_root.is_dir():
        raise SourceNotFoundError(spec.uri, f"images_root {images_root} is not a folder.")
    known = {"uri": str(path), "kind": kind, "images_root": None if images_root is None else str(images_root)}
    try:
        return _build(spec.model_copy(update=known), limits, images_root)
    except PermissionError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceForbiddenError(spec.uri, f"{path} cannot be opened: {error.strerror}.") from error
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(spec.uri, f"{path} cannot be opened: {error}.") from error


def find_kind(spec: SourceSpec, path: Path) -> Found:
    """Which kind of source is at a path: by what it is, its first bytes, and its name.

    Raises
    ------
    SourceUnsupportedError
        If it is none of them, or not of the kind that was asked for.
    """
    if path.is_dir():
        if spec.kind not in {"auto", "folder", "parquet"}:
            raise SourceUnsupportedError(spec.uri, f"{path} is a folder, not a file of the kind {spec.kind}.")
        return "parquet" if spec.kind == "parquet" or (spec.kind == "auto" and _is_parquet_folder(path)) else "folder"
    if not path.is_file():
        raise SourceUnsupportedError(spec.uri, f"{path} is neither a folder nor a regular file.")
    if spec.kind == "folder":
        raise SourceUnsupportedError(spec.uri, f"{path} is a file, not a folder.")
    found = spec.kind if spec.kind != "auto" else _guess(path)
    if found is None:
        what = (
            "one picture; give the folder it lies in" if ending(bytes(path)) in PICTURE_ENDINGS else "of no known kind"
        )
        raise SourceUnsupportedError(
            spec.uri,
            f"{path} is {what}. Folders, zip, tar, CSV, Parquet and COCO JSON are read; `kind` says which it is.",
        )
    return found


def _guess(path: Path) -> Found | None:
    with path.open("rb") as file:
        start = file.read(tarfile.BLOCKSIZE)
    for beginning, kind in _BEGINNINGS:
        if start.startswith(beginning):
            return kind
    if start[_TAR_MAGIC] == b"ustar":
        return "tar"
    return _ENDINGS.get(ending(bytes(path)))


def _is_parquet_folder(path: Path) -> bool:
    """Whether a folder is a Hugging Face dataset: Parquet files in it or in ``data/``, and no pictures beside them."""
    places = [place for place in (path, path / "data") if place.is_dir()]
    ends = {ending(os.fsencode(entry.name)) for place in places for entry in os.scandir(place) if entry.is_file()}
    return b"parquet" in ends and not ends & PICTURE_ENDINGS


def _build(spec: SourceSpec, limits: SourceLimits, images_root: Path | None) -> Source:
    path = Path(spec.uri)
    if spec.kind == "folder":
        return FolderSource(spec, limits)
    if spec.kind in {"zip", "tar"}:
        return ZipSource(spec, limits) if spec.kind == "zip" else TarSource(spec, limits)
    if spec.kind == "csv":
        return CsvSource(spec, limits, images_root or path.parent)
    if spec.kind == "coco":
        return CocoSource(spec, limits, images_root or _allowed(spec.uri, str(find_root(path)), limits))
    if path.is_dir() or find_image_column(spec, read_schema(spec.uri, path)) is not None:
        return EmbeddedSource(spec, limits)
    return ParquetPathSource(spec, limits, images_root or path.parent)


def _allowed(uri: str, name: str, limits: SourceLimits) -> Path:
    """Absolute path without links, refused outside the allowed roots."""
    scheme = urlsplit(name).scheme if "://" in name else ""
    if scheme not in {"", "file"}:
        raise SourceUnsupportedError(
            uri, f"{scheme}:// addresses are not read: copy the dataset to this machine and give its path."
        )
    if "\0" in name:
        raise SourceUnsupportedError(uri, f"the path {name!r} holds a NUL byte.")
    local = unquote(urlsplit(name).path) if scheme else name
    path = Path(os.path.realpath(Path(local).expanduser()))
    if limits.roots is not None and not any(path.is_relative_to(os.path.realpath(root)) for root in limits.roots):
        roots = ", ".join(map(str, limits.roots)) or "none"
        raise SourceForbiddenError(uri, f"{path} is outside the folders that may be read here ({roots}).")
    return path


def _check_words(spec: SourceSpec) -> None:
    """Refuse ``folder:N`` without a number before anything is listed."""
    for option in ("label_from", "split_from", "group_from", "box_from"):
        word, colon, number = getattr(spec, option).partition(":")
        if word != "folder" or (not colon and option != "box_from"):
            continue
        if option == "box_from":
            raise SourceError(spec.uri, f"box_from is {spec.box_from!r}: boxes come from a column, not from a folder.")
        if not number.lstrip("-").isdecimal() or int(number) == 0:
            raise SourceError(
                spec.uri,
                f"{option} is {word}:{number}; after folder: comes a number, 1 for the outermost, -1 the innermost.",
            )
