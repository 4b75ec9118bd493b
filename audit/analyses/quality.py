"""Image quality: which pictures are dark, washed out, flat, blurred, empty, or unlike the rest in size and form.

Every issue reads one statistic of :mod:`audit.pictures.statistics` and has one threshold, drawn from the dataset: the
end of its own tail (median plus z times the spread of the bad side), but never milder than a first physical bound and
never stricter than a second (:data:`audit.pictures.faults.FAULTS`). So a set of night pictures is not all dark, and a
tidy set has no faults made up for it.

Issues that only mean anything beside the others (size, form, greyscale, frames) must also be rare: where more than
``rare_share`` of the pictures have them, they are a part of the set, counted in the report and mostly not listed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from audit.analyses.base import Analysis, Computed, Config, Result, register
from audit.maths.fences import Fence, Origin, excess, fence
from audit.maths.intervals import wilson
from audit.model import DatasetView
from audit.pictures.faults import FAULTS, Fault, Issue
from audit.report import Block, Column, Finding, Metric, Picture, Section, Severity, TableBlock
from audit.shown import counted, have, histogram, histogram_chart, picture

VERSION = 3
_SHOWN = 12
_PROBLEM_SHARE = 0.05
_ENOUGH = 50

Floats = npt.NDArray[np.float64]

TABLE_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("issue", pa.string(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("threshold", pa.float64(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("rank", pa.int32(), nullable=False),
    ]
)
"""One row per picture and issue, worst first.

issue : key of :data:`audit.pictures.faults.FAULTS`
value, threshold : the issue's statistic (for odd_size and odd_aspect its ratio to the median, >= 1) and its threshold
score : 1 at the threshold, 2 twice as far from the median; comparable between issues
rank : 1 = highest score
"""

_ORIGINS: dict[Origin, str] = {
    "tail": "this dataset's own tail",
    "lenient": "the mildest bound: ",
    "strict": "the strictest bound, reached because most of the dataset is like this",
    "rare": "raised: too many are like this to be exceptions",
    "fixed": "given in the configuration",
}


class QualityConfig(Config):
    """What to look for, and how far from the usual."""

    issues: tuple[Issue, ...] = Field(default=tuple(FAULTS), description="Issues to look for.")
    z: float = Field(
        default=2.5, gt=0, le=20, description="Robust standard deviations from the median at which a tail begins."
    )
    rare_share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Largest share of pictures singled out for size, shape, grey or frames.",
    )
    thresholds: dict[Issue, float] = Field(
        default_factory=dict,
        description="Fixed thresholds by issue, in the unit of its statistic, instead of those of the dataset.",
    )


class IssueResult(BaseModel):
    """What was found of one issue."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issue: Issue
    n: int
    n_measured: int
    n_beyond: int
    threshold: float
    origin: Origin
    median: float | None
    worst: tuple[Picture, ...]


class QualityResult(Result):
    """Counts and thresholds by issue, and the worst pictures."""

    n: int
    n_flagged: int
    issues: tuple[IssueResult, ...]
    sharpness: tuple[tuple[float, float, int], ...]
    """Histogram of log2 sharpness."""


@dataclass(frozen=True)
class _Found:
    issue: Issue
    values: Floats
    fence: Fence
    threshold: float
    score: Floats
    rows: npt.NDArray[np.int64]


def compute(views: Sequence[DatasetView], config: QualityConfig, _rng: np.random.Generator) -> Computed:
    """Find the pictures beyond each issue's threshold."""
    (view,) = views
    found = [_find(view, issue, config) for issue in FAULTS if issue in config.issues]
    flagged = {int(row) for item in found for row in item.rows}
    result = QualityResult(
        n=len(view),
        n_flagged=len(flagged),
        issues=tuple(_issue_result(view, item) for item in found),
        sharpness=histogram(np.log2(_numbers(view, "sharpness"))),
    )
    return Computed(result, {"quality": _table(view, found)})


