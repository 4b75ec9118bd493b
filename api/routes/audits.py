"""Audits and comparisons: submitted, followed, cancelled, listed, deleted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from api import parameters, schemas
from api.dependencies import ContextDep, ServiceDep
from api.lists import page
from api.problems import problems
from audit.fingerprint import fingerprint
from storage.records import Audit
from workers.errors import UnknownIdError

RETRY_MS = 2000
EVENT_ID_DIGITS = 16
POLL_S = 0.25
KEEP_ALIVE_S = 15.0

router = APIRouter(prefix="/v1/audits", tags=["audits"])


@router.post(
    "",
    status_code=202,
    responses={
        200: {"model": schemas.AuditOut, "description": "It was there already, and has ended."},
        **problems(
            "unknown-id",
            "failed",
            "in-use",
            "idempotency-in-flight",
            "idempotency-reused",
            "invalid-configuration",
            "extractor-unavailable",
            "source-unreadable",
            "invalid-request",
        ),
    },
)
def submit(
    body: schemas.AuditIn,
    context: ContextDep,
    response: Response,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            pattern=parameters.KEY_PATTERN,
            description="Of your making: repeating the request with it never starts a second audit.",
        ),
    ] = None,
) -> schemas.AuditOut:
    """Submit an audit of one dataset, or a comparison of two.

    Equal requests on equal datasets are one audit, with or without a key: submitting again gives what is there.
    """
    with context.keys.held(idempotency_key):
        audit = context.service.submit_audit(body.dataset_ids, body.request(), idempotency_key)
    out = schemas.AuditOut.of(audit)
    response.headers["location"] = out.links["self"]
    if audit.status.ended:
        response.status_code = 200
    return out


@router.get("", responses=problems("bad-cursor", "invalid-request"))
def list_audits(
    service: ServiceDep, cursor: parameters.Cursor = None, limit: parameters.Limit = 50
) -> schemas.Page[schemas.AuditOut]:
    """List audits and comparisons, the newest first."""
    records, following = page(service.audits, "audits", cursor, limit)
    return schemas.Page(items=tuple(schemas.AuditOut.of(record) for record in records), next_cursor=following)


@router.get("/{audit_id}", responses=problems("unknown-id", "invalid-request"))
def show(audit_id: parameters.AuditId, service: ServiceDep) -> schemas.AuditOut:
    """Show an audit: its status, how far it is, and where its report will be."""
    return schemas.AuditOut.of(service.audit(audit_id))


@router.get(
    "/{audit_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events: `progress` on every change, `ended` as the last.",
            "content": {
                "text/event-stream": {
                    "schema": {
                        "description": "One event.",
                        "type": "object",
                        "required": ["id", "event", "data"],
                        "properties": {
                            "id": {"type": "string"},
                            "event": {"enum": ["progress", "ended"]},
                            "data": {
                                "type": "string",
                                "contentMediaType": "application/json",
                                "contentSchema": {"$ref": "#/components/schemas/AuditOut"},
                            },
                        },
                    },
                    "example": {"id": "5f1c0a…", "event": "progress", "data": '{"id": "a01b…", "status": "running"}'},
                }
            },
        },
        **problems("unknown-id", "invalid-request"),
    },
)
def events(
    audit_id: parameters.AuditId,
    service: ServiceDep,
    last_event_id: Annotated[
        str | None,
        Header(alias="Last-Event-ID", max_length=64, description="The last event seen, sent by browsers themselves."),
    ] = None,
) -> StreamingResponse:
    """Follow an audit as server-sent events until it ends.

    Every event holds the whole record, so nothing is missed by connecting late or again.
    """
    service.audit(audit_id)
    return StreamingResponse(
        event_stream(partial(service.audit, audit_id), last_event_id),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def event_stream(
    fetch: Callable[[], Audit], last_event_id: str | None, *, poll_s: float = POLL_S
) -> AsyncIterator[str]:
    """Write an audit as server-sent events, on every change until it has ended or is deleted.

    Between looks nothing is held, so that many can follow at once. What the client has seen is not sent again, unless
    it is the end.

    Parameters
    ----------
    fetch : () -> Audit
        The audit as it stands; called in a thread.
    last_event_id : str or None
        The last event the client has seen.
    poll_s : float
        Seconds between looks.
    """
    yield f"retry: {RETRY_MS}\n\n"
    seen, quiet_s, ended = last_event_id, 0.0, False
    while not ended:
        try:
            record = await run_in_threadpool(fetch)
        except UnknownIdError:
            return
        ended = record.status.ended
        id_ = fingerprint("event", record)[:EVENT_ID_DIGITS]
        if id_ != seen or ended:
            seen, quiet_s = id_, 0.0
            yield _event("ended" if ended else "progress", id_, record)
        elif quiet_s >= KEEP_ALIVE_S:
            quiet_s = 0.0
            yield ": still here\n\n"
        if not ended:
            await asyncio.sleep(poll_s)
            quiet_s += poll_s


def _event(name: str, id_: str, record: Audit) -> str:
    return f"id: {id_}\nevent: {name}\ndata: {schemas.AuditOut.of(record).model_dump_json()}\n\n"


@router.post("/{audit_id}/cancel", status_code=202, responses=problems("unknown-id", "invalid-request"))
def cancel(audit_id: parameters.AuditId, service: ServiceDep) -> schemas.AuditOut:
    """Cancel an audit; one that has ended stays as it is. What is done is kept and used when it is submitted again."""
    return schemas.AuditOut.of(service.cancel(audit_id))


@router.delete("/{audit_id}", status_code=204, responses=problems("unknown-id", "in-use", "invalid-request"))
def delete(audit_id: parameters.AuditId, service: ServiceDep) -> None:
    """Delete an audit and its report; one that is running is cancelled first."""
    service.delete_audit(audit_id)
