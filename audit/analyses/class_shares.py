"""Whether two datasets hold the same classes in the same shares: classes missing, classes new, shares that differ.

Source: R. G. Newcombe, Statist. Med. 17 (1998), method 10 (intervals of differences); P. Westfall, S. Young,
"Resampling-Based Multiple Testing" (1993), section 2.5 (one family-wise error over all classes).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field
from scipy import sparse

from audit.analyses.base import Analysis, Computed, Config, Need, Result, register
from audit.maths.association import associate, burst_weights
from audit.maths.intervals import newcombe, wilson
from audit.maths.rows import arrange, bursts, sample_bursts
from audit.model import DatasetView
from audit.report import Block, ChartBlock, Column, Finding, Metric, Picture, Section, Severity, TableBlock
from audit.shown import counted, picture

VERSION = 1
FEW_IMAGES = 20
"""With fewer labelled images on a side, an absent class is something to check and no problem yet."""
LISTED = 60
"""Classes kept in the result; the table has all."""
CHARTED = 20

State = Literal["missing", "new", "different", "alike"]
STATES: tuple[State, ...] = ("missing", "new", "different", "alike")

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

TABLE_SCHEMA = pa.schema(
    [
        pa.field("label", pa.string(), nullable=False),
        pa.field("n_reference", pa.int64(), nullable=False),
        pa.field("n_candidate", pa.int64(), nullable=False),
        pa.field("share_reference", pa.float64(), nullable=False),
        pa.field("share_candidate", pa.float64(), nullable=False),
        pa.field("difference", pa.float64(), nullable=False),
        pa.field("low", pa.float64(), nullable=False),
        pa.field("high", pa.float64(), nullable=False),
        pa.field("p_max_t", pa.float64(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
    ]
)
"""One row per class of either dataset: missing ones first, then new, different and alike ones, largest change first.

share_reference, share_candidate : share of the labelled images, in [0, 1]
difference, low, high : candidate minus reference, with its 95 % Newcombe interval (images taken as independent)
p_max_t : family-wise p-value over all classes that bursts of the class are shared alike by the two datasets
state : missing (in the candidate), new (not in the reference), different (beyond the floor, and not by chance), alike
"""


class ClassSharesConfig(Config):
    """From when on a share is called different."""

    alpha: float = Field(0.01, gt=0, lt=1, description="Family-wise level at which a share is called different ...")
    min_difference: float = Field(0.05, ge=0, le=1, description="... if the shares differ by at least this much ...")
    min_ratio: float = Field(2.0, ge=1, description="... or one is at least so many times the other.")
    n_permutations: int = Field(999, ge=99, le=9999, description="Permutations of bursts between the datasets.")
    max_images: int = Field(
        20_000, ge=100, le=1_000_000, description="Images of each dataset that are permuted, in whole bursts."
    )
    shown: int = Field(12, ge=1, le=24, description="Pictures shown of missing and of new classes.")


class ClassShare(Result):
    """One class in both datasets (difference: candidate minus reference)."""

    label: str
    n_reference: int
    n_candidate: int
    share_reference: float
    share_candidate: float
    difference: float
    low: float
    high: float
    p_max_t: float
    state: State


class ClassSharesResult(Result):
    """What the section is written from; ``counts`` are classes and ``images`` labelled images, by state."""

    config: ClassSharesConfig
    n_reference: int
    n_candidate: int
    unlabelled_reference: int
    unlabelled_candidate: int
    reason: str = ""
    classes: tuple[ClassShare, ...] = ()
    counts: dict[State, int] = Field(default_factory=dict)
    images: dict[State, int] = Field(default_factory=dict)
    """Of the reference; for new classes, of the candidate."""
    absent_by_chance: bool = False
    """No missing class is missing beyond chance."""
    respelt: tuple[tuple[str, str], ...] = ()
    """Missing and new class whose names differ in case, blanks and punctuation only."""
    pictures: dict[State, tuple[Picture, ...]] = Field(default_factory=dict)


def compute(views: Sequence[DatasetView], config: ClassSharesConfig, rng: np.random.Generator) -> Computed:
    """Count every class in both datasets and test all of them at once."""
    reference, candidate = arrange(views[0]), arrange(views[1])
    rows = _labelled(reference), _labelled(candidate)
    known = {
        "config": config,
        "n_reference": len(rows[0]),
        "n_candidate": len(rows[1]),
        "unlabelled_reference": len(reference) - len(rows[0]),
        "unlabelled_candidate": len(candidate) - len(rows[1]),
    }
    if reason := _reason(len(rows[0]), len(rows[1])):
        return Computed(ClassSharesResult(**known, reason=reason), {"class_shares": TABLE_SCHEMA.empty_table()})
    labels = [np.array(v.column("label"), dtype=object)[r] for v, r in zip((reference, candidate), rows, strict=True)]
    names, codes = np.unique(np.concatenate(labels).astype(str), return_inverse=True)
    sides = codes[: len(rows[0])], codes[len(rows[0]) :]
    own = bursts(reference)[rows[0]], bursts(candidate)[rows[1]]
    signed, p = joint_test(sides, own, len(names), config=config, rng=rng)
    counts = np.stack([np.bincount(side, minlength=len(names)) for side in sides])
    classes = _classes(names.tolist(), counts, signed, p, config)
    result = ClassSharesResult(
        **known,
        **_summarised(classes, config),
        pictures={
            "missing": _pictures(reference, rows[0], labels[0], _names(classes, "missing"), config.shown),
            "new": _pictures(candidate, rows[1], labels[1], _names(classes, "new"), config.shown),
        },
    )
    table = pa.Table.from_pylist([c.model_dump() for c in classes], schema=TABLE_SCHEMA)
    return Computed(result, {"class_shares": table})


def joint_test(
    sides: tuple[Ints, Ints],
    own: tuple[Ints, Ints],
    n_classes: int,
    *,
    config: ClassSharesConfig,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Residual of every class in the candidate, and its family-wise p-value; whole bursts change datasets.

    A burst counts as one, whatever its size, so a long sequence of one class is not many proofs.

    Parameters
    ----------
    sides : int64 (n_reference,) and (n_candidate,)
        Class codes in [0, n_classes).
    own : int64, as sides
        Burst of each image; equal numbers in the two datasets are different bursts.

    Returns
    -------
    residual, p_max_t : float64 (n_classes,)
        The residual is positive where the class is more frequent in the candidate.
    """
    kept = [sample_bursts(names, config.max_images, rng) for names in own]
    codes = np.concatenate([side[k] for side, k in zip(sides, kept, strict=True)])
    groups = np.repeat([0, 1], [len(k) for k in kept])
    if not len(codes):
        return np.zeros(n_classes), np.ones(n_classes)
    pairs = np.stack([groups, np.concatenate([names[k] for names, k in zip(own, kept, strict=True)])], axis=1)
    place = np.unique(pairs, axis=0, return_inverse=True)[1].ravel()
    candidate = sparse.csr_array(burst_weights(groups, place, 2)[:, [1]])
    classes = burst_weights(codes, place, n_classes)
    tested = associate(classes, candidate, n_permutations=config.n_permutations, rng=rng)
    return tested.residuals[:, 0], tested.p_max_t[:, 0]


