"""The Celery application: a doorbell. Messages carry a step's id; the database knows everything else.

Workers run their tasks in threads of one process (``--pool threads``): a step's slow parts are decoding, which has
killable processes of its own (children of a prefork pool may not start any), and arithmetic, which releases the
interpreter lock. A worker sweeps for lost steps itself, so there is no beat process whose death could go unnoticed.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import structlog
from celery import Celery
from celery.signals import worker_ready, worker_shutting_down

from storage.records import Step
from storage.settings import Settings

log = structlog.get_logger()

QUEUES = {
    "scan": "embed",
    "embed": "embed",
    "seal": "embed",
    "prepare": "embed",
    "analyse": "analyse",
    "report": "analyse",
}
"""Queue of each kind of step."""

app = Celery("assay", include=["workers.tasks"], set_as_current=False)
app.conf.update(
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    task_acks_late=False,
    task_create_missing_queues=True,
    task_default_queue="embed",
    worker_prefetch_multiplier=1,
    worker_pool="threads",
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    worker_soft_shutdown_timeout=5.0,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "socket_timeout": 5,
        "socket_connect_timeout": 5,
        "health_check_interval": 5,
        "visibility_timeout": 3600,
    },
    beat_schedule={"sweep": {"task": "assay.sweep", "schedule": 5.0}},
    enable_utc=True,
)


def configure(settings: Settings) -> Celery:
    """Point the application at the broker of the settings."""
    if settings.broker_url is not None:
        app.conf.broker_url = settings.broker_url.get_secret_value()
    return app


def ring(steps: Sequence[Step]) -> None:
    """Send the ids of steps to the workers."""
    from workers.tasks import run_step

    with app.connection_for_write() as connection:
        for step in steps:
            run_step.apply_async(
                (step.id,), queue=QUEUES[step.stage], connection=connection, retry=False, ignore_result=True
            )


def run_worker(settings: Settings) -> None:
    """Run a worker until it is told to stop (SIGTERM, Ctrl-C): steps at work are put back, none is lost."""
    from workers import current

    configure(settings)
    runtime = current.of_process(settings)
    sweeper = threading.Thread(target=runtime.sweep_forever, daemon=True, name="sweeper")

    def start(**_: Any) -> None:
        log.info("worker.started", worker=runtime.owner.name)
        sweeper.start()

    def stop(**_: Any) -> None:
        runtime.closing.set()

    worker_ready.connect(start, weak=False)
    worker_shutting_down.connect(stop, weak=False)
    queues = ",".join(sorted(set(QUEUES.values())))
    worker = app.Worker(
        concurrency=settings.concurrency,
        pool="threads",
        queues=queues,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        loglevel=settings.log_level.upper(),
        hostname=f"assay-{runtime.owner.name[:8]}@%h",
    )
    try:
        worker.start()
    finally:
        worker_ready.disconnect(start)
        worker_shutting_down.disconnect(stop)
        current.close_process()
