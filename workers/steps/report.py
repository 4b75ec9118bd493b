"""Report: sections become ``report.json``, ``report.html``, ``tables/`` and a zip of all; no time or place in them."""

from __future__ import annotations

import importlib.metadata
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit.analyses.base import Need, analysis
from audit.assemble import assemble
from audit.fingerprint import fingerprint
from audit.model import OK, DatasetView
from audit.render import csv_blocks, render_html, report_json
from audit.report import DatasetSummary, Provenance, Report, Section
from audit.through import section as through_section
from storage.parquet import read_table, table_writer, vectors_array, write_table
from storage.records import Outcome
from workers.context import StepContext
from workers.pictures import thumbnails
from workers.steps.analyse import not_run
from workers.steps.params import ReportParams, SectionRef, ViewRef
from workers.steps.scan import count_status
from workers.translating import in_common_space, read_judged
from workers.views import load_view

REPORT_STEP_VERSION = 5
"""Goes up whenever the same sections can give other report files."""

DISTRIBUTION = "assay-datasets"
LIBRARIES = ("faiss-cpu", "numpy", "pillow", "pyarrow", "scipy", "torch")
DATASET_TABLES = ("images", "embeddings")
"""Tables that every report has, beside those of its analyses."""

PRIVATE = ("path_bytes", "locator")
FIRST = ("image_id", "path", "status", "reason", "detail", "label", "split")
BLOCK = 8192
MAY_BE_LARGE = 2**25
"""A table of fewer bytes is less than 2 GiB as CSV: no value grows more than forty times."""


def run(context: StepContext) -> Outcome:
    """Put the answers together in the artefact ``report``."""
    params = ReportParams.model_validate(context.step.params)
    artefacts = context.runtime.artefacts
    n_failed = sum(bool(section.error) for section in params.sections)
    provenance = _provenance(params)
    name = _name(params, provenance)
    if not artefacts.find_sound("report", name):
        with artefacts.workspace() as folder:
            _make(context, params, provenance, folder)
            files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
            artefacts.commit("report", name, files, provenance.model_dump(mode="json"))
    return Outcome(artefact_kind="report", artefact=name, fingerprint=name, summary={"n_failed": n_failed})


def _name(params: ReportParams, provenance: Provenance) -> str:
    views = [(view.name, view.fingerprint, view.source) for view in params.views]
    made_of: dict[str, Any] = {
        "version": REPORT_STEP_VERSION,
        "kind": params.kind,
        "title": params.title,
        "views": views,
        "sections": params.sections,
        "provenance": provenance,
    }
    if params.through is not None:
        made_of["through"] = params.through
    return fingerprint("report", made_of)


def _provenance(params: ReportParams) -> Provenance:
    return Provenance(
        assay_version=version_of(DISTRIBUTION),
        extractor=params.extractor,
        extractor_fingerprint=params.extractor_fingerprint,
        seed=params.seed,
        config=params.config,
        libraries={name: version_of(name) for name in LIBRARIES if version_of(name)},
    )


