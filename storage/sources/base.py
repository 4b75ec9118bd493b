"""What a source of pictures is: how it is described, what it lists, and how it is read."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from audit.errors import PictureError
from audit.model import OK

Kind = Literal["auto", "folder", "zip", "tar", "csv", "parquet", "coco"]

PIN_DIGITS = 32


class SourceSpec(BaseModel):
    """How a dataset is described: everything another process needs to open it again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str = Field(min_length=1, max_length=4096, description="Path of the folder, archive, manifest or annotations.")
    kind: Kind = Field("auto", description="How to read it; `auto` decides by what is at the path.")
    label_from: str = Field(
        "auto",
        min_length=1,
        max_length=256,
        description="Where labels come from: `auto`, `none`, `folder` (the folder a picture lies in), `folder:N` (the "
        "Nth folder of its path, counted from 1, or from the end with -1), or a column (`column:NAME` for a column "
        "that is called like one of these words).",
    )
    split_from: str = Field(
        "auto", min_length=1, max_length=256, description="Where splits come from: the same words as for labels."
    )
    group_from: str = Field(
        "auto",
        min_length=1,
        max_length=256,
        description="Where groups (sequence, camera, patient) come from: the same words; `auto` is a column `group`.",
    )
    box_from: str = Field(
        "auto",
        min_length=1,
        max_length=256,
        description="Column with x0, y0, x1, y1 of the labelled object in pixels, or four columns joined by commas; "
        "`auto` takes a column `box`; `none`.",
    )
    path_column: str | None = Field(None, max_length=256, description="Column that names the pictures.")
    image_column: str | None = Field(None, max_length=256, description="Parquet column that holds the pictures' bytes.")
    images_root: str | None = Field(
        None,
        max_length=4096,
        description="Folder that a manifest's relative paths start from; the manifest's own folder when absent. "
        "Nothing outside it is read.",
    )
    include_hidden: bool = Field(False, description="Read files and folders whose names start with a dot.")


@dataclass(frozen=True)
class SourceLimits:
    """What a source may touch and how much of it; values, so that another process can be given them.

    Attributes
    ----------
    scratch : Path
        The only folder a source may write to (compressed tars are unpacked there, as one file of ours).
    roots : tuple of Path or None
        Folders that may be read; None allows every path (the command line on one's own machine).
    max_file_bytes : int
        Largest picture that is read.
    max_members : int
        Most files in a folder, members in an archive, rows in a manifest.
    max_total_bytes : int
        Most bytes an archive may unpack to.
    max_ratio : float
        Most bytes a compressed byte may become, over a member and over the archive (the first 16 MiB are free).
    """

    scratch: Path
    roots: tuple[Path, ...] | None = None
    max_file_bytes: int = 256 * 2**20
    max_members: int = 20_000_000
    max_total_bytes: int = 2 * 2**40
    max_ratio: float = 200.0


FREE_BYTES = 16 * 2**20
"""Unpacked bytes below which a compression ratio means nothing (a small blank BMP compresses a thousandfold)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One input as its source lists it, before its bytes are read.

    Attributes
    ----------
    path_bytes : bytes
        The raw name: the identity.
    locator : str
        How :meth:`Source.read` finds it; empty when it must not or cannot be read.
    status, reason, detail
        A problem known without reading: ``quarantined`` or ``skipped`` with a code and what was seen.
    is_certain : bool
        The source says that it is a picture; otherwise its bytes decide whether it is one or is skipped.
    n_bytes : int or None
        Size, where known without reading.
    metadata : mapping
        The user's other columns, typed by :attr:`Source.metadata_schema`.
    """

    path_bytes: bytes
    locator: str
    label: str | None = None
    split: str | None = None
    group: str | None = None
    box: tuple[float, float, float, float] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    status: str = OK
    reason: str | None = None
    detail: str | None = None
    is_certain: bool = True
    n_bytes: int | None = None


class Source(ABC):
    """A place with pictures: lists them in a fixed order and reads one at a time; safe to share between threads.

    Attributes
    ----------
    spec : SourceSpec
        With absolute paths: opening it in another process gives the same source.
    limits : SourceLimits
    """

    def __init__(self, spec: SourceSpec, limits: SourceLimits) -> None:
        self.spec = spec
        self.limits = limits

    @abstractmethod
    def entries(self) -> Iterator[Entry]:
        """List every input, one entry each, sorted by raw path bytes (in row order for embedded pictures).

        Raises
        ------
        SourceError
            If the source as a whole is damaged or exceeds the limits; never for one bad input.
        """

    def check(self) -> None:
        """Refuse what shows only when the source is listed; called once, when a dataset is submitted.

        It reads no picture, and lists nothing where the specification asks for nothing by name.

        Raises
        ------
        SourceError
            If a column, or a folder that is asked for, is nowhere in the source.
        """
        spec = self.spec
        choices = (spec.label_from, spec.split_from, spec.group_from, spec.box_from, spec.path_column)
        if any(choice not in {None, "auto", "none"} for choice in choices):
            next(self.entries(), None)

    def touched(self) -> Iterator[tuple[bytes, os.stat_result | None]]:
        """Name and status of every file that is read, in any order; None for one that cannot be looked at."""
        yield os.fsencode(self.spec.uri), look_at(self.spec.uri)

    @property
    @abstractmethod
    def metadata_schema(self) -> pa.Schema:
        """Names and types of :attr:`Entry.metadata`; known once :meth:`entries` has begun."""

    @property
    def total(self) -> int | None:
        """How many entries there are, once :meth:`entries` has begun; None where that is not known beforehand."""
        return None

    @property
    def layout(self) -> str:
        """Where labels and splits were taken from, in words; known once :meth:`entries` has begun."""
        return ""

    @abstractmethod
    def _read(self, body: str) -> bytes:
        """Read what the unpinned locator names."""

    def read(self, locator: str) -> bytes:
        """Read one input.

        Parameters
        ----------
        locator : str
            From :attr:`Entry.locator`, or pinned by :func:`pin`: then bytes that differ from those scanned are refused.

        Raises
        ------
        PictureError
            With the reason ``vanished``, ``unreadable``, ``too_large``, ``empty``, ``changed`` and so on.
        """
        body, _, digest = locator.partition("#")
        data = self._read(body)
        if not data:
            raise PictureError("empty", "the file has 0 bytes")
        if digest and hashlib.sha256(data).hexdigest()[:PIN_DIGITS] != digest:
            raise PictureError("changed", f"{len(data)} bytes that are not those which were scanned; scan again")
        return data

    @abstractmethod
    def close(self) -> None:
        """Let go of open files; to read on, open the source anew."""

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def look_at(path: str | Path) -> os.stat_result | None:
    """Status of a file; None if it cannot be looked at."""
    try:
        return os.stat(path)  # noqa: PTH116
    except OSError:
        return None


def pin(locator: str, content_hash: str) -> str:
    """Tie a locator to the bytes it led to, so that :meth:`Source.read` notices when they change."""
    return f"{locator}#{content_hash[:PIN_DIGITS]}"


def check_size(n_bytes: int, limits: SourceLimits) -> None:
    """Refuse an input larger than the limits allow.

    Raises
    ------
    PictureError
        With the reason ``too_large``.
    """
    if n_bytes > limits.max_file_bytes:
        raise PictureError("too_large", f"{n_bytes} bytes; at most {limits.max_file_bytes} are read")