def section(result: QualityResult) -> Section:
    """Words and pictures for the numbers."""
    findings = tuple(_finding(item, result.n) for item in result.issues if item.n)
    return Section(
        id="quality",
        title=ANALYSIS.title,
        question=ANALYSIS.question,
        summary=_summary(result),
        analysis=ANALYSIS.name,
        version=VERSION,
        findings=findings,
        headline=(_share("Pictures with a fault", result.n_flagged, result.n),),
        blocks=_blocks(result),
        method=(
            "Each issue reads one statistic of the picture and has one threshold: the end of the dataset's own tail "
            "(median + z x upper quartile distance / 0.6745), held between two physical bounds. Size, shape, grey and "
            "frames count only while they are rare. Blur is the gradient energy before over after a second, known "
            "blur, in the sharpest of the structured parts. " + ANALYSIS.source
        ),
    )


def _numbers(view: DatasetView, name: str) -> Floats:
    if name not in view.images.column_names:
        return np.full(len(view), np.nan)
    return view.numbers(name)


def _find(view: DatasetView, issue: Issue, config: QualityConfig) -> _Found:
    fault = FAULTS[issue]
    values = _numbers(view, fault.statistic)
    if fault.from_median:
        values = _ratio_to_median(values)
    badness = _badness(values, fault)
    if issue in config.thresholds:
        limit = float(_badness(np.array([config.thresholds[issue]]), fault)[0])
        drawn = fence(badness, z=config.z, lenient=limit, strict=limit)
        drawn = Fence(limit, "fixed", drawn.median, drawn.n, drawn.n_beyond)
    else:
        lenient, strict = _badness(np.array([fault.lenient, fault.strict]), fault)
        share = config.rare_share if fault.is_relative else None
        drawn = fence(badness, z=config.z, lenient=float(lenient), strict=float(strict), rare_share=share)
    rows = np.flatnonzero(badness > drawn.threshold)
    threshold = fault.side * drawn.threshold
    return _Found(
        issue, values, drawn, float(np.exp2(threshold)) if fault.is_log else threshold, excess(badness, drawn), rows
    )


