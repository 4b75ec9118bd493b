"""Does a feature tell the class from the background alone, and how much of the label does the background give away?

Sources: K. Xiao et al., "Noise or Signal: The Role of Image Backgrounds in Object Recognition", ICLR 2021 (parts of
pictures embedded alone); Y. Benjamini, Y. Hochberg, J. R. Stat. Soc. B 57 (1995) (false discoveries); intervals from
:func:`audit.spurious.ranks.influences`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri
from scipy.stats import false_discovery_control

from audit.maths.permutation import p_value, permuted_groups, pieces
from audit.maths.probes import deal_folds
from audit.model import Parts
from audit.parts.boxes import areas, widened
from audit.spurious.probe import balanced_accuracy, predict, principal, scores, without
from audit.spurious.ranks import burst_error, centred_ranks, influences, judge_cells

LEAST_BACKGROUND = 0.15
"""A picture takes part if at least this share of it lies outside its widened box."""

SEEN = 2 / 3
"""Of what the whole picture tells of the label beyond guessing, the object alone in a box that was found tells at least
this, else it is not taken for the object."""

THROUGH_THE_HOLE = 0.5
"""A hole around a box that was found lets some of the object through: the background alone has to tell more than this
share of what the whole picture tells. Of drawn scenes without a tie a neuron of the object kept .21 of .77."""

LEAST_PICTURES = 100
N_DIRECTIONS = 64
N_FOLDS = 5

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Placed:
    """Where each feature tells its class, 2 AUC − 1 oriented as in the whole picture; float64 (f,) each.

    Attributes
    ----------
    foreground : absolute, from the object alone
    background : the weaker of the two fillings
    low : lower 95 % bound of background − foreground, of each feature by itself
    p_more : one-sided, that the background tells no more than the foreground
    p_background : family-wise, of the less significant filling
    """

    foreground: Float64
    background: Float64
    low: Float64
    p_more: Float64
    p_background: Float64

    def is_contextual(self, floor: float | Float64, alpha: float) -> Bool:
        """Whether the background alone tells the class, ``floor`` at least, and more than the object alone does.

        The second is judged over all features at once, with a false discovery rate of alpha (Benjamini-Hochberg): where
        it holds of none, the chance of any is at most alpha.
        """
        if not len(self.p_more):
            return np.zeros(0, dtype=bool)
        is_more = false_discovery_control(self.p_more) <= alpha
        return np.asarray((self.background >= floor) & (self.p_background <= alpha) & is_more & (self.low > 0))


@dataclass(frozen=True)
class Readable:
    """How much of the label can be read off parts of the pictures: balanced accuracies of probes out of fold.

    Attributes
    ----------
    background : the weaker of the two fillings, with its 95 % interval ``low`` to ``high``
    guess : mean of the same number with permuted labels
    p : of the less significant filling
    foreground, whole : of the object alone and of the whole picture
    box : from place and size of the box alone, which the background shows too
    n, n_given : pictures, and those whose box the dataset gave
    shows_object : whether the object alone tells enough of the label to be the object; true where all boxes are given
    """

    background: float
    low: float
    high: float
    guess: float
    p: float
    foreground: float
    whole: float
    box: float
    n: int
    n_given: int
    shows_object: bool


def with_background(parts: Parts, is_judged: Bool) -> Int64:
    """Which of the sampled pictures have a class and enough background, int64, positions in the sample."""
    kept = is_judged[parts.rows] & (1 - areas(widened(parts.boxes)) >= LEAST_BACKGROUND)
    return np.flatnonzero(kept)


def place(
    parts: Parts,
    kept: Int64,
    classes: Int64,
    bursts: Int64,
    *,
    asked: tuple[Int64, Int64, Int64],
    rng: np.random.Generator,
) -> Placed:
    """Where each neuron tells the class asked of it.

    Parameters
    ----------
    parts : Parts
    kept : int64 (m,)
        Positions in the sample.
    classes, bursts : int64 (m,)
        Of the kept pictures; classes from 0.
    asked : int64 (f,) thrice
        Column of the neuron, the class, and +1 or −1 where images of the class have high or low values.
    rng : numpy.random.Generator
    """
    columns, best, sign = asked
    fronts = np.nan_to_num(parts.foreground.neurons[kept][:, columns].astype(np.float32))
    backs = [beyond_box(back.neurons[kept][:, columns], widened(parts.boxes[kept])) for back in parts.backgrounds]
    ranked = np.concatenate([centred_ranks(back) for back in backs], axis=1)
    _, p = judge_cells(ranked, classes, bursts, np.tile(best, 2), rng)
    found = Placed(*(np.zeros(len(columns)) for _ in range(5)))
    found.p_more[:] = 1
    found.p_background[:] = p.reshape(2, -1).max(axis=0)
    for c in np.unique(best):
        at, positive = np.flatnonzero(best == c), classes == c
        if not positive.any() or positive.all():
            found.low[at] = -np.inf
            continue
        front, front_psi = influences(fronts[:, at], positive)
        behind = [influences(back[:, at], positive) for back in backs]
        values = np.stack([estimate * sign[at] for estimate, _ in behind])
        weaker = values.argmin(axis=0)
        psi = np.where(weaker == 0, behind[0][1], behind[1][1]) * sign[at]
        error = burst_error(psi - front_psi * np.where(front < 0, -1, 1), bursts)
        found.foreground[at], found.background[at] = np.abs(front), values.min(axis=0)
        more = found.background[at] - found.foreground[at]
        found.low[at] = more + float(ndtri(0.025)) * error
        found.p_more[at] = ndtr(-more / np.maximum(error, 1e-12))
    return found


def readable(
    parts: Parts, kept: Int64, classes: Int64, bursts: Int64, *, n_permutations: int, rng: np.random.Generator
) -> Readable:
    """How much of the label a probe reads off each part of the kept pictures."""
    folds = deal_folds(bursts, classes, N_FOLDS, rng)
    hole = _design(widened(parts.boxes[kept]))
    points = [_points(one.vectors[kept]) for one in (*parts.backgrounds, parts.foreground, parts.whole)]
    hidden = (hole, hole, None, None)
    answers = [
        predict(one, classes, folds, equal_priors=True, nuisance=nuisance)
        for one, nuisance in zip(points, hidden, strict=True)
    ]
    scores = [balanced_accuracy(answer, classes) for answer in answers]
    weaker = int(scores[1] < scores[0])
    null = _null((points[:2], hole), (classes, bursts, folds), n_permutations, rng)
    guess, n_given = float(null[weaker].mean()), int(parts.is_given[kept].sum())
    half = 1.959964 * _error(answers[weaker] == classes, classes, bursts)
    return Readable(
        background=scores[weaker],
        low=max(0.0, scores[weaker] - half),
        high=min(1.0, scores[weaker] + half),
        guess=guess,
        p=max(p_value(score, one) for score, one in zip(scores, null, strict=False)),
        foreground=scores[2],
        whole=scores[3],
        box=balanced_accuracy(
            predict(_geometry(widened(parts.boxes[kept])), classes, folds, equal_priors=True), classes
        ),
        n=len(kept),
        n_given=n_given,
        shows_object=n_given == len(kept) or scores[2] - guess >= SEEN * (scores[3] - guess),
    )


@dataclass(frozen=True)
class Told:
    """What the background as a whole says of each class, as a feature.

    Attributes
    ----------
    values : float64 (m, n_classes)
        How much the probe of the background prefers the class; mean of the two fillings.
    g : float64 (n_classes,)
        2 AUC − 1 of that in the weaker filling.
    foreground, low : float64 (n_classes,)
        |2 AUC − 1| of what the same probe says of the object alone; lower bound of g − foreground, for all classes.
    """

    values: Float64
    g: Float64
    foreground: Float64
    low: Float64


def told(parts: Parts, kept: Int64, classes: Int64, bursts: Int64, rng: np.random.Generator) -> Told:
    """Make features of what the backgrounds of the kept pictures say, each by a probe that never saw its burst."""
    folds = deal_folds(bursts, classes, N_FOLDS, rng)
    fronts, values = [], []
    hole = _design(widened(parts.boxes[kept]))
    ahead_vectors = parts.foreground.vectors[kept]
    for back in parts.backgrounds:
        space = principal(back.vectors[kept], N_DIRECTIONS)
        front = space.of(ahead_vectors - ahead_vectors.mean(axis=0) + space.mean)
        own, (front,) = scores(space.of(back.vectors[kept]), classes, folds, [front], nuisance=hole)
        values.append(own)
        fronts.append(front)
    behind = [_one_by_one(own, classes) for own in values]
    ahead = [_one_by_one(front, classes) for front in fronts]
    weaker = np.stack([estimate for estimate, _ in behind]).argmin(axis=0)
    pick = np.arange(len(weaker))
    g = np.stack([estimate for estimate, _ in behind])[weaker, pick]
    front = np.stack([estimate for estimate, _ in ahead]).mean(axis=0)
    psi = np.where(weaker == 0, behind[0][1], behind[1][1])
    front_psi = (ahead[0][1] + ahead[1][1]) / 2 * np.where(front < 0, -1, 1)
    quantile = float(ndtri(0.025 / max(1, len(g) - 1)))  # of two classes both columns say the same
    low = g - np.abs(front) + quantile * burst_error(psi - front_psi, bursts)
    return Told(np.mean(values, axis=0), g, np.abs(front), low)


def _one_by_one(values: Float64, classes: Int64) -> tuple[Float64, Float64]:
    """Influences of each class' own column, float64 (n_classes,) and (m, n_classes)."""
    found = [influences(values[:, c : c + 1], classes == c) for c in range(values.shape[1])]
    return np.array([estimate[0] for estimate, _ in found]), np.column_stack([psi for _, psi in found])


