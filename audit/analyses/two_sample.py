"""Whether two datasets differ at all: can a probe, or a kernel, tell their pictures apart.

Source: D. Lopez-Paz, M. Oquab, ICLR 2017 (classifier two-sample test); A. Gretton et al., JMLR 13 (2012) (MMD).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field
from threadpoolctl import threadpool_limits

from audit.analyses.base import Analysis, Computed, Config, Need, Result, register
from audit.maths import discrepancy, pairs, probes, separability
from audit.model import DatasetView
from audit.report import Block, Finding, Metric, MetricBlock, Picture, Section, Severity
from audit.shown import auc_words, picture, two_histograms, two_histograms_chart

VERSION = 4
MIN_IMAGES = 20


class TwoSampleConfig(Config):
    """Sizes of the tests."""

    max_images: int = Field(2000, ge=50, le=10_000, description="Images taken of each dataset, in whole bursts.")
    n_folds: int = Field(5, ge=2, le=20, description="Folds of the probe; bursts are kept whole.")
    n_permutations: int = Field(999, ge=99, le=9999, description="Permutations of bursts between the datasets.")
    alpha: float = Field(0.01, gt=0, lt=1, description="Level at which a difference is reported.")
    shown: int = Field(6, ge=0, le=24, description="Pictures shown of each dataset.")


class TwoSampleResult(Result):
    """What the section is written from; numbers are None when there were too few images."""

    n_reference: int
    n_candidate: int
    reason: str = ""
    auc: float | None = None
    auc_low: float | None = None
    auc_high: float | None = None
    auc_null_low: float | None = None
    auc_null_high: float | None = None
    p_value: float | None = None
    mmd: float | None = None
    mmd_null_high: float | None = None
    mmd_p_value: float | None = None
    n_permutations: int = 0
    alpha: float = 0.01
    names: tuple[str, str] = ("", "")
    bins: tuple[tuple[float, float, int, int], ...] = ()
    """Of the probe's scores: from, to, images of the reference, images of the candidate."""
    most_telling: tuple[tuple[Picture, ...], ...] = ()


def compute(views: Sequence[DatasetView], config: TwoSampleConfig, rng: np.random.Generator) -> Computed:
    """Test whether the two datasets could be one."""
    left, right = pairs.samples(views, config.max_images, rng)
    names = (views[0].name, views[1].name)
    n_bursts = [len(np.unique(sample.bursts)) for sample in (left, right)]
    if min(n_bursts) < MIN_IMAGES:
        reason = f"it takes {MIN_IMAGES} different images on both sides; there are {n_bursts[0]} and {n_bursts[1]}"
        return Computed(TwoSampleResult(n_reference=len(left), n_candidate=len(right), reason=reason, names=names))
    vectors, groups, own, crossing = pairs.joint(left, right)
    folds = probes.deal_folds(crossing, groups, config.n_folds, rng)
    with threadpool_limits(limits=1):
        probe = separability.probe_test(vectors, groups, own, folds, rng, n_permutations=config.n_permutations)
        mmd, mmd_high, mmd_p = discrepancy.mmd_test(vectors, groups, own, rng, n_permutations=config.n_permutations)
    result = TwoSampleResult(
        n_reference=len(left),
        n_candidate=len(right),
        auc=probe.auc,
        auc_low=probe.low,
        auc_high=probe.high,
        auc_null_low=probe.null_low,
        auc_null_high=probe.null_high,
        p_value=probe.p_value,
        mmd=mmd,
        mmd_null_high=mmd_high,
        mmd_p_value=mmd_p,
        n_permutations=config.n_permutations,
        alpha=config.alpha,
        names=names,
        bins=two_histograms(probe.scores[: len(left)], probe.scores[len(left) :]),
        most_telling=(
            _telling(left, -probe.scores[: len(left)], config.shown),
            _telling(right, probe.scores[len(left) :], config.shown),
        ),
    )
    return Computed(result)


