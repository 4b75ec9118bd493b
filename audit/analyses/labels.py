"""Which labels are probably wrong: disputed by the nearest pictures and by a probe that never saw them.

Source: C. Northcutt, L. Jiang, I. Chuang, "Confident Learning", JAIR 70 (2021); H. Jiang et al., "To Trust Or Not To
Trust A Classifier", NeurIPS 2018 (distance ratio); mathematics in :mod:`audit.maths.label_scores`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from audit.analyses.base import Analysis, Computed, Config, Need, Result, register
from audit.maths import label_scores
from audit.maths.intervals import wilson
from audit.maths.rows import arrange, bursts, image_rows
from audit.model import DatasetView
from audit.report import Block, Finding, ImagesBlock, Metric, Picture, Section, Severity, TextBlock
from audit.shown import counted, histogram, histogram_chart, looks, picture

VERSION = 3
MIN_IMAGES = 40
MIN_BURSTS = 5
"""Bursts a class needs: with fewer, some fold would leave nothing to learn it from."""

SURE = 0.9
"""Agreement of the probe with the labels, at its lower bound, from which a dispute is called a problem: below it
classes look alike, and most disputes are about right labels."""

USEFUL = 0.75
"""Agreement, at its lower bound, below which a dispute says more about the extractor than about the label."""

PROBLEM_SHARE = 0.01
"""Share of disputed labels, at its lower bound, from which they are a problem."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TABLE_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("suggested", pa.string(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("rank", pa.int64(), nullable=False),
        pa.field("disputed", pa.bool_(), nullable=False),
        pa.field("distance_ratio", pa.float64()),
        pa.field("margin", pa.float64()),
        pa.field("p_label", pa.float64()),
        pa.field("p_suggested", pa.float64()),
        pa.field("split", pa.string()),
    ]
)
"""Every labelled image of a class that could be judged, most suspicious label first.

suggested : the class the probe prefers, the label itself where it agrees
score : mean of the two ranks over n, in (0, 1]; 1 = most suspicious by both
disputed : the probe confidently says another class, and so do the nearest pictures (distance_ratio > 0.5)
distance_ratio : d_same²/(d_same² + d_diff²); margin : log posterior of the best other class minus the label's
"""


class LabelsConfig(Config):
    """How wrong labels are looked for."""

    n_folds: int = Field(5, ge=2, le=20, description="Folds of the probe; bursts are kept whole.")
    shown: int = Field(12, ge=1, le=48, description="Suspicious labels shown with pictures.")


class LabelsResult(Result):
    """What the section is written from."""

    n: int
    n_classes: int
    n_not_judged: int
    reason: str
    n_disputed: int
    upper_bound: int | None
    agreement: float | None
    agreement_low: float | None
    agreement_high: float | None
    bins: tuple[tuple[float, float, int], ...]
    suspects: tuple[tuple[Picture, ...], ...]
    captions: tuple[str, ...]
    n_folds: int


@dataclass(frozen=True)
class _Judgement:
    rows: Ints
    score: Floats
    ratio: Floats
    margin: Floats
    p_label: Floats
    p_other: Floats
    suggested: Ints
    disputed: npt.NDArray[np.bool_]
    upper_bound: int


def compute(views: Sequence[DatasetView], config: LabelsConfig, rng: np.random.Generator) -> Computed:
    """Rank every label that can be judged by how suspicious it is."""
    view = arrange(views[0])
    own = bursts(view)
    names, classes = _classes(view, own)
    n_judged = int((classes >= 0).sum())
    n_labelled = sum(label is not None for label in view.column("label"))
    if len(names) < 2 or n_judged < MIN_IMAGES:
        reason = (
            f"{counted(n_judged, 'labelled image')} in {counted(len(names), 'class', 'classes')} with at least "
            f"{MIN_BURSTS} different pictures: it takes {MIN_IMAGES} images in 2 classes"
        )
        return Computed(_nothing(n_judged, names, n_labelled, config, reason), {"labels": TABLE_SCHEMA.empty_table()})
    found = _judge(view, own, classes, config, rng)
    order = found.rows[np.lexsort((found.rows, -found.score[found.rows]))]
    n_agreeing = int((found.margin[found.rows] <= 0).sum())
    agreement_low, agreement_high = wilson(n_agreeing, n_judged)
    suspects = [int(i) for i in order[: config.shown] if found.suggested[i] != classes[i]]
    result = LabelsResult(
        n=n_judged,
        n_classes=len(names),
        n_not_judged=n_labelled - n_judged,
        reason="",
        n_disputed=int(found.disputed.sum()),
        upper_bound=found.upper_bound,
        agreement=n_agreeing / n_judged,
        agreement_low=agreement_low,
        agreement_high=agreement_high,
        bins=histogram(np.clip(found.margin[found.rows], -20, 20)),
        suspects=tuple(_witnesses(view, i, classes, found) for i in suspects),
        captions=tuple(f"Labelled {names[classes[i]]}, looks like {names[found.suggested[i]]}" for i in suspects),
        n_folds=config.n_folds,
    )
    return Computed(result, {"labels": _rows(view, order, found, names, classes)})