def version_of(distribution: str) -> str:
    """The version of a distribution; empty if it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _make(context: StepContext, params: ReportParams, provenance: Provenance, folder: Path) -> None:
    """Write every file of the report."""
    artefacts = context.runtime.artefacts
    sets = [artefacts.open("embedding_set", view.embedding_set) for view in params.views]
    views = [load_view(one, view.name, {Need.EMBEDDINGS}) for one, view in zip(sets, params.views, strict=True)]
    through = None if params.through is None else read_judged(artefacts, params.through)
    if params.through is not None:
        views = in_common_space(artefacts, params.through, views)
    images = [one.table("images.parquet") for one in sets]
    summaries = [summarise(table, view) for table, view in zip(images, params.views, strict=True)]
    sections = [_section(context, ref) for ref in params.sections]
    if through is not None:
        sections = [through_section(through), *sections]
    said = "" if through is None else through.sentence
    report = assemble(params.kind, params.title, summaries, sections, provenance, said)
    _write_tables(context, params, images, views, folder / "tables")
    context.check()
    with thumbnails(
        context.runtime, {view.name: (view.source, table) for view, table in zip(params.views, images, strict=True)}
    ) as find:
        _write_report(report, find, folder)
    context.check()
    write_zip(folder, folder / "report.zip")


def _write_report(report: Report, find: Callable[[str, str], bytes | None], folder: Path) -> None:
    (folder / "report.json").write_bytes(report_json(report))
    (folder / "report.html").write_text(render_html(report, find), encoding="utf-8", errors="backslashreplace")


def _section(context: StepContext, ref: SectionRef) -> Section:
    if ref.error:
        asked = analysis(ref.analysis)
        return not_run(asked, "This analysis failed; the others are not affected.", error=ref.error)
    found = context.runtime.artefacts.open("analysis", ref.artefact)
    return Section.model_validate_json(found.file("section.json").read_bytes())


def summarise(images: pa.Table, view: ViewRef) -> DatasetSummary:
    """What went into the report from one dataset."""
    usable = images.filter(pc.equal(images.column("status"), OK))
    left_out = images.filter(pc.not_equal(images.column("status"), OK))
    return DatasetSummary(
        name=view.name,
        source=Path(str(view.source.get("uri", ""))).name,
        fingerprint=view.dataset_fingerprint,
        n_classes=len(pc.unique(usable.column("label").drop_null())),
        splits=_counts(usable.column("split")),
        reasons=_counts(left_out.column("reason")),
        **count_status(images),
    )


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    counted = {entry["values"]: entry["counts"] for entry in column.drop_null().value_counts().to_pylist()}
    return dict(sorted(counted.items()))


# tables --------------------------------------------------------------------------------------------------------------


def _write_tables(
    context: StepContext, params: ReportParams, images: Sequence[pa.Table], views: Sequence[DatasetView], folder: Path
) -> None:
    """Write the tables of the datasets and of every analysis."""
    parts = [public(table, view.name) for table, view in zip(images, params.views, strict=True)]
    write_table(pa.concat_tables(parts, promote_options="permissive"), folder / "images.parquet")
    write_embeddings(views, folder / "embeddings.parquet")
    for ref in params.sections:
        if ref.error:
            continue
        found = context.runtime.artefacts.open("analysis", ref.artefact)
        for name in found.manifest.files:
            if name.startswith("tables/"):
                shutil.copyfile(found.file(name), folder / Path(name).name)


def public(images: pa.Table, dataset: str) -> pa.Table:
    """The rows of every input as ``images.parquet`` shows them: what people ask for first, nothing private."""
    rest = [name for name in images.column_names if name not in FIRST and name not in PRIVATE]
    return images.select([*FIRST, *rest]).append_column("dataset", pa.array([dataset] * images.num_rows, pa.string()))


def write_embeddings(views: Sequence[DatasetView], path: Path) -> None:
    """Write image_id, path, embedding and dataset of every usable picture, block by block."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dimension = views[0].vectors.shape[1]
    schema = pa.schema(
        [
            pa.field("image_id", pa.string()),
            pa.field("path", pa.string()),
            pa.field("embedding", pa.list_(pa.float32(), dimension)),
            pa.field("dataset", pa.string()),
        ]
    )
    with table_writer(path, schema) as write:
        for view in views:
            for start in range(0, len(view), BLOCK):
                rows = view.images.slice(start, BLOCK).combine_chunks()
                vectors = vectors_array(np.asarray(view.vectors[start : start + BLOCK]))
                columns: list[Any] = [rows.column("image_id"), rows.column("path"), vectors]
                columns.append(pa.array([view.name] * rows.num_rows, pa.string()))
                write(pa.table(columns, schema=schema).to_batches())


# zip -----------------------------------------------------------------------------------------------------------------


def write_zip(folder: Path, path: Path) -> None:
    """Pack every file below a folder, and its tables as CSV, so that the same files give the same zip."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file != path)
    with zipfile.ZipFile(path, "w") as archive:
        for file in files:
            name = file.relative_to(folder).as_posix()
            is_packed = file.suffix == ".parquet"
            entry = _entry(name, zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED)
            with file.open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target, 2**20)
            if is_packed and file.stem != "embeddings":
                entry = _entry(f"{name.removesuffix('.parquet')}.csv", zipfile.ZIP_DEFLATED)
                table = read_table(file)
                with archive.open(entry, "w", force_zip64=table.nbytes > MAY_BE_LARGE) as target:
                    target.writelines(csv_blocks(table))


def _entry(name: str, method: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = method
    entry.external_attr = 0o644 << 16
    return entry
