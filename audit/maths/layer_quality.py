"""How much a layer of a network keeps of pictures: entropy of its spectrum, invariance to views, intrinsic dimension.

Nothing here needs labels. Rows are pictures (or places of one picture), columns neurons.

Source: O. Skean, M. R. Arefin, D. Zhao, N. Patel, J. Naghiyev, Y. LeCun, R. Shwartz-Ziv, "Layer by Layer: Uncovering
Hidden Representations in Language Models", ICML 2025; E. Facco, M. d'Errico, A. Rodriguez, A. Laio, "Estimating the
intrinsic dimension of datasets by a minimal neighborhood information", Scientific Reports 7 (2017).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from audit.maths.neighbours import nearest

KEPT = 0.9
"""Share of the ratios, the smallest, that the intrinsic dimension is fitted to: the largest are of outlying points."""
_TINY = 1e-12

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


def unit_rows(values: npt.NDArray[np.floating]) -> Float64:
    """Rows scaled to unit length, float64; rows of length zero stay zero."""
    wide = np.asarray(values, np.float64)
    length = np.sqrt(np.einsum("...i,...i->...", wide, wide))[..., None]
    unit: Float64 = np.divide(wide, length, out=np.zeros_like(wide), where=length > _TINY)
    return unit


def matrix_entropy(rows: npt.NDArray[np.floating]) -> Float64:
    """Matrix-based entropy of rows, as a share of the greatest there can be.

    With the rows zᵢ scaled to unit length, Kᵢⱼ = zᵢ·zⱼ and λ the eigenvalues of K / tr K:
    S = −Σ λ log λ / log min(n, d), the von Neumann entropy (α → 1).

    Parameters
    ----------
    rows : floating (..., n, d)
        Rows with NaN and rows of length zero are left out, and not counted in n.

    Returns
    -------
    float64 (...), in [0, 1]
        0 when all rows point one way, 1 when they spread evenly over as many directions as there can be.
        NaN where fewer than two rows or columns are left.

    Source: Skean et al. (2025), section 3.2: *prompt entropy* for the places of one picture, *dataset entropy* for the
    pictures of a dataset; Giraldo, Rao, Principe, IEEE Trans. Inf. Theory 61 (2015).

    Examples
    --------
    >>> float(matrix_entropy(np.eye(4))), float(matrix_entropy(np.ones((4, 3))))
    (1.0, 0.0)
    """
    unit = unit_rows(np.where(np.isfinite(rows).all(axis=-1, keepdims=True), rows, 0.0))
    n = unit.any(axis=-1).sum(axis=-1)
    most = np.minimum(n, unit.shape[-1])
    turned = np.swapaxes(unit, -1, -2)
    with threadpool_limits(limits=1):
        gram = unit @ turned if unit.shape[-2] <= unit.shape[-1] else turned @ unit
        eigenvalues = np.linalg.eigvalsh(gram) / np.maximum(n, 1)[..., None]
    positive = np.maximum(eigenvalues, _TINY)
    entropy = -(positive * np.log(positive)).sum(axis=-1, where=eigenvalues > _TINY)
    share: Float64 = np.clip(entropy / np.log(np.maximum(most, 2)), 0.0, 1.0)
    return np.where(most >= 2, share, np.nan)


def view_agreement(first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]) -> tuple[Float64, float]:
    """Cosine of two views of each picture, and the mean cosine of views of different pictures.

    Parameters
    ----------
    first, second : floating (n, d)
        Row i of both is picture i, changed in two ways; n at least 2.

    Returns
    -------
    same : float64 (n,), in [−1, 1]
    different : float
        Σ_{i≠j} cos(aᵢ, bⱼ) / n(n − 1) = (Σaᵢ · Σbⱼ − Σ aᵢ·bᵢ) / n(n − 1), a and b of unit length.

    Raises
    ------
    ValueError
        If the two differ in shape or hold fewer than two pictures.
    """
    if first.shape != second.shape or len(first) < 2:
        raise ValueError(f"two views of at least two pictures are needed; got {first.shape} and {second.shape}")
    a, b = unit_rows(first), unit_rows(second)
    same = np.einsum("nd,nd->n", a, b)
    return same, float((a.sum(axis=0) @ b.sum(axis=0) - same.sum()) / (len(a) * (len(a) - 1)))


def invariance(same: Float64, different: float) -> float:
    """How much more alike two views of a picture are than two pictures: (mean same − different) / (1 − different).

    Returns
    -------
    float, at most 1
        1: a view does not change the layer; 0: two views of a picture are no more alike than two pictures. NaN where
        different pictures give the same already.

    Source: the alignment of views in contrastive learning (Wang, Isola, "Understanding contrastive representation
    learning through alignment and uniformity", ICML 2020) on the scale of chance-corrected agreement,
    (p − pₑ) / (1 − pₑ).

    Examples
    --------
    >>> invariance(np.array([0.9, 0.7]), 0.6)
    0.5
    """
    room = 1.0 - different
    return float("nan") if room <= _TINY else round(float((same.mean() - different) / room), 12)


def finds_own_view(first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Whether the view in ``second`` most alike to picture i's in ``first`` is its own, bool (n,); ties are failures.

    Source: the top-1 accuracy of the InfoNCE task (van den Oord, Li, Vinyals, 2018) that Skean et al. (2025) use to
    rate layers; a rank needs no temperature.
    """
    with threadpool_limits(limits=1):
        cosine = unit_rows(first) @ unit_rows(second).T
    own = np.diagonal(cosine).copy()
    np.fill_diagonal(cosine, -np.inf)
    found: npt.NDArray[np.bool_] = own > cosine.max(axis=1, initial=-np.inf)
    return found


def neighbour_ratios(vectors: Float32) -> Float64:
    """μᵢ = r₂/r₁, the distances of row i to its second and its first nearest neighbour, float64 (n,).

    NaN where the nearest neighbour is an exact copy. Rows are compared as they are: scale them first where direction is
    what counts.
    """
    if len(vectors) < 3:
        return np.full(len(vectors), np.nan)
    distances = nearest(np.ascontiguousarray(vectors, np.float32), 2, threads=1).distances.astype(np.float64)
    missing = np.full(len(distances), np.nan)
    ratios: Float64 = np.divide(distances[:, 1], distances[:, 0], out=missing, where=distances[:, 0] > 0)
    return ratios


def intrinsic_dimension(ratios: Float64, kept: float = KEPT) -> float:
    """Number of directions in which data vary locally, by two nearest neighbours (TwoNN).

    P(μ ≤ x) = 1 − x^{−d}: with the m usable ratios sorted and F(μ₍ᵢ₎) = i/m, d is the slope of the line through the
    origin that fits −log(1 − F) to log μ over the smallest share ``kept`` of them,
    d = Σ xᵢyᵢ / Σ xᵢ², x = log μ₍ᵢ₎, y = −log(1 − i/m).

    Parameters
    ----------
    ratios : float64 (n,)
        Of :func:`neighbour_ratios`; what is not finite is left out.
    kept : float, in (0, 1)

    Returns
    -------
    float
        NaN where fewer than three ratios are left, or all neighbours are equally far.

    Source: Facco et al. (2017), equation 5 and "The estimation algorithm"; they keep 90 % too.

    Examples
    --------
    >>> ratios = (1 - np.arange(1, 1000) / 1000) ** (-1 / 3)
    >>> round(intrinsic_dimension(ratios), 1)
    3.0
    """
    x = np.sort(np.log(ratios[np.isfinite(ratios)]))
    if len(x) < 3:
        return float("nan")
    used = max(2, int(kept * len(x)))
    y = -np.log1p(-np.arange(1, used + 1) / len(x))
    below = float(x[:used] @ x[:used])
    return float("nan") if below <= 0 else float(x[:used] @ y) / below


def neighbour_votes(vectors: Float32, classes: Int64, folds: Int64, k: int) -> npt.NDArray[np.bool_]:
    """Whether the k rows of other folds most alike (cosine) vote for a row's class, bool (n,).

    A vote weighs its rank-free 1 plus a thousandth of its cosine, so that ties go to the more alike.

    Parameters
    ----------
    vectors : float32 (n, d)
    classes : int64 (n,), from 0
    folds : int64 (n,), from 0
    k : int

    Source: T. Cover, P. Hart, "Nearest neighbor pattern classification", IEEE Trans. Inf. Theory 13 (1967).
    """
    unit, right = unit_rows(vectors), np.zeros(len(vectors), bool)
    n_classes = int(classes.max(initial=-1)) + 1
    for fold in range(int(folds.max(initial=-1)) + 1):
        asked, known = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        with threadpool_limits(limits=1):
            cosine = unit[asked] @ unit[known].T
        order = np.argsort(-cosine, axis=1, kind="stable")[:, :k]
        votes = np.zeros((len(asked), n_classes))
        rows = np.arange(len(asked))[:, None]
        np.add.at(votes, (rows, classes[known][order]), 1 + 1e-3 * np.take_along_axis(cosine, order, axis=1))
        right[asked] = votes.argmax(axis=1) == classes[asked]
    return right
