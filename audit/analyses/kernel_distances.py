"""How far apart two datasets are by the kernel distances KID and CMMD, which need no correction for the sample's size.

Source: M. Bińkowski et al., ICLR 2018 (KID); S. Jayasumana et al., CVPR 2024 (CMMD); mathematics in
:mod:`audit.maths.kernels`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field
from threadpoolctl import threadpool_limits

from audit.analyses.base import Analysis, Computed, Config, Need, Result, register
from audit.maths import kernels, pairs
from audit.model import DatasetView
from audit.report import Block, Column, Finding, Metric, Section, Severity, TableBlock

VERSION = 1
MIN_HALF = 20

KERNELS = {"KID": kernels.kid_kernel, "CMMD": kernels.cmmd_kernel}


class KernelDistancesConfig(Config):
    """Sizes of the comparison."""

    max_images: int = Field(1500, ge=100, le=10_000, description="Images taken of each dataset, in whole bursts.")
    n_draws: int = Field(100, ge=20, le=1000, description="Random halves of each dataset for the null band.")
    n_resamples: int = Field(499, ge=99, le=9999, description="Bootstrap resamples of bursts for the interval.")
    n_permutations: int = Field(999, ge=99, le=9999, description="Permutations of bursts between the datasets.")
    alpha: float = Field(0.01, gt=0, lt=1, description="Level at which a difference is reported.")


class KernelDistance(Result):
    """One distance with its 95 % interval, its null band and its permutation p-value."""

    value: float
    low: float
    high: float
    null_low: float
    null_high: float
    p_value: float


class KernelDistancesResult(Result):
    """What the section is written from; distances are None when there were too few images."""

    n_reference: int
    n_candidate: int
    reason: str = ""
    n_each: int = 0
    n_permutations: int = 0
    alpha: float = 0.01
    kid: KernelDistance | None = None
    cmmd: KernelDistance | None = None


def compute(views: Sequence[DatasetView], config: KernelDistancesConfig, rng: np.random.Generator) -> Computed:
    """Measure both distances, their intervals, null bands and p-values."""
    left, right = pairs.samples(views, config.max_images, rng)
    n_each = min(len(left), len(right)) // 2
    known = {"n_reference": len(left), "n_candidate": len(right)}
    n_bursts = [len(np.unique(sample.bursts)) for sample in (left, right)]
    if min(n_each, *n_bursts) < MIN_HALF:
        reason = (
            f"it takes {2 * MIN_HALF} images on both sides, {MIN_HALF} of them different; there are {len(left)} and "
            f"{len(right)}, {n_bursts[0]} and {n_bursts[1]} of them different"
        )
        return Computed(KernelDistancesResult(**known, reason=reason))
    with threadpool_limits(limits=1):
        found = _measured(left, right, n_each, config, rng)
    result = KernelDistancesResult(
        **known,
        n_each=n_each,
        n_permutations=config.n_permutations,
        alpha=config.alpha,
        kid=found["KID"],
        cmmd=found["CMMD"],
    )
    return Computed(result)


def _measured(
    left: pairs.Sample, right: pairs.Sample, n_each: int, config: KernelDistancesConfig, rng: np.random.Generator
) -> dict[str, KernelDistance]:
    vectors, groups, own, _ = pairs.joint(left, right)
    halves = [
        (one + start, other + start)
        for sample, start in ((left, 0), (right, len(left)))
        for one, other in (pairs.halves(sample, n_each, rng) for _ in range(config.n_draws))
    ]
    found = {}
    for name, kernel in KERNELS.items():
        matrix = kernels.burst_kernel(kernel(vectors, vectors), own)
        low, high = kernels.interval(matrix, groups, rng, n_resamples=config.n_resamples)
        null_low, null_high = np.quantile(kernels.of_halves(matrix, halves), [0.025, 0.975])
        found[name] = KernelDistance(
            value=kernels.distance(matrix, groups),
            low=low,
            high=high,
            null_low=float(null_low),
            null_high=float(null_high),
            p_value=kernels.p_value(matrix, groups, rng, n_permutations=config.n_permutations),
        )
    return found


def section(result: KernelDistancesResult) -> Section:
    """Say how far apart the datasets are, and how far halves of one are."""
    return Section(
        id="kernel_distances",
        title=ANALYSIS.title,
        question=ANALYSIS.question,
        summary=_summary(result),
        analysis=ANALYSIS.name,
        version=VERSION,
        findings=_findings(result),
        headline=(_metric("KID", result.kid, result), _metric("CMMD", result.cmmd, result)),
        blocks=_blocks(result),
        method=(
            "Unbiased squared maximum mean discrepancies of all images taken: KID with the kernel (cosine + 1)³, CMMD "
            "with a Gaussian kernel of σ = 10, times 1000. Pairs of one burst are left out. Intervals by bootstrap of "
            f"bursts; p-values by {result.n_permutations} permutations of bursts. The null band is the central 95 % of "
            f"distances between disjoint random halves of one dataset, {result.n_each:,} images each; with all images "
            f"it would be narrower. {ANALYSIS.source}"
        ),
    )


def _differs(result: KernelDistancesResult) -> bool:
    """Two tests are made, so the smaller p-value counts twice."""
    found = [one for one in (result.kid, result.cmmd) if one is not None]
    return bool(found) and 2 * min(one.p_value for one in found) <= result.alpha


def _summary(result: KernelDistancesResult) -> str:
    if result.kid is None:
        return f"Not measured; there are too few images: {result.reason}."
    kid = result.kid
    said = (
        f"By KID, a distance that does not depend on the number of images, they lie {_number(kid.value)} apart "
        f"({_number(kid.low)} to {_number(kid.high)}); halves of one dataset lie {_number(kid.null_low)} to "
        f"{_number(kid.null_high)} apart."
    )
    return said if _differs(result) else f"No difference found. {said}"


def _metric(name: str, found: KernelDistance | None, result: KernelDistancesResult) -> Metric:
    n = result.n_reference + result.n_candidate
    if found is None:
        return Metric(name=name, value=None, n=n, note=f"too few images: {result.reason}")
    note = f"null band {_number(found.null_low)} to {_number(found.null_high)}, p = {found.p_value:.3f}"
    return Metric(name=name, value=found.value, low=found.low, high=found.high, n=n, note=note)


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _findings(result: KernelDistancesResult) -> tuple[Finding, ...]:
    """Of low severity: the two-sample test and the Fréchet distance raise the alarm, this agrees or does not."""
    if result.kid is None or not _differs(result):
        return ()
    return (
        Finding(
            id="kernel_distances.apart",
            severity=Severity.INFO,
            sentence=(
                f"The datasets lie apart by their kernel distance too: KID is {_number(result.kid.value)}, where "
                f"halves of one dataset stay below {_number(result.kid.null_high)}."
            ),
            metric=_metric("KID", result.kid, result),
            action="Compare this number with that of other candidates of any size: unlike the Fréchet distance, it has "
            "no floor that falls with the number of images.",
            weight=0.3,
        ),
    )


def _blocks(result: KernelDistancesResult) -> tuple[Block, ...]:
    if result.kid is None or result.cmmd is None:
        return ()
    titles = ("distance", "value", "from", "to", "null from", "null to", "p")
    columns = tuple(
        Column(name=title, title=title, align="right" if i else "left", format="number" if i else "text")
        for i, title in enumerate(titles)
    )
    rows = tuple(
        (name, d.value, d.low, d.high, d.null_low, d.null_high, d.p_value)
        for name, d in (("KID", result.kid), ("CMMD", result.cmmd))
    )
    note = (
        "From and to: 95 % interval of the value. Null: halves of one dataset. Both distances are 0 in expectation for "
        "equal datasets of any size, and may then fall below. CMMD sees little more than the mean picture; KID also "
        "sees how pictures vary."
    )
    return (TableBlock(title="Kernel distances", columns=columns, rows=rows, note=note),)


ANALYSIS = register(
    Analysis(
        name="kernel_distances",
        version=VERSION,
        title="Kernel distances",
        question="How far apart are the two datasets, whatever their sizes?",
        datasets=2,
        needs=frozenset({Need.EMBEDDINGS, Need.NEIGHBOURS}),
        config=KernelDistancesConfig,
        result=KernelDistancesResult,
        compute=compute,
        section=section,
        source="Bińkowski et al., ICLR 2018 (KID); Jayasumana et al., CVPR 2024 (CMMD).",
        order=125,
    )
)
