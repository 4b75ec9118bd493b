"""Whether two datasets differ by how often each class occurs, or by how pictures of the same class look.

Source: F. Zhang et al., ICML 2013 (class shares against class-conditional change); A. Gretton et al., JMLR 13 (2012);
mathematics in :mod:`audit.maths.class_kernels`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import Field
from threadpoolctl import threadpool_limits

from audit.analyses.base import Analysis, Computed, Config, Need, Result, register
from audit.maths import class_kernels, kernels, pairs, permutation, probes, separability
from audit.model import DatasetView
from audit.report import Block, Column, Finding, Metric, Picture, Section, Severity, TableBlock
from audit.shown import auc_words, counted, picture

VERSION = 1
MIN_BURSTS = 5
MIN_IMAGES = 20


class ClassPartsConfig(Config):
    """Sizes of the comparison."""

    max_images: int = Field(1500, ge=100, le=10_000, description="Images taken of each dataset, in whole bursts.")
    n_folds: int = Field(5, ge=2, le=20, description="Folds of the probe; bursts are kept whole.")
    n_resamples: int = Field(299, ge=99, le=9999, description="Bootstrap resamples of bursts for the interval.")
    n_permutations: int = Field(999, ge=99, le=9999, description="Permutations of bursts within classes.")
    alpha: float = Field(0.01, gt=0, lt=1, description="Level at which a difference is reported.")
    shown: int = Field(6, ge=0, le=24, description="Pictures shown of the class that differs most, of each dataset.")


class ClassPart(Result):
    """One class in both datasets: how far apart its pictures are, and the family-wise p of that."""

    label: str
    n_reference: int
    n_candidate: int
    distance: float
    p_max_t: float
    pictures: tuple[tuple[Picture, ...], ...] = ()


class ClassPartsResult(Result):
    """What the section is written from; numbers are None when there was too little to compare."""

    n_reference: int
    n_candidate: int
    reason: str = ""
    n_left_out: int = 0
    total: float | None = None
    total_low: float | None = None
    total_high: float | None = None
    remaining: float | None = None
    remaining_low: float | None = None
    remaining_high: float | None = None
    p_value: float | None = None
    share: float | None = None
    share_low: float | None = None
    share_high: float | None = None
    n_matched: int = 0
    auc_matched: float | None = None
    auc_matched_low: float | None = None
    auc_matched_high: float | None = None
    n_permutations: int = 0
    alpha: float = 0.01
    classes: tuple[ClassPart, ...] = ()


@dataclass(frozen=True)
class _Common:
    """The images of classes that both samples have: rows of the joint sample, class codes, names of the classes."""

    rows: pairs.Int64
    codes: pairs.Int64
    names: tuple[str, ...]


def compute(views: Sequence[DatasetView], config: ClassPartsConfig, rng: np.random.Generator) -> Computed:
    """Measure the distance with the classes' own shares and with equal ones, and by class."""
    left, right = pairs.samples(views, config.max_images, rng)
    vectors, groups, own, crossing = pairs.joint(left, right)
    common = _common([*left.labels, *right.labels], groups, own)
    counts = np.bincount(groups[common.rows], minlength=2)
    known = {"n_reference": int(counts[0]), "n_candidate": int(counts[1]), "n_left_out": len(groups) - sum(counts)}
    if counts.min() < MIN_IMAGES:
        reason = (
            f"it takes {MIN_IMAGES} images on both sides, of classes with {MIN_BURSTS} different images in both; "
            f"there are {counts[0]} and {counts[1]}"
        )
        return Computed(ClassPartsResult(**known, reason=reason))
    rows = common.rows
    _, bursts = np.unique(own[rows] * len(common.names) + common.codes, return_inverse=True)
    with threadpool_limits(limits=1):
        matrix = kernels.burst_kernel(kernels.kid_kernel(vectors[rows], vectors[rows]), bursts)
        strata = class_kernels.Strata(matrix, groups[rows], common.codes, bursts)
        null = class_kernels.permuted(strata, rng, config.n_permutations)
        found = _distances(strata, null, class_kernels.resampled(strata, rng, config.n_resamples))
        matched = _matched(vectors[rows], strata, crossing[rows], config.n_folds, rng)
    shown = (_pictures(left, right, common, config.shown), null)
    result = ClassPartsResult(
        **known,
        **found,
        **matched,
        n_permutations=config.n_permutations,
        alpha=config.alpha,
        classes=_classes(strata, common.names, *shown),
    )
    return Computed(result)


def section(result: ClassPartsResult) -> Section:
    """Say how much of the difference is left when every class occurs as often in both."""
    return Section(
        id="class_parts",
        title=ANALYSIS.title,
        question=ANALYSIS.question,
        summary=_summary(result),
        analysis=ANALYSIS.name,
        version=VERSION,
        findings=_findings(result),
        headline=(_metric(result),),
        blocks=_blocks(result),
        method=(
            "Squared kernel distance with the kernel of KID, from unbiased means over pairs of images by class; with "
            "the shares that the classes have, and with those of the reference for both. Intervals by bootstrap of "
            f"bursts within classes, p-values by {result.n_permutations} permutations of bursts within classes, by "
            "class family-wise. The probe is that of the two-sample test, on as many images of each class from both. "
            f"{ANALYSIS.source}"
        ),
    )


