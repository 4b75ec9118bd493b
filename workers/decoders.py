"""Decoding in processes that may die: batches in input order, and only the guilty picture is lost.

Every process is spawned (never forked: torch and faiss do not survive it), reads the source itself and decodes one
picture at a time; a thread of the pool talks to it. Pixels come back through shared memory, rows as small messages.
"""

from __future__ import annotations

import queue
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from audit.extractors.base import InputSpec
from workers.decoder_lane import Chunk, Lane, start_process
from workers.decoder_process import CHUNK, Job, Opener, Outcome, Readable, decode_one
from workers.errors import DecodersError

if TYPE_CHECKING:
    from storage.sources import SourceLimits


@dataclass(frozen=True)
class DecodedBatch:
    """Some pictures that were decoded, in input order, and the failures met since the batch before.

    Attributes
    ----------
    pixels : uint8 (b, size, size, 3), RGB
    positions : tuple of int
        Which of the locators they are.
    rows : tuple of dict
        Their values for :data:`audit.pictures.statistics.PICTURE_SCHEMA`.
    failed : dict of int to (reason, detail)
        Positions that gave no picture. Over all batches of a run every position appears once.
    """

    pixels: npt.NDArray[np.uint8]
    positions: tuple[int, ...]
    rows: tuple[dict[str, Any], ...]
    failed: dict[int, tuple[str, str]]


class DecoderPool:
    """Processes that decode pictures; kept across runs, shared by threads, closed at the end (a context manager).

    Parameters
    ----------
    n_processes : int
        0 decodes in the calling thread: the same bytes, without time limit, memory limit or protection from crashes.
    max_pixels : int
        Pictures with more are refused from their header.
    timeout_s : float
        Longest time one picture may take, reading included.
    memory_mb : int
        Private memory a process may use above what it has at its start, in MiB.
    opener : callable, optional
        Opens a source from its specification in the process; picklable. By default
        :func:`storage.sources.open_source` with ``limits``.
    limits : SourceLimits, optional
        What sources may touch; by default any path, with the system's folder for temporary files as scratch.
    """

    def __init__(
        self,
        n_processes: int,
        max_pixels: int,
        timeout_s: float = 30.0,
        memory_mb: int = 1024,
        *,
        opener: Opener | None = None,
        limits: SourceLimits | None = None,
    ) -> None:
        if n_processes < 0:
            raise ValueError(f"a pool needs 0 or more processes, got {n_processes}")
        self._max_pixels = max_pixels
        self._opener = opener or partial(open_limited, limits=limits)
        self._closed = threading.Event()
        self._lanes: tuple[Lane, ...] = tuple(
            Lane(partial(start_process, self._opener, max_pixels, memory_mb), timeout_s, self._closed)
            for _ in range(n_processes)
        )
        self._idle: queue.SimpleQueue[Lane] = queue.SimpleQueue()
        for lane in self._lanes:
            self._idle.put(lane)
        self._threads = ThreadPoolExecutor(max(1, n_processes), thread_name_prefix="decoder")

    def run(self, source: Any, locators: Sequence[str], spec: InputSpec, batch: int = 32) -> Iterator[DecodedBatch]:
        """Decode pictures of one source, in order.

        May be called from several threads at once; runs then share the processes, chunk by chunk.

        Parameters
        ----------
        source : SourceSpec, or what the pool's opener takes
        locators : sequence of str
            Passed to ``Source.read``.
        spec : InputSpec
            What the extractor wants.
        batch : int
            Every batch has exactly this many pictures but the last; a last batch without pictures is given when
            failures follow the last full one.

        Raises
        ------
        DecodersError
            If the source cannot be opened, processes cannot be started, or the pool is closed.
        """
        assembly = _Assembly(spec.size, batch)
        for outcomes, pixels in self._in_order(source, locators, spec):
            assembly.add(outcomes, pixels)
            while (full := assembly.full()) is not None:
                yield full
        if (rest := assembly.rest()) is not None:
            yield rest

    def close(self) -> None:
        """End every process and thread; runs that are under way raise DecodersError."""
        self._closed.set()
        for lane in self._lanes:
            lane.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for lane in self._lanes:
            lane.close()

    def __enter__(self) -> DecoderPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _in_order(self, source: Any, locators: Sequence[str], spec: InputSpec) -> Iterator[Chunk]:
        """Chunks in input order, at most two per process in flight."""
        jobs = (Job(source, spec, tuple(locators[k : k + CHUNK])) for k in range(0, len(locators), CHUNK))
        if not self._lanes:
            yield from self._here(jobs, source)
            return
        pending: deque[Future[Chunk]] = deque()
        try:
            for job in jobs:
                pending.append(self._submit(job))
                if len(pending) > 2 * len(self._lanes):
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()

    def _submit(self, job: Job) -> Future[Chunk]:
        if self._closed.is_set():
            raise DecodersError("the decoder pool is closed; open a new one")
        return self._threads.submit(self._borrow, job)

    def _borrow(self, job: Job) -> Chunk:
        lane = self._idle.get()
        try:
            return lane.decode(job)
        finally:
            self._idle.put(lane)

    def _here(self, jobs: Iterator[Job], source: Any) -> Iterator[Chunk]:
        opened = self._opener(source)
        for job in jobs:
            pixels = np.zeros((len(job.locators), job.spec.size, job.spec.size, 3), dtype=np.uint8)
            yield (
                [
                    decode_one(opened, locator, job.spec, pixels[place], max_pixels=self._max_pixels)
                    for place, locator in enumerate(job.locators)
                ],
                pixels,
            )


def open_limited(spec: Any, *, limits: SourceLimits | None) -> Readable:
    """Open a source from its specification or the mapping it was stored as."""
    from storage.sources import SourceLimits, SourceSpec, open_source

    scratch = Path(tempfile.gettempdir())
    return open_source(SourceSpec.model_validate(spec), limits=limits or SourceLimits(scratch=scratch))


class _Assembly:
    """Cuts what comes in chunks into batches of one size."""

    def __init__(self, size: int, batch: int) -> None:
        self._size = size
        self._batch = batch
        self._n = 0
        self._good: deque[tuple[int, dict[str, Any], npt.NDArray[np.uint8]]] = deque()
        self._failed: dict[int, tuple[str, str]] = {}

    def add(self, outcomes: Sequence[Outcome], pixels: npt.NDArray[np.uint8]) -> None:
        for outcome, picture in zip(outcomes, pixels, strict=True):
            if outcome.row is None:
                self._failed[self._n] = (outcome.reason, outcome.detail)
            else:
                self._good.append((self._n, outcome.row, picture))
            self._n += 1

    def full(self) -> DecodedBatch | None:
        return self._take(self._batch) if len(self._good) >= self._batch else None

    def rest(self) -> DecodedBatch | None:
        return self._take(len(self._good)) if self._good or self._failed else None

    def _take(self, n: int) -> DecodedBatch:
        taken = [self._good.popleft() for _ in range(n)]
        failed, self._failed = self._failed, {}
        pixels = np.empty((n, self._size, self._size, 3), dtype=np.uint8)
        for place, (_, _, picture) in enumerate(taken):
            pixels[place] = picture
        return DecodedBatch(pixels, tuple(t[0] for t in taken), tuple(t[1] for t in taken), failed)
