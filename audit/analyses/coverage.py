"""How much of each dataset lies where the other has pictures.

Source: T. Kynkäänniemi et al., NeurIPS 2019 (precision, recall); M. F. Naeem et al., ICML 2020 (density, coverage);
mathematics in :mod:`audit.maths.coverage`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

import numpy as np
import numpy.typing as npt
from pydantic import Field
from threadpoolctl import threadpool_limits

from audit.analyses.base import Analysis, Computed, Config, Need, Result, register
from audit.maths import coverage as measures
from audit.maths import discrepancy, pairs
from audit.model import DatasetView
from audit.report import Block, Column, Finding, Metric, Section, Severity, TableBlock

VERSION = 3
MIN_HALF = 20
MEASURES = ("precision", "recall", "density", "coverage")
FORWARD, BACKWARD = "candidate against reference", "reference against candidate"
SAID = {
    (FORWARD, "precision"): "candidate's images that lie among the reference's (precision)",
    (FORWARD, "recall"): "reference's images that lie among the candidate's (recall)",
    (BACKWARD, "coverage"): "candidate's images with one of the reference beside them (coverage)",
    (FORWARD, "coverage"): "reference's images with one of the candidate beside them (coverage)",
    (FORWARD, "density"): "crowding of the reference where the candidate's images lie (density)",
    (BACKWARD, "density"): "crowding of the candidate where the reference's images lie (density)",
}
"""What each measure says in words, in the order of the table; precision one way is recall the other way."""


class CoverageConfig(Config):
    """Sizes of the comparison."""

    k: int = Field(5, ge=1, le=15, description="Neighbour whose distance is the radius of an image's ball.")
    max_images: int = Field(2000, ge=100, le=10_000, description="Images taken of each dataset, in whole bursts.")
    n_draws: int = Field(10, ge=5, le=100, description="Random halves for the null band, and draws for the value.")


class Share(Result):
    """One measure in one direction, with the spread of its draws and its null band."""

    name: str
    direction: str
    value: float
    low: float
    high: float
    null_low: float
    null_high: float


class CoverageResult(Result):
    """What the section is written from."""

    n_reference: int
    n_candidate: int
    n_each: int = 0
    k: int = 5
    n_draws: int = 0
    reason: str = ""
    shares: tuple[Share, ...] = ()


def compute(views: Sequence[DatasetView], config: CoverageConfig, rng: np.random.Generator) -> Computed:
    """Measure support both ways at equal size, beside halves of each dataset."""
    left, right = pairs.samples(views, config.max_images, rng)
    n_each = min(len(left), len(right)) // 2
    known = {"n_reference": len(left), "n_candidate": len(right), "k": config.k, "n_draws": config.n_draws}
    if n_each < MIN_HALF:
        reason = f"it takes {2 * MIN_HALF} images on both sides; there are {len(left)} and {len(right)}"
        return Computed(CoverageResult(**known, reason=reason))
    with threadpool_limits(limits=1):
        squared = discrepancy.squared_distances(*[np.concatenate([left.vectors, right.vectors])] * 2)
        draws = [
            (pairs.subset(left, n_each, rng), len(left) + pairs.subset(right, n_each, rng))
            for _ in range(config.n_draws)
        ]
        of_left = [pairs.halves(left, n_each, rng) for _ in range(config.n_draws)]
        of_right = [tuple(len(left) + h for h in pairs.halves(right, n_each, rng)) for _ in range(config.n_draws)]
        shares = [
            *_shares(FORWARD, squared, draws, of_left, config.k),
            *_shares(BACKWARD, squared, [(b, a) for a, b in draws], of_right, config.k),
        ]
    return Computed(CoverageResult(**known, n_each=n_each, shares=tuple(shares)))


def section(result: CoverageResult) -> Section:
    """Say how much of each dataset the other has."""
    return Section(
        id="coverage",
        title=ANALYSIS.title,
        question=ANALYSIS.question,
        summary=_summary(result),
        analysis=ANALYSIS.name,
        version=VERSION,
        findings=_findings(result),
        headline=(_metric(result, "Reference covered by candidate", 0),),
        blocks=_blocks(result),
        method=(
            f"An image's ball reaches to its {result.k}-th neighbour in its own dataset. Precision: share of the one's "
            "images inside the other's balls; coverage: share of the other's balls that hold one; recall: the converse "
            "of precision; density: balls an image is in, over k. Means over "
            f"{result.n_draws} draws of {result.n_each} images of each; the null band is that of disjoint halves of "
            f"the dataset compared against, at the same size. {ANALYSIS.source}"
        ),
    )


def _shares(
    direction: str,
    squared: pairs.Float64,
    draws: Sequence[Sequence[pairs.Int64]],
    halves: Sequence[Sequence[pairs.Int64]],
    k: int,
) -> list[Share]:
    values, null = _measured(squared, draws, k), _measured(squared, halves, k)
    bands = np.quantile(values, [0.025, 0.975], axis=0), np.quantile(null, [0.025, 0.975], axis=0)
    return [
        Share(
            name=name,
            direction=direction,
            value=float(values[:, i].mean()),
            low=float(bands[0][0, i]),
            high=float(bands[0][1, i]),
            null_low=float(bands[1][0, i]),
            null_high=float(bands[1][1, i]),
        )
        for i, name in enumerate(MEASURES)
    ]


def _measured(squared: pairs.Float64, draws: Sequence[Sequence[pairs.Int64]], k: int) -> npt.NDArray[np.float64]:
    rows = [
        astuple(measures.support(squared[np.ix_(a, a)], squared[np.ix_(b, b)], squared[np.ix_(a, b)], k))
        for a, b in draws
    ]
    return np.array(rows)


def _coverage(result: CoverageResult, direction: int) -> Share | None:
    found = [s for s in result.shares if s.name == "coverage"]
    return found[direction] if found else None


def _summary(result: CoverageResult) -> str:
    forward, backward = _coverage(result, 0), _coverage(result, 1)
    if forward is None or backward is None:
        return f"Not measured; there are too few images: {result.reason}."
    return (
        f"Of samples of {result.n_each:,} images of each, the candidate reaches {forward.value:.0%} of the reference's "
        f"pictures (halves of the reference reach "
        f"{forward.null_low:.0%} to {forward.null_high:.0%}); the reference reaches {backward.value:.0%} of the "
        f"candidate's ({backward.null_low:.0%} to {backward.null_high:.0%})."
    )


def _metric(result: CoverageResult, name: str, direction: int, *, missed: bool = False) -> Metric:
    """The share covered, or the share missed, without an interval: the draws share images, so their spread is none."""
    share = _coverage(result, direction)
    if share is None:
        n = min(result.n_reference, result.n_candidate)
        return Metric(name=name, value=None, n=n, note=f"too few images: {result.reason}")
    value, *ends = (
        1 - x if missed else x for x in (share.value, share.low, share.high, share.null_low, share.null_high)
    )
    low, high, usual_low, usual_high = (*sorted(ends[:2]), *sorted(ends[2:]))
    note = (
        f"mean of {result.n_draws} draws of {result.n_each:,} images of each; no interval, but a spread of the "
        f"draws from {low:.1%} to {high:.1%}; null band {usual_low:.1%} to {usual_high:.1%}"
    )
    return Metric(name=name, value=value, unit="share", n=result.n_each, note=note)


def _findings(result: CoverageResult) -> tuple[Finding, ...]:
    sides = (
        (
            "reference",
            "candidate",
            "Add pictures like those of the reference that lie farthest from the candidate: What differs shows them.",
        ),
        (
            "candidate",
            "reference",
            "Expect a model trained on the reference to be untested on such pictures: What differs shows the farthest.",
        ),
    )
    found = []
    for direction, (covered, by, action) in enumerate(sides):
        share = _coverage(result, direction)
        if share is None or share.high >= share.null_low:
            continue
        found.append(
            Finding(
                id=f"coverage.{covered}",
                severity=Severity.ATTENTION if share.value < share.null_low - 0.1 else Severity.INFO,
                sentence=(
                    f"{1 - share.value:.0%} of the {covered} has nothing like it in the {by}, by samples of "
                    f"{result.n_each:,} images of each; {1 - share.null_high:.0%} to {1 - share.null_low:.0%} would be "
                    "usual."
                ),
                metric=_metric(
                    result, f"{covered.capitalize()} with nothing like it in the {by}", direction, missed=True
                ),
                action=action,
                weight=1 - share.value,
            )
        )
    return tuple(found)


def _blocks(result: CoverageResult) -> tuple[Block, ...]:
    if not result.shares:
        return ()
    columns = (
        Column(name="said", title="measure"),
        Column(name="value", title="value", align="right", format="number"),
        Column(name="null_low", title="null from", align="right", format="number"),
        Column(name="null_high", title="null to", align="right", format="number"),
    )
    known = {(s.direction, s.name): s for s in result.shares}
    found = [(said, known[key]) for key, said in SAID.items()]
    rows = tuple((said, s.value, s.null_low, s.null_high) for said, s in found)
    note = "Shares of images, except crowding, which is 1 where two datasets are alike. Null: halves of one dataset."
    return (TableBlock(title="Support both ways", columns=columns, rows=rows, note=note),)


ANALYSIS = register(
    Analysis(
        name="coverage",
        version=VERSION,
        title="Coverage",
        question="Which part of each dataset does the other have?",
        datasets=2,
        needs=frozenset({Need.EMBEDDINGS, Need.NEIGHBOURS}),
        config=CoverageConfig,
        result=CoverageResult,
        compute=compute,
        section=section,
        source="Kynkäänniemi et al., NeurIPS 2019 (precision, recall); Naeem et al., ICML 2020 (density, coverage).",
        order=130,
    )
)
