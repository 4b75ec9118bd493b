"""Copies on both sides of a line that should keep them apart: splits of a dataset, or two datasets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from audit.duplicates.find import Pairs
from audit.duplicates.groups import Group, group_of, make_groups
from audit.duplicates.tables import group_table

Sides = Sequence[str | None]


class Crossing(BaseModel):
    """How much of one side has a copy on another.

    ``images`` of ``side`` have a copy in ``other`` for certain and ``possible`` more may have one, of ``n``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    side: str
    other: str
    images: int
    possible: int = 0
    n: int


def crossing_groups(images: pa.Table, found: Pairs, threshold: float, sides: Sides, stays: list[int]) -> list[Group]:
    """The groups of copies that have members on two sides or more.

    A near pair across the line whose pictures ended in different groups (the ends of a chain) gets a group of its
    own, so no leak goes unlisted; a picture may then be in two groups.

    Parameters
    ----------
    stays : rank of each image; of the copies on two sides that of the greatest is the one kept
    """
    made = make_groups(images, found, threshold, stays)
    groups = [g for g in made if len({sides[row] for row in g.rows} - {None}) > 1]
    together = {(min(a, b), max(a, b)) for g in groups for a, b in combinations(sorted(g.rows), 2)}
    members: dict[int, list[int]] = {}
    for row, node in enumerate(found.node.tolist()):
        members.setdefault(node, []).append(row)
    for pair in found.pairs[found.within(threshold)].tolist():
        one, other = sorted((members[node] for node in pair), key=lambda rows: -max(stays[row] for row in rows))
        a, b = (int(row) for row in found.first[pair])
        if len({sides[row] for row in one + other} - {None}) > 1 and (min(a, b), max(a, b)) not in together:
            groups.append(group_of(images, [one, other], stays))
    paths = images.column("path").to_pylist()
    return sorted(groups, key=lambda group: (paths[group.rows[0]], paths[group.rows[1]], group.rows))


def sure_sides(group: Group, found: Pairs, linked: dict[int, set[int]], sides: Sides) -> dict[int, set[str]]:
    """For the images of a group that have a copy on another side for certain, on which.

    Two images are copies for certain if they are one picture, are linked (``sure_links``), or each is linked to a
    third.
    """
    near = {row: {node} | linked.get(node, set()) for row in group.rows for node in [int(found.node[row])]}
    reached: dict[int, set[str]] = {}
    for a, b in combinations(group.rows, 2):
        one, other = sides[a], sides[b]
        if one is not None and other is not None and one != other and near[a] & near[b]:
            reached.setdefault(a, set()).add(other)
            reached.setdefault(b, set()).add(one)
    return reached


def leak_table(
    images: pa.Table,
    groups: list[Group],
    found: Pairs,
    sure: Sequence[dict[int, set[str]]],
    extra: dict[str, list[str]],
) -> pa.Table:
    """Groups across the line as a table: GROUP_SCHEMA without ``keep``, and the columns of ``extra`` by image row.

    ``sure`` says of an image that it has a copy on another side for certain.
    """
    table = group_table(images, groups, found, sure).drop_columns(["keep"])
    rows = [row for group in groups for row in group.rows]
    for name, values in extra.items():
        table = table.append_column(pa.field(name, pa.string()), pa.array([values[row] for row in rows], pa.string()))
    return table


def crossings(
    groups: Sequence[Group], sure: Sequence[dict[int, set[str]]], sides: Sides, totals: Counter[str]
) -> tuple[Crossing, ...]:
    """For every ordered pair of sides, the images of one that have, or may have, a copy on the other; by name.

    Parameters
    ----------
    groups, sure : of crossing_groups; sure_sides of each
    totals : Counter
        Images of each side.
    """
    certain: dict[tuple[str, str], set[int]] = {}
    listed: dict[tuple[str, str], set[int]] = {}
    for group, reached in zip(groups, sure, strict=True):
        for row in group.rows:
            side = sides[row]
            if side is None:
                continue
            for other in {sides[member] for member in group.rows} - {None, side}:
                listed.setdefault((side, str(other)), set()).add(row)
            for other in reached.get(row, ()):
                certain.setdefault((side, other), set()).add(row)
    return tuple(
        Crossing(side=key[0], other=key[1], images=len(yes), possible=len(rows - yes), n=totals[key[0]])
        for key, rows in sorted(listed.items())
        for yes in [certain.get(key, set())]
    )
