"""What routes are given: the service, the limits of the server, and the keys of requests in the making."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError

from api.errors import IdempotencyInFlightError
from workers.service import Service


class KeysInFlight:
    """Idempotency keys of requests that are being answered by this process."""

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._lock = threading.Lock()

    @contextmanager
    def held(self, key: str | None) -> Iterator[None]:
        """Hold a key for as long as its request is being answered; nothing is held for None.

        Raises
        ------
        IdempotencyInFlightError
            If another request holds it.
        """
        if key is None:
            yield
            return
        with self._lock:
            if key in self._keys:
                raise IdempotencyInFlightError(key)
            self._keys.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._keys.discard(key)


@dataclass(frozen=True)
class Context:
    """What an application was made with.

    Attributes
    ----------
    service : Service
    uploads : Path
        Folder that uploaded archives are kept in.
    keys : KeysInFlight
    """

    service: Service
    uploads: Path
    keys: KeysInFlight = field(default_factory=KeysInFlight)


def context(request: Request) -> Context:
    """The context of the application that answers."""
    found: Context = request.app.state.context
    return found


def service(request: Request) -> Service:
    """The service of the application that answers."""
    return context(request).service


def _query_names(dependant: Dependant) -> set[str]:
    """Names of the query parameters of a route and of what it depends on."""
    own = {parameter.alias for parameter in dependant.query_params}
    return own.union(*(_query_names(other) for other in dependant.dependencies))


def refuse_unknown_parameters(request: Request) -> None:
    """Refuse what a route would leave unread: a filter that is mistyped would otherwise give everything.

    Raises
    ------
    RequestValidationError
    """
    known = _query_names(request.scope["route"].dependant)
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        there = f"there are {', '.join(sorted(known))}" if known else "there are none"
        raise RequestValidationError(
            [
                {"type": "extra_forbidden", "loc": ("query", name), "msg": f"no such parameter; {there}"}
                for name in unknown
            ]
        )


ContextDep = Annotated[Context, Depends(context)]
ServiceDep = Annotated[Service, Depends(service)]
