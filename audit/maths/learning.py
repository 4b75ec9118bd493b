"""How a probe's accuracy grows with the number of images, and how often two probes that saw other images disagree.

Images are dealt to 64 blocks of whole bursts, once; a probe of any set of blocks is fitted from the sum of their
moments, so that hundreds of probes cost one pass over the images.

Source: C. Cortes et al., "Learning curves: asymptotic values and rate of convergence", NIPS 1993 (a − b·n^−c);
Y. Jiang, V. Nagarajan, C. Baek, J. Z. Kolter, "Assessing Generalization of SGD via Disagreement", ICLR 2022.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from audit.maths.probes import Moments, deal_folds, discriminant, moments

N_BLOCKS = 64
N_FOLDS = 8
SIZES = (4, 6, 8, 12, 16, 24, 32, 44, 56)
"""Blocks that a probe learns from; 56 are all those outside of a fold."""

MAX_DIMENSION = 256
"""Vectors are turned into their leading principal directions beyond this."""

EXPONENTS = np.geomspace(0.05, 2.0, 40)
RESAMPLES_AT_ONCE = 32

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Dealt:
    """Images in blocks, ready to learn from any set of blocks.

    Attributes
    ----------
    vectors : float32 (n, d)
    classes : int64 (n,), from 0
    blocks : int64 (n,), in [0, 64)
        Block b belongs to fold b mod 8.
    parts : moments of every block
    """

    vectors: Float32
    classes: Int64
    blocks: Int64
    parts: Sequence[Moments]

    def probe(self, blocks: Int64) -> tuple[Float64, Float64]:
        """Weights and offsets of the discriminant of these blocks."""
        return discriminant(sum((self.parts[b] for b in blocks[1:]), start=self.parts[blocks[0]]))

    def folds(self) -> Iterator[tuple[Int64, Int64]]:
        """The rows of every fold, and the blocks outside of it."""
        every = np.arange(N_BLOCKS)
        for fold in range(N_FOLDS):
            yield np.flatnonzero(self.blocks % N_FOLDS == fold), every[every % N_FOLDS != fold]


def deal(vectors: Float32, classes: Int64, bursts: Int64, rng: np.random.Generator) -> Dealt:
    """Deal images to blocks of whole bursts in which every class has about the same share."""
    blocks = deal_folds(bursts, classes, N_BLOCKS, rng)
    n_classes = int(classes.max(initial=-1)) + 1
    with threadpool_limits(limits=1):
        parts = [moments(vectors, classes, blocks == b, n_classes) for b in range(N_BLOCKS)]
    return Dealt(vectors, classes, blocks, parts)


def principal(vectors: Float32, others: Float32, n_directions: int = MAX_DIMENSION) -> tuple[Float32, Float32]:
    """Both sets of vectors in the leading principal directions of the first; as they are when they have no more."""
    if vectors.shape[1] <= n_directions:
        return vectors, others
    with threadpool_limits(limits=1):
        mean = vectors.mean(axis=0, dtype=np.float64)
        gram = vectors.T.astype(np.float64) @ vectors / len(vectors) - np.outer(mean, mean)
        _, axes = np.linalg.eigh(gram)
        kept = axes[:, ::-1][:, :n_directions]
        return ((vectors - mean) @ kept).astype(np.float32), ((others - mean) @ kept).astype(np.float32)


def correctness(dealt: Dealt, rng: np.random.Generator, *, n_draws: int = 8) -> Bool:
    """Whether probes that saw so many blocks, drawn at random outside of the image's fold, are right.

    Returns
    -------
    bool (n, len(SIZES), n_draws)
    """
    right = np.zeros((len(dealt.classes), len(SIZES), n_draws), dtype=np.bool_)
    with threadpool_limits(limits=1):
        for rows, outside in dealt.folds():
            vectors, classes = dealt.vectors[rows].astype(np.float64), dealt.classes[rows]
            for draw in range(n_draws):
                order = rng.permutation(outside)
                for at, size in enumerate(SIZES):
                    weights, offsets = dealt.probe(np.sort(order[:size]))
                    right[rows, at, draw] = (vectors @ weights + offsets).argmax(axis=1) == classes
    return right


@dataclass(frozen=True)
class Disagreement:
    """How often probes of disjoint halves disagree, and how often the probe of both is wrong.

    Attributes
    ----------
    labelled : float64 (n,), in [0, 1]
        Share of the draws in which the two halves gave an image of another fold different classes.
    wrong : bool (n,)
        Whether the probe of everything outside of its fold is wrong about an image.
    unlabelled : float64 (m,), in [0, 1]
        As ``labelled``, of the images without a label, with halves of all blocks.
    """

    labelled: Float64
    wrong: Bool
    unlabelled: Float64


def disagreement(dealt: Dealt, unlabelled: Float32, rng: np.random.Generator, *, n_draws: int = 8) -> Disagreement:
    """Let probes of disjoint halves judge the images of the fold left out, and those without a label.

    Source: Jiang et al. (2022), section 3: for well calibrated ensembles the expected disagreement is the expected
    error. A probe on frozen features varies less than it errs, so the ratio of the two is measured, not assumed.
    """
    labelled = np.zeros(len(dealt.classes))
    wrong = np.zeros(len(dealt.classes), dtype=np.bool_)
    with threadpool_limits(limits=1):
        for rows, outside in dealt.folds():
            vectors = dealt.vectors[rows].astype(np.float64)
            weights, offsets = dealt.probe(outside)
            wrong[rows] = (vectors @ weights + offsets).argmax(axis=1) != dealt.classes[rows]
            labelled[rows] = _halves(dealt, vectors, outside, rng, n_draws)
        elsewhere = _halves(dealt, unlabelled.astype(np.float64), np.arange(N_BLOCKS), rng, n_draws)
    return Disagreement(labelled, wrong, elsewhere)


def _halves(dealt: Dealt, vectors: Float64, blocks: Int64, rng: np.random.Generator, n_draws: int) -> Float64:
    """Share of draws in which the probes of two random halves of the blocks disagree, for every vector."""
    share = np.zeros(len(vectors))
    for _ in range(n_draws):
        order = rng.permutation(blocks)
        halves = (np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :]))
        said = [(vectors @ weights + offsets).argmax(axis=1) for weights, offsets in map(dealt.probe, halves)]
        share += said[0] != said[1]
    return share / n_draws


def resampled_means(values: Float64, bursts: Int64, rng: np.random.Generator, n_resamples: int) -> Float64:
    """Column means of bootstrap samples that draw whole bursts.

    Parameters
    ----------
    values : float64 (n, k)
    bursts : int64 (n,)

    Returns
    -------
    float64 (n_resamples, k)
    """
    _, place = np.unique(bursts, return_inverse=True)
    n_bursts = int(place.max(initial=-1)) + 1
    sums, sizes = np.zeros((n_bursts, values.shape[1])), np.bincount(place).astype(np.float64)
    np.add.at(sums, place, values)
    found = []
    with threadpool_limits(limits=1):
        for start in range(0, n_resamples, RESAMPLES_AT_ONCE):
            count = min(RESAMPLES_AT_ONCE, n_resamples - start)
            times = rng.multinomial(n_bursts, np.full(n_bursts, 1 / n_bursts), size=count).astype(np.float64)
            found.append((times @ sums) / (times @ sizes)[:, None])
    return np.concatenate(found)


def resampled_curves(right: Bool, bursts: Int64, rng: np.random.Generator, n_resamples: int) -> Float64:
    """Accuracy at every size in bootstrap samples of bursts and of draws: float64 (n_resamples, n_sizes)."""
    n, n_sizes, n_draws = right.shape
    means = resampled_means(right.reshape(n, -1).astype(np.float64), bursts, rng, n_resamples)
    drawn = rng.integers(0, n_draws, size=(n_resamples, n_sizes, n_draws))
    curves: Float64 = np.take_along_axis(means.reshape(n_resamples, n_sizes, n_draws), drawn, axis=2).mean(axis=2)
    return curves


@dataclass(frozen=True)
class PowerLaw:
    """a − b·m^−c for r curves: accuracy with m images to learn from.

    Attributes
    ----------
    a, b, c : float64 (r,)
        a ≤ 1 is where the curve ends, b ≥ 0, c in [0.05, 2].
    """

    a: Float64
    b: Float64
    c: Float64

    def at(self, m: float) -> Float64:
        """Accuracy of every curve at m images."""
        return self.a - self.b * m**-self.c


def fit_power_law(sizes: Float64, curves: Float64) -> PowerLaw:
    """Fit every curve by least squares, weighting a size by itself: the accuracy of small samples varies more.

    For each exponent of a grid, a and b are solved for in closed form; where a passes 1 or b falls below 0 it is held
    there. The exponent with the smallest sum of squares is taken.

    Parameters
    ----------
    sizes : float64 (s,), s at least 3
    curves : float64 (r, s), in [0, 1]
    """
    weight = sizes / sizes.sum()
    mean = curves @ weight
    best = np.full(len(curves), np.inf)
    found = np.zeros((3, len(curves)))
    for c in EXPONENTS:
        x = sizes**-c
        centre = float(x @ weight)
        b = np.maximum(-((curves - mean[:, None]) * weight) @ (x - centre) / (weight @ (x - centre) ** 2), 0)
        a = mean + b * centre
        over = a > 1
        b = np.where(over, ((1 - curves) * weight) @ x / (weight @ x**2), b)
        a = np.where(over, 1.0, a)
        loss = ((curves - a[:, None] + b[:, None] * x) ** 2) @ weight
        better = loss < best
        best = np.where(better, loss, best)
        found[:, better] = np.stack([a, b, np.full(len(b), c)])[:, better]
    return PowerLaw(*found)
