"""Metrics and blocks that the reports about copies have in common."""

from __future__ import annotations

from collections.abc import Sequence

from audit.duplicates.leaks import Crossing
from audit.maths.intervals import wilson
from audit.report import Column, ImagesBlock, Metric, Picture, TableBlock


def share(name: str, k: int, n: int) -> Metric:
    """k of n as a share with its Wilson interval; suppressed when n is 0."""
    if n == 0:
        return Metric(name=name, value=None, n=0, note="no usable images")
    low, high = wilson(k, n)
    return Metric(name=name, value=k / n, low=low, high=high, unit="share", n=n)


def images_of(n: int, where: str) -> str:
    """Subject and verb: "1 image of “test” has", "5 images of “test” have"."""
    return f"{n} image{'s' if n != 1 else ''} of “{where}” {'have' if n != 1 else 'has'}"


def group_block(title: str, groups: Sequence[tuple[Picture, ...]], table: str) -> ImagesBlock:
    """Groups of copies, the first picture of each marked."""
    note = f"The marked picture is the one the others were compared with; tables/{table}.parquet lists all groups."
    return ImagesBlock(title=title, groups=tuple(groups), note=note)


def crossing_block(title: str, found: Sequence[Crossing]) -> TableBlock:
    """How much of each side has a copy on each other, with intervals."""
    columns = (
        Column(name="side", title="Of"),
        Column(name="other", title="Also in"),
        Column(name="images", title="Images", align="right", format="integer"),
        Column(name="share", title="Share", align="right", format="percent"),
        Column(name="low", title="from", align="right", format="percent"),
        Column(name="high", title="to (95 %)", align="right", format="percent"),
    )
    rows = tuple((c.side, c.other, c.images, c.images / c.n, *wilson(c.images, c.n)) for c in found)
    return TableBlock(title=title, columns=columns, rows=rows, source="leakage")
