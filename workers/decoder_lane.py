"""A decoding process as its pool sees it: given chunks, watched, killed and replaced.

When a process dies or takes too long, the picture at hand is the suspect: it gets one more try in a fresh process
after a death (somebody may have killed the process, not the picture), none after a timeout. The rest of its chunk
goes on in the fresh process.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import numpy as np
import numpy.typing as npt

from workers.decoder_process import Job, Opened, Opener, Outcome, SharedPixels, serve
from workers.errors import DecodersError

_START_S = 120.0
_STOP_S = 2.0
_TRIES = 2
_STARTS = 3

Chunk = tuple[list[Outcome], npt.NDArray[np.uint8]]
"""Outcomes of a chunk's pictures in order, and their pixels, uint8 (n, size, size, 3)."""

Start = Callable[[SharedPixels], tuple[BaseProcess, Connection]]


class Lane:
    """One process, replaced when it dies, and the memory shared with it."""

    def __init__(self, start: Start, timeout_s: float, closed: threading.Event) -> None:
        self._start = start
        self._timeout_s = timeout_s
        self._closed = closed
        self._lock = threading.Lock()
        self._shared = SharedPixels.create()
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None

    def decode(self, job: Job) -> Chunk:
        """Decode a chunk, whatever happens to the process meanwhile."""
        outcomes: list[Outcome] = []
        suspect, deaths = -1, 0
        while len(outcomes) < len(job.locators):
            fault = self._attempt(job, outcomes)
            if fault is None:
                break
            deaths = deaths + 1 if suspect == len(outcomes) else 1
            suspect = len(outcomes)
            if fault.reason == "timeout" or deaths >= _TRIES:
                outcomes.append(fault)
        pixels = self._shared.pixels(len(job.locators), job.spec.size)
        return outcomes, pixels.copy()

    def kill(self) -> None:
        """End the process at once, if there is one."""
        with self._lock:
            process, self._process = self._process, None
            connection, self._connection = self._connection, None
        if process is not None and connection is not None:
            process.kill()
            process.join(_STOP_S)
            connection.close()

    def close(self) -> None:
        """Free everything."""
        self.kill()
        self._shared.close()

    def _attempt(self, job: Job, outcomes: list[Outcome]) -> Outcome | None:
        """Decode what is left of a chunk; the fault that ended the process, if one did."""
        connection = self._open(replace(job, first=len(outcomes)))
        while len(outcomes) < len(job.locators):
            try:
                if not connection.poll(self._timeout_s):
                    self.kill()
                    return Outcome(None, "timeout", f"not decoded within {self._timeout_s:g} s")
                outcomes.append(connection.recv())
            except (EOFError, OSError):
                return self._crashed()
        return None

    def _open(self, job: Job) -> Connection:
        """A connection to a live process that has the job and its source."""
        for _ in range(_STARTS):
            connection = self._ready()
            try:
                connection.send(job)
                if not connection.poll(_START_S):
                    raise EOFError
                opened: Opened = connection.recv()
            except (EOFError, OSError):
                self._crashed()
                continue
            if opened.error:
                raise DecodersError(f"the source cannot be opened: {opened.error}")
            return connection
        raise DecodersError(f"decoder processes end before they decode anything, {_STARTS} times: see their output")

    def _ready(self) -> Connection:
        with self._lock:
            if self._closed.is_set():
                raise DecodersError("the decoder pool was closed while it was at work")
            if self._connection is None:
                self._process, self._connection = self._start(self._shared)
            return self._connection

    def _crashed(self) -> Outcome:
        process = self._process
        if process is not None:
            process.join(_STOP_S)
        code = None if process is None else process.exitcode
        self.kill()
        if self._closed.is_set():
            raise DecodersError("the decoder pool was closed while it was at work")
        return Outcome(None, "decoder_crashed", f"the decoder process ended with {_ending(code)}")


def start_process(
    opener: Opener, max_pixels: int, memory_mb: int, shared: SharedPixels
) -> tuple[BaseProcess, Connection]:
    """Spawn a decoding process; it and our end of the pipe to it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=serve, args=(theirs, shared, opener, max_pixels, memory_mb), name="assay-decoder", daemon=True
    )
    try:
        with _deaf_to_interrupts():
            process.start()
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return process, ours


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Block Ctrl-C in this thread, so that a process it starts never gets one, not even while it imports.

    A terminal sends it to the whole group; who started the process ends it. The tracker of multiprocessing is started
    before, for starting it unblocks the signal.
    """
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ending(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit status {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
