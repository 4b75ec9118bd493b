"""Everything ``assay doctor`` looks at, in order; what needs the service is asked of the service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any

from api.cli import doctor
from api.cli.doctor import Check

if TYPE_CHECKING:
    from storage.settings import Settings

ADVICE = {
    "database": "Check ASSAY_DATABASE_URL and that the database runs.",
    "blobs": "Check ASSAY_BLOBS_URL and that it can be written to.",
    "broker": "Check ASSAY_BROKER_URL and that Redis runs.",
}


def examine() -> Iterator[Check]:
    """Check everything, one after another."""
    yield doctor.check_python()
    yield from doctor.check_packages(doctor.required_packages())
    yield from doctor.check_names(metadata.packages_distributions())
    yield doctor.check_torch()
    yield doctor.check_faiss()
    yield from _installation()


def _installation() -> Iterator[Check]:
    from pydantic import ValidationError

    from storage.settings import Settings

    try:
        settings = Settings()
    except ValidationError as error:
        wrong = "; ".join(f"ASSAY_{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors())
        yield Check("settings", "broken", wrong, "Correct or unset these variables.")
        return
    yield Check("settings", "ok", "every ASSAY_* variable can be used")
    home = doctor.check_home(settings.home)
    yield home
    yield doctor.check_disk(settings.home)
    if home.state == "ok":
        yield from check_service(settings)


def check_service(settings: Settings) -> Iterator[Check]:
    """Open the service and ask it about its database, blobs and broker."""
    readiness: Mapping[str, Any] = {}

    def ask() -> Check:
        nonlocal readiness
        from workers.service import Service

        with Service.open(settings) as service:
            readiness = service.readiness()
        return Check("service", "ok", "opens")

    yield doctor.guarded("service", ask, action="See the message; ASSAY_DATABASE_URL and ASSAY_BLOBS_URL say where.")
    yield from parts(readiness, has_broker=settings.broker_url is not None)


def parts(readiness: Mapping[str, Any], *, has_broker: bool) -> Iterator[Check]:
    """What the service says of each part it needs, as checks."""
    for name, said in readiness.get("checks", {}).items():
        if name == "broker" and not has_broker:
            yield Check(name, "ok", "not used: steps run inside the process that asks for them")
        elif said == "ok":
            yield Check(name, "ok", "answers")
        else:
            yield Check(name, "broken", str(said), ADVICE.get(name, "See the message."))
