"""The REST API as an application."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from api import pages
from api.dependencies import Context, refuse_unknown_parameters
from api.examples import add_examples
from api.problems import PlainErrorMiddleware, Problem, install
from api.routes import audits, catalogue, datasets, dna, reports, results, translations, verdicts
from api.security import SecurityMiddleware
from api.version import version
from audit.report import Report
from workers.service import Service

MAX_UPLOAD_BYTES = 8 * 2**30
MAX_BODY_BYTES = 2**20

DESCRIPTION = """
Audit and compare image datasets: near-duplicates, leakage, outliers, label errors, bad pictures, and how two differ.

1. `POST /v1/datasets` registers a path under an allowed root (or `POST /v1/datasets/upload` an archive).
2. `POST /v1/audits` with one dataset audits it, with two compares them. Equal requests are one audit.
3. `GET /v1/audits/{id}/events` tells how far it is; `GET /v1/audits/{id}/report` is the report.

Every error is a problem (RFC 9457, `application/problem+json`) whose `type` is stable.
"""

_TAGS = [
    {"name": "datasets", "description": "Where pictures are."},
    {"name": "audits", "description": "Work on them."},
    {"name": "results", "description": "What was found, in pieces."},
    {"name": "reports", "description": "What was found, as files."},
    {"name": "catalogue", "description": "What this installation can do."},
    {"name": "health", "description": "Whether it is well."},
]


def create_app(
    service: Service,
    uploads: Path,
    *,
    hosts: Collection[str] | None = None,
    max_upload_bytes: int = MAX_UPLOAD_BYTES,
) -> FastAPI:
    """Make the application around an open service.

    Parameters
    ----------
    service : Service
        Open for as long as the application runs; whoever opened it closes it.
    uploads : Path
        Folder to keep uploaded archives in; the service must be allowed to read it.
    hosts : collection of str, optional
        Host names to answer to; any by default.
    max_upload_bytes : int
        Largest archive that is taken.
    """
    app = FastAPI(
        title="Assay",
        version=version(),
        description=DESCRIPTION,
        openapi_url="/v1/openapi.json",
        openapi_tags=_TAGS,
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.context = Context(service=service, uploads=uploads)
    install(app)
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=MAX_BODY_BYTES)
    app.add_middleware(PlainErrorMiddleware)
    app.add_middleware(SecurityMiddleware, hosts=hosts)
    of_audits = (audits.router, results.router, verdicts.router, dna.router, reports.router, translations.router)
    for router in (datasets.routes(max_upload_bytes), *of_audits):
        app.include_router(router, dependencies=[Depends(refuse_unknown_parameters)])
    for router in (catalogue.router, pages.home, pages.compare):
        app.include_router(router)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the schemas that routes refer to by name."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        known = document.setdefault("components", {}).setdefault("schemas", {})
        for model in (Problem, Report):
            schema = model.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
            known.update(schema.pop("$defs", {}))
            known[model.__name__] = schema
        add_examples(document)
        app.openapi_schema = document
    return app.openapi_schema
