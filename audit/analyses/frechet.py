"""How far apart two datasets are as Gaussians, beside what halves of one dataset give at the same size.

Source: M. Heusel et al., NeurIPS 2017; M. Chong, D. Forsyth, CVPR 2020 (extrapolation); mathematics in
:mod:`audit.maths.discrepancy`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field
from threadpoolctl import threadpool_limits

from audit.analyses.base import Analysis, Computed, Config, Need, Result, register
from audit.maths import discrepancy, pairs
from audit.maths.intervals import normal_quantile
from audit.model import DatasetView
from audit.report import Block, ChartBlock, Finding, Metric, MetricBlock, Section, Severity

VERSION = 3
MIN_HALF = 20
FRACTIONS = (1.0, 0.85, 0.7, 0.6, 0.5)
IMAGES_PER_DIMENSION = 3
"""Images of each that a dimension takes: with fewer the distance is no straight line in 1/n, and its limit is wrong."""

N_GROUPS = 20
"""Groups of bursts that are left out in turn for the interval of the limit."""


class FrechetConfig(Config):
    """Sizes of the comparison."""

    max_images: int = Field(4000, ge=100, le=20_000, description="Images taken of each dataset, in whole bursts.")
    n_draws: int = Field(10, ge=5, le=200, description="Random halves for the null band, and draws for the value.")
    n_dimensions: int = Field(256, ge=2, le=2048, description="Leading principal directions of both that are kept.")


class FrechetResult(Result):
    """What the section is written from; numbers are None when there were too few images."""

    n_reference: int
    n_candidate: int
    reason: str = ""
    n_each: int = 0
    value: float | None = None
    low: float | None = None
    high: float | None = None
    null_low: float | None = None
    null_high: float | None = None
    infinite: float | None = None
    infinite_low: float | None = None
    infinite_high: float | None = None
    null_infinite: float | None = None
    variance_kept: float | None = None
    n_dimensions: int = 0
    n_draws: int = 0
    curve: tuple[tuple[int, float, float], ...] = ()


def compute(views: Sequence[DatasetView], config: FrechetConfig, rng: np.random.Generator) -> Computed:
    """Measure the Fréchet distance at equal size, its null band and its limit."""
    left, right = pairs.samples(views, config.max_images, rng)
    n_each = min(len(left), len(right)) // 2
    if n_each < MIN_HALF:
        reason = f"it takes {2 * MIN_HALF} images on both sides; there are {len(left)} and {len(right)}"
        return Computed(FrechetResult(n_reference=len(left), n_candidate=len(right), reason=reason))
    with threadpool_limits(limits=1):
        n_dimensions = min(config.n_dimensions, n_each // IMAGES_PER_DIMENSION)
        a, b, kept = pairs.principal(left.vectors, right.vectors, n_dimensions)
        sizes = np.array([int(f * n_each) for f in FRACTIONS])
        values = np.array([[_between(left, right, a, b, int(s), rng) for s in sizes] for _ in range(config.n_draws)])
        sources = [(left, a), (right, b)]
        null = np.array([[_within(*sources[i % 2], int(s), rng) for s in sizes] for i in range(2 * config.n_draws)])
        limits = np.array([discrepancy.extrapolated(sizes, row) for row in values])
        half = normal_quantile(0.95) * float(np.hypot(_spread(left, right, a, b, rng), _of_mean(limits)))
    low, high = np.quantile(values[:, 0], [0.025, 0.975])
    null_low, null_high = np.quantile(null[:, 0], [0.025, 0.975])
    result = FrechetResult(
        n_reference=len(left),
        n_candidate=len(right),
        n_each=n_each,
        value=float(values[:, 0].mean()),
        low=float(low),
        high=float(high),
        null_low=float(null_low),
        null_high=float(null_high),
        infinite=float(limits.mean()),
        infinite_low=float(limits.mean()) - half,
        infinite_high=float(limits.mean()) + half,
        null_infinite=discrepancy.extrapolated(sizes, null.mean(axis=0)),
        variance_kept=kept,
        n_dimensions=a.shape[1],
        n_draws=config.n_draws,
        curve=tuple((int(s), float(v), float(z)) for s, v, z in zip(sizes, values.mean(0), null.mean(0), strict=True)),
    )
    return Computed(result)


def section(result: FrechetResult) -> Section:
    """Say how far apart the datasets are, and how far halves of one are."""
    return Section(
        id="frechet",
        title=ANALYSIS.title,
        question=ANALYSIS.question,
        summary=_summary(result),
        analysis=ANALYSIS.name,
        version=VERSION,
        findings=_findings(result),
        headline=(_metric(result),),
        blocks=_blocks(result),
        method=(
            f"Mean over {result.n_draws} random draws of {result.n_each} images of each, in the {result.n_dimensions} "
            "leading principal directions of both; the draws share images, so their spread is no interval. The null "
            "band is the central 95 % of the distances between disjoint random halves of one dataset at the same size, "
            "bursts kept whole. The limit for infinitely many images is the end of a straight line in 1/n; its "
            f"interval leaves out {N_GROUPS} groups of bursts in turn. {ANALYSIS.source}"
        ),
    )


def _between(
    left: pairs.Sample, right: pairs.Sample, a: pairs.Float64, b: pairs.Float64, size: int, rng: np.random.Generator
) -> float:
    return discrepancy.frechet(a[pairs.subset(left, size, rng)], b[pairs.subset(right, size, rng)])


def _within(sample: pairs.Sample, vectors: pairs.Float64, size: int, rng: np.random.Generator) -> float:
    one, other = pairs.halves(sample, size, rng)
    return discrepancy.frechet(vectors[one], vectors[other])


def _spread(
    left: pairs.Sample, right: pairs.Sample, a: pairs.Float64, b: pairs.Float64, rng: np.random.Generator
) -> float:
    """Standard error of the distance of all images, leaving out a random group of bursts of both in turn.

    A bootstrap would not do: an image drawn twice makes the covariance smaller.
    """
    groups = [_groups(sample.bursts, rng) for sample in (left, right)]
    values = np.array([discrepancy.frechet(a[groups[0] != g], b[groups[1] != g]) for g in range(N_GROUPS)])
    return float(np.sqrt((N_GROUPS - 1) / N_GROUPS * ((values - values.mean()) ** 2).sum()))


def _groups(bursts: pairs.Int64, rng: np.random.Generator) -> pairs.Int64:
    _, place = np.unique(bursts, return_inverse=True)
    dealt: pairs.Int64 = (rng.permutation(place.max() + 1) % N_GROUPS)[place]
    return dealt


def _of_mean(draws: pairs.Float64) -> float:
    """Standard error of the mean of draws from the same images."""
    return float(draws.std(ddof=1) / np.sqrt(len(draws)))


def _above(result: FrechetResult) -> bool:
    return result.low is not None and result.null_high is not None and result.low > result.null_high


def _summary(result: FrechetResult) -> str:
    if result.value is None:
        return f"Not measured; there are too few images: {result.reason}."
    band = f"{result.null_low:.3g} to {result.null_high:.3g}"
    if not _above(result):
        return f"The distance, {result.value:.3g}, is what halves of one dataset have among themselves ({band})."
    return f"The distance is {result.value:.3g}; halves of one dataset of this size lie {band} apart."


def _metric(result: FrechetResult) -> Metric:
    """The distance without an interval: the draws share images, so their spread is none."""
    if result.value is None:
        n = min(result.n_reference, result.n_candidate)
        return Metric(name="Fréchet distance", value=None, n=n, note=f"too few images: {result.reason}")
    note = (
        f"mean of {result.n_draws} draws of {result.n_each:,} images of each; no interval, but a spread of the "
        f"draws from {result.low:.3g} to {result.high:.3g}; null band {result.null_low:.3g} to {result.null_high:.3g}"
    )
    return Metric(name="Fréchet distance", value=result.value, n=result.n_each, note=note)


def _findings(result: FrechetResult) -> tuple[Finding, ...]:
    if result.value is None or not _above(result):
        return ()
    times = result.value / max(result.null_high or 0.0, 1e-12)
    return (
        Finding(
            id="frechet.apart",
            severity=Severity.ATTENTION if times >= 2 else Severity.INFO,
            sentence=f"The datasets lie {times:.1f} times as far apart as halves of one dataset do at most.",
            metric=_metric(result),
            action="Look at what differs, and do not read accuracy on one as accuracy on the other.",
            weight=min(1.0, 1 - 1 / max(times, 1.0)),
        ),
    )


def _blocks(result: FrechetResult) -> tuple[Block, ...]:
    if not result.curve:
        return ()
    points = [
        {"images": size, "distance": d, "between": name}
        for size, value, null in result.curve
        for d, name in ((value, "the two datasets"), (null, "halves of one dataset"))
    ]
    spec = {
        "mark": {"type": "line", "point": True},
        "data": {"values": points},
        "encoding": {
            "x": {"field": "images", "type": "quantitative", "title": "images of each"},
            "y": {"field": "distance", "type": "quantitative", "title": "Fréchet distance"},
            "color": {"field": "between", "type": "nominal", "title": "between"},
        },
        "width": 560,
        "height": 220,
    }
    description = (
        f"The distance falls with the number of images towards {result.infinite:.3g} between the datasets and "
        f"{result.null_infinite:.3g} between halves of one."
    )
    chart = ChartBlock(title="Distance and number of images", description=description, vega_lite=spec)
    return (MetricBlock(metric=_limit(result)), chart)


def _limit(result: FrechetResult) -> Metric:
    note = (
        f"halves of one dataset: {result.null_infinite:.3g}; in {result.n_dimensions} directions that hold "
        f"{result.variance_kept:.0%} of the variance"
    )
    return Metric(
        name="Fréchet distance with infinitely many images",
        value=result.infinite,
        low=result.infinite_low,
        high=result.infinite_high,
        n=result.n_reference + result.n_candidate,
        note=note,
    )


ANALYSIS = register(
    Analysis(
        name="frechet",
        version=VERSION,
        title="Fréchet distance",
        question="How far apart are the two datasets?",
        datasets=2,
        needs=frozenset({Need.EMBEDDINGS, Need.NEIGHBOURS}),
        config=FrechetConfig,
        result=FrechetResult,
        compute=compute,
        section=section,
        source="Heusel et al., NeurIPS 2017 (distance); Chong and Forsyth, CVPR 2020 (extrapolation).",
        order=120,
    )
)
