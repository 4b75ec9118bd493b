"""Groups of copies, in which every picture was compared with the one that is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.duplicates.find import Pairs
from audit.duplicates.roles import evaluation_rank
from audit.maths.components import stars

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Group:
    """One picture and its copies.

    Attributes
    ----------
    rows : tuple of int
        Image rows, the kept one first, the others by path.
    kinds : tuple of str
        ``exact``, ``pixel`` or ``near``: how each relates to the kept one; the kept one takes the closest kind.
    """

    rows: tuple[int, ...]
    kinds: tuple[str, ...]


def make_groups(images: pa.Table, found: Pairs, threshold: float, stays: list[int] | None = None) -> list[Group]:
    """Groups at a threshold, ordered by the path of the kept picture.

    The kept picture is one of those with the greatest rank in ``stays`` (by default :func:`tested_on`, so that it is
    not the one that closing a leak removes); among those it has the most copies in its group; among equals it is the
    largest, then the one with the most bytes, then the first by path.
    """
    worth, of_node = node_worth(images, found), _rows_of(found.node)
    stays = tested_on(images) if stays is None else stays
    first = np.array([max(stays[row] for row in of_node[node]) for node in range(len(found.first))], dtype=np.int64)
    near = found.pairs[found.within(threshold)]
    linked = stars(near, worth, lambda asked: found.confirm(asked, threshold), first=first)
    taken = {int(node) for group in linked for node in group}
    alone = [np.array([node]) for node, rows in of_node.items() if len(rows) > 1 and node not in taken]
    groups = [group_of(images, [of_node[int(node)] for node in nodes], stays) for nodes in (*linked, *alone)]
    paths = images.column("path").to_pylist()
    return sorted(groups, key=lambda group: (paths[group.rows[0]], group.rows))


def tested_on(images: pa.Table) -> list[int]:
    """Rank of each image by how much its split is tested on; −1 without a split."""
    splits: list[str | None] = images.column("split").to_pylist()
    rank = evaluation_rank(splits)
    return [-1 if split is None else rank[split] for split in splits]


def group_of(images: pa.Table, nodes: list[list[int]], stays: list[int]) -> Group:
    """The group of some nodes' image rows; the kept image is the best of the first node, by ``stays`` before all."""
    paths, files = images.column("path").to_pylist(), images.column("content_hash").to_pylist()
    kept, *same = sorted(nodes[0], key=lambda row: (-stays[row], -_bytes_of(images, row), paths[row]))
    others = {row: "exact" if files[row] == files[kept] else "pixel" for row in same}
    others |= {row: "near" for node in nodes[1:] for row in node}
    rows = sorted(others, key=lambda row: (paths[row], row))
    closest = min(others.values(), key=("exact", "pixel", "near").index)
    return Group(rows=(kept, *rows), kinds=(closest, *(others[row] for row in rows)))


def node_worth(images: pa.Table, found: Pairs) -> Int64:
    """Rank of each distinct picture for being kept: pixels, then bytes, then path; greater is better."""
    wanted = [name for name in ("width", "height", "n_bytes", "path") if name in images.column_names]
    at = images.select(wanted).take(found.first)
    area = np.array([(w or 0) * (h or 0) for w, h in zip(_list(at, "width"), _list(at, "height"), strict=True)])
    size = np.array([n or 0 for n in _list(at, "n_bytes")])
    by_path = np.argsort(np.argsort(np.array(_list(at, "path"), dtype=np.str_), kind="stable"), kind="stable")
    order = np.lexsort((-by_path, size, area))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank


def _rows_of(node: Int64) -> dict[int, list[int]]:
    rows: dict[int, list[int]] = {}
    for row, number in enumerate(node.tolist()):
        rows.setdefault(number, []).append(row)
    return rows


def _bytes_of(images: pa.Table, row: int) -> int:
    n_bytes: int | None = images.column("n_bytes")[row].as_py()
    return n_bytes or 0


def _list(table: pa.Table, name: str) -> list[Any]:
    values: list[Any] = table.column(name).to_pylist()
    return values
