"""``assay serve`` and ``assay worker``."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.exits import CommandError, Exit
from api.cli.places import check_writable

if TYPE_CHECKING:
    import socket

    from fastapi import FastAPI

    from storage.settings import Settings

GRACE_S = 5
GIB = 2**30
UPLOADS = "uploads"


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 takes a free one.")] = 8000,
    root: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR", help="Folder that datasets may be read from; may be repeated. The current one if none."
        ),
    ] = None,
    max_upload_gib: Annotated[int, typer.Option(min=1, max=1024, help="Largest archive that is taken, in GiB.")] = 8,
    insecure_public: Annotated[
        bool,
        typer.Option("--insecure-public", help="Listen where other machines reach it, although it has no accounts."),
    ] = False,
) -> None:
    """Serve the REST API and the page of audits. Needs nothing but itself."""
    from api.security import check_address
    from storage.settings import Settings

    hosts = check_address(host, insecure=insecure_public)
    settings = with_roots(Settings(), root)
    check_writable("ASSAY_HOME", settings.home)
    with bound(host, port) as listener:
        _serve(settings, listener, hosts=hosts, max_upload_bytes=max_upload_gib * GIB)


def with_roots(settings: Settings, roots: Collection[Path] | None) -> Settings:
    """Settings that allow the given roots (or those set, or the current folder) and the folder of uploads.

    Models that are programs may be run only from folders that the settings name.

    Raises
    ------
    CommandError
        If a root that is given is not a folder.
    """
    for root in roots or ():
        if not root.is_dir():
            raise CommandError(Exit.USAGE, f"--root {root} is not a folder; give one that is there.")
    allowed = tuple(roots or settings.source_roots or (Path.cwd(),))
    absolute = tuple(root.absolute() for root in (*allowed, settings.home / UPLOADS))
    return settings.model_copy(update={"source_roots": absolute, "model_roots": settings.model_roots or ()})


def bound(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises
    ------
    CommandError
        If the address cannot be had.
    """
    import socket

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), port), family=family)
    except OSError as error:
        raise CommandError(
            Exit.USAGE, f"cannot listen on {host}:{port} ({error.strerror or error}); choose another --port."
        ) from error


def _serve(
    settings: Settings, listener: socket.socket, *, hosts: Collection[str] | None, max_upload_bytes: int
) -> None:
    from api.app import create_app
    from workers.service import Service

    with Service.open(settings) as service:
        app = create_app(service, settings.home / UPLOADS, hosts=hosts, max_upload_bytes=max_upload_bytes)
        _announce(settings, listener)
        run(app, listener, log_level=settings.log_level)


def _announce(settings: Settings, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    roots = ", ".join(str(root) for root in (settings.source_roots or ())[:-1])
    sys.stderr.write(
        f"Assay is at http://{shown}:{port}/ (the API under /v1). Ctrl-C stops it; work in progress is kept.\n"
        f"Datasets may be read from {roots}, and uploaded.\n"
    )
    sys.stderr.flush()


def run(app: FastAPI, listener: socket.socket, *, log_level: str) -> None:
    """Answer requests until a signal to stop."""
    import uvicorn

    config = uvicorn.Config(
        app,
        log_level=log_level,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        lifespan="on",
    )
    signal.signal(signal.SIGTERM, _interrupt)
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


def _interrupt(_number: int, _frame: object) -> None:
    """Stop as Ctrl-C does: uvicorn raises the signal again once it has answered everybody."""
    raise KeyboardInterrupt


def worker(
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=64, help="Steps it runs at once; ASSAY_CONCURRENCY if absent.")
    ] = None,
) -> None:
    """Work for a service that has a broker (ASSAY_BROKER_URL). Start as many as the machines can carry."""
    from storage.settings import Settings

    settings = Settings()
    check_writable("ASSAY_HOME", settings.home)
    if settings.broker_url is None:
        from audit.errors import ConfigError

        raise ConfigError(
            "ASSAY_BROKER_URL is not set, so there is no queue to work for: set it to the Redis of the service. "
            "Without one, assay serve and assay audit do the work themselves."
        )
    if concurrency is not None:
        settings = settings.model_copy(update={"concurrency": concurrency})
    from workers import logging
    from workers.celery_app import run_worker

    logging.configure(settings)
    run_worker(settings)
