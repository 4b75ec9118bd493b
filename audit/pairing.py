"""One dataset under two extractors: the same images, and the bursts that either of them sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from audit.errors import ConfigError
from audit.maths.rows import bursts, components
from audit.model import DatasetView


def same_images(views: Sequence[DatasetView]) -> None:
    """Refuse two views that do not hold the same images in the same order.

    Raises
    ------
    ConfigError
    """
    if views[0].column("image_id") != views[1].column("image_id"):
        raise ConfigError("two extractors can only be compared on the same images in the same order")


def common_bursts(first: DatasetView, second: DatasetView) -> npt.NDArray[np.int64]:
    """Images that either extractor takes for copies are together."""
    rows = np.arange(len(first))
    return components(len(first), np.concatenate([rows, rows]), np.concatenate([bursts(first), bursts(second)]))