def section(result: TwoSampleResult) -> Section:
    """Say whether the datasets can be told apart, and by which pictures."""
    return Section(
        id="two_sample",
        title=ANALYSIS.title,
        question=ANALYSIS.question,
        summary=_summary(result),
        analysis=ANALYSIS.name,
        version=VERSION,
        findings=_findings(result),
        headline=(_metric(result),),
        blocks=_blocks(result),
        method=(
            "A ridge probe on the embeddings, fitted out of fold with copies and groups kept whole; its AUC with a "
            "95 % interval over bursts, widened by what learning the probe adds, and a p-value by "
            f"{result.n_permutations} permutations of bursts, refitted each time. Beside it the unbiased maximum mean "
            f"discrepancy with a Gaussian kernel of the median distance. {ANALYSIS.source}"
        ),
    )


def _telling(sample: pairs.Sample, scores: pairs.Float64, n: int) -> tuple[Picture, ...]:
    order = np.lexsort((sample.rows, -scores))[:n]
    return tuple(picture(sample.view, int(sample.rows[i])) for i in order)


def _differs(result: TwoSampleResult) -> bool:
    ps = [p for p in (result.p_value, result.mmd_p_value) if p is not None]
    return bool(ps) and 2 * min(ps) <= result.alpha


def _summary(result: TwoSampleResult) -> str:
    if result.auc is None:
        return f"Not tested; there are too few images: {result.reason}."
    if not _differs(result):
        return f"No difference found: a probe that tries to tell them apart reaches an AUC of {auc_words(result.auc)}."
    return (
        f"The datasets differ: a probe tells an image of one from an image of the other with an AUC of "
        f"{auc_words(result.auc)} (0.5 is guessing)."
    )


def _metric(result: TwoSampleResult) -> Metric:
    n = result.n_reference + result.n_candidate
    if result.auc is None:
        return Metric(name="Telling them apart (AUC)", value=None, n=n, note=f"too few images: {result.reason}")
    band = f"null band {result.auc_null_low:.2f} to {result.auc_null_high:.2f}, p = {result.p_value:.3f}"
    return Metric(
        name="Telling them apart (AUC)", value=result.auc, low=result.auc_low, high=result.auc_high, n=n, note=band
    )


def _findings(result: TwoSampleResult) -> tuple[Finding, ...]:
    if result.auc is None or not _differs(result):
        return ()
    return (
        Finding(
            id="two_sample.different",
            severity=Severity.ATTENTION if result.auc >= 0.6 else Severity.INFO,
            sentence=f"The two datasets are not alike: a simple probe tells them apart, AUC {auc_words(result.auc)}.",
            metric=_metric(result),
            pictures=tuple(p for group in result.most_telling for p in group[:6]),
            action="These pictures tell most: see what sets them apart before you train on one and test on the other.",
            weight=max(0.0, min(1.0, 2 * result.auc - 1)),
        ),
    )


def _blocks(result: TwoSampleResult) -> tuple[Block, ...]:
    if result.auc is None:
        return ()
    chart = two_histograms_chart(
        "What the probe says of every image",
        f"Histograms of the probe's held-out score of both datasets, images of the reference to the left; the less "
        f"they overlap, the easier the two are told apart (AUC {auc_words(result.auc)}).",
        result.bins,
        result.names,
        axis="probe score (0 = reference, 1 = candidate)",
        rule=0.5,
    )
    return (chart,) if result.mmd is None else (chart, MetricBlock(metric=_discrepancy(result)))


def _discrepancy(result: TwoSampleResult) -> Metric:
    """The second test: whether the difference shows in the embeddings themselves, whatever probe is fitted."""
    high, p = result.mmd_null_high, result.mmd_p_value
    note = "0 on average where nothing differs; no interval"
    note += "" if high is None else f"; 95 % of random deals of the pictures stay below {high:.3g}"
    note += "" if p is None else f", p = {p:.3f}"
    n = result.n_reference + result.n_candidate
    return Metric(name="Squared maximum mean discrepancy", value=result.mmd, n=n, note=note)


ANALYSIS = register(
    Analysis(
        name="two_sample",
        version=VERSION,
        title="Two-sample test",
        question="Do the two datasets differ at all?",
        datasets=2,
        needs=frozenset({Need.EMBEDDINGS, Need.NEIGHBOURS}),
        config=TwoSampleConfig,
        result=TwoSampleResult,
        compute=compute,
        section=section,
        source="Lopez-Paz and Oquab, ICLR 2017; Gretton et al., JMLR 13 (2012).",
        order=110,
    )
)
