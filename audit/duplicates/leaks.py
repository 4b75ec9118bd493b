"""Copies on both sides of a line that should keep them apart: splits of a dataset, or two datasets."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from audit.duplicates.find import Pairs
from audit.duplicates.groups import Group, group_of, make_groups
from audit.duplicates.tables import group_table


class Crossing(BaseModel):
    """How much of one side has a copy on another.

    ``images`` of ``side`` that have a copy in ``other``, of ``n``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    side: str
    other: str
    images: int
    n: int


def crossing_groups(images: pa.Table, found: Pairs, threshold: float, sides: list[str | None]) -> list[Group]:
    """The groups of copies that have members on two sides or more.

    A near pair across the line whose pictures ended in different groups (the ends of a chain) gets a group of its
    own, so no leak goes unlisted; a picture may then be in two groups.
    """
    groups = [g for g in make_groups(images, found, threshold) if len({sides[row] for row in g.rows} - {None}) > 1]
    together = {(min(a, b), max(a, b)) for g in groups for a, b in combinations(sorted(g.rows), 2)}
    members: dict[int, list[int]] = {}
    for row, node in enumerate(found.node.tolist()):
        members.setdefault(node, []).append(row)
    for a, b in found.pairs[found.within(threshold)].tolist():
        rows = members[a] + members[b]
        split = {sides[row] for row in rows} - {None}
        seen = (min(found.first[a], found.first[b]), max(found.first[a], found.first[b]))
        if len(split) > 1 and seen not in together:
            groups.append(group_of(images, [members[a], members[b]]))
    paths = images.column("path").to_pylist()
    return sorted(groups, key=lambda group: (paths[group.rows[0]], paths[group.rows[1]], group.rows))


def leak_table(images: pa.Table, groups: list[Group], found: Pairs, extra: dict[str, list[str]]) -> pa.Table:
    """Groups across the line as a table: GROUP_SCHEMA without ``keep``, and the columns of ``extra`` by image row."""
    table = group_table(images, groups, found).drop_columns(["keep"])
    rows = [row for group in groups for row in group.rows]
    for name, values in extra.items():
        table = table.append_column(pa.field(name, pa.string()), pa.array([values[row] for row in rows], pa.string()))
    return table


def crossings(table: pa.Table, column: str, totals: Counter[str]) -> tuple[Crossing, ...]:
    """For every ordered pair of sides, the images of one that have a copy on the other; sorted by name.

    Parameters
    ----------
    table : pyarrow.Table
        A leak table.
    column : str
        The column that tells the sides apart.
    totals : Counter
        Images of each side.
    """
    present: dict[int, set[str]] = {}
    rows = [row for row in table.select(["group", "image_id", column]).to_pylist() if row[column] is not None]
    for row in rows:
        present.setdefault(row["group"], set()).add(row[column])
    leaked: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        for other in present[row["group"]] - {row[column]}:
            leaked.setdefault((row[column], other), set()).add(row["image_id"])
    return tuple(
        Crossing(side=side, other=other, images=len(ids), n=totals[side])
        for (side, other), ids in sorted(leaked.items())
    )
