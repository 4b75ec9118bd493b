"""``assay audit`` and ``assay compare``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.exits import CommandError, Exit
from api.cli.opening import opened, say, write_json
from api.cli.places import check_writable
from api.cli.words import FailOn, Kind

if TYPE_CHECKING:
    from audit.report import Report
    from storage.records import Audit, AuditRequest
    from workers.service import Service

AGAIN_S = 1.0
"""What goes on without news is shown again, for how long it has been at work is news."""

SOURCES = "Where the pictures are"
WORK = "What is computed"
RESULTS = "What comes out"

LabelFrom = Annotated[
    str,
    typer.Option(help="Where labels come from: auto, none, folder, folder:N or a COLUMN.", rich_help_panel=SOURCES),
]
SplitFrom = Annotated[
    str, typer.Option(help="Where splits come from: the same words as for labels.", rich_help_panel=SOURCES)
]
GroupFrom = Annotated[
    str,
    typer.Option(help="Where groups (sequence, camera, patient) come from: the same words.", rich_help_panel=SOURCES),
]
ImagesRoot = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="Folder that the paths of a manifest start from and stay in; the manifest's own by default.",
        rich_help_panel=SOURCES,
    ),
]
PathColumn = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Column of a manifest that names the pictures.", rich_help_panel=SOURCES),
]
ImageColumn = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Column of a Parquet file that holds the pictures.", rich_help_panel=SOURCES),
]
BoxFrom = Annotated[
    str,
    typer.Option(help="Where boxes come from: auto, none, a COLUMN or four joined by commas.", rich_help_panel=SOURCES),
]
KindOption = Annotated[Kind, typer.Option(help="How to read the source.", rich_help_panel=SOURCES)]
Extractor = Annotated[
    str | None, typer.Option(help="Name of the extractor (assay extractors lists them).", rich_help_panel=WORK)
]
TranslationFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Of assay extractors translate: the reference is by its old extractor, the candidate by its new one.",
        rich_help_panel=WORK,
    ),
]
Seed = Annotated[
    int | None, typer.Option(min=0, max=2**53 - 1, help="Seed of every random choice.", rich_help_panel=WORK)
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="JSON or TOML; checked before the work.", rich_help_panel=WORK),
]
Skip = Annotated[
    list[str] | None, typer.Option(metavar="ANALYSIS", help="Leave this analysis out.", rich_help_panel=WORK)
]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Write report.html, report.json, report.zip and tables/ here.", rich_help_panel=RESULTS
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.", rich_help_panel=RESULTS)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.", rich_help_panel=RESULTS)]
FailOnOption = Annotated[
    FailOn | None, typer.Option(help="Exit with 1 when the verdict is this bad or worse.", rich_help_panel=RESULTS)
]


@dataclass(frozen=True)
class Ending:
    """What is done with a result: ``out`` is where to write it, ``fail_on`` the verdict that fails."""

    out: Path | None
    as_json: bool
    quiet: bool
    fail_on: FailOn | None


def audit(  # noqa: PLR0913, PLR0917 - options of a command
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Folder, archive, manifest, Parquet or COCO file.")],
    label_from: LabelFrom = "auto",
    split_from: SplitFrom = "auto",
    group_from: GroupFrom = "auto",
    box_from: BoxFrom = "auto",
    path_column: PathColumn = None,
    image_column: ImageColumn = None,
    kind: KindOption = "auto",
    images_root: ImagesRoot = None,
    extractor: Extractor = None,
    seed: Seed = None,
    config: ConfigFile = None,
    skip: Skip = None,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
    fail_on: FailOnOption = None,
) -> int:
    """Audit one dataset: what is wrong with it, and what to do.

    Pictures that were embedded before are not embedded again. Ctrl-C keeps what is done: the same command goes on
    where it stopped.
    """
    where = {
        "label_from": label_from,
        "split_from": split_from,
        "group_from": group_from,
        "box_from": box_from,
        "path_column": path_column,
        "image_column": image_column,
        "kind": kind,
        "images_root": images_root,
    }
    asked = _asked(config, extractor=extractor, seed=seed, skip=skip, datasets=1)
    return _run([source], where, asked, Ending(out, as_json, quiet, fail_on))


def compare(  # noqa: PLR0913, PLR0917 - options of a command
    reference: Annotated[
        str, typer.Argument(metavar="REFERENCE", help="The dataset to compare with; with --translation, also an audit.")
    ],
    candidate: Annotated[str, typer.Argument(metavar="CANDIDATE", help="The dataset that may differ.")],
    label_from: LabelFrom = "auto",
    split_from: SplitFrom = "auto",
    group_from: GroupFrom = "auto",
    box_from: BoxFrom = "auto",
    path_column: PathColumn = None,
    image_column: ImageColumn = None,
    kind: KindOption = "auto",
    images_root: ImagesRoot = None,
    translation: TranslationFile = None,
    extractor: Extractor = None,
    seed: Seed = None,
    config: ConfigFile = None,
    skip: Skip = None,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
    fail_on: FailOnOption = None,
) -> int:
    """Compare two datasets: whether they differ, by how much, where, and what it looks like."""
    if translation is not None and extractor is not None:
        raise CommandError(Exit.USAGE, "--translation says the extractors of both; leave --extractor out.")
    where = {
        "label_from": label_from,
        "split_from": split_from,
        "group_from": group_from,
        "box_from": box_from,
        "path_column": path_column,
        "image_column": image_column,
        "kind": kind,
        "images_root": images_root,
    }
    asked = _asked(config, extractor=extractor, seed=seed, skip=skip, datasets=2)
    return _run([reference, candidate], where, asked, Ending(out, as_json, quiet, fail_on), translation)


def _asked(
    config: Path | None, *, extractor: str | None, seed: int | None, skip: Sequence[str] | None, datasets: int
) -> AuditRequest:
    """The request: what the configuration file says, overruled by options, checked as a whole."""
    from api.cli.configfile import read_config
    from storage.records import AuditRequest
    from workers.submission import check_request

    values = read_config(config) if config is not None else {}
    given = {"extractor": extractor, "seed": seed, "skip": tuple(skip) if skip else None}
    values.update({name: value for name, value in given.items() if value is not None})
    request = AuditRequest.model_validate(values)
    check_request(request, datasets)
    return request


def _run(
    sources: Sequence[str],
    where: dict[str, str | None],
    request: AuditRequest,
    ending: Ending,
    translation: Path | None = None,
) -> int:
    from api.cli.translating import compared_through
    from storage.sources import SourceSpec

    if ending.out is not None:
        check_writable("--out", ending.out)
    with opened() as service:
        known: dict[str, str] = {}
        if translation is not None:
            request, known = compared_through(service, translation, sources, request)
        specs = {
            source: SourceSpec.model_validate({"uri": source, **where}) for source in sources if source not in known
        }
        ids = [known.get(source) or service.submit_dataset(specs[source]).id for source in sources]
        submitted = service.submit_audit(ids, request)
        ended = follow(service, submitted, quiet=ending.quiet)
        if ending.out is not None:
            service.export(ended.id, ending.out)
        report = service.report_json(ended.id)
        tell(service, ended, report, out=ending.out, as_json=ending.as_json)
        return ending_code(report, ending.fail_on)


def follow(service: Service, audit: Audit, *, quiet: bool) -> Audit:
    """Show progress until the audit has ended.

    Raises
    ------
    CommandError
        If it failed or was cancelled.
    """
    from api.cli.progress import shown

    last = audit
    with shown(quiet=quiet) as show:
        for record in service.events(audit.id, again_s=AGAIN_S):
            last = record
            if not record.status.ended:
                show(record.progress)
    if last.status == "done":
        return last
    raise _unsuccessful(service, last)


def _unsuccessful(service: Service, audit: Audit) -> CommandError:
    """Why an audit has no result: a source that could not be read, or what its own error says."""
    for dataset in map(service.dataset, audit.dataset_ids):
        if dataset.status == "failed":
            return CommandError(Exit.SOURCE, dataset.error)
    if audit.status == "cancelled":
        return CommandError(Exit.FAILED, f"the audit {audit.id} was cancelled; give the same command again to go on.")
    return CommandError(Exit.FAILED, f"the audit {audit.id} failed: {audit.error}")


def tell(service: Service, audit: Audit, report: Report, *, out: Path | None, as_json: bool) -> None:
    """Write what was found to standard output, for people or for machines."""
    from api.cli.comparison import comparison_json
    from api.cli.results import audit_json
    from audit.render import render_summary

    if as_json:
        value = audit_json(audit.id, report, table_rows(service, audit.id), out=out)
        if report.kind == "comparison":
            value |= comparison_json(service.results(audit.id))
        write_json(value)
        return
    say(render_summary(report))
    if out is not None:
        say(f"Report: {out / 'report.html'}")
    else:
        say(f"Report: assay report {audit.id[:12]} --open    (or --out DIR to keep it)")
    sys.stdout.flush()


def table_rows(service: Service, audit_id: str) -> dict[str, int]:
    """Rows of each table of a report, read from the tables' footers."""
    import pyarrow.parquet as pq

    names = [name for name in service.report_files(audit_id) if name.startswith("tables/")]
    return {Path(name).stem: pq.read_metadata(service.report_file(audit_id, name)).num_rows for name in sorted(names)}


def ending_code(report: Report, fail_on: FailOn | None) -> Exit:
    """3 when a dataset has no usable picture; else 1 when ``--fail-on`` is given and reached; else 0."""
    from api.cli.results import reaches
    from audit.report import Severity

    if any(dataset.n_ok == 0 for dataset in report.datasets):
        return Exit.SOURCE
    if fail_on is not None and reaches(report.verdict.severity, Severity(fail_on)):
        return Exit.FOUND
    return Exit.FINE
