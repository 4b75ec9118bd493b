"""Which pictures of a dataset are copies of each other: same file, same pixels, or near-copies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit.analyses.base import Analysis, Computed, Need, Result, register
from audit.duplicates.find import NearConfig, find_within
from audit.duplicates.groups import make_groups
from audit.duplicates.sections import share
from audit.duplicates.tables import group_table, pair_table, picture_rows
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

SHOWN = 12
"""Groups shown in the report; the table lists all."""

PROBLEM_SHARE = 0.01
"""From this share of superfluous pictures on, accuracy and class balance are visibly biased."""

METHOD = (
    "Files are equal when their SHA-256 is; pictures when their decoded pixels and sizes are. Near-copies are proposed "
    "by low-frequency descriptors of six windows of a stored 48 × 48 thumbnail (also mirrored and turned) and by the "
    "embedding's nearest neighbours, then aligned by an affine warp and compared outside the one rectangle that "
    "differs most. The distance is 1 − correlation of the locally normalised thumbnails, with surcharges for what the "
    "rectangle hid, for plain drawings, for another colour and for a turn. Every picture of a group was compared "
    "with the one that is kept, so groups are no chains. The threshold was chosen on planted copies; the E-value is "
    "the number of unrelated pairs expected so close in this dataset. Moving the threshold reads no picture again: "
    "tables/duplicate_pairs.parquet holds the distances. Source: docs/duplicates.md."
)


class DuplicatesResult(Result):
    """Counts of copies, and the groups that are shown."""

    n: int
    n_groups: int
    n_exact: int
    """Superfluous files: each the same file as another that stays."""
    n_pixel: int
    n_near: int
    n_conflicts: int
    """Groups whose pictures carry different labels."""
    n_conflicting_images: int
    threshold: float
    e_at_threshold: float | None
    """Expected number of unrelated pairs within the threshold; None where it could not be estimated."""
    groups: tuple[tuple[Picture, ...], ...]
    near_groups: tuple[tuple[Picture, ...], ...]
    conflicts: tuple[tuple[Picture, ...], ...]
    classes: tuple[tuple[str, int, int], ...]
    """(label, images, superfluous images), most superfluous first."""


def compute(views: Sequence[DatasetView], config: NearConfig, rng: np.random.Generator) -> Computed:
    """Find the copies of one dataset; ``rng`` is not used."""
    del rng
    (view,) = views
    found = find_within(view, config)
    groups = make_groups(view.images, found, config.threshold)
    table = group_table(view.images, groups, found)
    pairs = pair_table(view.images, found, config.threshold)
    return Computed(
        result=_summary(view, config, table, found.tail.at(config.threshold) if found.tail else None),
        tables={"duplicates": table, "duplicate_pairs": pairs},
    )


def _summary(view: DatasetView, config: NearConfig, table: pa.Table, expected: float | None) -> DuplicatesResult:
    extra = table.filter(pc.invert(table.column("keep")))
    kinds = extra.column("kind").to_pylist()
    conflicts = conflicting_groups(table)
    numbers = table.column("group").to_pylist()
    near = {row["group"] for row in extra.to_pylist() if row["kind"] == "near"}
    sizes = Counter(numbers)
    by_size = sorted(sizes, key=lambda number: (-sizes[number], number))
    surest = sorted(near, key=_farthest(table))
    return DuplicatesResult(
        n=len(view),
        n_groups=len(sizes),
        n_exact=kinds.count("exact"),
        n_pixel=kinds.count("pixel"),
        n_near=kinds.count("near"),
        n_conflicts=len(conflicts),
        n_conflicting_images=sum(number in conflicts for number in numbers),
        threshold=config.threshold,
        e_at_threshold=expected,
        groups=tuple(picture_rows(table, view.name, [n for n in by_size if n not in near][:SHOWN])),
        near_groups=tuple(picture_rows(table, view.name, surest[:SHOWN])),
        conflicts=tuple(picture_rows(table, view.name, sorted(conflicts)[:SHOWN])),
        classes=_by_class(view, extra),
    )


def _farthest(table: pa.Table) -> Callable[[int], tuple[float, int]]:
    """Sort key of groups: the largest distance of a copy from the kept picture, the surest group first."""
    farthest: dict[int, float] = {}
    for number, distance in zip(table.column("group").to_pylist(), table.column("distance").to_pylist(), strict=True):
        farthest[number] = max(farthest.get(number, 0.0), distance or 0.0)
    return lambda number: (farthest[number], number)


def conflicting_groups(table: pa.Table) -> set[int]:
    """Groups of a group table whose pictures carry more than one label."""
    labels: dict[int, set[str]] = {}
    for number, label in zip(table.column("group").to_pylist(), table.column("label").to_pylist(), strict=True):
        if label is not None:
            labels.setdefault(number, set()).add(label)
    return {number for number, names in labels.items() if len(names) > 1}


def _by_class(view: DatasetView, extra: pa.Table) -> tuple[tuple[str, int, int], ...]:
    total = Counter(label for label in view.column("label") if label is not None)
    superfluous = Counter(label for label in extra.column("label").to_pylist() if label is not None)
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
    if extra == 0:
        return f"No copies among {result.n} images."
    return (
        f"{extra} of {result.n} images are copies of one that stays, in {result.n_groups} groups: {result.n_exact} the "
        f"same file, {result.n_pixel} the same pixels in another file, {result.n_near} near-copies."
    )


def _findings(result: DuplicatesResult) -> tuple[Finding, ...]:
    found = []
    exact = result.n_exact + result.n_pixel
    if result.n_conflicts:
        found.append(
            Finding(
                id="duplicates.labels",
                severity=Severity.PROBLEM,
                sentence=f"{result.n_conflicts} groups of copies carry different labels: the same picture is called "
                "two things, so one of them is wrong or both apply.",
                metric=share("Images in groups with conflicting labels", result.n_conflicting_images, result.n),
                pictures=tuple(picture for group in result.conflicts for picture in group)[:12],
                action="Decide the right label of each group in tables/duplicates.parquet, or allow several labels.",
                table="duplicates",
                weight=result.n_conflicting_images / max(result.n, 1),
            )
        )
    for kind, n, shown in (("exact", exact, result.groups), ("near", result.n_near, result.near_groups)):
        if n:
            found.append(_copies(kind, n, result.n, shown))
    return tuple(found) or (_none_found(result),)


def _copies(kind: str, n: int, total: int, shown: tuple[tuple[Picture, ...], ...]) -> Finding:
    what = {
        "exact": "images are exact copies of another (same file or same pixels)",
        "near": "images are near-copies of another: re-saved, resized, cropped, mirrored, rotated or partly covered",
    }[kind]
    return Finding(
        id=f"duplicates.{kind}",
        severity=Severity.PROBLEM if n / total >= PROBLEM_SHARE else Severity.ATTENTION,
        sentence=f"{n} {what}.",
        metric=share("Exact copies" if kind == "exact" else "Near-copies", n, total),
        pictures=tuple(picture for group in shown for picture in group)[:12],
        action=f"Remove the {n} files listed in tables/duplicates.parquet with keep = false and kind "
        + ("exact or pixel." if kind == "exact" else "near, after a look at the groups below."),
        table="duplicates",
        weight=n / total,
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
    ):
        if groups:
            note = "The marked picture is the one to keep; tables/duplicates.parquet lists all groups."
            blocks.append(ImagesBlock(title=title, groups=groups, note=note))
    if result.classes:
        rows = tuple((label, n, k, k / n) for label, n, k in result.classes[:50])
        columns = (
            Column(name="label", title="Class"),
            Column(name="n", title="Images", align="right", format="integer"),
            Column(name="extra", title="Copies", align="right", format="integer"),
            Column(name="share", title="Share", align="right", format="percent"),
        )
        blocks.append(TableBlock(title="Copies by class", columns=columns, rows=rows, source="duplicates"))
    blocks.append(TextBlock(title="How sure", text=_how_sure(result)))
    return tuple(blocks)


def _how_sure(result: DuplicatesResult) -> str:
    if result.e_at_threshold is None:
        return f"Threshold {result.threshold:g}. Too few similar pairs to estimate how many would pass by chance."
    return (
        f"Threshold {result.threshold:g}. From the distances of pairs that are no copies, about "
        f"{result.e_at_threshold:.2g} unrelated pairs would be expected within it in this dataset; the e_value column "
        "gives the number for each copy's own distance: up to 1 is near-certain, up to 10 likely."
    )


ANALYSIS = register(
    Analysis(
        name="duplicates",
        version=2,
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
