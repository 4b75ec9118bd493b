"""The embedded runner: an in-process queue drained by threads that apply the Celery task, and a sweeper's timer."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence

import structlog

from storage.records import Step
from workers import current
from workers.runtime import Runtime

log = structlog.get_logger()


class EmbeddedRunner:
    """Runs steps in this process; two at once, so that the end of one shard overlaps the start of the next.

    Parameters
    ----------
    runtime : Runtime
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._rung: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._waiting: set[str] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def ring(self, steps: Sequence[Step]) -> None:
        """Put steps in the queue; one that waits there already is not put twice."""
        with self._lock:
            for step in steps:
                if step.id not in self._waiting:
                    self._waiting.add(step.id)
                    self._rung.put(step.id)

    def start(self) -> None:
        """Start the threads, and take up what an earlier process left; does nothing if they run."""
        with self._lock:
            if self._threads:
                return
            n = self.runtime.settings.concurrency
            self._threads = [threading.Thread(target=self._drain, name=f"runner-{i}", daemon=True) for i in range(n)]
            sweeper = threading.Thread(target=self.runtime.sweep_forever, name="sweeper", daemon=True)
            self._threads.append(sweeper)
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Tell steps to stop, wait until they are put back, and end the threads."""
        self.runtime.closing.set()
        for _ in self._threads:
            self._rung.put(None)
        for thread in self._threads:
            thread.join()

    def _drain(self) -> None:
        from workers.tasks import run_step

        with current.using(self.runtime):
            while (step_id := self._rung.get()) is not None and not self.runtime.closing.is_set():
                with self._lock:
                    self._waiting.discard(step_id)
                done = run_step.apply(args=(step_id,))
                if done.failed():
                    log.error("step.crashed", step=step_id, error=str(done.result))
