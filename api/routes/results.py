"""What an audit found, in pieces: outliers, neighbours, images."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool

from api import cursors, parameters, schemas
from api.dependencies import ServiceDep
from api.problems import problems
from api.uploads import MULTIPART_OVERHEAD, described, whole_body

MAX_PICTURE_BYTES = 64 * 2**20
PICTURE_TYPES = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/tiff")
RAW_PICTURE_TYPES = (*PICTURE_TYPES, "application/octet-stream")

router = APIRouter(prefix="/v1/audits/{audit_id}", tags=["results"])

_RESULT_PROBLEMS = problems("unknown-id", "not-ready", "failed", "bad-cursor", "invalid-request")


@router.get("/outliers", responses=_RESULT_PROBLEMS)
def outliers(
    audit_id: parameters.AuditId,
    service: ServiceDep,
    label: parameters.Name | None = None,
    split: parameters.Name | None = None,
    min_score: Annotated[float | None, Query(ge=0, le=1e6, allow_inf_nan=False)] = None,
    cursor: parameters.Cursor = None,
    limit: parameters.Limit = 50,
) -> schemas.Page[schemas.OutlierOut]:
    """List images by how unusual they are, the most unusual first."""
    filters = {"label": label, "split": split, "min_score": min_score}
    scope = f"outliers/{audit_id}"
    offset = cursors.decode_offset(scope, filters, cursor)
    rows = service.outliers(audit_id, label=label, split=split, offset=offset, limit=limit + 1)
    if min_score is not None:
        rows = [row for row in rows if row["score"] >= min_score]
    following = cursors.encode(scope, filters, offset + limit) if len(rows) > limit else None
    items = tuple(schemas.OutlierOut.model_validate(row) for row in rows[:limit])
    return schemas.Page(items=items, next_cursor=following)


@router.get("/images", responses=_RESULT_PROBLEMS)
def images(
    audit_id: parameters.AuditId,
    service: ServiceDep,
    status: parameters.Name | None = None,
    reason: parameters.Name | None = None,
    label: parameters.Name | None = None,
    split: parameters.Name | None = None,
    cursor: parameters.Cursor = None,
    limit: parameters.Limit = 50,
) -> schemas.Page[schemas.ImageOut]:
    """List every input with its status, in the order of the table `images`; filters must match exactly."""
    filters = {"status": status, "reason": reason, "label": label, "split": split}
    scope = f"images/{audit_id}"
    offset = cursors.decode_offset(scope, filters, cursor)
    table = matching(service.table(audit_id, "images"), filters)
    page = table.slice(offset, limit)
    following = cursors.encode(scope, filters, offset + limit) if offset + limit < table.num_rows else None
    kept = [name for name in schemas.ImageOut.model_fields if name in page.column_names]
    items = tuple(schemas.ImageOut.model_validate(row) for row in page.select(kept).to_pylist())
    return schemas.Page(items=items, next_cursor=following)


@router.get("/neighbours", responses=_RESULT_PROBLEMS)
def neighbours(
    audit_id: parameters.AuditId,
    service: ServiceDep,
    image: Annotated[str, Query(min_length=1, max_length=4096, description="Id or path of an image of the audit.")],
    k: parameters.K = 10,
    dataset: parameters.Searched = None,
) -> tuple[schemas.NeighbourOut, ...]:
    """List the images nearest to one of the audit's own, nearest first."""
    rows = service.neighbours(audit_id, image, k, dataset=dataset)
    return tuple(schemas.NeighbourOut.model_validate(row) for row in rows)


@router.post(
    "/neighbours",
    responses=problems(
        "unknown-id",
        "not-ready",
        "failed",
        "unsupported-media-type",
        "picture-unreadable",
        "extractor-unavailable",
        "invalid-request",
    ),
    openapi_extra=described(RAW_PICTURE_TYPES),
    max_body_size=MAX_PICTURE_BYTES + MULTIPART_OVERHEAD,
)
async def neighbours_of_upload(
    request: Request,
    audit_id: parameters.AuditId,
    service: ServiceDep,
    k: parameters.K = 10,
    dataset: parameters.Searched = None,
) -> tuple[schemas.NeighbourOut, ...]:
    """List the audit's images nearest to a picture that is sent, as the body or as the file of a form.

    The picture is not kept.
    """
    data = await whole_body(request, types=RAW_PICTURE_TYPES, most=MAX_PICTURE_BYTES)
    rows = await run_in_threadpool(service.neighbours_of_upload, audit_id, data, k, dataset=dataset)
    return tuple(schemas.NeighbourOut.model_validate(row) for row in rows)


def matching(table: Any, filters: dict[str, Any]) -> Any:
    """Rows of an Arrow table whose columns equal every filter that is not None."""
    import pyarrow.compute as pc

    for name, value in filters.items():
        if value is not None:
            table = (
                table.filter(pc.equal(table.column(name), value)) if name in table.column_names else table.slice(0, 0)
            )
    return table
