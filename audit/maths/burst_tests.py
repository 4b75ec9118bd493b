"""Test that two datasets are samples of one source, by moving whole bursts of images.

Where images hang together (copies, sequences, one patient), neither images nor hash buckets of images are the sample:
bursts are. Of each image one number per neuron is read, its mean. Bursts are put together to pieces, all neurons
together.

*Bursts of like size* on both sides (means at most twofold apart): pieces have as many images on both sides and are
dealt to the two datasets anew, which for bursts of one source changes nothing but the labels.

*Bursts of unlike size*: one burst of fifty frames is not exchangeable for fifty pictures. Every piece then keeps its
side and what it adds is given a sign by the toss of a coin: D* = Σ ±√(K/(K-1)) s_p (F_p - F)/n over the K pieces of
either side, which has the variance of the difference whatever the bursts are. Nothing is said of single neurons.

Source: permutation of whole clusters, as in :mod:`audit.maths.permutation`; signs of whole clusters: A. Cameron,
J. Gelbach, D. Miller, Rev. Econ. Stat. 90 (2008); W1 = ∫|F - G| (Vallender 1974) by the trapezoid rule at 16 quantiles
of both datasets; the joint statistics are those of :mod:`audit.maths.bucket_tests`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.maths.bucket_tests import LIKE_SIZES, JointTest, judged
from audit.maths.histograms import INNER_BINS, Doubles
from audit.maths.rows import sample_bursts

MIN_BURSTS = 8
"""Bursts on each side from which moving them says anything."""
MOST_IMAGES = 10_000
"""Images of a side that are looked at; whole bursts are drawn."""
MOST_TIMES = 20
"""How many times the images of the smaller side are looked at of the larger one: more sharpen nothing."""
MOST_PIECES, LEAST_PIECES = 256, 16
"""Pieces of both sides together, and of the smaller one where it has as many bursts."""
LEVELS = (np.arange(16) + 0.5) / 16
_CHUNK = 2**22

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ByImage:
    """What every neuron gave for each image of one dataset, and which images hang together.

    Attributes
    ----------
    values : float16 (n, N)
        As :attr:`audit.model.Neurons.values`; may be a memory map.
    bursts : int64 (n,)
        Name of the burst of each image.
    """

    values: npt.NDArray[np.floating]
    bursts: Int64

    @property
    def n_bursts(self) -> int:
        """Number of bursts."""
        return len(np.unique(self.bursts))


@dataclass(frozen=True, eq=False)
class _Pieces:
    """The images of both sides, sorted by piece.

    Attributes
    ----------
    rows : int64 (n,)
        Of both sides joined.
    sizes : float64 (K,)
        Images of each piece.
    side : int64 (K,)
        0 or 1.
    exchangeable : bool
    """

    rows: Int64
    sizes: Doubles
    side: Int64
    exchangeable: bool


def burst_test(
    left: ByImage, right: ByImage, weights: Doubles, rng: np.random.Generator, *, n_permutations: int = 999
) -> JointTest | None:
    """Test two datasets by moving their bursts.

    Parameters
    ----------
    weights : float64 (N,), >= 0
        Of each neuron's distance in bins; zero leaves the neuron out.
    rng : numpy.random.Generator
    n_permutations : int
        B; the smallest p-value is 1 / (B + 1).

    Returns
    -------
    JointTest, or None if a side has fewer than 8 bursts or no neuron is weighted
    """
    used = np.flatnonzero(weights > 0)
    most = min(MOST_IMAGES, MOST_TIMES * min(len(left.bursts), len(right.bursts)))
    rows = [_looked_at(side.bursts, most, rng) for side in (left, right)]
    bursts = [side.bursts[kept] for side, kept in zip((left, right), rows, strict=True)]
    if not len(used) or min(len(np.unique(one)) for one in bursts) < MIN_BURSTS:
        return None
    made = _pieces(bursts)
    mixtures = (_dealt if made.exchangeable else _tossed)(made, n_permutations, rng)
    values = np.concatenate([side.values[kept] for side, kept in zip((left, right), rows, strict=True)])[made.rows]
    moved = np.empty((n_permutations + 1, len(used)))
    step = max(1, _CHUNK // (len(LEVELS) * (n_permutations + 1)))
    for start in range(0, len(used), step):
        moved[:, start : start + step] = _distances(values[:, used[start : start + step]], made.sizes, mixtures)
    return judged(moved, weights, used, single=made.exchangeable)


def _looked_at(bursts: Int64, most: int, rng: np.random.Generator) -> Int64:
    """At most ``most`` images: whole bursts drawn of those that leave room for seven others; all if these are few."""
    if len(bursts) <= most:
        return np.arange(len(bursts))
    _, burst, sizes = np.unique(bursts, return_inverse=True, return_counts=True)
    fits = sizes <= most // MIN_BURSTS
    if fits.sum() < MIN_BURSTS:
        return np.arange(len(bursts))
    rows = np.flatnonzero(fits[burst])
    return rows[sample_bursts(bursts[rows], most, rng)]


def pieces(sizes: Int64, n_pieces: int) -> Int64:
    """Piece of each burst, int64 (B,): the largest first, each to the piece that has fewest images.

    Examples
    --------
    >>> pieces(np.array([1, 5, 2, 3, 1]), 2).tolist()
    [0, 0, 1, 1, 1]
    """
    load = np.zeros(min(n_pieces, len(sizes)), np.int64)
    piece = np.empty(len(sizes), np.int64)
    for burst in np.argsort(-sizes, kind="stable"):
        piece[burst] = lightest = int(load.argmin())
        load[lightest] += sizes[burst]
    return piece


def _pieces(bursts: list[Int64]) -> _Pieces:
    """The bursts of both sides in pieces, of about one size in images where bursts are alike."""
    known = [np.unique(one, return_inverse=True, return_counts=True) for one in bursts]
    n_images = np.array([len(one) for one in bursts])
    typical = [sizes.mean() for _, _, sizes in known]
    alike = max(typical) <= LIKE_SIZES * min(typical)
    total = max(MOST_PIECES, LEAST_PIECES * n_images.sum() / n_images.min())
    if alike:
        total = min(total, *(len(sizes) * n_images.sum() / n for (_, _, sizes), n in zip(known, n_images, strict=True)))
    numbers = [round(total * n / n_images.sum()) if alike else MOST_PIECES // 2 for n in n_images]
    of_bursts = [pieces(sizes, n) for (_, _, sizes), n in zip(known, numbers, strict=True)]
    counts = [int(one.max()) + 1 for one in of_bursts]
    of_images = [one[burst] for one, (_, burst, _) in zip(of_bursts, known, strict=True)]
    piece = np.concatenate([of_images[0], of_images[1] + counts[0]])
    return _Pieces(
        rows=np.argsort(piece, kind="stable"),
        sizes=np.bincount(piece).astype(np.float64),
        side=np.repeat([0, 1], counts),
        exchangeable=alike,
    )


def _dealt(made: _Pieces, n_permutations: int, rng: np.random.Generator) -> Doubles:
    """Row 0: as observed; the others: pieces dealt anew. What a piece's images count, float64 (B + 1, K)."""
    shuffled = rng.permuted(np.broadcast_to(made.side, (n_permutations, len(made.side))), axis=1)
    is_right = np.concatenate([made.side[None], shuffled]) == 1
    counted: Doubles = ~is_right / (~is_right @ made.sizes)[:, None] - is_right / (is_right @ made.sizes)[:, None]
    return counted


