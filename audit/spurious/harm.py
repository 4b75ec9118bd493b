"""Do images whose feature disagrees with their label get worse answers, and do balanced weights mend it?

Source: S. Sagawa et al., "Distributionally Robust Neural Networks for Group Shifts", ICLR 2020 (groups, worst group);
B. Idrissi et al., "Simple data balancing achieves competitive worst-group-accuracy", CLeaR 2022 (balanced refit).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.maths.intervals import normal_quantile
from audit.maths.probes import deal_folds
from audit.spurious.probe import predict
from audit.spurious.ranks import burst_error

LEAST_IMAGES, LEAST_BURSTS = 30, 10
"""What each of the four groups needs before accuracies of it are shown."""

GROUPS = (
    "another class, without the feature",
    "another class, with the feature",
    "the class, without the feature",
    "the class, with the feature",
)
"""Group 2·(is of the class) + (has the feature); 0 and 3 agree with the tie, 1 and 2 conflict with it."""

CONFLICTING = (1, 2)

NO_CONFLICT = "no or too few conflicting images"

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Cue:
    """A feature as a yes-no property.

    Attributes
    ----------
    threshold, sign : float, int
        An image has the feature when sign · value > sign · threshold.
    has : bool (n,)
    groups : int64 (n,), in 0..3
        See :data:`GROUPS`.
    """

    threshold: float
    sign: int
    has: Bool
    groups: Int64


@dataclass(frozen=True)
class Harm:
    """What disagreement between label and feature costs.

    Attributes
    ----------
    sizes : four int
        Images of each group.
    reason : str
        Why nothing could be measured, or "".
    gap, low, high : float
        Accuracy of the groups that agree less that of those that conflict, mean of both sides of the label; NaN where
        not measured.
    before, after : float
        Accuracy of the worst group, chosen on one half and measured on the other; after fitting with equal weight for
        each group.
    worst : int
        The group that is worst before.
    """

    sizes: tuple[int, int, int, int]
    reason: str = ""
    gap: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    before: float = float("nan")
    after: float = float("nan")
    worst: int = -1


def halves(bursts: Int64, classes: Int64, rng: np.random.Generator) -> Bool:
    """Half A (true) and half B of the images, bursts whole, classes spread evenly."""
    return np.asarray(deal_folds(bursts, classes, 2, rng) == 0)


def cut(values: Float64, is_class: Bool, in_a: Bool, sign: int) -> Cue:
    """Make a yes-no property of a feature, by the threshold that tells the class best on half A.

    The threshold has the greatest sum of the shares it gets right within the class and outside (Youden's J), halfway
    between two values. NaN has not the feature.

    Parameters
    ----------
    values : float64 (n,)
    is_class, in_a : bool (n,)
    sign : int
        +1 if images of the class have high values, −1 if low.

    Source: W. J. Youden, "Index for rating diagnostic tests", Cancer 3 (1950).
    """
    oriented = np.where(np.isfinite(values), sign * values, -np.inf)
    order = np.argsort(-oriented[in_a], kind="stable")
    ranked, positive = oriented[in_a][order], is_class[in_a][order]
    caught = np.cumsum(positive) / max(int(positive.sum()), 1)
    false = np.cumsum(~positive) / max(int((~positive).sum()), 1)
    ends = np.flatnonzero(ranked[1:] < ranked[:-1])
    if not len(ends):
        return Cue(float("nan"), sign, np.zeros(len(values), bool), 2 * is_class.astype(np.int64))
    end = ends[np.argmax((caught - false)[ends])]
    after = ranked[end + 1]
    threshold = float((ranked[end] + after) / 2) if np.isfinite(after) else float(np.nextafter(ranked[end], -np.inf))
    has = oriented > threshold
    return Cue(sign * threshold, sign, has, 2 * is_class.astype(np.int64) + has)


def measure(cue: Cue, right: Bool, bursts: Int64, in_a: Bool, *, refit: Bool | None, n_tested: int = 1) -> Harm:
    """The gap between images that agree and that conflict, and the worst group.

    gap = ½ Σ_y (accuracy of label y where the feature agrees − where it conflicts): the two labels may differ in how
    hard they are, and that is no harm.

    Parameters
    ----------
    cue : Cue
    right : bool (n,)
        Whether the image gets its label, out of fold.
    bursts : int64 (n,)
    in_a : bool (n,)
    refit : bool (n,), optional
        The same after fitting with balanced groups.
    n_tested : int
        How many features are measured together: the interval holds for all of them at once (Bonferroni).
    """
    groups = cue.groups
    if reason := too_few(groups, bursts):
        return Harm(sizes(groups), reason)
    n = np.bincount(groups, minlength=4)
    accuracy = np.bincount(groups, weights=right, minlength=4) / n
    gap = float(0.5 * (accuracy[0] - accuracy[1] + accuracy[3] - accuracy[2]))
    psi = np.array([0.5, -0.5, -0.5, 0.5])[groups] * (right - accuracy[groups]) / n[groups]
    half = normal_quantile(1 - 0.05 / n_tested) * float(burst_error(psi[:, None], bursts)[0])
    worst, before = _worst(groups, right, in_a)
    after = float("nan") if refit is None else _worst(groups, refit, in_a)[1]
    return Harm(sizes(groups), "", gap, max(-1.0, gap - half), min(1.0, gap + half), before, after, worst)


def balanced_weights(groups: Int64) -> Float64:
    """Weights that give every group that has images the same sum; their mean is 1. float64 (n,)."""
    n = np.bincount(groups)
    return np.asarray(len(groups) / (np.count_nonzero(n) * n[groups]))


def balanced_refit(vectors: npt.NDArray[np.floating], classes: Int64, folds: Int64, cue: Cue) -> Int64:
    """What the probe says when every group counts the same in fitting it, int64 (n,)."""
    return predict(vectors, classes, folds, weights=balanced_weights(cue.groups))


def too_few(groups: Int64, bursts: Int64) -> str:
    """Why accuracies of the groups would be worth nothing, or ""."""
    n = np.bincount(groups, minlength=4)
    n_bursts = np.array([len(np.unique(bursts[groups == g])) for g in range(4)])
    short = (n < LEAST_IMAGES) | (n_bursts < LEAST_BURSTS)
    if not short.any():
        return ""
    needed = f"it takes {LEAST_IMAGES} in each group, {LEAST_BURSTS} of them unrelated"
    if short[list(CONFLICTING)].any():
        return f"{NO_CONFLICT} ({int(n[list(CONFLICTING)].min())} in the smaller group; {needed})"
    return f"too few images that agree ({needed})"


def _worst(groups: Int64, right: Bool, in_a: Bool) -> tuple[int, float]:
    """The group that is worst on half A, and its accuracy on half B."""
    accuracy = [right[in_a & (groups == g)].mean() if (in_a & (groups == g)).any() else 1.0 for g in range(4)]
    worst = int(np.argmin(accuracy))
    there = ~in_a & (groups == worst)
    return worst, float(right[there].mean()) if there.any() else float("nan")


def sizes(groups: Int64) -> tuple[int, int, int, int]:
    """Images of each of the four groups."""
    a, b, c, d = (int(size) for size in np.bincount(groups, minlength=4))
    return a, b, c, d
