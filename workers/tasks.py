"""The two Celery tasks. The embedded runner applies the very same ones in this process."""

from __future__ import annotations

from workers import current
from workers.celery_app import app


@app.task(name="assay.run_step")  # type: ignore[untyped-decorator]
def run_step(step_id: str) -> bool:
    """Do one step, unless somebody else has it."""
    return current.runtime().run(step_id)


@app.task(name="assay.sweep")  # type: ignore[untyped-decorator]
def sweep() -> int:
    """Give lost steps away again and advance everything open."""
    return current.runtime().sweep()


# Celery binds a task when it is first used, and two threads that first use it together see it half bound.
app.finalize()
