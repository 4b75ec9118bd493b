"""How early in the network, and how simply, a yes-no property of the pictures can be read.

Source: Y. Xu et al., "A Theory of Usable Information under Computational Constraints", ICLR 2020; K. Hermann et al.,
"On the Foundations of Shortcut Learning", ICLR 2024 (predictivity against availability).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.model import Neurons
from audit.spurious.probe import principal, usable_information

N_DIRECTIONS = 64
N_FOLDS = 3
EARLY = 0.5
"""The earliest layer is the first with at least this share of the most that any layer gives."""

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Availability:
    """What a probe of each layer knows of a property.

    Attributes
    ----------
    by_layer : mapping of str to float in [0, 1]
        Share of the uncertainty removed out of fold, less that of shuffled answers.
    earliest : str
        First layer with half of the greatest; "" where no layer knows anything.
    complexity : float in [0, 1]
        K = 1 − mean over layers: 0 is known everywhere.
    """

    by_layer: Mapping[str, float]
    earliest: str
    complexity: float

    @property
    def mean(self) -> float:
        """Mean over the layers, 1 − complexity."""
        return 1 - self.complexity


def directions(neurons: Neurons, rows: Int64) -> dict[str, Float64]:
    """Each layer's neurons of some images in their 64 leading directions, float64 (m, at most 64)."""
    found = {}
    for layer, part in neurons.layers.items():
        values = np.asarray(neurons.values[rows][:, part], dtype=np.float32)
        found[layer] = principal(values, N_DIRECTIONS).of(values)
    return found


def availability(layers: Mapping[str, Float64], answers: Bool, folds: Int64, rng: np.random.Generator) -> Availability:
    """What each layer knows of a property, out of fold.

    Parameters
    ----------
    layers : mapping of str to float64 (m, k)
        From :func:`directions`, first layer first.
    answers : bool (m,)
    folds : int64 (m,)
    rng : numpy.random.Generator
    """
    shuffled = answers[rng.permutation(len(answers))]
    known = {
        layer: max(0.0, usable_information(points, answers, folds) - usable_information(points, shuffled, folds))
        for layer, points in layers.items()
    }
    most = max(known.values(), default=0.0)
    earliest = next((layer for layer, v in known.items() if most > 0 and v >= EARLY * most), "")
    return Availability(known, earliest, 1 - float(np.mean(list(known.values()))) if known else 1.0)
