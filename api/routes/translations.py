"""Translations between extractors: kept, so that a comparison may name one."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool

from api import schemas
from api.dependencies import ServiceDep
from api.problems import problems
from api.uploads import MULTIPART_OVERHEAD, described, whole_body

TYPES = ("application/octet-stream",)
MAX_BYTES = 64 * 2**20

router = APIRouter(prefix="/v1/translations", tags=["audits"])


@router.post(
    "",
    status_code=201,
    responses=problems("unsupported-media-type", "invalid-configuration", "invalid-request", "too-large"),
    openapi_extra=described(TYPES),
    max_body_size=MAX_BYTES + MULTIPART_OVERHEAD,
)
async def keep(request: Request, service: ServiceDep) -> schemas.TranslationOut:
    """Keep a file of `assay extractors translate`; give its `fingerprint` as the `translation` of a comparison."""
    data = await whole_body(request, types=TYPES, most=MAX_BYTES)
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
