"""What a process that runs steps holds: settings, stores, engine, and the slow things kept from step to step."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
import structlog
from threadpoolctl import threadpool_limits

from audit.errors import AuditError, FingerprintMismatchError
from storage.artefacts import Artefacts
from storage.blobs import open_blobs
from storage.bookkeeping import record_artefact
from storage.database import Database
from storage.errors import SourceError, StorageError
from storage.queries import workers_at_work
from storage.records import Outcome, Step
from storage.settings import Settings
from storage.sources import Source, SourceLimits, SourceSpec, open_source
from storage.sources.shards import usable
from workers.allocator import keep_freed_activations, share_one_arena
from workers.context import StepContext, heartbeat
from workers.engine import Engine, Leases, Ring, describe
from workers.errors import StepStoppedError, WorkersError
from workers.owner import Owner
from workers.planner import StepPlanner
from workers.steps import analyse, embed, prepare, report, scan, seal

if TYPE_CHECKING:
    from audit.extractors.base import Extractor
    from workers.decoders import DecoderPool

log = structlog.get_logger()

LEAN = frozenset({"bundled", "classical"})
"""Extractors whose activations are small enough to be reused by the allocator as it is."""

STEPS: Mapping[str, Callable[[StepContext], Outcome]] = {
    "scan": scan.run,
    "embed": embed.run,
    "seal": seal.run,
    "prepare": prepare.run,
    "analyse": analyse.run,
    "report": report.run,
}


def _calm_blas() -> None:
    """One thread per call of linear algebra, for the life of the process: batches and steps are what runs side by side.

    Left alone, OpenBLAS keeps every core spinning between the small products of an extractor, and takes it from the
    decoders (5.4 ms of processor time a picture instead of 0.8 on two cores).
    """
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ.setdefault(name, "1")  # for libraries that are loaded later
    threadpool_limits(limits=1, user_api="blas")


class Runtime:
    """Everything a step needs, opened once per process.

    Parameters
    ----------
    settings : Settings
    ring : callable
        Sends the ids of steps to whoever runs them.
    """

    def __init__(self, settings: Settings, ring: Ring) -> None:
        _calm_blas()
        share_one_arena()
        self.settings = settings
        self.database = Database(settings.database)
        self.database.migrate()
        self.artefacts = Artefacts(open_blobs(settings.blobs), settings.scratch)
        planner = StepPlanner(self.database, self.artefacts, settings)
        self.engine = Engine(self.database, planner, ring, Leases(lease_s=settings.lease_s))
        self.owner = Owner(settings.home / "workers", uuid.uuid4().hex)
        self.closing = threading.Event()
        self.arithmetic = threading.Lock()
        self._lock = threading.Lock()
        self._extractors: dict[str, Extractor] = {}
        self._decoders: DecoderPool | None = None
        self._scans: dict[str, pa.Table] = {}
        self._forward: ThreadPoolExecutor | None = None

    def close(self) -> None:
        """Stop decoders and threads; steps at work should have been told by :attr:`closing` before."""
        self.closing.set()
        with self._lock:
            decoders, self._decoders = self._decoders, None
            forward, self._forward = self._forward, None
        if decoders is not None:
            decoders.close()
        if forward is not None:
            forward.shutdown(cancel_futures=True)
        self.owner.close()
        self.database.close()

    def run(self, step_id: str) -> bool:
        """Claim a step, do it, and record how it ended. False if it was not to be had."""
        step = self.engine.claim(step_id, self.owner.name)
        if step is None:
            return False
        context = StepContext(self, step)
        with structlog.contextvars.bound_contextvars(step=step.id, stage=step.stage, name=step.name):
            log.debug("step.started", attempt=step.attempts)
            with heartbeat(self.engine, context, patience_s=self.settings.step_timeout_s):
                end = self._work(context)
            end()
        return True

    def _work(self, context: StepContext) -> Callable[[], object]:
        """Do the step. Returns what is to be told to the engine once the heartbeat has stopped."""
        step, engine, started = context.step, self.engine, time.monotonic()
        try:
            outcome = STEPS[step.stage](context)
        except StepStoppedError:
            return lambda: engine.release(step)
        except Exception as error:
            final = isinstance(error, AuditError | SourceError) or step.stage == "analyse"
            message = describe(error)
            foreseen = isinstance(error, AuditError | StorageError | WorkersError)
            log.warning("step.failed", error=message, final=final, exc_info=not foreseen)
            return lambda: engine.fail(step, message, retry=not final)
        log.info("step.finished", seconds=round(time.monotonic() - started, 3), artefact=outcome.artefact[:12])
        return lambda: self._finish(step, outcome)

    def _finish(self, step: Step, outcome: Outcome) -> None:
        if outcome.artefact:
            with self.database.write() as tx:
                record_artefact(tx, self.artefacts.open(outcome.artefact_kind, outcome.artefact).manifest)
        if not self.engine.finish(step, outcome):
            log.warning("step.refused", reason="its lease went to another worker or it was cancelled")

    def sweep(self) -> int:
        """Give lost steps away again; those of processes of this home that are gone at once."""
        with self.database.read() as tx:
            workers = workers_at_work(tx)
        return self.engine.sweep(self.owner.dead(workers))

    def sweep_forever(self) -> None:
        """Sweep now and then until the runtime closes."""
        while True:
            try:
                self.sweep()
            except Exception as error:
                log.warning("sweep.failed", error=describe(error))
            if self.closing.wait(self.settings.sweep_s):
                return

    # what steps share -----------------------------------------------------------------------------------------------

    def source(self, spec: Mapping[str, object]) -> Source:
        """Open a source by its stored description."""
        return open_source(SourceSpec.model_validate(dict(spec)), limits=self.limits)

    @property
    def limits(self) -> SourceLimits:
        """What sources may touch."""
        settings = self.settings
        return SourceLimits(
            scratch=settings.scratch, roots=settings.source_roots, max_file_bytes=settings.max_file_bytes
        )

    def scan(self, fingerprint: str) -> pa.Table:
        """The table of a scan; the last two are kept, for every shard of a dataset asks for it."""
        with self._lock:
            if fingerprint not in self._scans:
                table = self.artefacts.open("scan", fingerprint).table("images.parquet")
                self._scans = dict([*list(self._scans.items())[-1:], (fingerprint, table)])
            return self._scans[fingerprint]

    def usable(self, fingerprint: str) -> pa.Table:
        """The rows of a scan that can be embedded, in order."""
        return usable(self.scan(fingerprint))

    def extractor(self, name: str) -> Extractor:
        """A loaded extractor, kept for the life of the process."""
        from audit.extractors import load_extractor

        with self._lock:
            if name not in self._extractors:
                if name not in LEAN:
                    keep_freed_activations()
                self._extractors[name] = load_extractor(name)
            return self._extractors[name]

    def extractor_of(self, name: str, fingerprint: str) -> Extractor:
        """The extractor of that name, as it was when the work was asked for.

        Raises
        ------
        FingerprintMismatchError
            If it is another one here.
        """
        extractor = self.extractor(name)
        if extractor.spec.fingerprint != fingerprint:
            raise FingerprintMismatchError(
                "the extractor at submission and here", fingerprint, extractor.spec.fingerprint
            )
        return extractor

    def forget_extractor(self, name: str) -> None:
        """Load an extractor again when it is next asked for."""
        with self._lock:
            self._extractors.pop(name, None)

    @property
    def decoders(self) -> DecoderPool:
        """The decoding processes, shared by the steps of this process."""
        from workers.decoders import DecoderPool

        with self._lock:
            if self._decoders is None:
                settings = self.settings
                self._decoders = DecoderPool(
                    settings.decoders,
                    settings.max_pixels,
                    settings.decode_timeout_s,
                    settings.decode_memory_mb,
                    limits=self.limits,
                )
            return self._decoders

    @property
    def forward(self) -> ThreadPoolExecutor:
        """The threads that run extractors, one batch each."""
        with self._lock:
            if self._forward is None:
                self._forward = ThreadPoolExecutor(self.settings.threads, thread_name_prefix="forward")
            return self._forward

    @contextmanager
    def single_threaded(self) -> Iterator[None]:
        """Linear algebra with one thread per call and nobody else at it, so that its bytes do not depend on cores.

        The number of threads of BLAS and OpenMP belongs to the process, hence the lock.
        """
        with self.arithmetic, threadpool_limits(1):
            yield