def _common(labels: Sequence[str | None], groups: pairs.Int64, own: pairs.Int64) -> _Common:
    """The classes with enough bursts in both datasets, by name."""
    seen: dict[str, tuple[set[int], set[int]]] = {}
    for label, group, burst in zip(labels, groups.tolist(), own.tolist(), strict=True):
        if label is not None:
            seen.setdefault(label, (set(), set()))[group].add(burst)
    names = tuple(sorted(name for name, bursts in seen.items() if min(map(len, bursts)) >= MIN_BURSTS))
    code = {name: i for i, name in enumerate(names)}
    rows = [i for i, label in enumerate(labels) if label in code]
    codes = [code[str(labels[i])] for i in rows]
    return _Common(np.array(rows, dtype=np.int64), np.array(codes, dtype=np.int64), names)


def _distances(
    strata: class_kernels.Strata, null: class_kernels.ByClass, resampled: class_kernels.ByClass
) -> dict[str, float]:
    """The distances and, where they differ beyond doubt, the share that remains."""
    parts = class_kernels.observed(strata)
    total, remaining = float(parts.own_shares[0]), float(parts.same_shares[0])
    found = {
        "total": total,
        **_interval("total", resampled.own_shares),
        "remaining": remaining,
        **_interval("remaining", resampled.same_shares),
        "p_value": permutation.p_value(remaining, null.same_shares),
    }
    if total > 0 and found["total_low"] > 0:
        found |= {"share": remaining / total, **_interval("share", resampled.same_shares / resampled.own_shares)}
    return found


