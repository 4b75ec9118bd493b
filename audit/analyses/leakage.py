"""Which pictures of one split have a copy in another: the leak that makes test results too good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from audit.analyses.base import Analysis, Computed, Need, Result, register
from audit.duplicates.find import NearConfig, find_within
from audit.duplicates.groups import tested_on
from audit.duplicates.leaks import Crossing, crossing_groups, crossings, leak_table, sure_sides
from audit.duplicates.roles import evaluation_rank
from audit.duplicates.sections import Certainty, certainty, crossing_block, group_block, images_of, share
from audit.duplicates.sure import sure_distance, sure_links
from audit.duplicates.tables import picture_rows, surest_first
from audit.model import DatasetView
from audit.report import Block, Column, Finding, Metric, Picture, Section, Severity, TableBlock
from audit.shown import counted, have, looks

SHOWN = 12
"""Groups shown in the report; the table lists all."""

METHOD = (
    "Copies are found as in the section on duplicates: same file, same pixels, or near-copies verified by aligning "
    "thumbnails. A group leaks when its pictures lie in more than one split; pictures without a split are left out. A "
    "leak is counted when a copy is sure: the same file or pixels, or at most one unrelated pair expected as close "
    "(or, where that cannot be estimated, a distance up to 0.12). "
    "Intervals are Wilson's at 95 %. Source: docs/duplicates.md."
)


class LeakageResult(Result):
    """Counts of pictures with a copy in another split."""

    n: int
    """Images that have a split."""
    splits: tuple[tuple[str, int], ...]
    """In the order of being tested on, the one to train on last."""
    n_groups: int
    """Groups that hold a sure leak."""
    n_images: int
    """Images that surely have a copy in another split."""
    n_possible: int
    """Others that may have one."""
    crossings: tuple[Crossing, ...]
    classes: tuple[tuple[str, str, int, int], ...]
    """(class, split, images, of them with a sure copy in another split), most first."""
    certainty: Certainty
    groups: tuple[tuple[Picture, ...], ...]
    """Sure leaks, the nearest first."""
    possible_groups: tuple[tuple[Picture, ...], ...]


def compute(views: Sequence[DatasetView], config: NearConfig, rng: np.random.Generator) -> Computed:
    """Find copies between the splits of one dataset; ``rng`` is not used."""
    del rng
    (view,) = views
    sides: list[str | None] = view.column("split")
    totals = Counter(side for side in sides if side is not None)
    rank = evaluation_rank(sides)
    found = find_within(view, config)
    stays = tested_on(view.images)
    groups = crossing_groups(view.images, found, config.threshold, sides, stays) if len(totals) > 1 else []
    linked = sure_links(groups, found, sure_distance(found, config.threshold))
    sure = [sure_sides(group, found, linked, sides) for group in groups]
    table = leak_table(view.images, groups, found, sure, {})
    leaked = {row for rows in sure for row in rows}
    order = sorted(range(len(groups)), key=surest_first(table))
    n_sure = sum(bool(rows) for rows in sure)
    result = LeakageResult(
        n=sum(totals.values()),
        splits=tuple(sorted(totals.items(), key=lambda item: -rank[item[0]])),
        n_groups=n_sure,
        n_images=len(leaked),
        n_possible=len({row for group in groups for row in group.rows if sides[row] is not None} - leaked),
        crossings=crossings(groups, sure, sides, totals),
        classes=_classes(view, table),
        certainty=certainty(found, config.threshold),
        groups=tuple(picture_rows(table, view.name, order[: min(SHOWN, n_sure)])),
        possible_groups=tuple(picture_rows(table, view.name, order[n_sure : n_sure + SHOWN])),
    )
    return Computed(result=result, tables={"leakage": table})


def _classes(view: DatasetView, table: pa.Table) -> tuple[tuple[str, str, int, int], ...]:
    total = Counter(zip(view.column("label"), view.column("split"), strict=True))
    rows = {row["image_id"]: (row["label"], row["split"]) for row in table.to_pylist() if row["sure"]}
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
    n = result.n_possible
    more = f" {counted(n, 'more image' if result.n_images else 'image')} may have one." if n else ""
    if result.n_images == 0:
        return f"No picture has a {'sure ' if n else ''}copy in another split ({names}).{more}"
    return (
        f"{counted(result.n_images, 'image')} of {result.n:,} {have(result.n_images)} a copy in another split "
        f"({names}), in {counted(result.n_groups, 'group')}.{more}"
    )


def _findings(result: LeakageResult) -> tuple[Finding, ...]:
    if len(result.splits) < 2:
        return ()
    place = {name: i for i, (name, _) in enumerate(result.splits)}
    tested = [one for one in result.crossings if place[one.side] < place[one.other]]
    found = [_leak(one, result) for one in tested if one.images]
    found += [_possible(one, result) for one in tested if one.possible]
    if found:
        return tuple(sorted(found, key=lambda f: (f.severity is not Severity.PROBLEM, -f.weight, f.id)))
    clean = Finding(
        id="leakage.none",
        severity=Severity.OK,
        sentence="No picture has a copy in another split.",
        metric=_headline(result),
        action="Nothing to do.",
    )
    return (clean,)


def _leak(one: Crossing, result: LeakageResult) -> Finding:
    pictures = [p for group in result.groups for p in group]
    back = next(c for c in result.crossings if (c.side, c.other) == (one.other, one.side))
    copies = "the copy" if back.images == 1 else f"the {back.images:,} copies"
    return Finding(
        id=f"leakage.{one.side}.{one.other}",
        severity=Severity.PROBLEM,
        sentence=f"{images_of(one.images, one.side)} a copy in “{one.other}” ({one.images / one.n:.1%} of it): "
        f"results on “{one.side}” are too good by what was memorised.",
        metric=share(f"{one.side} also in {one.other}", one.images, one.n, note=result.certainty.of_sure()),
        pictures=tuple(pictures[:12]),
        action=f"Remove {copies} from “{one.other}” (tables/leakage.parquet, split = {one.other} and sure = true), "
        "then train and evaluate again.",
        table="leakage",
        weight=one.images / max(one.n, 1),
    )


def _possible(one: Crossing, result: LeakageResult) -> Finding:
    pictures = [p for group in result.possible_groups for p in group]
    return Finding(
        id=f"leakage.{one.side}.{one.other}.possible",
        severity=Severity.ATTENTION,
        sentence=f"{counted(one.possible, 'more image') if one.images else counted(one.possible, 'image')} of "
        f"“{one.side}” may have a copy in “{one.other}”, or only {looks(one.possible)} like a picture of it.",
        metric=share(
            f"{one.side} perhaps also in {one.other}", one.possible, one.n, note=result.certainty.of_possible()
        ),
        pictures=tuple(pictures[:12]),
        action=f"Look at the groups (tables/leakage.parquet, sure = false) and remove from “{one.other}” what you see "
        "to be a copy.",
        table="leakage",
        weight=one.possible / max(one.n, 1),
    )


def _blocks(result: LeakageResult) -> tuple[Block, ...]:
    if not result.crossings:
        return ()
    blocks: list[Block] = [
        group_block(title, groups, "leakage")
        for title, groups in (
            ("Pictures in more than one split", result.groups),
            ("Pictures that may be in more than one split", result.possible_groups),
        )
        if groups
    ]
    blocks.append(crossing_block("Leakage by pair of splits", result.crossings))
    if result.classes:
        columns = (
            Column(name="label", title="Class"),
            Column(name="split", title="Split"),
            Column(name="n", title="Images", align="right", format="integer"),
            Column(name="leaked", title="Leaked", align="right", format="integer"),
            Column(name="share", title="Share", align="right", format="percent"),
        )
        rows = tuple((label, split, n, k, k / n) for label, split, n, k in result.classes[:50])
        note = "Images that surely have a copy in another split; each of them: tables/leakage.parquet."
        blocks.append(TableBlock(title="Leakage by class", columns=columns, rows=rows, note=note))
    return tuple(blocks)


ANALYSIS = register(
    Analysis(
        name="leakage",
        version=2,
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
