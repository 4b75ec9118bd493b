"""Files sent by clients, as the body or in a form: archives are streamed to disk, small files are read whole."""

from __future__ import annotations

import hashlib
import os
import tarfile
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from api.errors import InvalidRequestError, TooLargeError, UnsupportedMediaError

RAW_TYPES = ("application/octet-stream", "application/zip", "application/x-tar", "application/gzip")
MULTIPART = "multipart/form-data"
FIELD = "file"
BLOCK = 1 << 20
MULTIPART_OVERHEAD = 2**16
"""Bytes that a form may add to the file in it."""

BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
"""Schema of a file in OpenAPI."""

_COMPRESSIONS = {b"\x1f\x8b": ".tar.gz", b"BZ": ".tar.bz2", b"\xfd7": ".tar.xz"}


def described(types: tuple[str, ...]) -> dict[str, Any]:
    """The body of a route that takes a file, as OpenAPI says it."""
    form = {"type": "object", "required": [FIELD], "properties": {FIELD: BINARY}}
    content = {MULTIPART: {"schema": form}} | {kind: {"schema": BINARY} for kind in types}
    return {"requestBody": {"required": True, "content": content}}


def media_type(request: Request) -> str:
    """Media type of a request's body, without parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def body_blocks(request: Request, *, types: tuple[str, ...]) -> AsyncIterator[bytes]:
    """Give the uploaded file's bytes in blocks, from a raw body or the part ``file`` of a multipart form.

    Raises
    ------
    UnsupportedMediaError
        If the body is of another type.
    InvalidRequestError
        If the form has no such part.
    """
    kind = media_type(request)
    if kind == MULTIPART:
        async with request.form(max_files=1, max_fields=0) as form:
            part = form.get(FIELD)
            if part is None or isinstance(part, str):
                raise InvalidRequestError(f"the form has no file in the field {FIELD!r}")
            while block := await part.read(BLOCK):
                yield block
    elif kind in types:
        async for block in request.stream():
            yield block
    else:
        raise UnsupportedMediaError(
            f"the body is {kind or 'of no stated type'}; send {MULTIPART} or {', '.join(types)}"
        )


async def whole_body(request: Request, *, types: tuple[str, ...], most: int) -> bytes:
    """The uploaded file's bytes, at most ``most``; errors as :func:`body_blocks`.

    Raises
    ------
    TooLargeError
        If there are more. The body as a whole is limited before it is read.
    """
    data = b"".join([block async for block in body_blocks(request, types=types)])
    if len(data) > most:
        raise TooLargeError(most)
    return data


async def keep_archive(request: Request, folder: Path) -> Path:
    """Stream an uploaded archive to disk and keep it as ``<sha256>.<ending>``.

    The same bytes are kept once. A name given by the client is never used as a path.

    Raises
    ------
    UnsupportedMediaError
        If the bytes are neither a zip nor a tar archive.
    """
    await run_in_threadpool(folder.mkdir, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with NamedTemporaryFile(dir=folder, prefix=".upload-", delete=False) as file:
        temporary = Path(file.name)
        try:
            async for block in body_blocks(request, types=RAW_TYPES):
                digest.update(block)
                await run_in_threadpool(file.write, block)
            await run_in_threadpool(_sync, file.fileno(), file)
            kept = folder / (digest.hexdigest() + await run_in_threadpool(archive_ending, temporary))
            temporary.replace(kept)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    return kept


def archive_ending(path: Path) -> str:
    """File ending of an archive, from its bytes.

    Raises
    ------
    UnsupportedMediaError
        If it is neither a zip nor a tar archive.
    """
    if zipfile.is_zipfile(path):
        return ".zip"
    if tarfile.is_tarfile(path):
        with path.open("rb") as file:
            return _COMPRESSIONS.get(file.read(2), ".tar")
    raise UnsupportedMediaError("the uploaded bytes are neither a zip nor a tar archive")


def forget_archive(uri: str, folder: Path, *, still_used: bool) -> None:
    """Delete the uploaded archive behind a dataset that is gone, unless another dataset reads it too."""
    path = Path(uri)
    if path.parent == folder.absolute() and not still_used:
        path.unlink(missing_ok=True)


def _sync(descriptor: int, file: object) -> None:
    flush = getattr(file, "flush")  # noqa: B009
    flush()
    os.fsync(descriptor)
