"""Small datasets in every form that a source can have, and the scan of one."""

from __future__ import annotations

import functools
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from storage.sources import Source, SourceLimits, SourceSpec, open_source
from storage.sources.scan import scan

MAX_PIXELS = 1_000_000
PICTURES = ("train/cat/a.jpg", "train/dog/b.jpg", "val/cat/c.jpg", "val/dog/d.jpg")


@functools.cache
def jpeg(seed: int, *, width: int = 16, height: int = 12) -> bytes:
    """A JPEG of coarse noise; the same seed gives the same bytes."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def files(names: Sequence[str] = PICTURES) -> dict[str, bytes]:
    """A picture for every name."""
    return {name: jpeg(i) for i, name in enumerate(names)}


def write_folder(root: Path, contents: Mapping[str, bytes]) -> Path:
    """Write files below a folder."""
    root.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def write_zip(path: Path, members: Sequence[tuple[str, bytes]], *, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write a zip archive, names as they are given, repeats kept."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return path


def write_tar(path: Path, members: Sequence[tuple[str, bytes]], *, mode: str = "w") -> Path:
    """Write a tar archive, names as they are given, repeats kept."""
    with tarfile.open(path, mode, format=tarfile.PAX_FORMAT) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def write_csv(path: Path, rows: Sequence[str], *, encoding: str = "utf-8") -> Path:
    """Write lines."""
    path.write_text("\n".join(rows) + "\n", encoding=encoding)
    return path


def write_embedded(path: Path, columns: Mapping[str, Any], *, row_group_size: int = 3) -> Path:
    """Write a Parquet file with several row groups."""
    pq.write_table(pa.table(dict(columns)), path, row_group_size=row_group_size)
    return path


def write_coco(path: Path, images: Sequence[Mapping[str, Any]], annotations: Sequence[Mapping[str, Any]]) -> Path:
    """Write COCO annotations with the categories 1 cat, 2 dog."""
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def limits(tmp_path: Path, **changes: Any) -> SourceLimits:
    """Limits with a scratch folder of the test's own."""
    return SourceLimits(scratch=tmp_path / "scratch", **changes)


def opened(tmp_path: Path, uri: Path, *, limit: Mapping[str, Any] | None = None, **settings: Any) -> Source:
    """Open a source."""
    return open_source(SourceSpec(uri=str(uri), **settings), limits=limits(tmp_path, **(limit or {})))


def scanned(tmp_path: Path, uri: Path, *, limit: Mapping[str, Any] | None = None, **settings: Any) -> pa.Table:
    """Scan a source with two threads."""
    with opened(tmp_path, uri, limit=limit, **settings) as source:
        return scan(source, threads=2, max_pixels=MAX_PIXELS)


def by_path(table: pa.Table, column: str) -> dict[str, Any]:
    """Values of one column by path; a path that occurs twice is a mistake of the test."""
    paths = table.column("path").to_pylist()
    assert len(set(paths)) == len(paths), f"repeated paths: {paths}"
    return dict(zip(paths, table.column(column).to_pylist(), strict=True))