def _tossed(made: _Pieces, n_permutations: int, rng: np.random.Generator) -> Doubles:
    """Row 0: as observed; the others: signs by a coin. What a piece's images count, float64 (B + 1, K)."""
    rows = [np.zeros((n_permutations + 1, int((made.side == side).sum()))) for side in (0, 1)]
    for side, row in enumerate(rows):
        sizes = made.sizes[made.side == side]
        signs = rng.choice([-1.0, 1.0], (n_permutations, len(sizes)))
        free = np.sqrt(len(sizes) / (len(sizes) - 1))
        row[0] = (1 - 2 * side) / sizes.sum()
        row[1:] = free * (signs - (signs @ sizes / sizes.sum())[:, None]) / sizes.sum()
    return np.concatenate(rows, axis=1)


def _distances(values: npt.NDArray[np.floating], sizes: Doubles, mixtures: Doubles) -> Doubles:
    """∫|D| of c neurons for every mixture of pieces, float64 (B + 1, c), in bins.

    Parameters
    ----------
    values : float (n, c)
        Of images in the order of their pieces.
    sizes : float64 (K,)
    mixtures : float64 (B + 1, K)
    """
    array = np.asarray(values, np.float32)
    known = np.isfinite(array)
    mean = np.where(known, array, 0).sum(axis=0, dtype=np.float64) / np.maximum(known.sum(axis=0), 1)
    array = np.where(known, array, mean.astype(np.float32))
    levels = np.quantile(array, LEVELS, axis=0)
    starts = np.append(0, np.cumsum(sizes)[:-1]).astype(np.int64)
    moved = np.zeros((len(mixtures), array.shape[1]))
    steps = np.pad(np.diff(levels.astype(np.float64), axis=0), ((1, 1), (0, 0))) * INNER_BINS
    for level, width in zip(levels, (steps[:-1] + steps[1:]) / 2, strict=True):
        below = np.add.reduceat(array < level, starts, axis=0, dtype=np.int64)
        moved += np.abs(mixtures @ below) * width
    return moved
