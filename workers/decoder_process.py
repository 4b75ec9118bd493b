"""The inside of a decoding process: reads bytes, decodes them, and leaves pixels in shared memory.

It never imports torch, has a memory limit of its own, and ends when the process that started it is gone.
"""

from __future__ import annotations

import mmap
import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from audit.errors import PictureError
from audit.extractors.base import InputSpec
from audit.pictures.process import process
from workers.allocator import keep_freed_pictures

CHUNK = 8
"""Pictures sent to a process at a time."""

_PARENT_CHECK_S = 0.5
_SOURCES_KEPT = 4


class Readable(Protocol):
    """What a decoding process needs of a source."""

    def read(self, locator: str) -> bytes:
        """The bytes of one input; PictureError when they cannot be had."""
        ...


Opener = Callable[[Any], Readable]
"""Opens a source from its specification; a picklable callable."""


@dataclass(frozen=True)
class Job:
    """Some pictures of one source: ``locators[k]`` goes to place k of the shared memory, from k = ``first`` on."""

    source: Any
    spec: InputSpec
    locators: tuple[str, ...]
    first: int = 0


@dataclass(frozen=True)
class Opened:
    """The source is open (``error`` is empty), or why it is not."""

    error: str = ""


@dataclass(frozen=True)
class Outcome:
    """One picture: its row, or the reason why it has none."""

    row: dict[str, Any] | None
    reason: str = ""
    detail: str = ""


class SharedPixels:
    """Memory shared between two processes without a name: nothing of it can be left behind.

    It is a file in memory (an unlinked temporary file where there is none), mapped by both; it grows as needed.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._map: mmap.mmap | None = None

    @classmethod
    def create(cls) -> SharedPixels:
        """Make an empty one."""
        if hasattr(os, "memfd_create"):
            return cls(os.memfd_create("assay-pixels"))
        import tempfile

        with tempfile.TemporaryFile() as file:
            return cls(os.dup(file.fileno()))

    def pixels(self, n: int, size: int) -> npt.NDArray[np.uint8]:
        """A view of the memory as uint8 (n, size, size, 3)."""
        needed = n * size * size * 3
        if self._map is None or len(self._map) < needed:
            if os.fstat(self._descriptor).st_size < needed:
                os.ftruncate(self._descriptor, needed)
            self._map = mmap.mmap(self._descriptor, os.fstat(self._descriptor).st_size)
        return np.frombuffer(self._map, dtype=np.uint8, count=needed).reshape(n, size, size, 3)

    def close(self) -> None:
        """Let go of it; the memory is freed when both sides have."""
        self._map = None
        os.close(self._descriptor)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (DupFd(self._descriptor),)


def _rebuild(duplicate: Any) -> SharedPixels:
    return SharedPixels(duplicate.detach())


def serve(connection: Connection, shared: SharedPixels, opener: Opener, max_pixels: int, memory_mb: int) -> None:
    """Decode jobs until the connection closes (the body of a decoding process)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    keep_freed_pictures()
    _limit_memory(memory_mb)
    sources: list[tuple[Any, Readable]] = []
    with threadpool_limits(1), suppress(EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        while True:
            job: Job = connection.recv()
            source = _source(job.source, sources, opener, connection)
            if source is None:
                continue
            places = shared.pixels(len(job.locators), job.spec.size)
            for place in range(job.first, len(job.locators)):
                locator = job.locators[place]
                connection.send(decode_one(source, locator, job.spec, places[place], max_pixels=max_pixels))


def decode_one(
    source: Readable, locator: str, spec: InputSpec, into: npt.NDArray[np.uint8], *, max_pixels: int
) -> Outcome:
    """Read and decode one picture into ``into`` (uint8 (size, size, 3))."""
    try:
        processed = process(source.read(locator), spec, max_pixels=max_pixels)
    except PictureError as error:
        return Outcome(None, error.reason, error.detail)
    except OSError as error:
        return Outcome(None, "unreadable", f"{type(error).__name__}: {error}")
    except MemoryError:
        return Outcome(None, "out_of_memory", "decoding asked for more memory than the limit allows")
    if processed.pixels is not None:
        into[:] = processed.pixels
    return Outcome(processed.row)


def _source(spec: Any, sources: list[tuple[Any, Readable]], opener: Opener, connection: Connection) -> Readable | None:
    for known, source in sources:
        if known == spec:
            connection.send(Opened())
            return source
    try:
        source = opener(spec)
    except (OSError, ValueError, LookupError, RuntimeError, ImportError) as error:
        connection.send(Opened(f"{type(error).__name__}: {error}"))
        return None
    sources.append((spec, source))
    del sources[:-_SOURCES_KEPT]
    connection.send(Opened())
    return source


def _end_with_parent(parent: int) -> None:
    """End at once when the parent is gone, even in the middle of a picture that never ends."""
    while os.getppid() == parent:
        time.sleep(_PARENT_CHECK_S)
    os._exit(1)


def _limit_memory(memory_mb: int) -> None:
    """Allow ``memory_mb`` MiB of private memory above what the process has at its start (RLIMIT_DATA)."""
    statistics = Path("/proc/self/statm")
    used = int(statistics.read_text().split()[5]) * mmap.PAGESIZE if statistics.exists() else 0
    limit = used + memory_mb * 2**20
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (limit if hard < 0 else min(limit, hard), hard))
