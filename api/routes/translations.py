"""Translations between extractors: kept, so that a comparison may name one."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from api import schemas
from api.dependencies import ServiceDep
from api.errors import TooLargeError
from api.problems import problems
from api.uploads import FIELD, MULTIPART, body_blocks

TYPES = ("application/octet-stream",)
MAX_BYTES = 64 * 2**20
MULTIPART_OVERHEAD = 64 * 2**10

_FILE = {"type": "string", "format": "binary"}

router = APIRouter(prefix="/v1/translations", tags=["audits"])


@router.post(
    "",
    status_code=201,
    responses=problems("unsupported-media-type", "invalid-configuration", "invalid-request", "too-large"),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                **{kind: {"schema": _FILE} for kind in TYPES},
                MULTIPART: {"schema": {"type": "object", "required": [FIELD], "properties": {FIELD: _FILE}}},
            },
        }
    },
    max_body_size=MAX_BYTES + MULTIPART_OVERHEAD,
)
async def keep(request: Request, service: ServiceDep) -> schemas.TranslationOut:
    """Keep a file of `assay extractors translate`; give its `fingerprint` as the `translation` of a comparison."""
    data = b"".join([block async for block in body_blocks(request, types=TYPES)])
    if len(data) > MAX_BYTES:
        raise TooLargeError(MAX_BYTES)
    made = await run_in_threadpool(service.keep_translation, data)
    return schemas.TranslationOut(
        fingerprint=made.fingerprint,
        sentence=made.sentence,
        old=made.old.extractor,
        new=made.new.extractor,
        n_directions=made.n_directions,
        n_learnt=made.n_learnt,
        n_held_out=made.n_held_out,
    )
