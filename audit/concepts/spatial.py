"""Concepts in the places of pictures: factors of the last map that two fits agree on, and how strong they are where.

Source: Collins, Achanta, Süsstrunk, ECCV 2018; mathematics in :mod:`audit.concepts.factors`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.concepts.factors import STABLE, Compressed, Factors, agreement, compress, factorise, weigh
from audit.model import Parts

SIZES = (8, 12, 16, 24)
"""Numbers of factors that are tried."""

ENOUGH_STABLE = 0.75
"""Share of stable factors up to which more of them are taken."""

SHOWS = 0.5
"""A picture shows a concept when its strongest place has this share of what the strongest hundredth of pictures has."""

MIN_PICTURES = 50
BASELINE = 0.05
"""Quantile of a neuron's activations that counts as nothing."""

MAX_NUMBERS = 80_000_000
"""Activations that are factorised at once; of more, every so many-th picture, and the others are weighed afterwards."""

_ROWS = 4096
"""Places that are worked on at a time, so that nothing but the result is as large as the result."""

_COLUMNS = 64
"""Neurons whose quantiles are taken at a time."""

_QUANTILE_ROWS = 20_000

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Tried:
    """One number of factors: how many of them are stable, and what share of the squares they explain together."""

    n_factors: int
    n_stable: int
    explained: float


@dataclass(frozen=True)
class Concepts:
    """The stable factors of a sample of m pictures, the strongest first.

    Attributes
    ----------
    rows : int64 (m,)
        Which rows of the view the pictures are.
    weights : float32 (m, positions, k), at least 0
        How strong each concept is in each place.
    directions : float32 (k, c), unit length, at least 0
    stability : float64 (k,), in [0.9, 1]
        Cosine with the match in a fit from another beginning.
    repeated : float64 (k,), in [0, 1]
        Mean cosine with the matches in fits on two disjoint halves of the bursts.
    explained : float
        Share of the squares of the activations that all factors of the fit explain.
    tried : sequence of Tried
    """

    rows: Int64
    weights: Float32
    directions: Float32
    stability: Float64
    repeated: Float64
    explained: float
    tried: Sequence[Tried]

    @property
    def strengths(self) -> Float64:
        """Mean over the places of each picture: float64 (m, k)."""
        means: Float64 = self.weights.mean(axis=1, dtype=np.float64)
        return means

    @property
    def shown(self) -> Bool:
        """Whether a picture shows a concept: bool (m, k)."""
        peaks = self.weights.max(axis=1)
        shows: Bool = (peaks >= SHOWS * np.quantile(peaks, 0.99, axis=0)) & (peaks > 0)
        return shows


