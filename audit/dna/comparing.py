"""Comparing two Visual DNA: neuron by neuron, all together, and how sure that is.

Numbers only; docs/visual-dna.md says what each means, :mod:`audit.maths.distances`, :mod:`audit.maths.bucket_tests` and
(where images hang together) :mod:`audit.maths.burst_tests` and :mod:`audit.maths.design_effect` how each is computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.dna.merging import check_comparable
from audit.dna.state import Dna
from audit.maths import bucket_tests, burst_tests, distances
from audit.maths.burst_tests import ByImage
from audit.maths.design_effect import design_effect
from audit.maths.histograms import INNER_BINS, Doubles

RATIO = 1.5
"""Times its floor from which a distance is called a difference where no p-value can be had: random halves of three
real sets stayed below."""
PEER_BINS = 1000
MIN_BUCKETS = bucket_tests.MIN_BUCKETS
MIN_BURSTS = burst_tests.MIN_BURSTS

NO_UNCERTAINTY = "no uncertainty available: this Visual DNA was imported and does not say how its images vary"
FEW_IMAGES = "it takes two images on each side to compare distributions; there are {n} and {m}"
NOT_HEARD = "none of the neurons that are listened to has numbers on both sides"
FEW_BUCKETS = f"no p-value: the images fall in {{n}} of the {MIN_BUCKETS} buckets it takes; add pictures"
FEW_BURSTS = (
    f"no p-value: copies and groups counted once, one side has {{n}} of the {MIN_BURSTS} independent pictures or "
    "sequences it takes"
)


@dataclass(frozen=True)
class Asked:
    """How two DNA are to be compared.

    Attributes
    ----------
    weights : float64 (N,), >= 0, or None
        Of each neuron in the total; None counts every layer alike, and every living neuron of a layer.
    level : float
        Of the interval.
    n_permutations, n_resamples : int
    images : what every neuron gave for each image of the reference and of the candidate, with bursts, or None
        Where images hang together, the floor and all that follows from it are widened by the measured design effect,
        and the p-value moves whole bursts. None takes images as independent.
    """

    weights: Doubles | None = None
    level: float = 0.95
    n_permutations: int = 999
    n_resamples: int = 999
    images: tuple[ByImage, ByImage] | None = None


@dataclass(frozen=True)
class Totals:
    """All neurons together, in standard deviations of the reference; None where it cannot be had.

    Attributes
    ----------
    distance, floor, corrected : float
        Measured; what sampling alone gives on average; √max(0, distance² - floor²).
    ratio : float
        distance / floor.
    low, high : float
        Interval of ``corrected`` over buckets of images.
    cramer : float
        Weighted unbiased squared Cramér distance: 0 on average where nothing differs.
    p_value, p_mean, p_max : float
        As :class:`audit.maths.bucket_tests.JointTest`.
    p_value_note : str
        Why there is no p-value, or what limits it.
    null_high : float
        What 95 % of samples of one source stay below, of these sizes.
    n_needed : int
        Images on each side from which this difference is 1.5 times its floor.
    plain_bins : float
        Plain mean over living neurons in thousandths of the range, as the paper aggregates.
    n_buckets : int
    n_bursts : two ints
        Bursts of the reference and of the candidate: images that are no copies and share no group are one each. None
        where it is not known which images hang together, and images were taken as independent.
    design_effect : two floats
        Weighted mean over neurons of how many times the variance of independent images that of these is.
    """

    distance: float | None = None
    floor: float | None = None
    corrected: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    cramer: float | None = None
    p_value: float | None = None
    p_mean: float | None = None
    p_max: float | None = None
    p_value_note: str = ""
    null_high: float | None = None
    n_needed: int | None = None
    plain_bins: float | None = None
    n_buckets: int = 0
    n_bursts: tuple[int, int] | None = None
    design_effect: tuple[float, float] | None = None


@dataclass(frozen=True)
class Comparison:
    """Two DNA compared; arrays float64 (N,) in standard deviations of the reference unless said otherwise.

    Attributes
    ----------
    sd : in bins
    distance, floor, cramer
        NaN where a side has too few images.
    living : bool (N,)
        Neither dead in calibration nor without numbers.
    weights : of each neuron in the total; they sum to 1
    p_neurons
        Family-wise p-value of each neuron; NaN where not known.
    total : Totals
    effects : two float64 (N,), or None
        Design effects of both sides, without unit; None where images are independent or taken as such.
    """

    sd: Doubles
    distance: Doubles
    floor: Doubles
    cramer: Doubles
    living: npt.NDArray[np.bool_]
    weights: Doubles
    p_neurons: Doubles
    total: Totals
    effects: distances.Effects | None = None

    @property
    def corrected(self) -> Doubles:
        """The distance of each neuron with its floor taken off in squares."""
        return distances.corrected(self.distance, self.floor)


def compare(reference: Dna, candidate: Dna, rng: np.random.Generator, asked: Asked | None = None) -> Comparison:
    """Compare two DNA of one extractor.

    Raises
    ------
    FingerprintMismatchError
        If they were made by different extractors or ranges.
    """
    check_comparable(reference, candidate)
    asked = asked or Asked()
    effects = _effects(asked.images)
    sd = distances.standard_deviation(reference)
    distance = distances.wasserstein(reference, candidate) / sd
    floor = distances.floor(reference, candidate, effects) / sd
    known = np.isfinite(distance) & np.isfinite(floor)
    living = ~reference.ranges.dead & known
    weights = _shares(reference, living, asked.weights)
    test = _tested(reference, candidate, weights / sd, rng, asked)
    each = Comparison(
        sd=sd,
        distance=distance,
        floor=floor,
        cramer=distances.cramer(reference, candidate, effects) / sd,
        living=living,
        weights=weights,
        p_neurons=np.full(len(sd), np.nan) if test is None else test.p_neurons,
        total=Totals(p_value_note=_not_compared(reference, candidate)),
        effects=effects,
    )
    if not weights.any():
        return each
    total = _total(reference, candidate, each, test, rng, asked)
    return Comparison(**{**vars(each), "total": total})


def _hang_together(images: tuple[ByImage, ByImage] | None) -> bool:
    """Whether any burst is of more than one image."""
    return images is not None and any(side.n_bursts < len(side.bursts) for side in images)


def _effects(images: tuple[ByImage, ByImage] | None) -> distances.Effects | None:
    """Design effects of both sides; None where images are independent, or taken as such."""
    if images is None or not _hang_together(images):
        return None
    reference, candidate = (design_effect(side.values, side.bursts) for side in images)
    return reference, candidate


def _tested(
    reference: Dna, candidate: Dna, unit: Doubles, rng: np.random.Generator, asked: Asked
) -> bucket_tests.JointTest | None:
    """The joint test: of whole bursts where images hang together, else of hash buckets of images."""
    if asked.images is not None and _hang_together(asked.images):
        if min(bucket_tests.filled(reference), bucket_tests.filled(candidate)) < MIN_BUCKETS:
            return None
        return burst_tests.burst_test(*asked.images, unit, rng, n_permutations=asked.n_permutations)
    return bucket_tests.joint_test(reference, candidate, unit, rng, n_permutations=asked.n_permutations)


def _not_compared(reference: Dna, candidate: Dna) -> str:
    """Why two DNA have no distance."""
    few = min(reference.size, candidate.size) < 2
    return FEW_IMAGES.format(n=reference.size, m=candidate.size) if few else NOT_HEARD


def even_weights(dna: Dna) -> Doubles:
    """Weights of the neurons that are not dead, every layer alike: for single images, which have no distance."""
    return _shares(dna, ~dna.ranges.dead & (dna.n_images > 0), None)


def _shares(dna: Dna, living: npt.NDArray[np.bool_], asked: Doubles | None) -> Doubles:
    """Weight of every neuron, summing to 1, or all 0 where nothing can be weighted."""
    weights = np.zeros(len(living))
    if asked is not None:
        weights = np.where(living, asked, 0.0)
        return weights / max(float(weights.sum()), np.finfo(float).tiny)
    alive = [rows for rows in dna.ranges.slices.values() if living[rows].any()]
    for rows in alive:
        weights[rows] = living[rows] / living[rows].sum() / len(alive)
    return weights


def weighted(values: Doubles, weights: Doubles) -> float:
    """Weighted sum over the neurons that have a weight."""
    used = weights > 0
    return float(values[used] @ weights[used])


def _total(
    reference: Dna,
    candidate: Dna,
    each: Comparison,
    test: bucket_tests.JointTest | None,
    rng: np.random.Generator,
    asked: Asked,
) -> Totals:
    distance, floor = weighted(each.distance, each.weights), weighted(each.floor, each.weights)
    unit = each.weights / each.sd
    corrected = float(np.sqrt(max(0.0, distance**2 - floor**2)))
    n_buckets = min(bucket_tests.filled(reference), bucket_tests.filled(candidate))
    known: dict[str, Any] = {"p_value_note": FEW_BUCKETS.format(n=n_buckets)}
    if asked.images is not None:
        known = _grouped(asked.images, each, known)
    if test is not None:
        drawn = bucket_tests.bootstrap_distances(
            reference, candidate, unit, rng, n_resamples=asked.n_resamples, effects=each.effects
        )
        low, high = basic_interval(distance, floor, drawn, asked.level)
        beyond = float(np.quantile(test.null, 0.95) / max(float(test.null.mean()), np.finfo(float).tiny))
        known |= {"low": low, "high": high, "null_high": floor * beyond, "p_value_note": ""}
        known |= {"p_value": test.p_value, "p_mean": test.p_mean, "p_max": test.p_max}
    return Totals(
        distance=distance,
        floor=floor,
        corrected=corrected,
        ratio=distance / floor if floor > 0 else None,
        cramer=weighted(each.cramer, each.weights),
        n_needed=distances.images_needed((reference, candidate), unit, corrected, RATIO, each.effects),
        plain_bins=weighted(each.distance * each.sd, each.living / each.living.sum()) * PEER_BINS / INNER_BINS,
        n_buckets=n_buckets,
        **known,
    )


def _grouped(images: tuple[ByImage, ByImage], each: Comparison, known: dict[str, Any]) -> dict[str, Any]:
    """How many bursts there are, what they cost, and whether they are too few for a p-value."""
    n_bursts = (images[0].n_bursts, images[1].n_bursts)
    means = [1.0 if each.effects is None else weighted(each.effects[side], each.weights) for side in (0, 1)]
    said: dict[str, Any] = {"n_bursts": n_bursts, "design_effect": (means[0], means[1])}
    if each.effects is not None and min(n_bursts) < MIN_BURSTS:
        said["p_value_note"] = FEW_BURSTS.format(n=min(n_bursts))
    return {**known, **said}


def basic_interval(distance: float, floor: float, drawn: Doubles, level: float) -> tuple[float, float]:
    """Basic bootstrap interval of the corrected distance c = √max(0, d² - f²).

    In the world of the bootstrap the true distance is d, and a drawn distance d* is corrected as d is:
    c* = √max(0, d*² - f²). So c* - d scatters as c does about the truth: the interval is c - (c*_high - d) to
    c - (c*_low - d), not below 0.

    Parameters
    ----------
    drawn : float64 (1 + B,)
        Of :func:`audit.maths.bucket_tests.bootstrap_distances`; what it misses of d between edges is added to all.
    """
    corrected = float(np.sqrt(max(0.0, distance**2 - floor**2)))
    again = np.sqrt(np.maximum((drawn[1:] + distance - drawn[0]) ** 2 - floor**2, 0.0))
    below, above = np.quantile(again, [(1 - level) / 2, (1 + level) / 2]) - distance
    return max(0.0, corrected - float(above)), max(corrected, corrected - float(below))


def layer_distances(reference: Dna, found: Comparison) -> dict[str, float]:
    """Mean distance of the living neurons of every layer, in standard deviations of the reference."""
    slices = reference.ranges.slices.items()
    return {name: float(found.distance[r][found.living[r]].mean()) for name, r in slices if found.living[r].any()}
