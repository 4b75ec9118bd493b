"""The service as a command uses it: opened, and its audits found by what a person types."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from api.cli.exits import CommandError, Exit

if TYPE_CHECKING:
    from storage.records import Audit
    from workers.service import Service

LAST = "last"
SHORTEST_PREFIX = 4


@contextmanager
def opened() -> Iterator[Service]:
    """Open the service with the settings of the environment."""
    from storage.settings import Settings
    from workers.service import Service

    with Service.open(Settings()) as service:
        yield service


def find_audit(service: Service, name: str) -> Audit:
    """The audit that ``name`` means: an id, the beginning of one, or ``last``.

    Raises
    ------
    CommandError
        If there is none, or if more than one id begins so.
    """
    found = [audit for audit in all_audits(service) if name == LAST or audit.id.startswith(name)]
    if name == LAST and found:
        return found[0]
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


def all_audits(service: Service) -> Iterator[Audit]:
    """Every audit, the newest first."""
    from api.lists import every

    return every(service.audits)


def say(text: str) -> None:
    """Write a line of results to standard output."""
    sys.stdout.write(f"{text}\n")