def section(result: ClassSharesResult) -> Section:
    """Say which classes one dataset lacks and which have another share."""
    config = result.config
    return Section(
        id="class_shares",
        title=ANALYSIS.title,
        question=ANALYSIS.question,
        summary=_summary(result),
        analysis=ANALYSIS.name,
        version=VERSION,
        findings=_findings(result),
        headline=(_absent_metric(result),),
        blocks=_blocks(result),
        method=(
            "Shares are of the labelled images, their differences with 95 % Newcombe intervals that take images as "
            "independent. A share is called different when its family-wise p-value over all classes is at most "
            f"{config.alpha:g} (largest standardised residual over {config.n_permutations} permutations of whole "
            f"bursts between the datasets, each burst counted once) and it changed by {config.min_difference:.0%} or "
            f"more of the dataset, or to {config.min_ratio:g} times or one {config.min_ratio:g}th. Where classes are "
            f"missing, the shares of the others grow. {ANALYSIS.source}"
        ),
    )


def _labelled(view: DatasetView) -> Ints:
    return np.array([i for i, label in enumerate(view.column("label")) if label is not None], dtype=np.int64)


def _reason(n_reference: int, n_candidate: int) -> str:
    without = [name for name, n in (("reference", n_reference), ("candidate", n_candidate)) if n == 0]
    return f"no image of the {' and of the '.join(without)} has a label" if without else ""


def _classes(
    names: list[str], counts: Ints, signed: Floats, p: Floats, config: ClassSharesConfig
) -> tuple[ClassShare, ...]:
    n_reference, n_candidate = (int(n) for n in counts.sum(axis=1))
    found = []
    for i, label in enumerate(names):
        a, b = int(counts[0, i]), int(counts[1, i])
        low, high = newcombe(b, n_candidate, a, n_reference)
        share = a / n_reference, b / n_candidate
        is_sure = p[i] <= config.alpha and signed[i] * (share[1] - share[0]) > 0
        found.append(
            ClassShare(
                label=label,
                n_reference=a,
                n_candidate=b,
                share_reference=share[0],
                share_candidate=share[1],
                difference=share[1] - share[0],
                low=low,
                high=high,
                p_max_t=float(p[i]),
                state=_state(share, is_sure=bool(is_sure), config=config),
            )
        )
    return tuple(sorted(found, key=lambda c: (STATES.index(c.state), -abs(c.difference), c.label)))


