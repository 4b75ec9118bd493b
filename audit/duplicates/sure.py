"""Which near-copies are sure, and which only look alike: by the E-value, or a strict distance where there is none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from audit.duplicates.find import BULK, Pairs
from audit.duplicates.groups import Group
from audit.maths.evalue import crowded

Int64 = npt.NDArray[np.int64]

SURE_EXPECTED = 1.0
"""A near-copy is sure while at most so many unrelated pairs are expected as close as it."""

STRICT = 0.12
"""Largest distance of a sure copy where no E-value could be fitted, because hardly any pairs are half alike. Nearly all
re-saved copies lie within it (they were planted), and of the 43 pairs within it in the two real sets without E-values
(615 photographs of weather, 4 000 pictures of 32 × 32) each was seen to be a copy."""


def is_crowded(found: Pairs) -> bool:
    """Whether pairs of every likeness occur, as among frames of one camera, so that looks cannot tell copies."""
    return crowded(found.distance, low=BULK[0], high=BULK[1])


def sure_distance(found: Pairs, threshold: float) -> float:
    """Largest distance at which a near-copy is sure; negative when only equal pixels are."""
    if is_crowded(found):
        return -1.0
    return min(threshold, STRICT if found.tail is None else found.tail.reach(SURE_EXPECTED))


def sure_copies(groups: Sequence[Group], found: Pairs, limit: float) -> dict[int, int]:
    """The images that are copies for certain, each with an image that stays.

    The kept images of all groups stay, and so does every other image that is neither the same picture as one that
    stays nor within ``limit`` of it. So when the images returned are removed, one of each picture is left.

    Parameters
    ----------
    groups : of make_groups
    found : Pairs
    limit : float
        Of :func:`sure_distance`.

    Returns
    -------
    dict of image row to image row
    """
    linked = sure_links(groups, found, limit)
    staying = {int(found.node[group.rows[0]]): group.rows[0] for group in groups}
    of: dict[int, int] = {}
    for group in groups:
        kept = int(found.node[group.rows[0]])
        for row in group.rows[1:]:
            node = int(found.node[row])
            near = [kept, node, *sorted(linked.get(node, ()))]
            host = next((m for m in near if m in staying and (m == node or m in linked.get(node, ()))), None)
            if host is None:
                staying[node] = row
            else:
                of[row] = staying[host]
    return of


def sure_links(groups: Sequence[Group], found: Pairs, limit: float) -> dict[int, set[int]]:
    """Nodes within ``limit`` of each node; pairs of a kept picture that nobody proposed are looked at now."""
    near = found.pairs[found.within(limit)] if limit >= 0 else found.pairs[:0]
    known = {(int(a), int(b)) for a, b in found.pairs}
    asked = {
        (min(a, b), max(a, b))
        for group in groups
        for a in [int(found.node[group.rows[0]])]
        for b in {int(found.node[row]) for row in group.rows[1:]} - {a}
    } - known
    pairs = np.array(sorted(asked), dtype=np.int64).reshape(-1, 2)
    if limit >= 0 and len(pairs):
        near = np.concatenate([near, pairs[found.confirm(pairs, limit)]])
    linked: dict[int, set[int]] = {}
    for a, b in near.tolist():
        linked.setdefault(a, set()).add(b)
        linked.setdefault(b, set()).add(a)
    return linked
