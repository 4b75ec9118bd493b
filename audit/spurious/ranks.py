"""How well the rank of a feature tells a class from the rest, for many features and classes at once.

Sources: H. Mann, D. Whitney, Ann. Math. Stat. 18 (1947) (ranks and AUC); P. Westfall, S. Young, "Resampling-Based
Multiple Testing" (1993), section 2.3 (maxT); E. DeLong, D. DeLong, D. Clarke-Pearson, Biometrics 44 (1988), and
N. Obuchowski, Biometrics 53 (1997) (variance of AUCs of the same images, with clusters).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse, stats

from audit.maths.permutation import permuted_groups, pieces

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]

COLUMNS = 256
"""Features ranked at a time."""

CHUNK = 16
"""Permutations held at a time."""

DENSE_UP_TO = 12
"""Up to so many classes sums are taken by one dense product, beyond by a sparse one, whose cost ignores classes."""


@dataclass(frozen=True)
class Predictivity:
    """Of each feature: how well it tells one class from the rest, at best.

    Attributes
    ----------
    g : float64 (f,), in [0, 1]
        max over classes of |2 AUC − 1|.
    best : int64 (f,)
        The class where it is greatest.
    sign : int64 (f,)
        +1 where images of that class have high values, −1 where low.
    p_max_t : float64 (f,), in (0, 1]
        Family-wise over all features and classes.
    """

    g: Float64
    best: Int64
    sign: Int64
    p_max_t: Float64


def centred_ranks(values: npt.NDArray[np.floating]) -> Float32:
    """Ranks of each column, ties sharing their mean, less the middle rank; NaN gets the middle, 0.

    Parameters
    ----------
    values : float (n, f)
        May be a memory map; read 256 columns at a time.

    Returns
    -------
    float32 (n, f), in [−(n−1)/2, (n−1)/2]
    """
    ranks = np.zeros(values.shape, dtype=np.float32)
    if values.dtype == np.float16 and len(values):
        for start in range(0, values.shape[1], COLUMNS):
            for column, one in enumerate(np.asarray(values[:, start : start + COLUMNS]).T):
                ranks[:, start + column] = _half_ranks(one)
        return ranks
    for start in range(0, values.shape[1], COLUMNS):
        block = np.asarray(values[:, start : start + COLUMNS], dtype=np.float64)
        if np.isfinite(block).all():
            ranks[:, start : start + COLUMNS] = stats.rankdata(block, axis=0) - (len(block) + 1) / 2
            continue
        for column, one in enumerate(block.T):
            ranks[:, start + column] = _known_ranks(one)
    return ranks


def _known_ranks(values: npt.NDArray[np.floating]) -> Float64:
    """Centred ranks among the known values, stretched to the spread of a full column; 0 where not finite."""
    ranks = np.zeros(len(values))
    known = np.isfinite(values)
    if known.any():
        n = int(known.sum())
        ranks[known] = (stats.rankdata(values[known]) - (n + 1) / 2) * (len(values) / n)
    return ranks


def _half_ranks(values: npt.NDArray[np.float16]) -> Float64:
    """Centred ranks by counting: half precision has only 65 536 values, so nothing needs sorting."""
    if not np.isfinite(values).all():
        return _known_ranks(values)
    bits = (values + np.float16(0)).view(np.uint16).astype(np.int32)  # −0 becomes 0
    key = np.where(bits < 32768, bits + 32768, 65535 - bits)
    count = np.bincount(key, minlength=65536)
    below = np.cumsum(count) - count
    return np.asarray((below + (count - 1) / 2)[key] - (len(values) - 1) / 2)


def effects(ranks: Float32, classes: Int64, n_classes: int) -> Float64:
    """2 AUC − 1 of every feature for every class against the rest, float64 (n_classes, f), in [−1, 1].

    With centred ranks r: 2 AUC_c − 1 = 2 Σ_{i in c} r_i / (n_c (n − n_c)); 0 for a class with no images or all.

    Examples
    --------
    >>> effects(centred_ranks(np.array([[1.0], [2.0], [3.0], [4.0]])), np.array([0, 0, 1, 1]), 2).ravel().tolist()
    [-1.0, 1.0]
    """
    onto = np.zeros((n_classes, len(classes)), dtype=np.float64)
    onto[classes, np.arange(len(classes))] = 1
    return _scaled(onto @ ranks.astype(np.float64), onto.sum(axis=1), len(classes))


def predictivity(
    ranks: Float32, classes: Int64, bursts: Int64, rng: np.random.Generator, *, n_permutations: int = 999
) -> Predictivity:
    """Best class of every feature, its |2 AUC − 1|, and the family-wise p of that.

    The test statistic is standardised, z = (2 AUC_c − 1) / √((n + 1) / (3 n_c (n − n_c))), so that small classes do not
    drown the others; its null is the greatest |z| over all features and classes when whole bursts change their class.

    Parameters
    ----------
    ranks : float32 (n, f)
        From :func:`centred_ranks`.
    classes, bursts : int64 (n,)
        Classes from 0, every number in use.
    rng : numpy.random.Generator
    n_permutations : int

    Returns
    -------
    Predictivity
    """
    n_classes = int(classes.max(initial=-1)) + 1
    best = np.abs(effects(ranks, classes, n_classes)).argmax(axis=0) if n_classes else np.zeros(ranks.shape[1], int)
    signed, p_max_t = judge_cells(ranks, classes, bursts, best, rng, n_permutations=n_permutations)
    return Predictivity(np.abs(signed), best, np.where(signed < 0, -1, 1).astype(np.int64), p_max_t)


def judge_cells(
    ranks: Float32, classes: Int64, bursts: Int64, asked: Int64, rng: np.random.Generator, *, n_permutations: int = 999
) -> tuple[Float64, Float64]:
    """2 AUC − 1 of each feature for the class asked of it, and its p over all features and classes, float64 (f,) each.

    The parameters are those of :func:`predictivity`; ``asked`` is int64 (f,).
    """
    n, n_classes = len(classes), int(classes.max(initial=-1)) + 1
    if n_classes < 2 or ranks.shape[1] == 0:
        return np.zeros(ranks.shape[1]), np.ones(ranks.shape[1])
    signed = effects(ranks, classes, n_classes)[asked, np.arange(ranks.shape[1])]
    z = np.abs(signed) / _spread(np.bincount(classes, minlength=n_classes), n)[asked]
    null = np.sort(_null(ranks, classes, bursts, n_permutations, rng))
    reached = len(null) - np.searchsorted(null, np.nan_to_num(z) * (1 - 1e-6), side="left")
    return signed, (1 + reached) / (1 + len(null))


def _null(ranks: Float32, classes: Int64, bursts: Int64, n_permutations: int, rng: np.random.Generator) -> Float64:
    """Greatest |z| over features and classes under each permutation, float64 (n_permutations,)."""
    n, n_classes = len(classes), int(classes.max()) + 1
    piece, group = pieces(bursts, classes)
    size = np.bincount(piece).astype(np.float64)
    sums = _sums(ranks, piece, len(group))
    kept = np.arange(1 if n_classes == 2 else n_classes)  # of two classes both have the same |z|
    greatest = []
    for start in range(0, n_permutations, CHUNK):
        shuffled = permuted_groups(group, min(CHUNK, n_permutations - start), rng)
        counts = np.stack([np.bincount(one, weights=size, minlength=n_classes) for one in shuffled])[:, kept]
        totals = _class_sums(sums, shuffled, kept)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.abs(totals) * (2 / (counts * (n - counts) * _spread(counts, n)))[..., None]
        greatest.append(np.nan_to_num(z, posinf=0.0).max(axis=(1, 2)))
    return np.concatenate(greatest).astype(np.float64) if greatest else np.zeros(0)


def _sums(ranks: Float32, piece: Int64, n_pieces: int) -> Float32:
    if n_pieces == len(ranks):
        return np.asarray(ranks[np.argsort(piece)])
    members = sparse.csr_array((np.ones(len(piece), np.float32), (piece, np.arange(len(piece)))))
    return np.asarray(members @ ranks)


def _class_sums(sums: Float32, shuffled: Int64, kept: Int64) -> Float32:
    """Sums of the pieces given to each class, float32 (permutations, classes, f)."""
    n_permutations, n_pieces = shuffled.shape
    if len(kept) <= DENSE_UP_TO:
        onto = (shuffled[:, None] == kept[None, :, None]).astype(np.float32)
        return np.asarray(onto.reshape(-1, n_pieces) @ sums).reshape(n_permutations, len(kept), -1)
    target = (shuffled + np.arange(n_permutations)[:, None] * len(kept)).ravel()
    source = np.tile(np.arange(n_pieces), n_permutations)
    onto = sparse.csr_array(
        (np.ones(len(target), np.float32), (target, source)), shape=(n_permutations * len(kept), n_pieces)
    )
    return np.asarray(onto @ sums).reshape(n_permutations, len(kept), -1)


def _spread(counts: npt.NDArray[np.number], n: int) -> Float64:
    """Standard deviation of 2 AUC − 1 of unrelated values, without ties: √((n + 1) / (3 n_c (n − n_c)))."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.sqrt((n + 1) / (3 * counts * (n - counts))))