def _state(share: tuple[float, float], *, is_sure: bool, config: ClassSharesConfig) -> State:
    small, large = sorted(share)
    if small == 0:
        return "missing" if share[1] == 0 else "new"
    is_large = large - small >= config.min_difference or large / small >= config.min_ratio
    return "different" if is_sure and is_large else "alike"


def _names(classes: Sequence[ClassShare], state: State) -> list[str]:
    return [c.label for c in classes if c.state == state]


def _summarised(classes: Sequence[ClassShare], config: ClassSharesConfig) -> dict[str, object]:
    counts = {state: len(_names(classes, state)) for state in STATES}
    images = {s: sum(c.n_candidate if s == "new" else c.n_reference for c in classes if c.state == s) for s in STATES}
    new = {_spelling(label): label for label in _names(classes, "new")}
    missing = [(label, new.get(_spelling(label))) for label in _names(classes, "missing") if _spelling(label)]
    return {
        "classes": tuple(classes[:LISTED]),
        "counts": counts,
        "images": images,
        "absent_by_chance": all(c.p_max_t > config.alpha for c in classes if c.state == "missing"),
        "respelt": tuple((old, name) for old, name in missing if name is not None)[:LISTED],
    }


def _spelling(label: str) -> str:
    return "".join(c for c in label.casefold() if c.isalnum())


