"""Patterns, as candidates: factors of the last map that nobody named, and whether they lie around the objects.

They are found as the concepts of the analysis ``concepts`` are (:mod:`audit.concepts.spatial`), but on fewer pictures:
those whose parts were embedded. Since they are others, they have another word, and letters in place of numbers.

The maps are of whole pictures, so it is not known what remains of a pattern where the object or the background is
hidden: E2 is not assessed. Where its heat lies is told instead.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from string import ascii_uppercase

import numpy as np
import numpy.typing as npt

from audit.concepts.factors import weigh
from audit.concepts.spatial import MIN_PICTURES, activations, baseline, find_concepts
from audit.model import PartFeatures, Parts

N_FACTORS = 12
"""Factors that are looked for; those that a second fit does not confirm are left out."""

FITTED = 500
"""Pictures that the factors are found on; the others are weighed by them."""

PIECE = 256

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Patterns:
    """Patterns of some pictures.

    Attributes
    ----------
    strengths : float64 (m, k), at least 0
        Mean over the places of each picture.
    outside : float64 (k,), at least 0
        How much denser the heat is outside the boxes of the objects than spread evenly: 1 = no preference.
    """

    strengths: Float64
    outside: Float64


def pattern_name(place: int) -> str:
    """How the pattern at a place is called: ``pattern A`` for the first; there are at most ``N_FACTORS``."""
    return f"pattern {ascii_uppercase[place]}"


def patterns(parts: Parts, kept: Int64, burst_of: Int64, rng: np.random.Generator) -> Patterns:
    """Find patterns on some of the kept pictures and weigh all of these by them.

    Parameters
    ----------
    parts : Parts
    kept : int64 (m,)
        Positions in the sample.
    burst_of : int64 (n,)
        Burst of every row of the view.
    rng : numpy.random.Generator
    """
    if len(kept) < MIN_PICTURES or not parts.maps.size:
        return Patterns(np.zeros((len(kept), 0)), np.zeros(0))
    fitted = _some(parts, np.sort(rng.permutation(kept)[:FITTED]))
    found = find_concepts(fitted, burst_of, rng, sizes=(N_FACTORS,))
    nothing = baseline(fitted.maps)
    pieces = [parts.maps[kept[i : i + PIECE]] for i in range(0, len(kept), PIECE)]
    shape = len(kept), pieces[0].shape[1], len(found.directions)
    weights = np.concatenate([weigh(activations(piece, nothing), found.directions) for piece in pieces]).reshape(shape)
    return Patterns(weights.mean(axis=1, dtype=np.float64), outside(weights, parts.boxes[kept]))


def outside(weights: npt.NDArray[np.floating], boxes: npt.NDArray[np.float32]) -> Float64:
    """How much denser each pattern is outside the boxes than spread evenly.

    Σ weight of places whose centre is outside / Σ weight, over the share of places that are outside.

    Parameters
    ----------
    weights : float (m, positions, k), at least 0
    boxes : float32 (m, 4)

    Returns
    -------
    float64 (k,)
        NaN where places form no square, or none or all are outside.
    """
    n_places, k = weights.shape[1:]
    side = int(np.sqrt(n_places))
    if side * side != n_places:
        return np.full(k, np.nan)
    centres = (np.arange(side) + 0.5) / side
    x, y = np.tile(centres, side), np.repeat(centres, side)
    x0, y0, x1, y1 = (boxes[:, i, None] for i in range(4))
    is_out = (x < x0) | (x > x1) | (y < y0) | (y > y1)
    if is_out.all() or not is_out.any():
        return np.full(k, np.nan)
    heat = np.einsum("mp,mpk->k", is_out, weights, dtype=np.float64)
    share = heat / np.maximum(weights.sum(axis=(0, 1), dtype=np.float64), 1e-12)
    return np.asarray(share / is_out.mean())


def _some(parts: Parts, at: Int64) -> Parts:
    """Some of the pictures of a sample."""
    whole, front, *backs = (
        PartFeatures(one.vectors[at], one.neurons[at]) for one in (parts.whole, parts.foreground, *parts.backgrounds)
    )
    return replace(
        parts,
        rows=parts.rows[at],
        boxes=parts.boxes[at],
        is_given=parts.is_given[at],
        whole=whole,
        foreground=front,
        backgrounds=(backs[0], backs[1]),
        maps=parts.maps[at],
    )
