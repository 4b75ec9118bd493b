"""Datasets: registered by path or uploaded as an archive."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api import parameters, schemas
from api.dependencies import ContextDep, ServiceDep
from api.lists import every, page
from api.problems import problems
from api.uploads import BINARY, RAW_TYPES, described, forget_archive, keep_archive
from storage.records import Dataset
from storage.sources import SourceSpec
from workers.service import Service

THUMBNAIL_SIDES = (32, 512)

_Text = Annotated[str, Query(min_length=1, max_length=256, pattern=parameters.PLAIN_TEXT)]


def routes(max_upload_bytes: int) -> APIRouter:
    """Routes of datasets, with uploads of at most ``max_upload_bytes``."""
    router = APIRouter(prefix="/v1/datasets", tags=["datasets"])
    refused = problems("source-unreadable", "source-not-allowed", "invalid-request")
    there: dict[int | str, dict[str, Any]] = {
        200: {"model": schemas.DatasetOut, "description": "It was there already, and nothing was touched since."}
    }
    router.post("", status_code=202, responses=there | refused)(register)
    router.post(
        "/upload",
        status_code=202,
        responses=there | problems("source-unreadable", "invalid-request", "unsupported-media-type"),
        openapi_extra=described(RAW_TYPES),
        max_body_size=max_upload_bytes,
    )(upload)
    router.get("", responses=problems("bad-cursor", "invalid-request"))(list_datasets)
    router.get("/{dataset_id}", responses=problems("unknown-id", "invalid-request"))(show)
    router.delete("/{dataset_id}", status_code=204, responses=problems("unknown-id", "in-use", "invalid-request"))(
        delete
    )
    router.get(
        "/{dataset_id}/thumbnails/{image_id}",
        response_class=Response,
        responses={
            200: {"content": {"image/webp": {"schema": BINARY}}, "description": "The thumbnail, re-encoded."},
            **problems("unknown-id", "not-ready", "failed", "picture-unreadable", "invalid-request"),
        },
    )(thumbnail)
    return router


def register(body: schemas.DatasetIn, service: ServiceDep, response: Response) -> schemas.DatasetOut:
    """Register what is at a path under an allowed root, and begin to scan it.

    The same source gives the same dataset: it is scanned again when it has changed.
    """
    return _answer(service.submit_dataset(body.source, body.name), response)


def _answer(dataset: Dataset, response: Response) -> schemas.DatasetOut:
    """A dataset that was submitted: 200 where there is nothing left to scan."""
    if dataset.status.ended:
        response.status_code = 200
    return schemas.DatasetOut.of(dataset)


async def upload(
    request: Request,
    response: Response,
    context: ContextDep,
    name: Annotated[str, Query(min_length=1, max_length=200, pattern=parameters.PLAIN_TEXT)] = "upload",
    label_from: _Text = "auto",
    split_from: _Text = "auto",
    group_from: _Text = "auto",
) -> schemas.DatasetOut:
    """Upload a zip or tar archive of pictures, as the body or as the file of a form, and begin to scan it."""
    path = await keep_archive(request, context.uploads)
    spec = SourceSpec(uri=str(path.absolute()), label_from=label_from, split_from=split_from, group_from=group_from)
    return _answer(await run_in_threadpool(context.service.submit_dataset, spec, name), response)


def list_datasets(
    service: ServiceDep, cursor: parameters.Cursor = None, limit: parameters.Limit = 50
) -> schemas.Page[schemas.DatasetOut]:
    """List datasets, the newest first."""
    records, following = page(service.datasets, "datasets", cursor, limit)
    return schemas.Page(items=tuple(schemas.DatasetOut.of(record) for record in records), next_cursor=following)


def show(dataset_id: parameters.DatasetId, service: ServiceDep) -> schemas.DatasetOut:
    """Show a dataset: its counts once scanned, its progress until then."""
    return schemas.DatasetOut.of(service.dataset(dataset_id))


def delete(dataset_id: parameters.DatasetId, context: ContextDep) -> None:
    """Delete a dataset that no audit uses, and its upload. The pictures behind a path are never touched."""
    uri = str(service_uri(context.service, dataset_id))
    context.service.delete_dataset(dataset_id)
    forget_archive(uri, context.uploads, still_used=is_read(context.service, uri))


def service_uri(service: Service, dataset_id: str) -> str:
    """Where a dataset's source is."""
    return str(service.dataset(dataset_id).source["uri"])


def is_read(service: Service, uri: str) -> bool:
    """Whether any dataset reads this source."""
    return any(record.source["uri"] == uri for record in every(service.datasets))


def thumbnail(
    dataset_id: parameters.DatasetId,
    image_id: parameters.ImageId,
    service: ServiceDep,
    side: Annotated[
        int, Query(ge=THUMBNAIL_SIDES[0], le=THUMBNAIL_SIDES[1], description="Longest side, in pixels.")
    ] = 192,
) -> Response:
    """Show a small, re-encoded copy of a picture (WebP)."""
    return Response(
        service.thumbnail(dataset_id, image_id, side),
        media_type="image/webp",
        headers={"cache-control": "private, max-age=3600"},
    )
