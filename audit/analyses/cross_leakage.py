"""Which pictures of one dataset have a copy in another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from audit.analyses.base import Analysis, Computed, Need, Result, register
from audit.duplicates.find import NearConfig, find_between
from audit.duplicates.leaks import Crossing, crossing_groups, crossings, leak_table
from audit.duplicates.sections import crossing_block, group_block, images_of, share
from audit.duplicates.tables import picture_rows
from audit.model import DatasetView
from audit.report import Block, Finding, Metric, Picture, Section, Severity

SHOWN = 12
"""Groups shown in the report; the table lists all."""

METHOD = (
    "Files are compared by SHA-256, pictures by their pixels, and near-copies by aligning stored thumbnails, each "
    "picture of one dataset with those of the other that look like it. Intervals are Wilson's at 95 %. Source: "
    "docs/duplicates.md."
)

_HASHED = ("content_hash", "pixel_hash", "look_luma", "look_chroma")
_COLUMNS = ("image_id", "path", "label", "split", "n_bytes", "width", "height", *_HASHED)


class CrossLeakageResult(Result):
    """Counts of pictures with a copy in the other dataset."""

    reference: str
    candidate: str
    n_reference: int
    n_candidate: int
    n_groups: int
    n_conflicts: int
    """Groups whose pictures carry different labels."""
    crossings: tuple[Crossing, ...]
    threshold: float
    groups: tuple[tuple[Picture, ...], ...]


def compute(views: Sequence[DatasetView], config: NearConfig, rng: np.random.Generator) -> Computed:
    """Find copies between two datasets; ``rng`` is not used."""
    del rng
    reference, candidate = views
    names = _names(reference, candidate)
    found = find_between(reference, candidate, config)
    images = pa.concat_tables([_columns(view) for view in views])
    sides: list[str | None] = [name for name, view in zip(names, views, strict=True) for _ in range(len(view))]
    groups = crossing_groups(images, found, config.threshold, sides)
    table = leak_table(images, groups, found, {"dataset": [str(side) for side in sides]})
    totals = Counter({name: len(view) for name, view in zip(names, views, strict=True)})
    labels: dict[int, set[str]] = {}
    for row in table.select(["group", "label"]).to_pylist():
        labels.setdefault(row["group"], set()).update({row["label"]} - {None})
    result = CrossLeakageResult(
        reference=names[0],
        candidate=names[1],
        n_reference=len(reference),
        n_candidate=len(candidate),
        n_groups=len(groups),
        n_conflicts=sum(len(found_labels) > 1 for found_labels in labels.values()),
        crossings=crossings(table, "dataset", totals),
        threshold=config.threshold,
        groups=tuple(picture_rows(table, names[0], range(min(SHOWN, len(groups))))),
    )
    return Computed(result=result, tables={"leakage": table})


def _names(reference: DatasetView, candidate: DatasetView) -> tuple[str, str]:
    """The datasets' names, told apart where they are the same."""
    if reference.name != candidate.name:
        return reference.name, candidate.name
    return f"{reference.name} (reference)", f"{candidate.name} (candidate)"


def _columns(view: DatasetView) -> pa.Table:
    present: dict[str, Any] = {}
    for name in _COLUMNS:
        absent = name not in view.images.column_names
        present[name] = pa.nulls(len(view), pa.string()) if absent else view.images.column(name)
    return pa.table(present)


def section(result: CrossLeakageResult) -> Section:
    """Words and pictures for leakage between two datasets."""
    return Section(
        id="cross_leakage",
        title="Leakage between the datasets",
        question=ANALYSIS.question,
        summary=_summary(result),
        analysis=ANALYSIS.name,
        version=ANALYSIS.version,
        findings=(_finding(result),),
        headline=(_metric(result),),
        blocks=_blocks(result),
        method=METHOD,
    )


def _leaked(result: CrossLeakageResult, side: str) -> int:
    return next((c.images for c in result.crossings if c.side == side), 0)


def _metric(result: CrossLeakageResult) -> Metric:
    name = f"{result.candidate} also in {result.reference}"
    return share(name, _leaked(result, result.candidate), result.n_candidate)


def _summary(result: CrossLeakageResult) -> str:
    n = _leaked(result, result.candidate)
    if n == 0:
        return f"No picture of “{result.candidate}” has a copy in “{result.reference}”."
    conflicts = f" {result.n_conflicts} groups carry different labels." if result.n_conflicts else ""
    return f"{images_of(n, result.candidate)} a copy in “{result.reference}”.{conflicts}"


def _finding(result: CrossLeakageResult) -> Finding:
    n = _leaked(result, result.candidate)
    if n == 0:
        return Finding(
            id="cross_leakage.none",
            severity=Severity.OK,
            sentence=_summary(result),
            metric=_metric(result),
            action="Nothing to do.",
        )
    return Finding(
        id="cross_leakage.copies",
        severity=Severity.PROBLEM,
        sentence=_summary(result),
        metric=_metric(result),
        pictures=tuple(picture for group in result.groups for picture in group)[:12],
        action=f"Remove the {n} images of “{result.candidate}” listed in tables/leakage.parquet before one dataset is "
        "used to test what was trained on the other.",
        table="leakage",
        weight=n / max(result.n_candidate, 1),
    )


def _blocks(result: CrossLeakageResult) -> tuple[Block, ...]:
    if not result.groups:
        return ()
    return (
        group_block("Pictures in both datasets", result.groups, "leakage"),
        crossing_block("Leakage by dataset", result.crossings),
    )


ANALYSIS = register(
    Analysis(
        name="cross_leakage",
        version=1,
        title="Leakage between the datasets",
        question="Which pictures of one dataset have a copy in the other?",
        datasets=2,
        needs=frozenset({Need.EMBEDDINGS}),
        config=NearConfig,
        result=CrossLeakageResult,
        compute=compute,
        section=section,
        source="docs/duplicates.md; B. Barz and J. Denzler, “Do we train on test data?”, J. Imaging 6(6), 2020",
        order=60,
        tables=("leakage",),
    )
)