def _badness(values: Floats, fault: Fault) -> Floats:
    """Larger is worse; on a logarithmic scale where the fault says so."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.log2(values) if fault.is_log else values
    return np.asarray(fault.side * scaled, dtype=np.float64)


def _ratio_to_median(values: Floats) -> Floats:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return values
    ratio = values / np.median(finite)
    result: Floats = np.maximum(ratio, 1.0 / ratio)
    return result


def _table(view: DatasetView, found: Sequence[_Found]) -> pa.Table:
    ids, paths = view.column("image_id"), view.column("path")
    rows = [
        (-float(item.score[row]), item.issue, ids[row], paths[row], float(item.values[row]), item.threshold)
        for item in found
        for row in item.rows
    ]
    rows.sort()
    columns = {
        "image_id": [row[2] for row in rows],
        "path": [row[3] for row in rows],
        "issue": [row[1] for row in rows],
        "value": [row[4] for row in rows],
        "threshold": [row[5] for row in rows],
        "score": [-row[0] for row in rows],
        "rank": list(range(1, len(rows) + 1)),
    }
    return pa.table(columns, schema=TABLE_SCHEMA)


def _issue_result(view: DatasetView, item: _Found) -> IssueResult:
    ids = view.column("image_id")
    worst = sorted(item.rows.tolist(), key=lambda row: (-item.score[row], ids[row]))[:_SHOWN]
    fault = FAULTS[item.issue]
    finite = item.values[np.isfinite(item.values)]
    return IssueResult(
        issue=item.issue,
        n=len(item.rows),
        n_measured=item.fence.n,
        n_beyond=item.fence.n_beyond,
        threshold=item.threshold,
        origin=item.fence.origin,
        median=float(np.median(finite)) if len(finite) else None,
        worst=tuple(picture(view, row, fault.caption(item.values[row])) for row in worst),
    )


def _share(name: str, k: int, n: int) -> Metric:
    if n == 0:
        return Metric(name=name, value=None, n=0, note="there are no pictures")
    low, high = wilson(k, n)
    return Metric(name=name, value=k / n, low=low, high=high, unit="share", n=n, note="Wilson interval")


def _summary(result: QualityResult) -> str:
    if result.n == 0:
        return "There are no pictures to look at."
    if result.n_flagged == 0:
        which = "The only picture is not" if result.n == 1 else f"None of {result.n:,} pictures is"
        return f"{which} dark, washed out, flat, blurred, empty or odd in form."
    worst = max((item for item in result.issues), key=lambda item: item.n)
    return (
        f"{counted(result.n_flagged, 'picture')} of {result.n:,} ({result.n_flagged / result.n:.1%}) "
        f"{have(result.n_flagged)} a fault; "
        f"the most frequent is: {FAULTS[worst.issue].title.lower()} ({worst.n:,})."
    )


def _finding(item: IssueResult, n: int) -> Finding:
    fault = FAULTS[item.issue]
    metric = _share(fault.title, item.n, n)
    words = fault.words.format(are="is" if item.n == 1 else "are", have="has" if item.n == 1 else "have")
    is_problem = n >= _ENOUGH and metric.low is not None and metric.low >= _PROBLEM_SHARE
    severity = Severity.PROBLEM if is_problem else Severity.ATTENTION
    return Finding(
        id=f"quality.{item.issue}",
        severity=Severity.INFO if fault.is_relative else severity,
        sentence=f"{counted(item.n, 'picture')} of {n:,} ({item.n / n:.1%}) {words}.",
        metric=metric,
        pictures=item.worst,
        action=_of_one(fault.action) if item.n == 1 else fault.action,
        table="quality",
        weight=item.n / n,
    )


def _of_one(action: str) -> str:
    """The advice on several pictures as advice on one."""
    for several, one in (
        ("they come", "it comes"),
        ("sharp ones", "a sharp one"),
        ("originals", "original"),
        ("them", "it"),
        ("their", "its"),
    ):
        action = re.sub(rf"\b{several}\b", one, action)
    return action


def _blocks(result: QualityResult) -> tuple[Block, ...]:
    columns = (
        Column(name="issue", title="Issue"),
        Column(name="n", title="Pictures", align="right", format="integer"),
        Column(name="statistic", title="Statistic"),
        Column(name="median", title="Median", align="right", format="number"),
        Column(name="threshold", title="Threshold", align="right", format="number"),
        Column(name="origin", title="Where the threshold comes from"),
    )
    rows = tuple(
        (FAULTS[i.issue].title, i.n, FAULTS[i.issue].statistic, i.median, i.threshold, _origin(i))
        for i in result.issues
    )
    note = "The pictures with a fault: tables/quality.parquet."
    blocks: list[Block] = [TableBlock(title="What was looked for", columns=columns, rows=rows, note=note)]
    blurry = next((item for item in result.issues if item.issue == "blurry"), None)
    if result.sharpness and blurry is not None:
        blocks.append(
            histogram_chart(
                "How sharp the pictures are",
                f"Histogram of the sharpness of {result.n} pictures; left of the line they count as blurred.",
                result.sharpness,
                axis="log2 sharpness of the sharpest part",
                rule=float(np.log2(blurry.threshold)),
            )
        )
    return tuple(blocks)


def _origin(item: IssueResult) -> str:
    if item.n_measured == 0:
        return "not measured"
    words = _ORIGINS[item.origin]
    if item.origin == "lenient":
        return words + FAULTS[item.issue].why
    if item.origin == "rare":
        return f"{words} ({item.n_beyond:,} of {item.n_measured:,})"
    return words


ANALYSIS = register(
    Analysis(
        name="quality",
        version=VERSION,
        title="Image quality",
        question="Which pictures are too bad to learn from?",
        datasets=1,
        needs=frozenset(),
        config=QualityConfig,
        result=QualityResult,
        compute=compute,
        section=section,
        source="Thresholds: Iglewicz and Hoaglin (1993), one-sided. Blur: Crete et al., SPIE 2007; Zhuo and Sim, 2011.",
        order=10,
        tables=("quality",),
    )
)
