"""A zip archive: members are listed from its directory and inflated one at a time, counting; nothing is extracted."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from audit.errors import PictureError
from audit.model import QUARANTINED, SKIPPED
from storage.errors import SourceError, SourceLimitError, SourceUnsupportedError
from storage.sources.base import FREE_BYTES, SourceLimits, SourceSpec, check_size
from storage.sources.descriptors import Descriptor
from storage.sources.tree import Member, Problem, TreeSource

_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ENCRYPTED = 0x1
_UTF8 = 0x800
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class ZipSource(TreeSource):
    """Pictures in a zip archive.

    A locator is ``offset:packed size:size:crc:method`` from the archive's directory, so another process reads a member
    without reading the directory. Only stored and deflated members are read: of the other methods a few bytes can
    unpack to gigabytes at one call.
    """

    def __init__(self, spec: SourceSpec, limits: SourceLimits) -> None:
        super().__init__(spec, limits)
        self._file = Path(spec.uri)
        if not zipfile.is_zipfile(self._file):
            raise SourceUnsupportedError(
                spec.uri,
                f"{spec.uri} has no zip directory at its end: it is cut short or no zip archive. Copy it again.",
            )
        self._archive = Descriptor(self._file)

    def close(self) -> None:
        """Let go of the archive."""
        self._archive.close()

    def _members(self) -> Iterator[Member]:
        infos = self._directory()
        self._check_totals(infos)
        for info in infos:
            if info.is_dir():
                continue
            numbers = (info.header_offset, info.compress_size, info.file_size, info.CRC, info.compress_type)
            yield Member(_raw_name(info), ":".join(map(str, numbers)), info.file_size, self._problem(info))

    def _directory(self) -> list[zipfile.ZipInfo]:
        try:
            with zipfile.ZipFile(self._file) as archive:
                return archive.infolist()
        except (zipfile.BadZipFile, ValueError, OSError, struct.error, NotImplementedError) as error:
            raise SourceError(self.spec.uri, f"the directory of {self.spec.uri} is damaged: {error}.") from error

    def _check_totals(self, infos: list[zipfile.ZipInfo]) -> None:
        uri, limits = self.spec.uri, self.limits
        total = sum(info.file_size for info in infos)
        packed = os.fstat(self._archive.number).st_size
        if len(infos) > limits.max_members:
            raise SourceLimitError(uri, f"{uri} has {len(infos)} members; at most {limits.max_members} are read.")
        if total > limits.max_total_bytes:
            raise SourceLimitError(uri, f"{uri} unpacks to {total} bytes; at most {limits.max_total_bytes} are read.")
        if total > FREE_BYTES + limits.max_ratio * packed:
            raise SourceLimitError(
                uri, f"{uri} has {packed} bytes and unpacks to {total}; at most {limits.max_ratio:g} times are read."
            )

    def _problem(self, info: zipfile.ZipInfo) -> Problem | None:
        mode = info.external_attr >> 16
        if mode and stat.S_IFMT(mode) and not stat.S_ISREG(mode):
            return SKIPPED, "not_a_file", "a link or special file inside the archive"
        if info.flag_bits & _ENCRYPTED:
            return QUARANTINED, "encrypted", "the member needs a password"
        if info.compress_type not in _METHODS:
            seen = f"packed with method {info.compress_type}; 0 (stored) and 8 (deflated) are read"
            return QUARANTINED, "unsupported_compression", seen
        if info.file_size > FREE_BYTES + self.limits.max_ratio * info.compress_size:
            return QUARANTINED, "archive_bomb", f"{info.compress_size} bytes that unpack to {info.file_size}"
        return None

    def _read(self, body: str) -> bytes:
        offset, packed, size, crc, method = map(int, body.split(":"))
        check_size(size, self.limits)
        start = self._archive.read_at(offset, _LOCAL_HEADER.size, self.limits)
        if len(start) < _LOCAL_HEADER.size or start[:4] != b"PK\x03\x04":
            _corrupt("the archive holds no member where its directory says")
        _, n_name, n_extra = _LOCAL_HEADER.unpack(start)
        data = self._archive.read_at(offset + _LOCAL_HEADER.size + n_name + n_extra, packed, self.limits)
        if len(data) < packed:
            _corrupt(f"the archive ends after {len(data)} of {packed} packed bytes")
        if method == zipfile.ZIP_DEFLATED:
            data = _inflate(data, size)
        if len(data) != size or zlib.crc32(data) != crc:
            _corrupt(f"{len(data)} bytes whose checksum is not the one in the archive's directory ({size} bytes)")
        return data


def _inflate(data: bytes, size: int) -> bytes:
    """Inflate at most one byte more than promised, so that a lying size costs nothing."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, size + 1)
    except zlib.error as error:
        _corrupt(f"deflated data cannot be unpacked: {error}")


def _corrupt(detail: str) -> NoReturn:
    raise PictureError("corrupt_member", detail)


def _raw_name(info: zipfile.ZipInfo) -> bytes:
    name = info.orig_filename
    return name.encode("utf-8", "surrogateescape") if info.flag_bits & _UTF8 else name.encode("cp437", "replace")
