"""Metrics and blocks that the reports about copies have in common."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from audit.duplicates.find import Pairs
from audit.duplicates.leaks import Crossing
from audit.duplicates.sure import is_crowded, sure_distance
from audit.maths.intervals import wilson
from audit.report import Column, ImagesBlock, Metric, Picture, TableBlock
from audit.shown import counted, have


class Certainty(BaseModel):
    """What is known of the number of unrelated pairs that are as close as copies."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    threshold: float
    sure: float
    """Largest distance of a sure copy; negative when only equal pixels are."""
    expected: float | None
    """Unrelated pairs expected within the threshold; None where that could not be estimated."""
    crowded: bool

    def of_sure(self) -> str:
        """Why the sure ones are sure, in a few words."""
        if self.crowded:
            return "the same file or the same pixels"
        if self.expected is None:
            return f"distance up to {self.sure:g}; too few similar pairs to estimate how many are false"
        return "at most one unrelated pair is expected so close"

    def of_possible(self) -> str:
        """How many of the others are expected to be false, in a few words."""
        if self.crowded:
            return "pairs of every likeness occur here, so how many are false cannot be estimated"
        if self.expected is None:
            return "too few similar pairs to estimate how many are false"
        return f"about {self.expected:.2g} unrelated pairs are expected to look so alike here"

    def explained(self) -> str:
        """The same at length."""
        if self.crowded:
            return (
                f"Pairs of every likeness occur in this dataset, from equal to hardly alike and the alike ones most, "
                f"as among frames of one camera or a burst. Looks cannot tell such frames from copies, so nothing but "
                f"equal files and pixels is called a copy; what is within the threshold {self.threshold:g} may be one."
            )
        if self.expected is None:
            return (
                f"Near-copies up to distance {self.sure:g} count as sure, up to the threshold {self.threshold:g} they "
                "may be copies. Too few similar pairs to estimate how many would pass by chance."
            )
        return (
            f"From the distances of pairs that are no copies, about {self.expected:.2g} unrelated pairs would be "
            f"expected within the threshold {self.threshold:g} in this dataset. Copies count as sure up to distance "
            f"{self.sure:.2g}, within which at most one is expected; the e_value column gives the number for the "
            "distance of each."
        )


def certainty(found: Pairs, threshold: float) -> Certainty:
    """What the pairs of one search say of their certainty."""
    return Certainty(
        threshold=threshold,
        sure=sure_distance(found, threshold),
        expected=None if found.tail is None else found.tail.at(threshold),
        crowded=is_crowded(found),
    )


def share(name: str, k: int, n: int, *, note: str = "") -> Metric:
    """k of n as a share with its Wilson interval; suppressed when n is 0."""
    if n == 0:
        return Metric(name=name, value=None, n=0, note="no usable images")
    low, high = wilson(k, n)
    return Metric(name=name, value=k / n, low=low, high=high, unit="share", n=n, note=note)


def images_of(n: int, where: str) -> str:
    """Subject and verb: "1 image of “test” has", "5 images of “test” have"."""
    return f"{counted(n, 'image')} of “{where}” {have(n)}"


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
        Column(name="possible", title="May be", align="right", format="integer"),
        Column(name="share", title="Share", align="right", format="percent"),
        Column(name="low", title="from", align="right", format="percent"),
        Column(name="high", title="to (95 %)", align="right", format="percent"),
    )
    rows = tuple((c.side, c.other, c.images, c.possible, c.images / c.n, *wilson(c.images, c.n)) for c in found)
    note = "Share and interval are of the sure ones. The images: tables/leakage.parquet."
    return TableBlock(title=title, columns=columns, rows=rows, note=note)