def section(result: LabelsResult) -> Section:
    """Say how many labels are disputed, and show them beside pictures of both classes."""
    return Section(
        id="labels",
        title=ANALYSIS.title,
        question=ANALYSIS.question,
        summary=_summary(result),
        analysis=ANALYSIS.name,
        version=VERSION,
        findings=_findings(result),
        headline=(_metric(result),),
        blocks=_blocks(result),
        method=(
            "Two witnesses, ranks averaged: the distance to the 5 nearest pictures of the label's class against those "
            f"of other classes, and a linear discriminant probe fitted in {result.n_folds} folds that keep copies and "
            "groups together. A label is disputed when the probe gives another class more than that class's own mean "
            "posterior and the nearest pictures agree. The upper bound is the 95 % Wilson bound of the labels that the "
            "probe confidently contradicts, divided by the share of images it is confident about. "
            f"{ANALYSIS.source}"
        ),
    )


def _classes(view: DatasetView, own: Ints) -> tuple[list[str], Ints]:
    """Names of the classes that can be judged, and the class of every row (−1 for the others)."""
    labels = view.column("label")
    seen: dict[str, set[int]] = {}
    for label, burst in zip(labels, own, strict=True):
        if label is not None:
            seen.setdefault(label, set()).add(int(burst))
    names = sorted(label for label, members in seen.items() if len(members) >= MIN_BURSTS)
    place = {name: i for i, name in enumerate(names)}
    return names, np.array([place.get(label, -1) for label in labels], dtype=np.int64)


def _nothing(n: int, names: list[str], n_labelled: int, config: LabelsConfig, reason: str) -> LabelsResult:
    return LabelsResult(
        n=n,
        n_classes=len(names),
        n_not_judged=n_labelled - n,
        reason=reason,
        n_disputed=0,
        upper_bound=None,
        agreement=None,
        agreement_low=None,
        agreement_high=None,
        bins=(),
        suspects=(),
        captions=(),
        n_folds=config.n_folds,
    )


def _judge(view: DatasetView, own: Ints, classes: Ints, config: LabelsConfig, rng: np.random.Generator) -> _Judgement:
    if view.neighbours is None:
        raise ValueError(f"labels needs the sealed neighbours of {view.name!r}")
    ratio = label_scores.distance_ratio(view.neighbours, classes, own, view.vectors)
    judged = label_scores.judge_twice(view.vectors, classes, own, n_folds=config.n_folds, rng=rng)
    rows = np.flatnonzero(classes >= 0)
    contradicted, confident = label_scores.confident(judged, classes)
    high = wilson(int(contradicted.sum()), len(rows))[1] * len(rows)
    return _Judgement(
        rows=rows,
        score=label_scores.combine(ratio, judged.margin),
        ratio=ratio,
        margin=judged.margin,
        p_label=judged.p_label,
        p_other=judged.p_other,
        suggested=np.where(judged.margin > 0, judged.other, classes),
        disputed=contradicted & (np.nan_to_num(ratio, nan=1.0) > 0.5),
        upper_bound=min(len(rows), int(np.ceil(high / max(float(confident[rows].mean()), 1e-9)))),
    )


def _rows(view: DatasetView, order: Ints, found: _Judgement, names: list[str], classes: Ints) -> pa.Table:
    agrees = found.suggested == classes
    columns = {
        "suggested": [names[i] for i in found.suggested[order]],
        "score": found.score[order],
        "rank": np.arange(1, len(order) + 1),
        "disputed": found.disputed[order],
        "distance_ratio": found.ratio[order],
        "margin": found.margin[order],
        "p_label": found.p_label[order],
        "p_suggested": np.where(agrees, found.p_label, found.p_other)[order],
    }
    return image_rows(view.images, order, columns, TABLE_SCHEMA)


def _witnesses(view: DatasetView, row: int, classes: Ints, found: _Judgement) -> tuple[Picture, ...]:
    """A suspicious image, the nearest of its label's class, and the nearest of the suggested class."""
    pictures = [picture(view, row, "this picture", marked=True)]
    for name, caption in ((int(classes[row]), "its label"), (int(found.suggested[row]), "suggested")):
        members = np.flatnonzero((classes == name) & (np.arange(len(view)) != row))[:5000]
        distances = np.linalg.norm(view.vectors[members].astype(np.float64) - view.vectors[row], axis=1)
        nearest = members[np.lexsort((members, distances))][:2]
        pictures += [picture(view, int(i), f"{view.images.column('label')[int(i)]} ({caption})") for i in nearest]
    return tuple(pictures)


