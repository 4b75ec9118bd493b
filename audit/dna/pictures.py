"""Pictures that show a difference: those that look least like the reference, and what a neuron sees.

Source: the surprise of an image is the mean over neurons of -log of its tail probability under the reference's stored
distribution, Fisher's way of putting p-values together ("Statistical Methods for Research Workers", 1932, section
21.1); neurons are not independent, so it is judged by the surprise of the reference's own images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.dna.state import Dna
from audit.maths.histograms import INNER_BINS, N_BINS, Doubles
from audit.model import DatasetView, Neurons
from audit.report import Picture
from audit.shown import picture

_BLOCK = 1024
UNUSUAL = 0.99
"""A picture is unusual for the reference when it surprises more than this share of the reference's own."""


@dataclass(frozen=True)
class Surprise:
    """How unlike the reference the images of a dataset are.

    Attributes
    ----------
    score : float64 (n,)
        Mean over weighted neurons of -log tail probability.
    neuron : int64 (n,)
        The neuron that adds most.
    """

    score: Doubles
    neuron: npt.NDArray[np.int64]


def tail_table(reference: Dna) -> npt.NDArray[np.float32]:
    """-log of the two-sided tail probability in every bin of every neuron, float32 (N, 128).

    p = 2 min(F, 1 - F), F the reference's distribution at the middle of the bin's mass, and p at least 1 / (2 n + 2)
    of n positions.
    """
    total = np.maximum(reference.n_positions, 1)[:, None].astype(np.float64)
    before = np.cumsum(reference.counts, axis=1) - reference.counts
    middle = (before + reference.counts / 2) / total
    p = np.clip(2 * np.minimum(middle, 1 - middle), 1 / (2 * total + 2), 1.0)
    table: npt.NDArray[np.float32] = -np.log(p).astype(np.float32)
    return table


def surprise(reference: Dna, neurons: Neurons, weights: Doubles) -> Surprise:
    """How unlike the reference every image is, by the mean of each neuron over it.

    Parameters
    ----------
    neurons : of the dataset that is judged
    weights : float64 (N,), >= 0, sum to 1
        NaN of a neuron adds nothing.
    """
    table, used = tail_table(reference), np.flatnonzero(weights > 0)
    share = weights[used].astype(np.float32)
    n = len(neurons.values)
    score, most = np.zeros(n), np.zeros(n, np.int64)
    for start in range(0, n, _BLOCK):
        block = np.asarray(neurons.values[start : start + _BLOCK][:, used], np.float32)
        missing = np.isnan(block)
        bins = np.clip(np.floor(np.where(missing, 0, block) * INNER_BINS) + 1, 0, N_BINS - 1).astype(np.int64)
        added = np.where(missing, 0, table[used, bins]) * share
        score[start : start + _BLOCK] = added.sum(axis=1, dtype=np.float64)
        most[start : start + _BLOCK] = used[added.argmax(axis=1)] if len(used) else 0
    return Surprise(score, most)


def least_alike(
    reference: DatasetView, candidate: DatasetView, weights: Doubles, k: int
) -> tuple[tuple[Picture, ...], float | None]:
    """The candidate's pictures that look least like the reference, and the share that is unusual for it.

    Returns
    -------
    pictures
        With where they lie among the reference's own pictures, and the neuron that says so most; one of each content.
    share : float or None
        Of the candidate's pictures that surprise more than 99 % of the reference's own; 1 % is usual. None without
        neurons by image.
    """
    if reference.dna is None or reference.neurons is None or candidate.neurons is None or not weights.any():
        return (), None
    own = np.sort(surprise(reference.dna, reference.neurons, weights).score)
    found = surprise(reference.dna, candidate.neurons, weights)
    if not len(own) or not len(found.score):
        return (), None
    names = neuron_names(reference.dna)
    below = np.searchsorted(own, found.score, side="left") / len(own)
    shown = [
        picture(candidate, row, f"unlike {below[row]:.0%} of the reference's own; most by {names[found.neuron[row]]}")
        for row in _first_of_each(candidate, np.round(found.score, 4), k)
    ]
    return tuple(shown), float((below >= UNUSUAL).mean())


def _first_of_each(view: DatasetView, score: Doubles, k: int) -> list[int]:
    """The k rows of the highest score, one for each content; equal scores in the order of their ids."""
    ids, content = view.column("image_id"), view.column("content_hash")
    kept: dict[str, int] = {}
    order = np.argsort(-score, kind="stable")[: max(64, 8 * k)]
    for row in sorted(order.tolist(), key=lambda row: (-score[row], ids[row])):
        kept.setdefault(content[row] or ids[row], row)
    return list(kept.values())[:k]


def seen_most(view: DatasetView, neuron: int, k: int) -> tuple[Picture, ...]:
    """The pictures that a neuron answers to most, the strongest first; none without neurons by image."""
    if view.tops is not None:
        rows = [int(row) for row in view.tops.rows[neuron] if row >= 0][:k]
        values = view.tops.values[neuron]
        return tuple(picture(view, row, f"{values[i]:.2f}") for i, row in enumerate(rows))
    if view.neurons is None:
        return ()
    values = np.nan_to_num(np.asarray(view.neurons.values[:, neuron], np.float64), nan=-np.inf)
    return tuple(picture(view, row, f"{values[row]:.2f}") for row in _first_of_each(view, values, k))


def neuron_names(dna: Dna) -> list[str]:
    """``layer:number`` of every neuron."""
    return [f"{name}:{i}" for name, layer in dna.ranges.layers.items() for i in range(len(layer.low))]
