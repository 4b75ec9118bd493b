"""Which pictures of a dataset are copies of each other: same file, same pixels, or near-copies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from audit.analyses.base import Analysis, Computed, Need, Result, register
from audit.duplicates.find import NearConfig, find_within
from audit.duplicates.groups import make_groups
from audit.duplicates.sections import Certainty, certainty, share
from audit.duplicates.sure import sure_copies, sure_distance
from audit.duplicates.tables import group_table, pair_table, picture_rows, surest_first
from audit.maths.intervals import wilson
from audit.model import DatasetView
from audit.report import (
    Block,
    Column,
    Finding,
    ImagesBlock,
    Picture,
    Section,
    Severity,
    TableBlock,
    TextBlock,
)
from audit.shown import counted, looks

SHOWN = 12
"""Groups shown in the report; the table lists all."""

PROBLEM_SHARE = 0.01
"""From this share of superfluous pictures on, accuracy and class balance are visibly biased. A problem is what
lies above it with the whole of its interval, so that one picture more or less in the dataset decides nothing."""

METHOD = (
    "Files are equal when their SHA-256 is; pictures when their decoded pixels and sizes are. Near-copies are proposed "
    "by low-frequency descriptors of six windows of a stored 48 × 48 thumbnail (also mirrored and turned) and by the "
    "embedding's nearest neighbours, then aligned by an affine warp and compared outside the one rectangle that "
    "differs most. The distance is 1 − correlation of the locally normalised thumbnails, with surcharges for what the "
    "rectangle hid, for plain drawings, for another colour and for a turn. Every picture of a group was compared "
    "with the one that is kept, so groups are no chains. The threshold was chosen on planted copies; the E-value is "
    "the number of unrelated pairs expected so close in this dataset. A near-copy is sure when it is at most 1, or, "
    "where too few pairs are half alike to estimate it, at a distance up to 0.12; only sure copies are counted. "
    "Moving the threshold reads no picture again: tables/duplicate_pairs.parquet holds the distances. Source: "
    "docs/duplicates.md."
)


class DuplicatesResult(Result):
    """Counts of copies, and the groups that are shown."""

    n: int
    n_groups: int
    """Groups that hold a sure copy."""
    n_exact: int
    """Superfluous files: each the same file as another that stays."""
    n_pixel: int
    n_near: int
    """Superfluous near-copies that are sure."""
    n_possible: int
    """Pictures within the threshold of one that stays of which it is not sure that they are copies."""
    n_conflicts: int
    """Pictures that stay with a sure copy of another label."""
    n_conflicting_images: int
    """These and their sure copies."""
    certainty: Certainty
    groups: tuple[tuple[Picture, ...], ...]
    near_groups: tuple[tuple[Picture, ...], ...]
    possible_groups: tuple[tuple[Picture, ...], ...]
    conflicts: tuple[tuple[Picture, ...], ...]
    classes: tuple[tuple[str, int, int], ...]
    """(label, images, superfluous images), most superfluous first."""


def compute(views: Sequence[DatasetView], config: NearConfig, rng: np.random.Generator) -> Computed:
    """Find the copies of one dataset; ``rng`` is not used."""
    del rng
    (view,) = views
    found = find_within(view, config)
    groups = make_groups(view.images, found, config.threshold)
    of = sure_copies(groups, found, sure_distance(found, config.threshold))
    sure = of.keys() | ({group.rows[0] for group in groups} & set(of.values()))
    table = group_table(view.images, groups, found, [sure & set(group.rows) for group in groups])
    numbers = {row: number for number, group in enumerate(groups) for row in group.rows}
    conflicts = conflicting(view.column("label"), of)
    return Computed(
        result=_result(view, table, certainty(found, config.threshold), conflicts, numbers),
        tables={"duplicates": table, "duplicate_pairs": pair_table(view.images, found, config.threshold)},
    )


def _result(
    view: DatasetView, table: pa.Table, known: Certainty, conflicts: dict[int, list[int]], numbers: dict[int, int]
) -> DuplicatesResult:
    extra = [row for row in table.to_pylist() if not row["keep"]]
    kinds = Counter(row["kind"] for row in extra if row["sure"])
    sizes = Counter(table.column("group").to_pylist())
    sure, near, possible = (
        {row["group"] for row in extra if wanted(row)}
        for wanted in (
            lambda row: row["sure"],
            lambda row: row["sure"] and row["kind"] == "near",
            lambda row: not row["sure"],
        )
    )
    orders = (
        sorted(sure - near, key=lambda number: (-sizes[number], number)),
        sorted(near, key=surest_first(table)),
        sorted(possible - sure, key=surest_first(table)),
        sorted({numbers[row] for row in conflicts}),
    )
    shown = [tuple(picture_rows(table, view.name, order[:SHOWN])) for order in orders]
    return DuplicatesResult(
        n=len(view),
        n_groups=len(sure),
        n_exact=kinds["exact"],
        n_pixel=kinds["pixel"],
        n_near=kinds["near"],
        n_possible=sum(not row["sure"] for row in extra),
        n_conflicts=len(conflicts),
        n_conflicting_images=sum(1 + len(copies) for copies in conflicts.values()),
        certainty=known,
        groups=shown[0],
        near_groups=shown[1],
        possible_groups=shown[2],
        conflicts=shown[3],
        classes=_by_class(view, [row for row in extra if row["sure"]]),
    )


def conflicting(labels: Sequence[str | None], of: dict[int, int]) -> dict[int, list[int]]:
    """The images that stay whose sure copies carry another label, with those copies; of :func:`sure_copies`."""
    copies: dict[int, list[int]] = {}
    for row, stays in of.items():
        copies.setdefault(stays, []).append(row)
    names = {stays: {labels[row] for row in (stays, *rows)} - {None} for stays, rows in copies.items()}
    return {stays: rows for stays, rows in copies.items() if len(names[stays]) > 1}


def _by_class(view: DatasetView, extra: Sequence[dict[str, Any]]) -> tuple[tuple[str, int, int], ...]:
    total = Counter(label for label in view.column("label") if label is not None)
    superfluous = Counter(row["label"] for row in extra if row["label"] is not None)
    return tuple((label, total[label], k) for label, k in sorted(superfluous.items(), key=lambda x: (-x[1], x[0])))


def section(result: DuplicatesResult) -> Section:
    """Words and pictures for the copies found."""
    extra = result.n_exact + result.n_pixel + result.n_near
    return Section(
        id="duplicates",
        title="Duplicates",
        question=ANALYSIS.question,
        summary=_summary_sentence(result, extra),
        analysis=ANALYSIS.name,
        version=ANALYSIS.version,
        findings=_findings(result),
        headline=(share("Superfluous copies", extra, result.n),),
        blocks=_blocks(result),
        method=METHOD,
    )


def _summary_sentence(result: DuplicatesResult, extra: int) -> str:
    n = result.n_possible
    more = f" {n:,}{' more' if extra else ''} may be, or only {looks(n)} alike." if n else ""
    if extra == 0:
        return f"No {'sure ' if n else ''}copies among {counted(result.n, 'image')}.{more}"
    parts = ((result.n_exact, "the same file"), (result.n_pixel, "the same pixels in another file"))
    kinds = [f"{k:,} {what}" for k, what in parts] + [counted(result.n_near, "near-copy", "near-copies")]
    return (
        f"{extra:,} of {result.n:,} images {'is a copy' if extra == 1 else 'are copies'} of one that stays, in "
        f"{counted(result.n_groups, 'group')}: {', '.join(kinds)}.{more}"
    )


def _findings(result: DuplicatesResult) -> tuple[Finding, ...]:
    exact = result.n_exact + result.n_pixel
    found = [_conflicts(result)] if result.n_conflicts else []
    for kind, n, shown in (("exact", exact, result.groups), ("near", result.n_near, result.near_groups)):
        if n:
            found.append(_copies(kind, n, result, shown))
    if result.n_possible:
        found.append(_possible(result))
    return tuple(found) or (_none_found(result),)


def _conflicts(result: DuplicatesResult) -> Finding:
    groups = counted(result.n_conflicts, "group")
    return Finding(
        id="duplicates.labels",
        severity=Severity.PROBLEM,
        sentence=f"{groups} of copies {'carries' if result.n_conflicts == 1 else 'carry'} different labels: the same "
        "picture is called two things, so one of them is wrong or both apply.",
        metric=share("Images in groups with conflicting labels", result.n_conflicting_images, result.n),
        pictures=tuple(picture for group in result.conflicts for picture in group)[:12],
        action="Decide the right label of each group in tables/duplicates.parquet, or allow several labels.",
        table="duplicates",
        weight=result.n_conflicting_images / max(result.n, 1),
    )


def _copies(kind: str, n: int, result: DuplicatesResult, shown: tuple[tuple[Picture, ...], ...]) -> Finding:
    what = {
        "exact": "of another (same file or same pixels)",
        "near": "of another: re-saved, resized, cropped, mirrored, rotated or partly covered",
    }[kind]
    name = {"exact": ("an exact copy", "exact copies"), "near": ("a near-copy", "near-copies")}[kind][n > 1]
    title = "Exact copies" if kind == "exact" else "Near-copies"
    note = "" if kind == "exact" else result.certainty.of_sure()
    return Finding(
        id=f"duplicates.{kind}",
        severity=Severity.PROBLEM if wilson(n, result.n)[0] >= PROBLEM_SHARE else Severity.ATTENTION,
        sentence=f"{counted(n, 'image')} {'is' if n == 1 else 'are'} {name} {what}.",
        metric=share(title, n, result.n, note=note),
        pictures=tuple(picture for group in shown for picture in group)[:12],
        action=f"Remove the {'file' if n == 1 else f'{n:,} files'} listed in tables/duplicates.parquet with keep = "
        "false, sure = true and kind "
        + ("exact or pixel." if kind == "exact" else "near, after a look at them below."),
        table="duplicates",
        weight=n / result.n,
    )


def _possible(result: DuplicatesResult) -> Finding:
    n, crowded = result.n_possible, result.certainty.crowded
    if crowded:
        sentence = f"{counted(n, 'image')} {looks(n)} like another: frames of one scene, a burst, or copies."
        action = (
            "Look at them. Give the frames of one scene the same value in a group column, so that no split parts them; "
            "remove only what you see to be a copy (tables/duplicates.parquet, sure = false)."
        )
    else:
        be = "a copy" if n == 1 else "copies"
        sentence = f"{counted(n, 'image')} may be {be} of another, or only {looks(n)} like it."
        action = (
            "Look at the groups below and remove only what you see to be a copy (tables/duplicates.parquet, sure = "
            "false)."
        )
    return Finding(
        id="duplicates.possible",
        severity=Severity.ATTENTION,
        sentence=sentence,
        metric=share("May be copies", n, result.n, note=result.certainty.of_possible()),
        pictures=tuple(picture for group in result.possible_groups for picture in group)[:12],
        action=action,
        table="duplicates",
        weight=n / result.n,
    )


def _none_found(result: DuplicatesResult) -> Finding:
    return Finding(
        id="duplicates.none",
        severity=Severity.OK,
        sentence=f"No exact or near-copies were found among {result.n} images.",
        metric=share("Superfluous copies", 0, result.n),
        action="Nothing to do.",
    )


def _blocks(result: DuplicatesResult) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for title, groups in (
        ("Copies with different labels", result.conflicts),
        ("Exact copies", result.groups),
        ("Near-copies", result.near_groups),
        ("Pictures that may be copies", result.possible_groups),
    ):
        if groups:
            note = "The marked picture is the one to keep; tables/duplicates.parquet lists all groups."
            blocks.append(ImagesBlock(title=title, groups=groups, note=note))
    if result.classes:
        rows = tuple((label, n, k, k / n) for label, n, k in result.classes[:50])
        note = "Exact copies and sure near-copies; each picture: tables/duplicates.parquet."
        columns = (
            Column(name="label", title="Class"),
            Column(name="n", title="Images", align="right", format="integer"),
            Column(name="extra", title="Copies", align="right", format="integer"),
            Column(name="share", title="Share", align="right", format="percent"),
        )
        blocks.append(TableBlock(title="Copies by class", columns=columns, rows=rows, note=note))
    blocks.append(TextBlock(title="How sure", text=result.certainty.explained()))
    return tuple(blocks)


ANALYSIS = register(
    Analysis(
        name="duplicates",
        version=3,
        title="Duplicates",
        question="Which pictures are copies of each other?",
        datasets=1,
        needs=frozenset({Need.NEIGHBOURS}),
        config=NearConfig,
        result=DuplicatesResult,
        compute=compute,
        section=section,
        source="docs/duplicates.md; alignment after Baker & Matthews, IJCV 56(3), 2004; E-values after Karlin & "
        "Altschul, PNAS 87, 1990",
        order=20,
        tables=("duplicates", "duplicate_pairs"),
    )
)
