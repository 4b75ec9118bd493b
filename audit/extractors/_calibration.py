"""Where each neuron of an extractor lives: ranges from the activations on a calibration set.

Source: docs/visual-dna.md; the choice is argued in docs/adr/0011-neuron-ranges.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from audit.dna import LayerRanges, NeuronRanges

QUANTILES = (0.0005, 0.9995)
WIDEN = 0.10
MAX_POSITIONS = 256
"""Places of a picture that calibration looks at, evenly spaced: neighbours in a map say little new."""
MAX_IN_ALL = 65_536
"""Places of all pictures together, of one layer."""
MIN_WIDTH = 0.02
"""A range is at least this share of the median range of its layer's living neurons."""

Floats = npt.NDArray[np.float32]


def calibrate(batches: Sequence[Mapping[str, Floats]], statement: str) -> NeuronRanges:
    """Ranges of every neuron from the activations on a calibration set.

    The range is [q(0.0005), q(0.9995)] widened by 10 % in all, or, if that is narrower than 2 % of the median range
    of the layer, as wide as that around the same middle. A neuron that never changed is dead. Positions that are NaN
    (outlier tokens) do not count.

    Parameters
    ----------
    batches : sequence of mappings of layer name to float32 (b, positions, c)
    statement : str
        What the calibration set is, in words.

    Raises
    ------
    ValueError
        If there are no batches, or a layer holds no finite ranges.
    """
    if not batches:
        raise ValueError("calibration needs at least one batch of activations")
    layers = {name: _layer(name, [batch[name] for batch in batches]) for name in batches[0]}
    return NeuronRanges(layers, statement)


def thinned(layers: Mapping[str, Floats], n_images: int = 1) -> dict[str, Floats]:
    """Layers with so few of their positions that calibration on ``n_images`` pictures fits into memory."""
    at_most = max(1, min(MAX_POSITIONS, MAX_IN_ALL // max(1, n_images)))
    return {name: _thinned(values, at_most) for name, values in layers.items()}


def _thinned(values: Floats, at_most: int) -> Floats:
    n = values.shape[1]
    if n <= at_most:
        return values
    kept = np.rint(np.linspace(0, n - 1, at_most)).astype(np.int64)
    chosen: Floats = values[:, kept]
    return chosen


def _layer(name: str, parts: Sequence[Floats]) -> LayerRanges:
    values = np.concatenate([part.reshape(-1, part.shape[-1]) for part in parts])
    missing = np.isnan(values).any(axis=1)
    values = values[~missing] if missing.any() else values
    if not len(values) or not np.isfinite(values).all():
        raise ValueError(f"the layer {name!r} gives no finite numbers on the calibration pictures")
    dead = values.max(axis=0) == values.min(axis=0)
    q = np.stack([np.quantile(values[:, i], QUANTILES) for i in range(values.shape[1])], axis=1).astype(np.float64)
    middle, half = (q[0] + q[1]) / 2, (q[1] - q[0]) / 2 * (1 + WIDEN)
    living = half[~dead & (half > 0)]
    least = MIN_WIDTH * float(np.median(living)) if living.size else 0.5
    half = np.maximum(half, least)
    half = np.maximum(half, 1e-4 * np.maximum(np.abs(middle), 1e-6))
    return LayerRanges((middle - half).astype(np.float32), (middle + half).astype(np.float32), dead)