def _points(values: npt.NDArray[np.floating]) -> Float64:
    return principal(values, N_DIRECTIONS).of(values)


def beyond_box(values: npt.NDArray[np.floating], boxes: npt.NDArray[np.float32]) -> Float64:
    """What place and size of the box do not explain of features of a background: residuals of least squares.

    A filling shows where it is, whatever it is made of; and boxes of one class are often alike. So the background is
    only believed beyond the box: place, sides, area and shape, their squares and products.

    Parameters
    ----------
    values : float (m, f)
        NaN counts as 0.
    boxes : float32 (m, 4)

    Returns
    -------
    float64 (m, f)
    """
    known = np.nan_to_num(np.asarray(values, dtype=np.float64))
    return without(known, _design(boxes), np.ones(len(known), dtype=bool))


def _design(boxes: npt.NDArray[np.float32]) -> Float64:
    """One, place and size of each box, their squares and products: float64 (m, 28)."""
    geometry = _geometry(boxes)
    first, second = np.triu_indices(geometry.shape[1])
    return np.column_stack([np.ones(len(boxes)), geometry, geometry[:, first] * geometry[:, second]])


def _geometry(boxes: npt.NDArray[np.float32]) -> Float64:
    """Place and size of each box, of unit spread, float64 (m, 6): what a filling cannot hide."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-3).astype(np.float64)
    values = np.column_stack([boxes, areas(boxes), np.log(sides[:, 0] / sides[:, 1])])
    return np.asarray((values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-9))


def _null(
    told: tuple[list[Float64], Float64],
    known: tuple[Int64, Int64, Int64],
    n_permutations: int,
    rng: np.random.Generator,
) -> list[Float64]:
    """Balanced accuracy of each filling's probe under permuted labels, float64 (n_permutations,) each."""
    points, hole = told
    classes, bursts, folds = known
    piece, group = pieces(bursts, classes)
    null = [np.empty(n_permutations) for _ in points]
    for i, shuffled in enumerate(permuted_groups(group, n_permutations, rng)):
        permuted = shuffled[piece]
        for values, one in zip(points, null, strict=True):
            one[i] = balanced_accuracy(predict(values, permuted, folds, equal_priors=True, nuisance=hole), permuted)
    return null


def _error(right: Bool, classes: Int64, bursts: Int64) -> float:
    """Standard error of a balanced accuracy, over bursts."""
    size = np.bincount(classes)
    recall = np.bincount(classes, weights=right) / np.maximum(size, 1)
    psi = (right - recall[classes]) / (size[classes] * np.count_nonzero(size))
    return float(burst_error(psi[:, None], bursts)[0])
