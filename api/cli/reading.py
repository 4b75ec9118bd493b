"""Commands that read what is there: ``list``, ``outliers``, ``neighbours``, ``report``."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.exits import CommandError, Exit
from api.cli.opening import all_audits, find_audit, opened, say, write_json
from api.cli.places import check_writable

if TYPE_CHECKING:
    from storage.records import Audit

SHOWN_ID = 12

AuditName = Annotated[str, typer.Argument(metavar="AUDIT", help="Id of an audit, the beginning of one, or last.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]


def list_audits(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most audits to list.")] = 50, as_json: Json = False
) -> None:
    """List audits and comparisons, the newest first."""
    from itertools import islice

    with opened() as service:
        records = list(islice(all_audits(service), limit))
    if as_json:
        write_json({"audits": [record.model_dump(mode="json") for record in records]})
    elif not records:
        say("Nothing has been audited yet: assay audit FOLDER begins.")
    else:
        _table(("id", "kind", "status", "age", "title"), [_audit_row(record) for record in records])


def _audit_row(record: Audit) -> tuple[str, ...]:
    import time

    from api.durations import ago

    return (record.id[:SHOWN_ID], record.kind, record.status, ago(time.time() - record.created_at), record.title)


def outliers(
    audit: AuditName,
    label: Annotated[str | None, typer.Option(help="Only images of this label.")] = None,
    split: Annotated[str | None, typer.Option(help="Only images of this split.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most images to list.")] = 20,
    as_json: Json = False,
) -> None:
    """List images by how unusual they are, the most unusual first."""
    with opened() as service:
        record = find_audit(service, audit)
        rows = service.outliers(record.id, label=label, split=split, limit=limit)
    if as_json:
        write_json({"audit": record.id, "outliers": rows})
    elif not rows:
        say("No image passes these filters.")
    else:
        _table(("rank", "score", "path"), [(str(row["rank"]), f"{row['score']:.4f}", row["path"]) for row in rows])


def neighbours(
    audit: AuditName,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="Id or path of an image of the audit.")],
    k: Annotated[int, typer.Option("--k", "-k", min=1, max=200, help="How many neighbours.")] = 10,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Of a comparison: the dataset that is meant and searched; else the reference."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the images nearest to one of the audit's own; a file that is not among them is embedded and looked up."""
    with opened() as service:
        record = find_audit(service, audit)
        rows = _neighbours(service, record.id, image, k, dataset)
    if as_json:
        write_json({"audit": record.id, "image": image, "neighbours": rows})
    else:
        _table(("distance", "path"), [(f"{row['distance']:.4f}", row["path"]) for row in rows])


def _neighbours(service: Any, audit_id: str, image: str, k: int, dataset: str | None) -> list[dict[str, Any]]:
    from workers.errors import UnknownIdError

    try:
        found: list[dict[str, Any]] = service.neighbours(audit_id, image, k, dataset=dataset)
    except UnknownIdError:
        if not Path(image).is_file():
            raise
        found = service.neighbours_of_upload(audit_id, Path(image).read_bytes(), k, dataset=dataset)
    return found


def report(
    audit: AuditName,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write report.html, report.json, report.zip and tables/ here.")
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the report in the browser.")] = False,
    as_json: Json = False,
) -> None:
    """Print the findings of an audit, write its report, or open it in the browser."""
    from audit.render import render_summary

    if out is not None:
        check_writable("--out", out)
    with opened() as service:
        record = find_audit(service, audit)
        found = service.report_json(record.id)
        page = service.report_file(record.id, "report.html")
        if out is not None:
            service.export(record.id, out)
            page = out / "report.html"
    if show and not webbrowser.open(page.absolute().as_uri()):
        raise CommandError(Exit.FAILED, f"no browser could be started; open {page} in one.")
    if as_json:
        write_json(found.model_dump(mode="json"))
    elif out is not None or show:
        say(f"Report: {page}")
    else:
        say(render_summary(found))


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Print aligned columns; the last may be as long as it likes, so that paths can be copied whole."""
    from audit.render.names import visible

    cells = [heads, *(tuple(visible(cell) for cell in row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(heads) - 1)]
    for line in cells:
        fixed = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        say("  ".join([*fixed, line[-1]]).rstrip())
