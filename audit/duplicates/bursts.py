"""Bursts: images that are near-duplicates of each other, or of one group, and so must move together.

Permutations, folds and bootstrap resamples draw whole bursts; here a chain of near-copies *is* one burst.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audit.duplicates.find import NearConfig, Pairs, find_within
from audit.maths.components import components
from audit.model import DatasetView

Int64 = npt.NDArray[np.int64]


def bursts(view: DatasetView, *, config: NearConfig | None = None, found: Pairs | None = None) -> Int64:
    """Burst of every image of a dataset.

    Two images are in one burst when they are the same file or pixels, verified near-copies, or share a value of the
    ``group`` column, or are joined by a chain of such pairs.

    Parameters
    ----------
    view : DatasetView
    config : NearConfig, optional
        What counts as a near-duplicate.
    found : Pairs, optional
        The pairs of this view, where they are known already.

    Returns
    -------
    int64 (n,)
        From 0, by first appearance.
    """
    config = config or NearConfig()
    found = found or find_within(view, config)
    links = [
        np.column_stack([np.arange(len(view)), found.first[found.node]]),
        found.first[found.pairs[found.within(config.threshold)]],
        _same_group(view.column("group")),
    ]
    return components(len(view), np.concatenate(links).astype(np.int64))


def _same_group(groups: list[str | None]) -> Int64:
    """Each image of a group linked to the first of it, int64 (p, 2)."""
    first: dict[str, int] = {}
    links = [(row, first.setdefault(value, row)) for row, value in enumerate(groups) if value is not None]
    return np.array(links, dtype=np.int64).reshape(-1, 2)
