"""Reports and tables as files."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse

from api import parameters
from api.dependencies import ServiceDep
from api.files import file_response
from api.problems import problems
from api.uploads import BINARY

router = APIRouter(prefix="/v1/audits/{audit_id}", tags=["reports"])

REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts allow-downloads"
)
"""The report is a page of our own with everything inside; the sandbox gives it an origin that may do nothing here."""

_MEDIA = {"html": "text/html; charset=utf-8", "json": "application/json", "zip": "application/zip"}
_TABLE_MEDIA = {"parquet": "application/vnd.apache.parquet", "csv": "text/csv; charset=utf-8"}
_PROBLEMS = problems("unknown-id", "not-ready", "failed", "invalid-request")

_ETag = Annotated[
    str | None, Header(alias="If-None-Match", max_length=4096, description="Entity tags the client has already.")
]


def _files(*media: str) -> dict[int | str, dict[str, Any]]:
    content = {kind.partition(";")[0]: {"schema": BINARY} for kind in media}
    if "application/json" in content:
        content["application/json"] = {"schema": {"$ref": "#/components/schemas/Report"}}
    return {
        200: {
            "description": "The file. `ETag` is its SHA-256.",
            "content": content,
            "headers": {"ETag": {"schema": {"type": "string"}, "description": "SHA-256 of the file."}},
        },
        206: {"description": "The part of the file that Range asked for.", "content": content},
        304: {"description": "The client has it already."},
        **_PROBLEMS,
    }


@router.get("/report", response_class=Response, responses=_files(*_MEDIA.values()))
def report(
    audit_id: parameters.AuditId,
    service: ServiceDep,
    form: Annotated[
        Literal["html", "json", "zip"],
        Query(alias="format", description="A page, the truth behind it, or everything with its tables."),
    ] = "html",
    if_none_match: _ETag = None,
) -> Response:
    """Fetch the report."""
    return file_response(
        service.report_file(audit_id, f"report.{form}"),
        media_type=_MEDIA[form],
        if_none_match=if_none_match,
        filename=f"assay-{audit_id}.zip" if form == "zip" else None,
        policy=REPORT_POLICY if form == "html" else None,
    )


@router.get("/tables/{name}", response_class=Response, responses=_files(*_TABLE_MEDIA.values()))
def table(
    audit_id: parameters.AuditId,
    name: parameters.TableName,
    service: ServiceDep,
    form: Annotated[Literal["parquet", "csv"], Query(alias="format", description="Form of the table.")] = "parquet",
    if_none_match: _ETag = None,
) -> Response:
    """Fetch a whole table: images, embeddings, duplicates, outliers and so on; the report names them."""
    if form == "csv":
        from audit.render import csv_blocks

        return StreamingResponse(
            csv_blocks(service.table(audit_id, name)),
            media_type=_TABLE_MEDIA["csv"],
            headers={"content-disposition": f'attachment; filename="{name}.csv"', "cache-control": "private, no-cache"},
        )
    return file_response(
        service.report_file(audit_id, f"tables/{name}.parquet"),
        media_type=_TABLE_MEDIA["parquet"],
        if_none_match=if_none_match,
        filename=f"{name}.parquet",
    )
