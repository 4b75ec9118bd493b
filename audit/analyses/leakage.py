"""Which pictures of one split have a copy in another: the leak that makes test results too good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from audit.analyses.base import Analysis, Computed, Need, Result, register
from audit.duplicates.find import NearConfig, find_within
from audit.duplicates.leaks import Crossing, crossing_groups, crossings, leak_table
from audit.duplicates.sections import crossing_block, group_block, images_of, share
from audit.duplicates.tables import picture_rows
from audit.model import DatasetView
from audit.report import Block, Column, Finding, Metric, Picture, Section, Severity, TableBlock

SHOWN = 12
"""Groups shown in the report; the table lists all."""

METHOD = (
    "Copies are found as in the section on duplicates: same file, same pixels, or near-copies verified by aligning "
    "thumbnails. A group leaks when its pictures lie in more than one split; pictures without a split are left out. "
    "Intervals are Wilson's at 95 %. Source: docs/duplicates.md."
)


class LeakageResult(Result):
    """Counts of pictures with a copy in another split."""

    n: int
    """Images that have a split."""
    splits: tuple[tuple[str, int], ...]
    n_groups: int
    n_images: int
    crossings: tuple[Crossing, ...]
    classes: tuple[tuple[str, str, int, int], ...]
    """(class, split, images, of them with a copy in another split), most first."""
    threshold: float
    groups: tuple[tuple[Picture, ...], ...]


def compute(views: Sequence[DatasetView], config: NearConfig, rng: np.random.Generator) -> Computed:
    """Find copies between the splits of one dataset; ``rng`` is not used."""
    del rng
    (view,) = views
    sides: list[str | None] = view.column("split")
    totals = Counter(side for side in sides if side is not None)
    found = find_within(view, config)
    groups = crossing_groups(view.images, found, config.threshold, sides) if len(totals) > 1 else []
    table = leak_table(view.images, groups, found, {})
    leaked = len(set(table.column("image_id").to_pylist()))
    result = LeakageResult(
        n=sum(totals.values()),
        splits=tuple(sorted(totals.items())),
        n_groups=len(groups),
        n_images=leaked,
        crossings=crossings(table, "split", totals),
        classes=_classes(view, table),
        threshold=config.threshold,
        groups=tuple(picture_rows(table, view.name, range(min(SHOWN, len(groups))))),
    )
    return Computed(result=result, tables={"leakage": table})


def _classes(view: DatasetView, table: pa.Table) -> tuple[tuple[str, str, int, int], ...]:
    total = Counter(zip(view.column("label"), view.column("split"), strict=True))
    rows = {row["image_id"]: (row["label"], row["split"]) for row in table.to_pylist()}
    leaked = Counter(key for key in rows.values() if None not in key)
    ordered = sorted(leaked.items(), key=lambda item: (-item[1], item[0]))
    return tuple((label, split, total[label, split], k) for (label, split), k in ordered)


def section(result: LeakageResult) -> Section:
    """Words and pictures for leakage between splits."""
    return Section(
        id="leakage",
        title="Leakage between splits",
        question=ANALYSIS.question,
        summary=_summary(result),
        analysis=ANALYSIS.name,
        version=ANALYSIS.version,
        findings=_findings(result),
        headline=(_headline(result),) if len(result.splits) > 1 else (),
        blocks=_blocks(result),
        method=METHOD,
    )


def _headline(result: LeakageResult) -> Metric:
    return share("Images with a copy in another split", result.n_images, result.n)


def _summary(result: LeakageResult) -> str:
    if len(result.splits) < 2:
        return "The dataset has no two splits, so nothing can leak between them."
    names = ", ".join(name for name, _ in result.splits)
    if result.n_images == 0:
        return f"No picture has a copy in another split ({names})."
    return (
        f"{result.n_images} of {result.n} images have a copy in another split ({names}), in {result.n_groups} groups."
    )


def _findings(result: LeakageResult) -> tuple[Finding, ...]:
    if len(result.splits) < 2:
        return ()
    found = []
    for one in result.crossings:
        if _tests(one, dict(result.splits)):
            back = next(c for c in result.crossings if (c.side, c.other) == (one.other, one.side))
            found.append(_leak(one, back, result))
    if found:
        return tuple(sorted(found, key=lambda finding: (-finding.weight, finding.id)))
    clean = Finding(
        id="leakage.none",
        severity=Severity.OK,
        sentence="No picture has a copy in another split.",
        metric=_headline(result),
        action="Nothing to do.",
    )
    return (clean,)


def _tests(one: Crossing, size: dict[str, int]) -> bool:
    """Whether the side is the one tested on: not called train, or else the smaller, or else the first by name."""
    keys = [(name.lower().startswith("train"), size[name], name) for name in (one.side, one.other)]
    return keys[0] < keys[1]


def _leak(one: Crossing, back: Crossing, result: LeakageResult) -> Finding:
    pictures = [p for group in result.groups for p in group]
    return Finding(
        id=f"leakage.{one.side}.{one.other}",
        severity=Severity.PROBLEM,
        sentence=f"{images_of(one.images, one.side)} a copy in “{one.other}” ({one.images / one.n:.1%} of it): "
        f"results on “{one.side}” are too good by what was memorised.",
        metric=share(f"{one.side} also in {one.other}", one.images, one.n),
        pictures=tuple(pictures[:12]),
        action=f"Remove the {back.images} copies from “{one.other}” (tables/leakage.parquet, split = {one.other}), "
        "then train and evaluate again.",
        table="leakage",
        weight=result.n_images / max(result.n, 1),
    )


def _blocks(result: LeakageResult) -> tuple[Block, ...]:
    if not result.groups:
        return ()
    blocks: list[Block] = [
        group_block("Pictures in more than one split", result.groups, "leakage"),
        crossing_block("Leakage by pair of splits", result.crossings),
    ]
    if result.classes:
        columns = (
            Column(name="label", title="Class"),
            Column(name="split", title="Split"),
            Column(name="n", title="Images", align="right", format="integer"),
            Column(name="leaked", title="Leaked", align="right", format="integer"),
            Column(name="share", title="Share", align="right", format="percent"),
        )
        rows = tuple((label, split, n, k, k / n) for label, split, n, k in result.classes[:50])
        blocks.append(TableBlock(title="Leakage by class", columns=columns, rows=rows, source="leakage"))
    return tuple(blocks)


ANALYSIS = register(
    Analysis(
        name="leakage",
        version=1,
        title="Leakage between splits",
        question="Which pictures of one split have a copy in another?",
        datasets=1,
        needs=frozenset({Need.NEIGHBOURS}),
        config=NearConfig,
        result=LeakageResult,
        compute=compute,
        section=section,
        source="docs/duplicates.md; B. Barz and J. Denzler, “Do we train on test data?”, J. Imaging 6(6), 2020",
        order=25,
        tables=("leakage",),
    )
)