def _scaled(sums: Float64, counts: Float64, n: int) -> Float64:
    pairs = counts * (n - counts)
    return np.asarray(2 * sums / np.maximum(pairs, 1)[:, None] * (pairs > 0)[:, None])


def influences(values: npt.NDArray[np.floating], positive: Bool) -> tuple[Float64, Float64]:
    """2 AUC − 1 of every column, and what each image adds to its error.

    With placements V_i (for a positive: the share of negatives below it, ties half; for a negative: of positives above
    it), ψ_i = 2 (V_i − AUC) / n₊ or n₋; the estimate varies as Σ ψ over independent bursts.

    Parameters
    ----------
    values : float (n, f)
        Finite.
    positive : bool (n,)
        Both kinds occur.

    Returns
    -------
    estimate : float64 (f,), in [−1, 1]
    psi : float64 (n, f)

    Source: DeLong et al. (1988), equations 3 to 5; Obuchowski (1997) for clusters.
    """
    above, below = values[positive], values[~positive]
    n_above, n_below = len(above), len(below)
    overall = stats.rankdata(values, axis=0)
    psi = np.empty(values.shape)
    placed = (overall[positive] - stats.rankdata(above, axis=0)) / n_below
    area = placed.mean(axis=0)
    psi[positive] = 2 * (placed - area) / n_above
    placed = 1 - (overall[~positive] - stats.rankdata(below, axis=0)) / n_above
    psi[~positive] = 2 * (placed - area) / n_below
    return 2 * area - 1, psi


def burst_error(psi: Float64, bursts: Int64) -> Float64:
    """Standard error of estimates from the influence of each image, with bursts as the sampling unit, float64 (f,).

    √(m/(m−1) Σ_b (Σ_{i in b} ψ_i)²) over m bursts; infinite with fewer than two.
    """
    names, place = np.unique(bursts, return_inverse=True)
    if len(names) < 2:
        return np.full(psi.shape[1:], np.inf)
    onto = sparse.csr_array((np.ones(len(place)), (place, np.arange(len(place)))))
    sums = np.asarray(onto @ psi)
    return np.asarray(np.sqrt(len(names) / (len(names) - 1) * (sums**2).sum(axis=0)))
