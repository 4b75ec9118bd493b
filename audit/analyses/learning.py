"""Whether more pictures would help, and how often a model would be wrong on pictures that have no label.

Source: C. Cortes et al., "Learning curves: asymptotic values and rate of convergence", NIPS 1993; Y. Jiang et al.,
"Assessing Generalization of SGD via Disagreement", ICLR 2022; mathematics in :mod:`audit.maths.learning`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from audit.analyses.base import Analysis, Computed, Config, Need, Result, register
from audit.maths import learning
from audit.maths.rows import arrange, bursts, sample_bursts
from audit.model import DatasetView
from audit.report import Block, ChartBlock, Finding, Metric, Picture, Section, Severity, TextBlock
from audit.shown import counted, picture

VERSION = 2
MIN_BURSTS = 8
"""Different pictures that a class needs: one for every fold."""

MIN_IMAGES = 128
MIN_PER_CLASS = 4
"""Pictures a class, on average, from which a sample is learned from: below it the curve follows no power law."""

MIN_SIZES = 6
"""Sizes it takes to tell where a curve goes: at least four of them up to half of the pictures."""

MIN_UNLABELLED = 20
WIDEST = 0.2
"""Interval of the accuracy at twice the size beyond which nothing is said of it."""

SMALL_GAIN = 0.01
N_RESAMPLES = 400

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TABLE_SCHEMA = pa.schema(
    [
        pa.field("n_images", pa.float64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("accuracy", pa.float64(), nullable=False),
        pa.field("low", pa.float64(), nullable=False),
        pa.field("high", pa.float64(), nullable=False),
    ]
)
"""The curve. kind : ``measured`` or ``fitted`` (the power law, beyond the measured sizes too)."""


class LearningConfig(Config):
    """How many images and draws are used."""

    max_images: int = Field(20_000, ge=1_000, description="At most so many images of each kind are used, bursts whole.")
    n_draws: int = Field(8, ge=2, le=50, description="Random draws of every size, and of halves.")


class Estimate(Result):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


class Point(Result):
    """Accuracy of probes that learned from so many images."""

    n_images: float
    accuracy: Estimate


class Growth(Result):
    """Where the curve goes.

    now, twice : accuracy by the fitted curve with the images there are, and with twice as many
    gain : their difference
    foretold, measured : what the sizes up to half of the images said of the largest size, and what it was
    ends_at, exponent : a and c of a − b·n^−c
    """

    now: Estimate
    twice: Estimate
    gain: Estimate
    foretold: Estimate
    measured: float
    ends_at: float
    exponent: float


class Expected(Result):
    """Errors as disagreement shows them.

    error, disagreement : on labelled images outside of what the probes learned from
    ratio : disagreement over error
    unlabelled, expected : disagreement on the images without a label; that over the ratio, their expected error
    """

    error: Estimate
    disagreement: Estimate
    ratio: Estimate | None
    unlabelled: Estimate | None
    expected: Estimate | None


class LearningResult(Result):
    """What the section is written from."""

    n: int
    n_classes: int
    n_unlabelled: int
    n_used: int = 0
    reason: str = ""
    curve: tuple[Point, ...] = ()
    growth: Growth | None = None
    no_growth: str = ""
    expected: Expected | None = None
    doubtful: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class _Sample:
    rows: Ints
    unlabelled: Ints
    classes: Ints
    bursts: Ints


def compute(views: Sequence[DatasetView], config: LearningConfig, rng: np.random.Generator) -> Computed:
    """Measure the curve and the disagreement, and carry both further."""
    view = arrange(views[0])
    own = bursts(view)
    classes = _classes(view, own)
    n, n_classes = int((classes >= 0).sum()), int(classes.max(initial=-1)) + 1
    n_unlabelled = sum(label is None for label in view.column("label"))
    base = {"n": n, "n_classes": n_classes, "n_unlabelled": n_unlabelled}
    if reason := _too_few(len(set(own[classes >= 0].tolist())), n_classes):
        return Computed(LearningResult(**base, reason=reason), {"learning": TABLE_SCHEMA.empty_table()})
    sample = _sample(view, own, classes, config, rng)
    sizes = np.array(learning.SIZES) * len(sample.rows) / learning.N_BLOCKS
    usable = sizes >= MIN_PER_CLASS * n_classes
    if usable.sum() < MIN_SIZES:
        reason = f"a sample of {len(sample.rows):,} pictures is too small for {n_classes} classes: raise max_images"
        return Computed(LearningResult(**base, reason=reason), {"learning": TABLE_SCHEMA.empty_table()})
    learned, others = learning.principal(view.vectors[sample.rows], view.vectors[sample.unlabelled])
    dealt = learning.deal(learned, sample.classes, sample.bursts, rng)
    right = learning.correctness(dealt, rng, n_draws=config.n_draws)[:, usable]
    curves = learning.resampled_curves(right, sample.bursts, rng, N_RESAMPLES)
    curve = _curve(sizes[usable], right.mean(axis=(0, 2)), curves)
    growth, why_not = _growth(sizes[usable], right.mean(axis=(0, 2)), curves, len(sample.rows))
    seen = learning.disagreement(dealt, others, rng, n_draws=config.n_draws)
    result = LearningResult(
        **base,
        n_used=len(sample.rows),
        curve=curve,
        growth=growth,
        no_growth=why_not,
        expected=_expected(seen, sample.bursts, own[sample.unlabelled], rng),
        doubtful=_doubtful(view, sample.unlabelled, seen.unlabelled),
    )
    return Computed(result, {"learning": _table(result, sizes[usable], curves)})


def section(result: LearningResult) -> Section:
    """Say what twice the pictures would give, and what to expect of those without a label."""
    return Section(
        id="learning",
        title=ANALYSIS.title,
        question=ANALYSIS.question,
        summary=_summary(result),
        analysis=ANALYSIS.name,
        version=VERSION,
        findings=tuple(found for found in (_growth_finding(result), _unlabelled_finding(result)) if found),
        headline=(_gain_metric(result),),
        blocks=_blocks(result),
        method=(
            "Pictures are dealt to 64 blocks of whole bursts. Linear discriminant probes on the embedding learn from 4 "
            "to 56 blocks and judge the fold of 8 blocks they never saw. A power law a − b·n^−c is fitted to the "
            f"accuracies; intervals come from {N_RESAMPLES} bootstrap samples of bursts and draws, each fitted again. "
            "The curve is checked on itself: the sizes up to half of the pictures must foretell the accuracy at the "
            "largest. For pictures without a label, probes of two random halves are asked; how often they disagree, "
            "divided by the ratio of disagreement to error on labelled pictures, is the expected error. "
            f"{ANALYSIS.source}"
        ),
    )


# numbers -------------------------------------------------------------------------------------------------------------


def _classes(view: DatasetView, own: Ints) -> Ints:
    """Class of every row, −1 where it has no label or its class has too few different pictures."""
    labels = view.column("label")
    seen: dict[str, set[int]] = {}
    for label, burst in zip(labels, own, strict=True):
        if label is not None:
            seen.setdefault(label, set()).add(int(burst))
    place = {name: i for i, name in enumerate(sorted(n for n, members in seen.items() if len(members) >= MIN_BURSTS))}
    return np.array([place.get(label, -1) for label in labels], dtype=np.int64)


def _too_few(n_bursts: int, n_classes: int) -> str:
    smallest = learning.N_BLOCKS / learning.SIZES[-MIN_SIZES] * MIN_PER_CLASS * n_classes
    needed = max(MIN_IMAGES, int(np.ceil(smallest)))
    if n_classes < 2:
        return f"it takes 2 classes with at least {MIN_BURSTS} different pictures; there are {n_classes}"
    if n_bursts < needed:
        classes = counted(n_classes, "class", "classes")
        return f"it takes {needed} different labelled pictures in {classes}; there are {n_bursts}"
    return ""


def _sample(view: DatasetView, own: Ints, classes: Ints, config: LearningConfig, rng: np.random.Generator) -> _Sample:
    judged = np.flatnonzero(classes >= 0)
    rows = judged[sample_bursts(own[judged], config.max_images, rng)]
    bare = np.flatnonzero([label is None for label in view.column("label")])
    unlabelled = bare[sample_bursts(own[bare], config.max_images, rng)]
    return _Sample(rows, unlabelled, classes[rows], own[rows])


def _estimate(value: float, resampled: Floats) -> Estimate:
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Estimate(value=float(value), low=min(float(low), float(value)), high=max(float(high), float(value)))


def _curve(sizes: Floats, accuracy: Floats, curves: Floats) -> tuple[Point, ...]:
    return tuple(Point(n_images=float(m), accuracy=_estimate(accuracy[i], curves[:, i])) for i, m in enumerate(sizes))


def _growth(sizes: Floats, accuracy: Floats, curves: Floats, n: int) -> tuple[Growth | None, str]:
    """Where the curve goes, or why that cannot be said."""
    early = sizes <= n / 2
    before, resampled_before = (learning.fit_power_law(sizes[early], c[:, early]) for c in (accuracy[None], curves))
    foretold = _estimate(before.at(sizes[-1])[0], resampled_before.at(sizes[-1]))
    fitted, resampled = learning.fit_power_law(sizes, accuracy[None]), learning.fit_power_law(sizes, curves)
    now, twice = fitted.at(n)[0], fitted.at(2 * n)[0]
    growth = Growth(
        now=_estimate(now, resampled.at(n)),
        twice=_estimate(twice, resampled.at(2 * n)),
        gain=_estimate(twice - now, resampled.at(2 * n) - resampled.at(n)),
        foretold=foretold,
        measured=float(accuracy[-1]),
        ends_at=float(fitted.a[0]),
        exponent=float(fitted.c[0]),
    )
    if not foretold.low <= growth.measured <= foretold.high:
        return None, (
            f"the curve does not foretell itself: from half of the pictures it says {foretold.value:.1%} "
            f"({foretold.low:.1%} to {foretold.high:.1%}), and {growth.measured:.1%} was measured"
        )
    if growth.twice.high - growth.twice.low > WIDEST:
        return None, f"the interval at twice the size is wider than {100 * WIDEST:.0f} points"
    return growth, ""


def _expected(seen: learning.Disagreement, own: Ints, elsewhere: Ints, rng: np.random.Generator) -> Expected:
    columns = np.stack([seen.wrong.astype(np.float64), seen.labelled], axis=1)
    drawn = learning.resampled_means(columns, own, rng, N_RESAMPLES)
    error, disagreement = columns.mean(axis=0)
    found = {"error": _estimate(error, drawn[:, 0]), "disagreement": _estimate(disagreement, drawn[:, 1])}
    if min(error, disagreement) * len(columns) < 5 or drawn.min() <= 0:
        return Expected(**found, ratio=None, unlabelled=None, expected=None)
    ratios = drawn[:, 1] / drawn[:, 0]
    ratio = disagreement / error
    found["ratio"] = _estimate(ratio, ratios)
    if len(elsewhere) < MIN_UNLABELLED or len(np.unique(elsewhere)) < 2:
        return Expected(**found, unlabelled=None, expected=None)
    bare = learning.resampled_means(seen.unlabelled[:, None], elsewhere, rng, N_RESAMPLES)[:, 0]
    mean = seen.unlabelled.mean()
    expected = _estimate(min(mean / ratio, 1.0), np.minimum(bare / ratios, 1.0))
    return Expected(**found, unlabelled=_estimate(mean, bare), expected=expected)


def _doubtful(view: DatasetView, rows: Ints, share: Floats) -> tuple[Picture, ...]:
    order = np.lexsort((rows, -share))[:12]
    return tuple(
        picture(view, int(rows[i]), f"probes disagree in {share[i]:.0%} of the draws") for i in order if share[i] > 0
    )


def _table(result: LearningResult, sizes: Floats, curves: Floats) -> pa.Table:
    measured = [(p.n_images, "measured", p.accuracy) for p in result.curve]
    fitted = []
    if result.growth is not None:
        law = learning.fit_power_law(sizes, curves)
        middle = learning.fit_power_law(sizes, np.array([[p.accuracy.value for p in result.curve]]))
        at = [*sizes.tolist(), float(result.n_used), 1.5 * result.n_used, 2.0 * result.n_used]
        fitted = [(m, "fitted", _estimate(middle.at(m)[0], law.at(m))) for m in at]
    rows = [
        {"n_images": m, "kind": kind, "accuracy": e.value, "low": e.low, "high": e.high}
        for m, kind, e in (*measured, *fitted)
    ]
    return pa.Table.from_pylist(rows, schema=TABLE_SCHEMA)


# words ---------------------------------------------------------------------------------------------------------------


def _range(estimate: Estimate) -> str:
    return f"{estimate.low:.1%} to {estimate.high:.1%}"


def _summary(result: LearningResult) -> str:
    if result.reason:
        return f"Not measured: {result.reason}."
    if result.growth is None:
        return f"What more pictures would give cannot be said: {result.no_growth}."
    growth = result.growth
    return (
        f"With {result.n_used:,} labelled pictures a simple classifier (a linear probe) is right in "
        f"{growth.now.value:.1%}; twice as many would give about {growth.twice.value:.1%} ({_range(growth.twice)})."
    )


def _gain_metric(result: LearningResult) -> Metric:
    name = "Gain from twice the pictures"
    if result.growth is None:
        return Metric(name=name, value=None, n=result.n, note=result.reason or result.no_growth)
    gain = result.growth.gain
    return Metric(
        name=name,
        value=100 * gain.value,
        low=100 * gain.low,
        high=100 * gain.high,
        unit="percentage points",
        n=result.n_used,
        note="of a linear probe's accuracy on this extractor; bootstrap over bursts and draws",
    )


def _growth_finding(result: LearningResult) -> Finding | None:
    growth = result.growth
    if growth is None:
        return None
    if growth.gain.high < SMALL_GAIN:
        said = f"would add about {100 * growth.gain.value:.1f} points to an accuracy of {growth.now.value:.1%}"
        sentence = f"More pictures of the same kind would hardly help: twice as many {said}."
        action = "Collect pictures of kinds that are missing or often mistaken, or use a stronger extractor."
    else:
        sentence = (
            "Twice as many pictures would raise the accuracy of a simple classifier (a linear probe) from "
            f"{growth.now.value:.1%} to about {growth.twice.value:.1%} ({_range(growth.twice)})."
        )
        action = "Weigh the gain against the cost of labelling as many pictures again, of the same kinds and shares."
    return Finding(
        id="learning.growth",
        severity=Severity.INFO,
        sentence=sentence,
        metric=_gain_metric(result),
        action=action,
        weight=min(max(growth.gain.value, 0.0), 1.0),
    )


def _unlabelled_finding(result: LearningResult) -> Finding | None:
    found = result.expected
    if found is None or found.expected is None or found.unlabelled is None:
        return None
    is_strange = found.unlabelled.low > found.disagreement.high
    metric = Metric(
        name="Expected error without labels",
        value=found.expected.value,
        low=found.expected.low,
        high=found.expected.high,
        unit="share",
        n=result.n_unlabelled,
        note=f"{found.error.value:.1%} on labelled pictures; too low where the others are of another kind",
    )
    who = counted(result.n_unlabelled, "picture")
    if is_strange:
        sentence = (
            f"The {who} without a label are unlike the labelled ones: simple classifiers disagree about "
            f"{found.unlabelled.value:.1%} of them, against {found.disagreement.value:.1%}, so at least about "
            f"{found.expected.value:.1%} would be named wrongly."
        )
        action = "Label a sample of them, those shown here first, and add it to the training pictures."
    else:
        sentence = (
            f"About {found.expected.value:.1%} of the {who} without a label would be named wrongly by a simple "
            f"classifier (a linear probe; {_range(found.expected)})."
        )
        action = "Plan with this error where labels are predicted; label the pictures shown here first."
    return Finding(
        id="learning.unlabelled",
        severity=Severity.ATTENTION if is_strange else Severity.INFO,
        sentence=sentence,
        metric=metric,
        pictures=result.doubtful,
        action=action,
        weight=result.n_unlabelled / max(result.n + result.n_unlabelled, 1),
    )


def _blocks(result: LearningResult) -> tuple[Block, ...]:
    if not result.curve or result.expected is None:
        return ()
    return _chart(result), TextBlock(title="How far to trust this", text=_trust(result, result.expected))


def _trust(result: LearningResult, expected: Expected) -> str:
    said = [
        "All of this is about a linear probe on one frozen extractor. A network that is trained further usually gains "
        "more from the same pictures."
    ]
    if growth := result.growth:
        said.append(
            f"Checked on itself: from half of the pictures the curve foretold {growth.foretold.value:.1%} "
            f"({_range(growth.foretold)}) at the largest size, and {growth.measured:.1%} was measured."
        )
    elif result.no_growth:
        said.append(f"Nothing is foretold, since {result.no_growth}.")
    if ratio := expected.ratio:
        said.append(
            f"Probes of two halves disagree about {expected.disagreement.value:.1%} of labelled pictures they never "
            f"saw, and the probe of both is wrong about {expected.error.value:.1%}: a ratio of {ratio.value:.2f} "
            f"({ratio.low:.2f} to {ratio.high:.2f}). Divided by it, disagreement on pictures without a label becomes "
            "an expected error. Where these are of another kind, the true error is larger than the estimate."
        )
    else:
        said.append("Errors are too rare here to say how they follow from the disagreement of probes.")
    return "\n\n".join(said)


def _chart(result: LearningResult) -> ChartBlock:
    measured = [
        {"images": p.n_images, "accuracy": p.accuracy.value, "low": p.accuracy.low, "high": p.accuracy.high}
        for p in result.curve
    ]
    scale = {"type": "log", "nice": False, "padding": 12}
    x = {"field": "images", "type": "quantitative", "scale": scale, "title": "labelled pictures learned from"}
    y = {"type": "quantitative", "scale": {"zero": False}, "axis": {"format": ".0%"}}
    layers = [
        _layer({"type": "rule"}, measured, {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}),
        _layer({"type": "point"}, measured, {"x": x, "y": {**y, "field": "accuracy", "title": "accuracy"}}),
    ]
    said = "Accuracy of linear probes on pictures they never saw, by the number they learned from, with 95% intervals"
    if growth := result.growth:
        ends = [(result.n_used, growth.now), (2 * result.n_used, growth.twice)]
        ahead = [{"images": m, "accuracy": e.value, "low": e.low, "high": e.high} for m, e in ends]
        dashed = {"type": "line", "strokeDash": [5, 4]}
        layers += [
            _layer(dashed, [measured[-1], *ahead], {"x": x, "y": {**y, "field": "accuracy"}}),
            _layer({"type": "rule"}, ahead[1:], {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}),
        ]
        said += f"; dashed: what twice as many would give, {growth.twice.value:.1%}"
    return ChartBlock(
        title="Accuracy against the number of pictures",
        description=f"{said}.",
        vega_lite={"layer": layers, "width": 560, "height": 240},
    )


def _layer(mark: dict[str, Any], values: list[dict[str, float]], encoding: dict[str, Any]) -> dict[str, Any]:
    return {"mark": mark, "data": {"values": values}, "encoding": encoding}


ANALYSIS = register(
    Analysis(
        name="learning",
        version=VERSION,
        title="More pictures",
        question="Would more pictures help, and what is to be expected of those without a label?",
        datasets=1,
        needs=frozenset({Need.EMBEDDINGS, Need.NEIGHBOURS, Need.LABELS}),
        config=LearningConfig,
        result=LearningResult,
        compute=compute,
        section=section,
        source="Cortes et al., NIPS 1993 (learning curves); Jiang et al., ICLR 2022 (disagreement).",
        order=70,
        tables=("learning",),
    )
)