def _summary(result: LabelsResult) -> str:
    if result.reason:
        return f"Labels were not judged; there are too few: {result.reason}."
    left_out = f" {counted(result.n_not_judged, 'label')} in too small classes were not judged." * bool(
        result.n_not_judged
    )
    if result.n_disputed == 0:
        return f"No label of {result.n:,} is disputed by both witnesses.{left_out}"
    be = "is" if result.n_disputed == 1 else "are"
    return f"{counted(result.n_disputed, 'label')} of {result.n:,} {be} disputed by both witnesses.{left_out}"


def _metric(result: LabelsResult) -> Metric:
    if result.reason:
        return Metric(name="Disputed labels", value=None, n=result.n, note=f"too few: {result.reason}")
    return Metric(
        name="Disputed labels",
        value=result.n_disputed,
        unit="images",
        n=result.n,
        note=(
            f"no estimate of how many are wrong without review: between 0 and about {result.upper_bound:,} "
            "(upper 95 % bound)"
        ),
    )


def _findings(result: LabelsResult) -> tuple[Finding, ...]:
    if not result.n_disputed:
        return ()
    severity, claim, action = _judged(result)
    return (
        Finding(
            id="labels.disputed",
            severity=severity,
            sentence=f"{counted(result.n_disputed, 'label')} of {result.n:,} {claim}",
            metric=_metric(result),
            pictures=tuple(group[0] for group in result.suspects),
            action=action,
            table="labels",
            weight=result.n_disputed / result.n,
        ),
    )


def _judged(result: LabelsResult) -> tuple[Severity, str, str]:
    """Severity, claim and advice, by how well the probe surely knows the classes."""
    agreement = result.agreement_low or 0.0
    be = "is" if result.n_disputed == 1 else "are"
    review = "Review them from the top of the list and correct the wrong ones"
    if agreement >= SURE:
        many = result.n_disputed >= 3 and wilson(result.n_disputed, result.n)[0] >= PROBLEM_SHARE
        severity = Severity.PROBLEM if many else Severity.ATTENTION
        claim = f"{looks(result.n_disputed)} wrong: the nearest pictures and a probe both say another class."
        return severity, claim, f"{review}; people often confirm about half."
    if agreement >= USEFUL:
        claim = f"{be} in doubt: the nearest pictures and a probe both say another class."
        return Severity.ATTENTION, claim, f"{review}; where classes look alike most of them are right."
    claim = (
        f"{be} disputed, but the probe agrees with only {_agreement(result)} of the labels: "
        "a list to look through, not a count of errors."
    )
    return Severity.INFO, claim, "Look at the top of the list; audit again with a stronger extractor to shorten it."


def _agreement(result: LabelsResult) -> str:
    return f"{result.agreement:.1%} (95 % interval {result.agreement_low:.1%} to {result.agreement_high:.1%})"


def _blocks(result: LabelsResult) -> tuple[Block, ...]:
    if result.reason:
        return ()
    blocks: list[Block] = [
        TextBlock(
            title="How far to trust this",
            text=(
                f"The probe agrees with {_agreement(result)} of the {result.n:,} labels. It sees the same embedding as "
                "the nearest pictures do, so both can be wrong together. Where classes look alike to the extractor, a "
                "right label can be disputed; the ranking tells where to look first."
            ),
        )
    ]
    if result.suspects:
        blocks.append(
            ImagesBlock(
                title="The most suspicious labels",
                groups=result.suspects,
                captions=result.captions,
                note="Each beside the two nearest pictures of its label and of the suggested one.",
            )
        )
    title, axis = (
        "How sure the probe is",
        "log posterior of the best other class minus the label's (suspicious to the right)",
    )
    description = f"Histogram of the probe's margin for {result.n} labels; those right of zero are contradicted."
    blocks.append(histogram_chart(title, description, result.bins, axis=axis, rule=0.0))
    return tuple(blocks)


ANALYSIS = register(
    Analysis(
        name="labels",
        version=VERSION,
        title="Label errors",
        question="Which labels are probably wrong?",
        datasets=1,
        needs=frozenset({Need.EMBEDDINGS, Need.NEIGHBOURS, Need.LABELS}),
        config=LabelsConfig,
        result=LabelsResult,
        compute=compute,
        section=section,
        source="Northcutt, Jiang, Chuang, JAIR 70 (2021) (confident counts); Jiang et al., NeurIPS 2018 (ratio).",
        order=40,
        tables=("labels",),
    )
)
