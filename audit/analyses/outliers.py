"""Which pictures are unlike the rest, alone or in small groups, and which are unlike their class.

The score is the mean distance to the k nearest images outside the image's own burst, so that a copy cannot hide an
outlier, and outside its own small isolated group, so that a handful of strangers cannot hide each other.

Source: S. Ramaswamy, R. Rastogi, K. Shim, "Efficient algorithms for mining outliers from large data sets", SIGMOD
2000 (k-NN distance); S. Byers, A. Raftery, JASA 93 (1998) (mean distance).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field
from scipy.stats import poisson

from audit.analyses.base import Analysis, Computed, Config, Need, Result, register
from audit.maths import isolation, tails
from audit.maths.rows import arrange, bursts, image_rows
from audit.model import DatasetView, Neighbours
from audit.report import Block, Finding, ImagesBlock, Metric, Picture, Section, Severity
from audit.shown import counted, histogram, histogram_chart, picture

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

VERSION = 3
TOO_FEW = tails.MIN_SCORES

SURPRISING = 0.05
"""Chance, in a clean dataset, of as many images that stand out, or of one with so small an E-value, below which they
are something to look at."""

TABLE_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("score", pa.float64()),
        pa.field("rank", pa.int64(), nullable=False),
        pa.field("percentile", pa.float64(), nullable=False),
        pa.field("expected", pa.float64()),
        pa.field("stands_out", pa.bool_(), nullable=False),
        pa.field("group_size", pa.int64(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("split", pa.string()),
        pa.field("class_score", pa.float64()),
        pa.field("class_expected", pa.float64()),
    ]
)
"""Every image, most unusual first.