def find_concepts(parts: Parts, bursts: Int64, rng: np.random.Generator, *, sizes: Sequence[int] = SIZES) -> Concepts:
    """Factorise the maps of a sample of pictures and keep what two fits agree on.

    The largest number of factors is taken of which at least three quarters are stable; if none is so, the number with
    most stable factors.

    Parameters
    ----------
    parts : Parts
        At least one picture.
    bursts : int64 (n,)
        Burst of every row of the view.
    rng : numpy.random.Generator
    sizes : numbers of factors, ascending

    Raises
    ------
    ValueError
        If there is no picture.
    """
    maps = parts.maps
    step = max(1, -(-maps.size // MAX_NUMBERS))
    nothing = baseline(maps[::step])
    compressed = compress(activations(maps[::step], nothing), rng)
    best: tuple[tuple[bool, int], Factors, Float64] | None = None
    tried = []
    for k in sizes:
        first, second = (factorise(compressed, k, rng) for _ in range(2))
        cosines = agreement(first.directions, second.directions)
        n_stable = int((cosines >= STABLE).sum())
        tried.append(Tried(k, n_stable, first.explained))
        is_mostly = n_stable >= ENOUGH_STABLE * k
        if best is None or (is_mostly, k if is_mostly else n_stable) > best[0]:
            best = ((is_mostly, k if is_mostly else n_stable), first, cosines)
    if best is None:
        raise ValueError("no number of factors was given")
    _, fit, cosines = best
    stable = np.flatnonzero(cosines >= STABLE)
    again = _repeated(compressed, fit, bursts[parts.rows[::step]], maps.shape[1], rng)
    weights = fit.weights.reshape(-1, maps.shape[1], fit.weights.shape[1])
    if step > 1:
        parted = (weigh(activations(maps[i : i + 64], nothing), fit.directions) for i in range(0, len(maps), 64))
        weights = np.concatenate(list(parted)).reshape(*maps.shape[:2], -1)
    kept = np.ascontiguousarray(weights[:, :, stable])
    return Concepts(
        parts.rows, kept, fit.directions[stable], cosines[stable], again[stable], fit.explained, tuple(tried)
    )


def concept_name(place: int) -> str:
    """How the concept at a place is called: ``Concept 1`` for the first."""
    return f"Concept {place + 1}"


def baseline(maps: npt.NDArray[np.float16]) -> Float32:
    """What counts as nothing for each neuron, its 5 % quantile over the places: float32 (c,)."""
    rows = maps.reshape(-1, maps.shape[-1])
    some = rows[:: max(1, len(rows) // _QUANTILE_ROWS)]
    known = np.isfinite(some).all(axis=1)
    nothing = np.zeros(maps.shape[-1], dtype=np.float32)
    for start in range(0, len(nothing) if known.any() else 0, _COLUMNS):
        block = some[:, start : start + _COLUMNS][known].astype(np.float32)
        nothing[start : start + _COLUMNS] = np.quantile(block, BASELINE, axis=0)
    return nothing


def activations(maps: npt.NDArray[np.float16], nothing: Float32) -> Float32:
    """Every place of every picture as a row above what counts as nothing: float32 (m·positions, c), at least 0.

    Places that do not count (NaN) are nothing.
    """
    rows = np.empty((maps.shape[0] * maps.shape[1], maps.shape[2]), dtype=np.float32)
    for start in range(0, len(rows), _ROWS):
        block = maps.reshape(-1, maps.shape[2])[start : start + _ROWS] - nothing
        rows[start : start + _ROWS] = np.nan_to_num(np.maximum(block, 0), copy=False, nan=0.0, posinf=0.0)
    return rows


def _repeated(rows: Compressed, fit: Factors, own: Int64, n_places: int, rng: np.random.Generator) -> Float64:
    """Mean cosine of every factor with its matches in fits on two disjoint halves of the bursts."""
    names = np.unique(own)
    left = np.isin(own, rng.permutation(names)[: len(names) // 2])
    cosines = []
    for half in (left, ~left):
        part = np.ascontiguousarray(rows.left[np.repeat(half, n_places)])
        if not len(part):
            return np.zeros(len(fit.directions))
        squares = float(np.einsum("ij,ij->", part, part, dtype=np.float64))
        again = factorise(Compressed(part, rows.right, squares), len(fit.directions), rng)
        cosines.append(agreement(fit.directions, again.directions))
    mean: Float64 = np.mean(cosines, axis=0)
    return mean


def heat(weights: Float32, top: float) -> tuple[tuple[int, ...], ...]:
    """The places of one picture as a grid of 0 to 9, row by row; nothing where places form no square.

    Parameters
    ----------
    weights : float32 (positions,), at least 0
    top : float
        What is drawn as 9.

    Examples
    --------
    >>> heat(np.array([0.0, 1.0, 0.5, 2.0], np.float32), 2.0)
    ((0, 4), (2, 9))
    """
    side = int(np.sqrt(len(weights)))
    if side * side != len(weights) or top <= 0:
        return ()
    levels = np.clip(np.rint(9 * weights / np.float32(top)), 0, 9).astype(int).reshape(side, side)
    return tuple(tuple(int(level) for level in row) for row in levels)


def inside_boxes(concepts: Concepts, parts: Parts) -> Float64:
    """How much denser each concept is inside the given boxes than spread evenly: float64 (k,), NaN without boxes.

    Σ weight at places whose centre is in the box / Σ weight, over the share of places in boxes; 1 = no preference.
    """
    n_places, k = concepts.weights.shape[1:]
    side = int(np.sqrt(n_places))
    if side * side != n_places or not parts.is_given.any():
        return np.full(k, np.nan)
    centres = (np.arange(side) + 0.5) / side
    x, y = np.tile(centres, side), np.repeat(centres, side)
    x0, y0, x1, y1 = (parts.boxes[parts.is_given, i, None] for i in range(4))
    inside = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
    if not inside.any() or inside.all():
        return np.full(k, np.nan)
    weights = concepts.weights[parts.is_given].astype(np.float64)
    share = np.einsum("mp,mpk->k", inside, weights) / np.maximum(weights.sum(axis=(0, 1)), 1e-12)
    density: Float64 = share / inside.mean()
    return density
