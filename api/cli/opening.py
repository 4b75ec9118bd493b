"""The service as a command uses it: opened, and its audits found by what a person types."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from api.cli.exits import DEBUG_VARIABLE, CommandError, Exit
from api.cli.places import check_writable

if TYPE_CHECKING:
    from storage.records import Audit
    from workers.service import Service

LAST = "last"
LOG_LEVEL_VARIABLE = "ASSAY_LOG_LEVEL"
SHORTEST_PREFIX = 4


@contextmanager
def opened() -> Iterator[Service]:
    """Open the service with the settings of the environment.

    A command tells what goes wrong in a sentence of its own, so events are written for those who ask for them.
    """
    from storage.settings import Settings
    from workers.service import Service

    settings = Settings()
    check_writable("ASSAY_HOME", settings.home)
    if not (os.environ.get(LOG_LEVEL_VARIABLE) or os.environ.get(DEBUG_VARIABLE)):
        settings = settings.model_copy(update={"log_level": "error"})
    with Service.open(settings) as service:
        yield service


def find_audit(service: Service, name: str) -> Audit:
    """The audit that ``name`` means: an id, the beginning of one, or ``last``.

    Raises
    ------
    CommandError
        If there is none, or if more than one id begins so.
    """
    if name == LAST:
        return _last(service)
    found = [audit for audit in all_audits(service) if audit.id.startswith(name)]
    exact = [audit for audit in found if audit.id == name]
    if exact:
        return exact[0]
    if not found:
        raise CommandError(Exit.USAGE, f"there is no audit {name!r}; assay list shows those that exist.")
    if len(name) < SHORTEST_PREFIX:
        raise CommandError(Exit.USAGE, f"{name!r} is too short; give at least {SHORTEST_PREFIX} characters of an id.")
    if len(found) > 1:
        ids = ", ".join(audit.id[:12] for audit in found[:5])
        raise CommandError(Exit.USAGE, f"{len(found)} audits begin with {name!r} ({ids}); give more of the id.")
    return found[0]


def _last(service: Service) -> Audit:
    """The newest audit that is done; says so where a newer one is not. Without one that is done, the newest."""
    newest: Audit | None = None
    for audit in all_audits(service):
        if audit.status == "done":
            if newest is not None:
                sys.stderr.write(
                    f"assay: last is {audit.id[:12]} ({audit.title}); the newer {newest.id[:12]} ({newest.title}) is "
                    f"{newest.status}.\n"
                )
            return audit
        newest = newest or audit
    if newest is None:
        raise CommandError(Exit.USAGE, "nothing has been audited yet: assay audit FOLDER begins.")
    return newest


def all_audits(service: Service) -> Iterator[Audit]:
    """Every audit, the newest first."""
    from api.lists import every

    return every(service.audits)


def say(text: str) -> None:
    """Write a line of results to standard output."""
    sys.stdout.write(f"{text}\n")


def write_json(value: Any) -> None:
    """Write one JSON object and a newline to standard output.

    Numbers that JSON cannot hold are refused rather than written as words.
    """
    sys.stdout.write(json.dumps(value, ensure_ascii=True, allow_nan=False, indent=None) + "\n")
    sys.stdout.flush()