score : mean distance to the k nearest images outside its burst and its isolated group; null without any
percentile : share of images whose score is at most this one, in [0, 1]
expected : E-value, the number of images of a clean dataset of this size expected to score so high
group_size : images in its isolated group (1 = alone or in no such group)
class_score, class_expected : the same two among the images of its own class
"""


class OutliersConfig(Config):
    """How outliers are looked for."""

    k: int = Field(10, ge=1, le=100, description="Neighbours over which distances are averaged.")
    expected_false: float = Field(
        1.0, gt=0, le=100, description="An image stands out when so many or fewer would score so high by chance."
    )
    largest_group: int = Field(50, ge=1, le=200, description="Most images an isolated group may have (and 5 % of all).")
    shown: int = Field(12, ge=1, le=48, description="Pictures shown.")


class OutliersResult(Result):
    """What the section is written from."""

    n: int
    k: int
    expected_false: float
    n_outstanding: int
    n_apart: int
    """Images that stand out, an isolated group counted as one."""
    least_expected: float | None
    """The smallest E-value; None where there are too few images."""
    n_groups: int
    threshold: float | None
    bins: tuple[tuple[float, float, int], ...]
    top: tuple[tuple[Picture, ...], ...]
    groups: tuple[tuple[Picture, ...], ...]
    n_strange_for_class: int | None
    strange_for_class: tuple[Picture, ...]


@dataclass(frozen=True)
class _Scores:
    """One number per row, as the columns of the table; ``groups`` is what was left out around each image."""

    score: Floats
    expected: Floats
    stands_out: npt.NDArray[np.bool_]
    groups: Ints
    group_size: Ints
    class_score: Floats
    class_expected: Floats


def compute(views: Sequence[DatasetView], config: OutliersConfig, rng: np.random.Generator) -> Computed:
    """Rank every image by how far it lies from the rest."""
    del rng
    view = arrange(views[0])
    s = _score(view, config)
    order = np.lexsort((np.arange(len(view)), -np.nan_to_num(s.score, nan=-1.0)))
    strange = (np.nan_to_num(s.class_expected, nan=np.inf) <= config.expected_false) & ~s.stands_out
    by_class = np.lexsort((np.arange(len(view)), np.nan_to_num(s.class_expected, nan=np.inf)))
    threshold = tails.score_at(s.score, config.expected_false)
    result = OutliersResult(
        n=len(view),
        k=config.k,
        expected_false=config.expected_false,
        n_outstanding=int(s.stands_out.sum()),
        n_apart=len(np.unique(s.groups[s.stands_out])),
        least_expected=float(np.nanmin(s.expected)) if np.isfinite(s.expected).any() else None,
        n_groups=len(np.unique(s.groups[s.group_size > 1])),
        threshold=None if np.isnan(threshold) else threshold,
        bins=histogram(s.score),
        top=tuple(_beside(view, int(i), s.score[i]) for i in order[: config.shown]),
        groups=_group_pictures(view, s),
        n_strange_for_class=int(strange.sum()) if np.isfinite(s.class_score).any() else None,
        strange_for_class=tuple(
            picture(view, int(i), f"{view.images.column('label')[int(i)]} · {s.class_score[i]:.2f}")
            for i in by_class[: config.shown]
            if strange[i]
        ),
    )
    return Computed(result, {"outliers": _rows(view, order, s)})


def section(result: OutliersResult) -> Section:
    """Say how many images stand out, and show the top of the ranking."""
    return Section(
        id="outliers",
        title=ANALYSIS.title,
        question=ANALYSIS.question,
        summary=_summary(result),
        analysis=ANALYSIS.name,
        version=VERSION,
        findings=_findings(result),
        headline=(_metric(result),),
        blocks=_blocks(result),
        method=(
            f"Score: mean distance to the {result.k} nearest images outside its own burst and isolated group. An "
            f"image stands out when a clean dataset of this size would hold at most {result.expected_false:g} with "
            "such a score, by an exponential tail through the dataset's own 75 % and 95 % quantiles. They are "
            f"something to check when there are more than a clean dataset has in {1 - SURPRISING:.0%} of cases "
            "(Poisson; an isolated group counts as one) or when one has an E-value of at most "
            f"{SURPRISING:g}. Without a clean reference set this is a ranking, not a test. {ANALYSIS.source}"
        ),
    )


def _table(view: DatasetView) -> Neighbours:
    if view.neighbours is None:
        raise ValueError(f"outliers needs the sealed neighbours of {view.name!r}")
    return view.neighbours


def _score(view: DatasetView, config: OutliersConfig) -> _Scores:
    own = bursts(view)
    largest = min(config.largest_group, len(view) // 20)
    groups, sizes = isolation.isolated_groups(
        _table(view), own, view.vectors, largest, expected_false=config.expected_false
    )
    score = isolation.mean_outside(_table(view), groups, view.vectors, config.k, threads=1)
    expected = tails.expected_above(score)
    outstanding = np.nan_to_num(expected, nan=np.inf) <= config.expected_false
    return _Scores(score, expected, outstanding, groups, sizes, *_within_class(view, own, config))


def _within_class(view: DatasetView, own: Ints, config: OutliersConfig) -> tuple[Floats, Floats]:
    """Score and E-value of every image among (a sample of) its own class; NaN for small classes and no label."""
    scores, expected = np.full(len(view), np.nan), np.full(len(view), np.nan)
    labels = np.array([label or "" for label in view.column("label")], dtype=object)
    names, counts = np.unique(labels[labels != ""].astype(str), return_counts=True)
    for name in names[counts >= TOO_FEW] if len(names) > 1 else []:
        rows = np.flatnonzero(labels == name)
        scores[rows] = isolation.mean_among(rows, rows, own, view.vectors, config.k)
        expected[rows] = tails.expected_above(scores[rows]) * len(view) / len(rows)
    return scores, expected


def _rows(view: DatasetView, order: Ints, s: _Scores) -> pa.Table:
    score = np.nan_to_num(s.score, nan=-1.0)
    at_most = np.searchsorted(np.sort(score), score, side="right") / max(len(view), 1)
    columns = {
        "score": s.score[order],
        "rank": np.arange(1, len(view) + 1),
        "percentile": at_most[order],
        "expected": s.expected[order],
        "stands_out": s.stands_out[order],
        "group_size": s.group_size[order],
        "class_score": s.class_score[order],
        "class_expected": s.class_expected[order],
    }
    return image_rows(view.images, order, columns, TABLE_SCHEMA)


def _beside(view: DatasetView, row: int, score: float) -> tuple[Picture, ...]:
    """An image and the two nearest to it."""
    near = [int(i) for i in _table(view).indices[row][:2] if i >= 0]
    caption = "" if np.isnan(score) else f"score {score:.2f}"
    return (picture(view, row, caption, marked=True), *(picture(view, i, "nearest") for i in near))


def _group_pictures(view: DatasetView, s: _Scores) -> tuple[tuple[Picture, ...], ...]:
    names = np.unique(s.groups[s.group_size > 1])
    farthest_first = sorted(names, key=lambda g: (-float(s.score[s.groups == g].max()), g))
    return tuple(tuple(picture(view, int(i)) for i in np.flatnonzero(s.groups == g)[:8]) for g in farthest_first[:6])


def _summary(result: OutliersResult) -> str:
    if result.threshold is None:
        return (
            f"{counted(result.n, 'image')}: too few to say what is usual here "
            f"(it takes {TOO_FEW} different ones). The ranking is written all the same."
        )
    if result.n_outstanding == 0:
        return "No image stands out from the rest. The ranking shows the least usual ones first."
    groups = f", some of them in {counted(result.n_groups, 'small group')} of their own" if result.n_groups else ""
    chance = "" if _beyond_chance(result) else f", no more than chance explains (up to {_usual(result)})"
    stand = "stands" if result.n_outstanding == 1 else "stand"
    return f"{counted(result.n_outstanding, 'image')} of {result.n:,} {stand} out from the rest{groups}{chance}."


def _usual(result: OutliersResult) -> int:
    """Most images that stand out in 95 % of clean datasets: a Poisson quantile."""
    return int(poisson.ppf(1 - SURPRISING, result.expected_false))


def _beyond_chance(result: OutliersResult) -> bool:
    least = result.least_expected
    return result.n_apart > _usual(result) or (least is not None and least <= SURPRISING)


def _metric(result: OutliersResult) -> Metric:
    if result.threshold is None:
        return Metric(name="Outliers", value=None, n=result.n, note=f"needs at least {TOO_FEW} different images")
    return Metric(
        name="Outliers",
        value=result.n_outstanding,
        unit="images",
        n=result.n,
        note=f"a ranking, so no interval; about {result.expected_false:g} would stand out by chance, and up to "
        f"{_usual(result)} in 95 of 100 clean datasets",
    )


def _findings(result: OutliersResult) -> tuple[Finding, ...]:
    findings = [_outstanding(result)] if result.n_outstanding else []
    if result.n_strange_for_class:
        findings.append(_strange(result, result.n_strange_for_class))
    return tuple(findings)


def _outstanding(result: OutliersResult) -> Finding:
    one, certain = result.n_outstanding == 1, _beyond_chance(result)
    look = "looks" if one else "look"
    said = f"{look} like nothing else here" if certain else f"{look} least like the rest, no more than chance explains"
    action = f"Look at {'it' if one else 'them'}: remove what does not belong, and collect more of what does."
    return Finding(
        id="outliers.stand_out",
        severity=Severity.ATTENTION if certain else Severity.INFO,
        sentence=f"{counted(result.n_outstanding, 'picture')} of {result.n:,} {said}.",
        metric=_metric(result),
        pictures=tuple(group[0] for group in result.top)[: result.n_outstanding],
        action=action if certain else "Nothing has to be done; the ranking shows them first.",
        table="outliers",
        weight=result.n_outstanding / result.n,
    )


def _strange(result: OutliersResult, n: int) -> Finding:
    return Finding(
        id="outliers.strange_for_class",
        severity=Severity.INFO,
        sentence=f"{counted(n, 'picture')} {'looks' if n == 1 else 'look'} unlike the others of "
        f"{'its' if n == 1 else 'their'} class" + ("." if n > _usual(result) else ", no more than chance explains."),
        metric=Metric(
            name="Strange for their class",
            value=n,
            n=result.n,
            note=f"a ranking, so no interval; about {result.expected_false:g} expected by chance in all classes "
            f"together, and up to {_usual(result)} in 95 of 100 clean datasets",
        ),
        pictures=result.strange_for_class,
        action="Check that the label is right; if it is, the class needs more pictures like these.",
        table="outliers",
        weight=n / result.n,
    )


def _blocks(result: OutliersResult) -> tuple[Block, ...]:
    blocks: list[Block] = []
    if result.bins:
        blocks.append(
            histogram_chart(
                "How unusual the images are",
                f"Histogram of the outlier score of {result.n} images; the line is where images begin to stand out.",
                result.bins,
                axis="mean distance to the nearest images",
                rule=result.threshold,
            )
        )
    if result.top:
        blocks.append(
            ImagesBlock(title="The least usual images", groups=result.top, note="Each beside the two nearest to it.")
        )
    if result.groups:
        blocks.append(ImagesBlock(title="Small groups far from the rest", groups=result.groups))
    return tuple(blocks)


ANALYSIS = register(
    Analysis(
        name="outliers",
        version=VERSION,
        title="Outliers",
        question="Which pictures are unlike all the others?",
        datasets=1,
        needs=frozenset({Need.EMBEDDINGS, Need.NEIGHBOURS}),
        config=OutliersConfig,
        result=OutliersResult,
        compute=compute,
        section=section,
        source="Ramaswamy, Rastogi, Shim, SIGMOD 2000 (k-NN distance); Pickands, Ann. Statist. 3 (1975) (tail).",
        order=30,
        tables=("outliers",),
    )
)
