"""Which runtime a task uses: that of the thread that applies it (embedded), else the worker process' own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from storage.settings import Settings
from workers.runtime import Runtime

_applied: ContextVar[Runtime | None] = ContextVar("assay_runtime", default=None)
_lock = threading.Lock()
_of_process: list[Runtime] = []


def runtime() -> Runtime:
    """The runtime of the task that runs now."""
    return _applied.get() or of_process(None)


@contextmanager
def using(chosen: Runtime) -> Iterator[None]:
    """Let tasks applied by this thread use a runtime."""
    token = _applied.set(chosen)
    try:
        yield
    finally:
        _applied.reset(token)


def of_process(settings: Settings | None) -> Runtime:
    """The one runtime of a Celery worker process, opened when first asked for."""
    from workers.celery_app import ring

    with _lock:
        if not _of_process:
            _of_process.append(Runtime(settings or Settings(), ring))
        return _of_process[0]


def close_process() -> None:
    """Close the worker process' runtime."""
    with _lock:
        while _of_process:
            _of_process.pop().close()
