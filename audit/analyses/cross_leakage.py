"""Which pictures of one dataset have a copy in another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from audit.analyses.base import Analysis, Computed, Need, Result, register
from audit.duplicates.find import NearConfig, find_between
from audit.duplicates.leaks import Crossing, crossing_groups, crossings, leak_table, sure_sides
from audit.duplicates.sections import Certainty, certainty, crossing_block, group_block, images_of, share
from audit.duplicates.sure import sure_distance, sure_links
from audit.duplicates.tables import picture_rows, surest_first
from audit.model import DatasetView
from audit.report import Block, Finding, Metric, Picture, Section, Severity
from audit.shown import counted, looks

SHOWN = 12
"""Groups shown in the report; the table lists all."""

METHOD = (
    "Files are compared by SHA-256, pictures by their pixels, and near-copies by aligning stored thumbnails, each "
    "picture of one dataset with those of the other that look like it. A copy is sure when it is the same file or "
    "pixels, or at most one unrelated pair is expected as close (or, where that cannot be estimated, its distance is "
    "at most 0.12). Intervals are Wilson's at 95 %. Source: docs/duplicates.md."
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
    """Groups that hold a sure leak."""
    n_conflicts: int
    """Of these, groups whose sure copies carry different labels."""
    crossings: tuple[Crossing, ...]
    certainty: Certainty
    groups: tuple[tuple[Picture, ...], ...]
    """Sure leaks, the nearest first."""
    possible_groups: tuple[tuple[Picture, ...], ...]


def compute(views: Sequence[DatasetView], config: NearConfig, rng: np.random.Generator) -> Computed:
    """Find copies between two datasets; ``rng`` is not used."""
    del rng
    reference, candidate = views
    names = _names(reference, candidate)
    found = find_between(reference, candidate, config)
    images = pa.concat_tables([_columns(view) for view in views])
    sides: list[str | None] = [name for name, view in zip(names, views, strict=True) for _ in range(len(view))]
    stays = [1] * len(reference) + [0] * len(candidate)
    groups = crossing_groups(images, found, config.threshold, sides, stays)
    linked = sure_links(groups, found, sure_distance(found, config.threshold))
    sure = [sure_sides(group, found, linked, sides) for group in groups]
    table = leak_table(images, groups, found, sure, {"dataset": [str(side) for side in sides]})
    totals = Counter({name: len(view) for name, view in zip(names, views, strict=True)})
    order, n_sure = sorted(range(len(groups)), key=surest_first(table)), sum(bool(rows) for rows in sure)
    result = CrossLeakageResult(
        reference=names[0],
        candidate=names[1],
        n_reference=len(reference),
        n_candidate=len(candidate),
        n_groups=n_sure,
        n_conflicts=_conflicts(table),
        crossings=crossings(groups, sure, sides, totals),
        certainty=certainty(found, config.threshold),
        groups=tuple(picture_rows(table, names[0], order[: min(SHOWN, n_sure)])),
        possible_groups=tuple(picture_rows(table, names[0], order[n_sure : n_sure + SHOWN])),
    )
    return Computed(result=result, tables={"leakage": table})


def _conflicts(table: pa.Table) -> int:
    labels: dict[int, set[str]] = {}
    for row in table.select(["group", "label", "sure"]).to_pylist():
        if row["sure"] and row["label"] is not None:
            labels.setdefault(row["group"], set()).add(row["label"])
    return sum(len(names) > 1 for names in labels.values())


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
        findings=_findings(result),
        headline=(_metric(result),),
        blocks=_blocks(result),
        method=METHOD,
    )


def _leaked(result: CrossLeakageResult) -> tuple[int, int]:
    """Images of the candidate with a sure copy in the reference, and others that may have one."""
    return next(((c.images, c.possible) for c in result.crossings if c.side == result.candidate), (0, 0))


def _metric(result: CrossLeakageResult, *, note: str = "") -> Metric:
    name = f"{result.candidate} also in {result.reference}"
    return share(name, _leaked(result)[0], result.n_candidate, note=note)


def _summary(result: CrossLeakageResult) -> str:
    n, possible = _leaked(result)
    more = f" {counted(possible, 'more image' if n else 'image')} may have one." if possible else ""
    if n == 0:
        sure = "sure " if possible else ""
        return f"No picture of “{result.candidate}” has a {sure}copy in “{result.reference}”.{more}"
    return f"{_sure_sentence(result)}{more}"


def _sure_sentence(result: CrossLeakageResult) -> str:
    k = result.n_conflicts
    conflicts = f" {counted(k, 'group')} {'carries' if k == 1 else 'carry'} different labels." if k else ""
    return f"{images_of(_leaked(result)[0], result.candidate)} a copy in “{result.reference}”.{conflicts}"


def _findings(result: CrossLeakageResult) -> tuple[Finding, ...]:
    n, possible = _leaked(result)
    found = [_copies(result, n)] if n else []
    if possible:
        found.append(_possible(result, possible))
    if found:
        return tuple(found)
    clean = Finding(
        id="cross_leakage.none",
        severity=Severity.OK,
        sentence=f"No picture of “{result.candidate}” has a copy in “{result.reference}”.",
        metric=_metric(result),
        action="Nothing to do.",
    )
    return (clean,)


def _copies(result: CrossLeakageResult, n: int) -> Finding:
    listed = "the image" if n == 1 else f"the {n:,} images"
    return Finding(
        id="cross_leakage.copies",
        severity=Severity.PROBLEM,
        sentence=_sure_sentence(result),
        metric=_metric(result, note=result.certainty.of_sure()),
        pictures=tuple(picture for group in result.groups for picture in group)[:12],
        action=f"Remove {listed} of “{result.candidate}” listed in tables/leakage.parquet with sure = true before one "
        "dataset is used to test what was trained on the other.",
        table="leakage",
        weight=n / max(result.n_candidate, 1),
    )


def _possible(result: CrossLeakageResult, n: int) -> Finding:
    return Finding(
        id="cross_leakage.possible",
        severity=Severity.ATTENTION,
        sentence=f"{counted(n, 'image')} of “{result.candidate}” may have a copy in “{result.reference}”, or only "
        f"{looks(n)} like a picture of it.",
        metric=share(
            f"{result.candidate} perhaps also in {result.reference}",
            n,
            result.n_candidate,
            note=result.certainty.of_possible(),
        ),
        pictures=tuple(picture for group in result.possible_groups for picture in group)[:12],
        action="Look at the groups (tables/leakage.parquet, sure = false) and remove what you see to be a copy.",
        table="leakage",
        weight=n / max(result.n_candidate, 1),
    )


def _blocks(result: CrossLeakageResult) -> tuple[Block, ...]:
    if not result.crossings:
        return ()
    shown = (
        ("Pictures in both datasets", result.groups),
        ("Pictures that may be in both datasets", result.possible_groups),
    )
    blocks: list[Block] = [group_block(title, groups, "leakage") for title, groups in shown if groups]
    return (*blocks, crossing_block("Leakage by dataset", result.crossings))


ANALYSIS = register(
    Analysis(
        name="cross_leakage",
        version=2,
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
