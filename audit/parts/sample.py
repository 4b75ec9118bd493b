"""Which pictures of a dataset are looked at closely: a random choice in which every class has a share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

PER_CLASS = 30
"""So many pictures of each class come first, as far as there is room for them."""


def choose(hashes: Sequence[str], labels: Sequence[str | None], n: int) -> npt.NDArray[np.int64]:
    """Choose at most n distinct pictures; names and order have no part in it, only what the pictures hold.

    Pictures are taken in the order of their content hashes, which is random: first up to 30 of each class (fewer if
    there are many classes), then whichever come next.

    Parameters
    ----------
    hashes : content hash of every picture
        Of equal ones only the first is taken.
    labels : label of every picture, or None
    n : int

    Returns
    -------
    int64 (m,), ascending
        Row numbers, m <= n.
    """
    first = dict(zip(reversed(hashes), range(len(hashes) - 1, -1, -1), strict=True))
    rows = [first[one] for one in sorted(first)]
    if len(rows) <= n:
        return np.sort(np.array(rows, dtype=np.int64))
    classes = {labels[row] for row in rows} - {None}
    each = min(PER_CLASS, n // len(classes)) if classes else 0
    seen: dict[str | None, int] = defaultdict(int)
    early: list[int] = []
    late: list[int] = []
    for row in rows:
        is_early = labels[row] is not None and seen[labels[row]] < each
        seen[labels[row]] += is_early
        (early if is_early else late).append(row)
    return np.sort(np.array([*early, *late][:n], dtype=np.int64))


def by_content(images: pa.Table, n: int) -> pa.Table:
    """At most n distinct pictures, those with the smallest content hashes, in the order of these.

    Parameters
    ----------
    images : pyarrow.Table
        With a column ``content_hash``.
    n : int
    """
    hashes = images.column("content_hash").to_pylist()
    return images.take(pa.array(choose(hashes, [None] * len(hashes), n))).sort_by("content_hash")
