"""What a running step has at hand, and the sign of life it gives while it works."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import DBAPIError

from storage.errors import DatabaseBusyError
from storage.records import Step
from workers.errors import StepStoppedError

if TYPE_CHECKING:
    from workers.engine import Engine
    from workers.runtime import Runtime

log = structlog.get_logger()

REPORT_S = 1.0
"""Progress reaches the database at most this often."""


@dataclass
class StepContext:
    """A step at work.

    Attributes
    ----------
    runtime : Runtime
        Artefacts, settings, decoders, extractors.
    step : Step
        With the fencing number it is held under.
    """

    runtime: Runtime
    step: Step
    done: int = 0
    total: int = 1
    moved_at: float = field(default_factory=time.monotonic)
    stopped: threading.Event = field(default_factory=threading.Event)

    def progress(self, done: int, total: int | None) -> None:
        """Say how far the step is, and that it is alive.

        Raises
        ------
        StepStoppedError
            If the step was cancelled, its lease was lost, or the process is about to end.
        """
        self.done, self.total, self.moved_at = done, total or 0, time.monotonic()
        self.check()

    def check(self) -> None:
        """Raise StepStoppedError if the step should stop."""
        if self.stopped.is_set() or self.runtime.closing.is_set():
            raise StepStoppedError(f"step {self.step.id} was stopped")


@contextmanager
def heartbeat(engine: Engine, context: StepContext, *, patience_s: float) -> Iterator[None]:
    """Renew the lease from a thread of its own until the body ends, is refused, or has not moved for ``patience_s``."""
    ended = threading.Event()
    thread = threading.Thread(target=_beat, args=(engine, context, ended, patience_s), daemon=True, name="heartbeat")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _beat(engine: Engine, context: StepContext, ended: threading.Event, patience_s: float) -> None:
    interval = engine.leases.lease_s / 3
    renewed_at, reported = time.monotonic(), 0
    while not ended.wait(min(REPORT_S, interval)):
        now = time.monotonic()
        if now - context.moved_at > patience_s:
            log.error("step.hung", step=context.step.id, seconds=round(now - context.moved_at))
            return
        if context.done == reported and now - renewed_at < interval:
            continue
        try:
            held = engine.renew(context.step, context.done, context.total)
        except (DBAPIError, DatabaseBusyError) as error:
            log.warning("lease.not_renewed", step=context.step.id, error=str(error))
            continue
        renewed_at, reported = now, context.done
        if not held:
            context.stopped.set()
            return
