"""The tables that list copies, and the pictures of a report that show them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from audit.duplicates.find import Pairs
from audit.duplicates.groups import Group
from audit.duplicates.how import what_was_done
from audit.report import Picture

GROUP_SCHEMA = pa.schema(
    [
        pa.field("group", pa.int32(), nullable=False),
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("keep", pa.bool_(), nullable=False),
        pa.field("sure", pa.bool_(), nullable=False),
        pa.field("how", pa.string()),
        pa.field("distance", pa.float32()),
        pa.field("e_value", pa.float64()),
        pa.field("label", pa.string()),
        pa.field("split", pa.string()),
    ]
)
"""One row per picture in a group of copies.

group : from 0, by the path of the kept picture
kind : ``exact`` (same file), ``pixel`` (same pixels, another file) or ``near``, as seen from the kept picture
keep : whether this is the one to keep
sure : whether it is a copy for certain of a picture that stays; of the kept one, whether it has such a copy
how : what was done to the kept picture to get this one; null for the kept one
distance : of the second look, to the kept picture, 0 for exact and pixel; null for the kept one
e_value : expected number of unrelated pairs as close as this in the dataset; null where unknown
"""

PAIR_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("other_image_id", pa.string(), nullable=False),
        pa.field("other_path", pa.string(), nullable=False),
        pa.field("distance", pa.float32(), nullable=False),
        pa.field("e_value", pa.float64()),
        pa.field("how", pa.string(), nullable=False),
        pa.field("is_near", pa.bool_(), nullable=False),
    ]
)
"""Every pair of distinct pictures that came within reach, nearest first, beyond the threshold too."""


class PairWords:
    """Distance, E-value and words for pairs of image rows, looked up in what was found."""

    def __init__(self, images: pa.Table, found: Pairs) -> None:
        self._found = found
        self._at = {(int(a), int(b)): number for number, (a, b) in enumerate(found.pairs)}
        self._sizes = list(zip(images.column("width").to_pylist(), images.column("height").to_pylist(), strict=True))
        self._mean = found.looks.mean_luma()

    def between(self, row: int, other: int) -> tuple[str, float | None, float | None]:
        """How ``other`` was made from ``row``, their distance and E-value; nulls for a pair nobody proposed."""
        a, b = int(self._found.node[row]), int(self._found.node[other])
        if a == b:
            return "", 0.0, 0.0
        number = self._at.get((min(a, b), max(a, b)))
        if number is None:
            return "", None, None
        expected = float(self._found.expected[number])
        distance = float(self._found.distance[number])
        return self.words(number, backwards=a > b), distance, None if np.isnan(expected) else expected

    def words(self, number: int, *, backwards: bool = False) -> str:
        """What made the second picture of a pair from the first, or the first from the second."""
        found = self._found
        nodes = [int(node) for node in found.pairs[number]]
        sizes = [self._sizes[found.first[node]] for node in nodes]
        means = [float(self._mean[node]) for node in nodes]
        warp, orientation = found.warp[number], int(found.orientation[number])
        return what_was_done(
            warp, orientation, float(found.covered[number]), sizes=sizes, means=means, backwards=backwards
        )


def group_table(images: pa.Table, groups: Sequence[Group], found: Pairs, sure: Sequence[Collection[int]]) -> pa.Table:
    """The groups as a table of GROUP_SCHEMA; ``sure`` has the rows of each group that are sure."""
    words = PairWords(images, found)
    columns = {name: images.column(name).to_pylist() for name in ("image_id", "path", "label", "split")}
    rows: list[dict[str, Any]] = []
    for number, group in enumerate(groups):
        for row, kind in zip(group.rows, group.kinds, strict=True):
            kept = row == group.rows[0]
            how, distance, expected = (None, None, None) if kept else words.between(group.rows[0], row)
            said = {"exact": "same file", "pixel": "same pixels, another file"}.get(kind, how) if not kept else None
            rows.append(
                {"group": number, "kind": kind, "keep": kept, "sure": row in sure[number]}
                | {"how": said, "distance": distance, "e_value": expected}
                | {name: values[row] for name, values in columns.items()}
            )
    return pa.Table.from_pylist(rows, schema=GROUP_SCHEMA)


def pair_table(images: pa.Table, found: Pairs, threshold: float) -> pa.Table:
    """Every verified pair as a table of PAIR_SCHEMA, nearest first."""
    words = PairWords(images, found)
    ids, paths = images.column("image_id").to_pylist(), images.column("path").to_pylist()
    near = found.within(threshold)
    rows = []
    for number, (a, b) in enumerate(found.pairs):
        one, other = int(found.first[a]), int(found.first[b])
        expected = float(found.expected[number])
        rows.append(
            {
                "image_id": ids[one],
                "path": paths[one],
                "other_image_id": ids[other],
                "other_path": paths[other],
                "distance": float(found.distance[number]),
                "e_value": None if np.isnan(expected) else expected,
                "how": words.words(number),
                "is_near": bool(near[number]),
            }
        )
    rows.sort(key=lambda row: (row["distance"], row["path"], row["other_path"]))
    return pa.Table.from_pylist(rows, schema=PAIR_SCHEMA)


def picture_rows(table: pa.Table, dataset: str, numbers: Iterable[int], *, limit: int = 6) -> list[tuple[Picture, ...]]:
    """Pictures of some groups of a group table, the kept one first and marked, at most ``limit`` of each.

    Those of which it is not sure that they are copies say so.
    """
    wanted = {number: place for place, number in enumerate(numbers)}
    shown: list[list[Picture]] = [[] for _ in wanted]
    for row in table.to_pylist():
        place = wanted.get(row["group"])
        if place is None or len(shown[place]) >= limit:
            continue
        said = (row["how"], "" if row["sure"] else "may be a copy") if shown[place] else ("kept",)
        caption = " · ".join(part for part in (row["split"], row["label"], *said) if part)
        shown[place].append(
            Picture(
                dataset=row.get("dataset") or dataset,
                image_id=row["image_id"],
                path=row["path"],
                caption=caption,
                marked=not shown[place],
            )
        )
    return [tuple(pictures) for pictures in shown]


def surest_first(table: pa.Table) -> Callable[[int], tuple[float, int]]:
    """Sort key of the groups of a table: the largest distance of a sure copy, or else of any; sure ones first."""
    farthest: dict[int, float] = {}
    unsure: dict[int, float] = {}
    for row in table.select(["group", "sure", "distance"]).to_pylist():
        into = farthest if row["sure"] else unsure
        into[row["group"]] = max(into.get(row["group"], 0.0), row["distance"] or 0.0)
    return lambda number: (farthest[number] if number in farthest else 1.0 + unsure[number], number)