def _pictures(
    view: DatasetView, rows: Ints, labels: npt.NDArray[np.object_], names: list[str], n: int
) -> tuple[Picture, ...]:
    """About equally many of each class, spread over its paths so that they are not all of one burst."""
    chosen: list[Picture] = []
    for i, name in enumerate(names[:n]):
        members = rows[np.flatnonzero(labels == name)]
        wanted = min(len(members), (n - len(chosen)) // (min(len(names), n) - i))
        spread = np.linspace(0, len(members) - 1, wanted).astype(np.int64)
        chosen += [picture(view, int(members[k]), name) for k in spread]
    return tuple(chosen)


def _summary(result: ClassSharesResult) -> str:
    if result.reason:
        return f"Not compared: {result.reason}."
    total = sum(result.counts.values())
    words = ("missing in the candidate", "only in the candidate", "with another share", "alike")
    parts = [f"{result.counts[state]:,} {word}" for state, word in zip(STATES, words, strict=True)]
    sentence = f"{counted(total, 'class', 'classes')}: {', '.join(parts)}."
    left_out = [
        f"{counted(n, 'image')} of the {name}"
        for name, n in (("reference", result.unlabelled_reference), ("candidate", result.unlabelled_candidate))
        if n
    ]
    return f"{sentence} Left out without a label: {' and '.join(left_out)}." if left_out else sentence


def _absent_metric(result: ClassSharesResult) -> Metric:
    return _share_metric("Reference in missing classes", result, "missing", result.n_reference)


def _share_metric(name: str, result: ClassSharesResult, state: State, n: int) -> Metric:
    if result.reason:
        return Metric(name=name, value=None, n=n, note=result.reason)
    k = result.images[state]
    low, high = wilson(k, n)
    return Metric(name=name, value=k / n, low=low, high=high, unit="share", n=n, note="of the labelled images; Wilson")


def _findings(result: ClassSharesResult) -> tuple[Finding, ...]:
    if result.reason:
        return ()
    made = (_missing_finding, _new_finding, _different_finding)
    return tuple(make(result) for make, state in zip(made, STATES, strict=False) if result.counts[state])


def _missing_finding(result: ClassSharesResult) -> Finding:
    n = result.counts["missing"]
    metric = _absent_metric(result)
    is_problem = min(result.n_reference, result.n_candidate) >= FEW_IMAGES and not result.absent_by_chance
    chance = "; so few images can be missed by chance" if result.absent_by_chance else ""
    return Finding(
        id="class_shares.missing",
        severity=Severity.PROBLEM if is_problem else Severity.ATTENTION,
        sentence=(
            f"{counted(n, 'class', 'classes')} of the reference {'is' if n == 1 else 'are'} absent from the candidate: "
            f"{_listed(result, 'missing')} ({metric.value:.1%} of the reference){chance}."
        ),
        metric=metric,
        pictures=result.pictures["missing"],
        action=f"{_respelt(result)}Add pictures of {'it' if n == 1 else 'them'} to the candidate, or state that it "
        f"says nothing about {'this class' if n == 1 else 'these classes'}.",
        table="class_shares",
        weight=metric.value or 0.0,
    )


def _new_finding(result: ClassSharesResult) -> Finding:
    n = result.counts["new"]
    metric = _share_metric("Candidate in new classes", result, "new", result.n_candidate)
    return Finding(
        id="class_shares.new",
        severity=Severity.ATTENTION,
        sentence=(
            f"{counted(n, 'class', 'classes')} {'is' if n == 1 else 'are'} only in the candidate: "
            f"{_listed(result, 'new')} ({metric.value:.1%} of the candidate)."
        ),
        metric=metric,
        pictures=result.pictures["new"],
        action=f"{_respelt(result)}A model trained on the reference cannot name {'it' if n == 1 else 'them'}: collect "
        f"pictures for the reference, or leave {'it' if n == 1 else 'them'} out of the evaluation.",
        table="class_shares",
        weight=metric.value or 0.0,
    )


def _different_finding(result: ClassSharesResult) -> Finding:
    n = result.counts["different"]
    worst = next(c for c in result.classes if c.state == "different")
    return Finding(
        id="class_shares.different",
        severity=Severity.ATTENTION,
        sentence=(
            f"{counted(n, 'class', 'classes')} {'has' if n == 1 else 'have'} another share in the candidate; "
            f"{worst.label} is {worst.share_reference:.1%} of the reference and {worst.share_candidate:.1%} of the "
            "candidate."
        ),
        metric=Metric(
            name=f"Difference of the share of {worst.label}",
            value=worst.difference,
            low=worst.low,
            high=worst.high,
            unit="share",
            n=result.n_reference + result.n_candidate,
            note=f"candidate minus reference; family-wise p = {worst.p_max_t:.3f}",
        ),
        action="Decide whether the mixture is meant; if not, sample the two alike, or weight classes when comparing.",
        table="class_shares",
        weight=min(1.0, abs(worst.difference)),
    )


def _listed(result: ClassSharesResult, state: State) -> str:
    names = _names(result.classes, state)[:3]
    more = result.counts[state] - len(names)
    return ", ".join(names) + (f" and {more:,} more" if more else "")


def _respelt(result: ClassSharesResult) -> str:
    if not result.respelt:
        return ""
    old, new = result.respelt[0]
    return f"First compare the names: {old!r} and {new!r} look like one class. "


def _blocks(result: ClassSharesResult) -> tuple[Block, ...]:
    if not result.classes:
        return ()
    return _chart(result), _table(result)


def _chart(result: ClassSharesResult) -> ChartBlock:
    shown = result.classes[:CHARTED]
    values = [
        {"class": c.label, "dataset": name, "share": share}
        for c in shown
        for name, share in (("reference", c.share_reference), ("candidate", c.share_candidate))
    ]
    total = sum(result.counts.values())
    spec = {
        "mark": {"type": "bar"},
        "data": {"values": values},
        "encoding": {
            "y": {"field": "class", "type": "nominal", "sort": None, "title": None},
            "yOffset": {"field": "dataset", "sort": ["reference", "candidate"]},
            "x": {"field": "share", "type": "quantitative", "axis": {"format": ".0%"}, "title": "share of the dataset"},
            "color": {"field": "dataset", "type": "nominal", "sort": ["reference", "candidate"], "title": None},
        },
        "width": 480,
        "height": {"step": 12},
    }
    return ChartBlock(
        title="Share of each class" + (f" ({len(shown)} that differ most)" if len(shown) < total else ""),
        description=f"Pairs of bars: the share of {len(shown)} of {total} classes in the reference and the candidate.",
        vega_lite=spec,
    )


def _table(result: ClassSharesResult) -> TableBlock:
    formats: dict[str, tuple[str, Literal["text", "integer", "percent", "number"]]] = {
        "label": ("Class", "text"),
        "n_reference": ("Reference", "integer"),
        "n_candidate": ("Candidate", "integer"),
        "share_reference": ("Share in reference", "percent"),
        "share_candidate": ("Share in candidate", "percent"),
        "difference": ("Difference", "percent"),
        "low": ("From", "percent"),
        "high": ("To", "percent"),
        "p_max_t": ("p (family-wise)", "number"),
        "state": ("State", "text"),
    }
    columns = tuple(
        Column(name=name, title=title, align="left" if form == "text" else "right", format=form)
        for name, (title, form) in formats.items()
    )
    rows = tuple(tuple(getattr(c, name) for name in formats) for c in result.classes[:50])
    return TableBlock(title="Classes of both datasets", columns=columns, rows=rows, source="class_shares")


ANALYSIS = register(
    Analysis(
        name="class_shares",
        version=VERSION,
        title="Class shares",
        question="Do the two datasets hold the same classes in the same shares?",
        datasets=2,
        needs=frozenset({Need.LABELS}),
        config=ClassSharesConfig,
        result=ClassSharesResult,
        compute=compute,
        section=section,
        source="Newcombe, Statist. Med. 17 (1998) (intervals); Westfall and Young (1993) (maxT permutation).",
        order=105,
        tables=("class_shares",),
    )
)