def _interval(name: str, values: pairs.Float64) -> dict[str, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return {f"{name}_low": float(low), f"{name}_high": float(high)}


def _matched(
    vectors: pairs.Float64, strata: class_kernels.Strata, crossing: pairs.Int64, n_folds: int, rng: np.random.Generator
) -> dict[str, float]:
    """AUC of the probe on as many images of every class from both samples."""
    chosen = []
    for c in range(int(strata.classes.max()) + 1):
        sides = [np.flatnonzero((strata.classes == c) & (strata.groups == g)) for g in (0, 1)]
        n = min(map(len, sides))
        chosen += [rng.permutation(side)[:n] for side in sides]
    rows = np.sort(np.concatenate(chosen))
    bursts = strata.bursts[rows]
    if len(np.unique(bursts)) < 2 * MIN_IMAGES:
        return {}
    folds = probes.deal_folds(crossing[rows], strata.groups[rows], n_folds, rng)
    found = separability.probe_test(vectors[rows], strata.groups[rows], bursts, folds, rng, n_permutations=99)
    return {
        "n_matched": len(rows),
        "auc_matched": found.auc,
        "auc_matched_low": found.low,
        "auc_matched_high": found.high,
    }


def _pictures(
    left: pairs.Sample, right: pairs.Sample, common: _Common, n: int
) -> list[tuple[tuple[Picture, ...], tuple[Picture, ...]]]:
    """By class, the pictures of each dataset nearest to their mean."""
    vectors = np.concatenate([left.vectors, right.vectors])
    found = []
    for c in range(len(common.names)):
        rows = common.rows[common.codes == c]
        both = []
        for sample, start in ((left, 0), (right, len(left))):
            own = rows[(rows >= start) & (rows < start + len(sample))]
            centre = vectors[own].mean(axis=0)
            order = np.argsort(((vectors[own] - centre) ** 2).sum(axis=1), kind="stable")[:n]
            both.append(tuple(picture(sample.view, int(sample.rows[own[i] - start])) for i in order))
        found.append((both[0], both[1]))
    return found


def _classes(
    strata: class_kernels.Strata,
    names: Sequence[str],
    pictures: Sequence[tuple[tuple[Picture, ...], tuple[Picture, ...]]],
    null: class_kernels.ByClass,
) -> tuple[ClassPart, ...]:
    """Every class, those that differ most beyond chance first; pictures of the first alone."""
    distance = class_kernels.observed(strata).classes[:, 0]
    p = class_kernels.max_t(distance, null.classes)
    order = sorted(range(len(names)), key=lambda c: (p[c], -distance[c], names[c]))
    return tuple(
        ClassPart(
            label=names[c],
            n_reference=int(((strata.classes == c) & (strata.groups == 0)).sum()),
            n_candidate=int(((strata.classes == c) & (strata.groups == 1)).sum()),
            distance=float(distance[c]),
            p_max_t=float(p[c]),
            pictures=pictures[c] if place == 0 else (),
        )
        for place, c in enumerate(order)
    )


def _differs(result: ClassPartsResult) -> bool:
    return result.p_value is not None and result.p_value <= result.alpha


def _summary(result: ClassPartsResult) -> str:
    if result.total is None:
        return f"Not measured; there is too little to compare: {result.reason}."
    if not _differs(result):
        found = (
            "the datasets differ by their class shares only"
            if result.share is not None
            else "nor between the datasets as they are"
        )
        return f"No difference is found between pictures of the same class; {found}."
    if result.share is None:
        return "Pictures of the same class differ between the datasets, whatever the class shares."
    return (
        f"{result.share:.0%} of the difference is left when every class is made as frequent as in the reference: "
        + ("it lies in the pictures, not in the class shares." if result.share >= 0.5 else "most is the class shares.")
    )


def _metric(result: ClassPartsResult) -> Metric:
    name, n = "Difference left with equal class shares", result.n_reference + result.n_candidate
    if result.share is None:
        reason = f"too little to compare: {result.reason}" if result.reason else "the datasets do not differ clearly"
        return Metric(name=name, value=None, n=n, note=reason)
    note = f"share of the squared kernel distance; p = {result.p_value:.3f} within classes"
    if (result.share_high or 0.0) > 1:
        note += "; above 100% the class shares hide a part of it"
    return Metric(
        name=name, value=result.share, low=result.share_low, high=result.share_high, unit="share", n=n, note=note
    )


def _findings(result: ClassPartsResult) -> tuple[Finding, ...]:
    if not _differs(result) or not result.classes:
        return ()
    top, different = result.classes[0], [one for one in result.classes if one.p_max_t <= result.alpha]
    n = len(different)
    how_many = (
        f"all {n} classes" if n == len(result.classes) else f"{counted(n, 'class', 'classes')} of {len(result.classes)}"
    )
    where = f"{how_many}, most in {top.label}" if len(result.classes) > 1 else top.label
    clear = result.share is not None and result.share >= 0.5
    return (
        Finding(
            id="class_parts.within",
            severity=Severity.ATTENTION if clear and different else Severity.INFO,
            sentence=(
                f"Pictures of the same class look different in the two datasets: in {where}."
                if different
                else "Pictures of the same class look different in the two datasets, a little in many classes."
            ),
            metric=_metric(result),
            pictures=tuple(p for group in top.pictures for p in group),
            action="Balancing classes will not make these datasets alike: look at how their pictures were taken.",
            weight=min(1.0, max(0.0, result.share or 0.3)),
        ),
    )


def _blocks(result: ClassPartsResult) -> tuple[Block, ...]:
    if result.total is None:
        return ()
    return (_parts_table(result), _classes_table(result))


def _parts_table(result: ClassPartsResult) -> TableBlock:
    columns = (
        Column(name="shares", title="class shares"),
        Column(name="distance", title="squared kernel distance", align="right", format="number"),
        Column(name="low", title="from", align="right", format="number"),
        Column(name="high", title="to", align="right", format="number"),
    )
    rows = (
        ("as they are", result.total, result.total_low, result.total_high),
        ("those of the reference in both", result.remaining, result.remaining_low, result.remaining_high),
    )
    note = "From and to: 95% interval."
    if result.n_left_out:
        left_out = counted(result.n_left_out, "image")
        note += f" Left out: {left_out} of classes with fewer than {MIN_BURSTS} different images in either dataset."
    if result.auc_matched is not None:
        note += (
            f" With equally many images of each class ({result.n_matched:,} in all) a probe tells the datasets apart "
            f"with an AUC of {auc_words(result.auc_matched)} ({result.auc_matched_low:.2f} to "
            f"{result.auc_matched_high:.2f})."
        )
    return TableBlock(title="With and without the class shares", columns=columns, rows=rows, note=note)


def _classes_table(result: ClassPartsResult) -> TableBlock:
    titles = {"label": "class", "reference": "reference", "candidate": "candidate", "distance": "distance", "p": "p"}
    formats = {"label": "text", "reference": "integer", "candidate": "integer", "distance": "number", "p": "number"}
    columns = tuple(
        Column.model_validate(
            {"name": n, "title": t, "align": "left" if n == "label" else "right", "format": formats[n]}
        )
        for n, t in titles.items()
    )
    rows = tuple((c.label, c.n_reference, c.n_candidate, c.distance, c.p_max_t) for c in result.classes[:30])
    note = "Distance: squared kernel distance between the class's pictures, about 0 if they are alike. p: family-wise."
    return TableBlock(title="Classes whose pictures differ", columns=columns, rows=rows, note=note)


ANALYSIS = register(
    Analysis(
        name="class_parts",
        version=VERSION,
        title="Class shares or pictures",
        question="Do the datasets differ by class shares, or by how pictures of a class look?",
        datasets=2,
        needs=frozenset({Need.EMBEDDINGS, Need.NEIGHBOURS, Need.LABELS}),
        config=ClassPartsConfig,
        result=ClassPartsResult,
        compute=compute,
        section=section,
        source="Zhang et al., ICML 2013 (class shares and conditionals); Gretton et al., JMLR 13 (2012).",
        order=135,
    )
)
