"""The page at ``/compare``: what was audited, compared without embedding anything again. It works without scripts."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import HTMLResponse, Response

from api import parameters
from api.dependencies import ServiceDep
from api.errors import ApiError, InvalidRequestError, kind_of
from api.pages.audited import Entry, audited, by_extractor, difference, heat_map
from api.pages.render import render_compare
from api.routes.dna import MOST
from audit.errors import AuditError
from storage.errors import StorageError
from workers.errors import WorkersError
from workers.service import Service

router = APIRouter(include_in_schema=False)

_Chosen = Annotated[str, Query(max_length=300, pattern=parameters.PLAIN_TEXT)]


@router.get("/compare")
def compare(
    service: ServiceDep,
    reference: _Chosen = "",
    candidate: _Chosen = "",
    dataset: Annotated[list[_Chosen] | None, Query(max_length=1000)] = None,
) -> Response:
    """Show what can be compared, and what was asked for of it: two datasets, or a matrix of many."""
    entries = audited(service)
    chosen = {"reference": reference, "candidate": candidate, "datasets": dataset or []}
    try:
        answered, status = _answered(service, entries, reference, candidate, dataset or []), 200
    except (ApiError, AuditError, StorageError, WorkersError, ValueError) as error:
        kind = kind_of(error)
        answered, status = {"error": str(error)}, 422 if kind.slug == "internal" else kind.status
    nonce = secrets.token_urlsafe(16)
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; img-src data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    headers = {"content-security-policy": policy, "cache-control": "no-store"}
    html = render_compare(by_extractor(entries), chosen, nonce=nonce, most=MOST, **answered)
    return HTMLResponse(html, status, headers=headers)


def _answered(
    service: Service, entries: Sequence[Entry], reference: str, candidate: str, datasets: Sequence[str]
) -> dict[str, Any]:
    """What was asked for, if anything was."""
    known = {entry.value: entry for entry in entries}
    if reference or candidate:
        pair = (_found(known, reference), _found(known, candidate))
        if pair[0].extractor != pair[1].extractor:
            raise InvalidRequestError("choose two datasets of one extractor: others see with other neurons")
        if pair[0] == pair[1]:
            raise InvalidRequestError("choose two different datasets: one does not differ from itself")
        return {"pair": pair, "difference": difference(service, pair)}
    if datasets:
        several = [_found(known, value) for value in dict.fromkeys(datasets)]
        if not 2 <= len(several) <= MOST:
            raise InvalidRequestError(f"choose 2 to {MOST} datasets for a matrix; {len(several)} are chosen")
        return {"heat_map": heat_map(service, several)}
    return {}


def _found(known: dict[str, Entry], value: str) -> Entry:
    if value not in known:
        raise InvalidRequestError("choose both datasets among those that were audited")
    return known[value]
