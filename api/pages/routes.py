"""The page at ``/``: works without scripts; a small script keeps the list fresh while something runs."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api import parameters
from api.dependencies import ServiceDep
from api.errors import ApiError, kind_of
from api.lists import page as listed
from api.pages.render import render_list, render_page
from audit.errors import AuditError
from storage.errors import StorageError
from storage.records import Audit, AuditRequest, Status
from storage.sources import SourceSpec
from workers.errors import WorkersError
from workers.service import Service

PER_PAGE = 50
SAME_ORIGIN = "same-origin"
"""Under ``no-referrer`` browsers send ``Origin: null`` with the form, and it would be refused as foreign."""

router = APIRouter(include_in_schema=False)

_Path = Annotated[str, Form(max_length=4096, pattern=parameters.PLAIN_TEXT)]


@router.get("/")
def home(
    service: ServiceDep, cursor: parameters.Cursor = None, part: Annotated[str, Query(max_length=8)] = ""
) -> Response:
    """Show the page, or only its list."""
    if part == "list":
        audits, following = listed(service.audits, "audits", cursor, PER_PAGE)
        return HTMLResponse(render_list(audits, following))
    return page(service, cursor=cursor)


@router.post("/")
def submit(
    request: Request, service: ServiceDep, source: _Path, candidate: _Path = "", label_from: _Path = "auto"
) -> Response:
    """Submit what the form holds and go back to the list, or to the report where there is one already.

    What cannot be used is told above the form.
    """
    entered = {"source": source, "candidate": candidate, "label_from": label_from}
    try:
        audit = begin(service, [source, candidate] if candidate.strip() else [source], label_from)
    except (ApiError, AuditError, StorageError, WorkersError, ValueError) as error:
        return page(service, error=str(error), entered=entered, status=_status(error))
    there = request.url_for("report", audit_id=audit.id) if audit.status is Status.DONE else request.url_for("home")
    return RedirectResponse(there.path, 303)


def begin(service: Service, sources: list[str], label_from: str) -> Audit:
    """Register one or two sources and submit their audit or comparison."""
    specs = [SourceSpec(uri=source.strip(), label_from=label_from.strip() or "auto") for source in sources]
    datasets = [service.submit_dataset(spec) for spec in specs]
    return service.submit_audit([dataset.id for dataset in datasets], AuditRequest())


def page(
    service: Service,
    *,
    cursor: str | None = None,
    error: str = "",
    entered: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    """Answer with the whole page and a policy that allows its own style and script only."""
    nonce = secrets.token_urlsafe(16)
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; "
        "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    headers = {"content-security-policy": policy, "cache-control": "no-store", "referrer-policy": SAME_ORIGIN}
    audits, following = listed(service.audits, "audits", cursor, PER_PAGE)
    html = render_page(audits, following, nonce=nonce, error=error, entered=entered or {})
    return HTMLResponse(html, status, headers=headers)


def _status(error: Exception) -> int:
    kind = kind_of(error)
    return 422 if kind.slug == "internal" else kind.status
