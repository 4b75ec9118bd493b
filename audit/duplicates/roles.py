"""Which split of a dataset is tested on: the copy that lies there stays when a leak is closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

_ROLES = (("test",), ("val", "dev", "eval"), (), ("train",))
"""Beginnings of split names, those tested on first; the third stands for every other name."""


def evaluation_rank(splits: Iterable[str | None]) -> dict[str, int]:
    """Rank of every split for being tested on, greater is more so; 0 is the split to train on.

    Test comes before validation, validation before names that say nothing, and train last; among equals the smaller
    split is the one tested on, then the first by name.

    Parameters
    ----------
    splits : the split of each image

    Examples
    --------
    >>> evaluation_rank(["train", "train", "val", None, "test"])
    {'train': 0, 'val': 1, 'test': 2}
    """
    size = Counter(split for split in splits if split is not None)
    order = sorted(size, key=lambda name: (_role(name), size[name], name), reverse=True)
    return {name: rank for rank, name in enumerate(order)}


def _role(name: str) -> int:
    lower = name.lower()
    return next((role for role, starts in enumerate(_ROLES) if starts and lower.startswith(starts)), 2)
