"""How many pictures each class has, and whether the splits share them alike.

Source: effective number of classes = exp of Shannon's entropy, M. O. Hill, "Diversity and evenness", Ecology 54 (1973);
shift between splits by a maxT permutation, P. Westfall, S. Young, "Resampling-Based Multiple Testing" (1993).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from audit.analyses.base import Analysis, Computed, Config, Need, Result, register
from audit.maths.intervals import wilson
from audit.maths.permutation import max_t_shares
from audit.maths.rows import arrange, bursts, sample_bursts
from audit.model import DatasetView
from audit.report import Block, ChartBlock, Finding, Metric, Section, Severity
from audit.shown import counted

VERSION = 2
NO_SPLIT = ""
IMBALANCED = 10.0
"""Largest to smallest class from which imbalance is a finding."""
FEW_IMAGES = 40
PERMUTED_IMAGES = 20_000

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Rng = np.random.Generator

TABLE_SCHEMA = pa.schema(
    [
        pa.field("label", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),
        pa.field("share", pa.float64(), nullable=False),
        pa.field("low", pa.float64(), nullable=False),
        pa.field("high", pa.float64(), nullable=False),
        pa.field("p_max_t", pa.float64()),
    ]
)
"""One row per class and split (``split`` empty = the whole dataset).

share, low, high : share of the class among the labelled images of the split, with its 95 % Wilson interval
p_max_t : family-wise p-value that the class has another share in this split than elsewhere; null for the whole
"""


class BalanceConfig(Config):
    """When a class is called small and how splits are compared."""

    min_images: int = Field(20, ge=1, description="A class with fewer images is called small.")
    n_permutations: int = Field(999, ge=99, le=9999, description="Permutations of bursts between splits.")
    alpha: float = Field(0.01, gt=0, lt=1, description="Family-wise level at which a split's share is called shifted.")


class Shift(Result):
    """A class whose share in a split is not that of the other splits."""

    label: str
    split: str
    share: float
    elsewhere: float
    p_value: float


class BalanceResult(Result):
    """What the section is written from."""

    n: int
    n_unlabelled: int
    counts: tuple[tuple[str, int], ...]
    n_classes: int
    imbalance: float | None
    effective: float | None
    min_images: int
    small: tuple[tuple[str, int], ...]
    missing: tuple[tuple[str, str], ...]
    n_small: int
    n_missing: int
    shifted: tuple[Shift, ...]
    n_splits: int
    alpha: float


def compute(views: Sequence[DatasetView], config: BalanceConfig, rng: np.random.Generator) -> Computed:
    """Count classes over the whole dataset and every split."""
    view = arrange(views[0])
    labels, splits = view.column("label"), view.column("split")
    rows = np.array([i for i, label in enumerate(labels) if label is not None], dtype=np.int64)
    classes = sorted({labels[i] for i in rows})
    names = sorted({splits[i] for i in rows if splits[i] is not None})
    counts = _counts(rows, labels, splits, classes, names)
    whole = counts.sum(axis=1)
    shifts = _shifts(view, labels, splits, n=config.n_permutations, seed=rng)
    table = _rows(classes, names, counts, shifts)
    positive = whole[whole > 0]
    order = np.lexsort((np.arange(len(classes)), -whole))
    missing = np.argwhere(counts[:, : len(names)] == 0)
    result = BalanceResult(
        n=len(view),
        n_unlabelled=len(view) - len(rows),
        counts=tuple((classes[i], int(whole[i])) for i in order[:60]),
        n_classes=len(classes),
        imbalance=float(positive.max() / positive.min()) if len(positive) > 1 else None,
        effective=effective_number(whole) if len(positive) else None,
        min_images=config.min_images,
        small=tuple((classes[i], int(whole[i])) for i in order[::-1] if whole[i] < config.min_images)[:60],
        n_small=int((whole < config.min_images).sum()),
        missing=tuple((classes[i], names[j]) for i, j in missing[:60]),
        n_missing=len(missing),
        shifted=_shifted(classes, names, counts, shifts, config.alpha),
        n_splits=len(names),
        alpha=config.alpha,
    )
    return Computed(result, {"balance": table})


def effective_number(counts: npt.NDArray[np.int64]) -> float:
    """exp(−Σ p ln p): the number of equal classes that would be as diverse; 1 to the number of classes.

    Examples
    --------
    >>> round(effective_number(np.array([10, 10, 10])), 6)
    3.0
    """
    p = counts[counts > 0] / counts.sum()
    return float(np.exp(-(p * np.log(p)).sum()))


def section(result: BalanceResult) -> Section:
    """Say how even the classes are and where splits differ."""
    return Section(
        id="balance",
        title=ANALYSIS.title,
        question=ANALYSIS.question,
        summary=_summary(result),
        analysis=ANALYSIS.name,
        version=VERSION,
        findings=_findings(result),
        headline=(_metric(result),),
        blocks=_blocks(result),
        method=(
            "Shares with 95 % Wilson intervals. A class is called small below "
            f"{result.min_images} images (a setting). A split's share is called shifted when its family-wise p-value "
            f"over all classes and splits, by permutation of bursts, is at most {result.alpha:g}. {ANALYSIS.source}"
        ),
    )


def _counts(
    rows: Ints, labels: list[str | None], splits: list[str | None], classes: list[str], names: list[str]
) -> Ints:
    """Images per class and split; the last column holds those without a split."""
    class_of, split_of = {c: i for i, c in enumerate(classes)}, {s: j for j, s in enumerate(names)}
    counts = np.zeros((len(classes), len(names) + 1), dtype=np.int64)
    for i in rows:
        split = splits[i]
        counts[class_of[str(labels[i])], len(names) if split is None else split_of[split]] += 1
    return counts


def _shifts(view: DatasetView, labels: list[str | None], splits: list[str | None], *, n: int, seed: Rng) -> Floats:
    """Family-wise p-value of every class in every split, over at most 20 000 images."""
    both = [i for i, (a, b) in enumerate(zip(labels, splits, strict=True)) if a is not None and b is not None]
    own = bursts(view)[both]
    kept = sample_bursts(own, PERMUTED_IMAGES, seed)
    classes = sorted({str(c) for c in labels if c is not None})
    names = sorted({str(splits[i]) for i in both})
    codes = np.array([classes.index(str(labels[both[i]])) for i in kept], dtype=np.int64)
    groups = np.array([names.index(str(splits[both[i]])) for i in kept], dtype=np.int64)
    p = np.ones((len(classes), len(names)))
    found = max_t_shares(codes, groups, own[kept], seed, n_permutations=n)
    p[: found.shape[0], : found.shape[1]] = found
    return p


def _rows(classes: list[str], names: list[str], counts: Ints, shifts: Floats) -> pa.Table:
    columns: list[tuple[str, Ints, Floats | None]] = [(NO_SPLIT, counts.sum(axis=1), None)]
    columns += [(name, counts[:, j], shifts[:, j]) for j, name in enumerate(names)]
    rows = []
    for split, column, p in columns:
        total = int(column.sum())
        for i, label in enumerate(classes):
            low, high = wilson(int(column[i]), total)
            row = {"label": label, "split": split, "n": int(column[i]), "share": int(column[i]) / max(total, 1)}
            rows.append(row | {"low": low, "high": high, "p_max_t": None if p is None else float(p[i])})
    return pa.Table.from_pylist(rows, schema=TABLE_SCHEMA)


def _shifted(classes: list[str], names: list[str], counts: Ints, shifts: Floats, alpha: float) -> tuple[Shift, ...]:
    found = []
    for i, j in np.argwhere(shifts <= alpha) if len(names) > 1 else []:
        others = np.delete(counts[:, : len(names)], j, axis=1)
        share = float(counts[i, j] / max(counts[:, j].sum(), 1))
        elsewhere = float(others[i].sum() / max(others.sum(), 1))
        found.append(
            Shift(label=classes[i], split=names[j], share=share, elsewhere=elsewhere, p_value=float(shifts[i, j]))
        )
    return tuple(sorted(found, key=lambda s: (-abs(s.share - s.elsewhere), s.label, s.split))[:60])


def _summary(result: BalanceResult) -> str:
    if result.n_classes == 0:
        which = "The only image has no label" if result.n == 1 else f"None of {result.n:,} images has a label"
        return f"{which}: too few to speak of balance."
    if result.imbalance is None:
        return f"Every labelled image is of one class ({result.n - result.n_unlabelled:,})."
    return (
        f"{result.n_classes} classes; the largest has {result.imbalance:.1f} times the images of the smallest, "
        f"as diverse as {result.effective:.1f} equal classes."
    )


def _metric(result: BalanceResult) -> Metric:
    n = result.n - result.n_unlabelled
    if result.imbalance is None:
        return Metric(name="Largest to smallest class", value=None, n=n, note="takes two classes with images")
    note = "counted, not estimated, so no interval"
    return Metric(name="Largest to smallest class", value=result.imbalance, unit="×", n=n, note=note)


def _findings(result: BalanceResult) -> tuple[Finding, ...]:
    n = max(result.n, 1)
    found = []
    if result.imbalance is not None and result.imbalance >= IMBALANCED:
        found.append(
            Finding(
                id="balance.imbalanced",
                severity=Severity.ATTENTION,
                sentence=f"The largest class has {result.imbalance:.0f} times the images of the smallest.",
                metric=_metric(result),
                action="Collect more of the small classes, or weight them in training, and report accuracy per class.",
                table="balance",
                weight=result.counts[0][1] / n,
            )
        )
    if result.small and result.n_classes > 1:
        note = f"fewer than {result.min_images} images, a setting"
        have = f"{counted(result.n_small, 'class', 'classes')} {'has' if result.n_small == 1 else 'have'}"
        found.append(
            Finding(
                id="balance.small",
                severity=Severity.ATTENTION,
                sentence=f"{have} fewer than {result.min_images} images.",
                metric=Metric(name="Small classes", value=result.n_small, n=result.n_classes, note=note),
                action="Collect more, merge them, or leave them out: accuracy on them cannot be measured well.",
                table="balance",
                weight=min(1.0, sum(k for _, k in result.small) / n),
            )
        )
    if result.missing:
        label, split = result.missing[0]
        cases = counted(result.n_missing, "case")
        found.append(
            Finding(
                id="balance.missing",
                severity=Severity.PROBLEM if result.n >= FEW_IMAGES else Severity.ATTENTION,
                sentence=f"In {cases} a split has no image of a class ({label} in {split}).",
                metric=Metric(name="Missing in a split", value=result.n_missing, n=result.n_classes, note="counted"),
                action="Split again, stratified by class and with groups kept whole.",
                table="balance",
                weight=min(1.0, result.n_missing / max(result.n_classes * result.n_splits, 1)),
            )
        )
    return (*found, *_shift_finding(result))


def _shift_finding(result: BalanceResult) -> tuple[Finding, ...]:
    if not result.shifted:
        return ()
    worst = result.shifted[0]
    return (
        Finding(
            id="balance.shifted",
            severity=Severity.ATTENTION,
            sentence=(
                f"Splits do not share the classes alike: {worst.label} is {worst.share:.0%} of {worst.split} "
                f"and {worst.elsewhere:.0%} elsewhere."
            ),
            metric=Metric(
                name="Shifted shares",
                value=len(result.shifted),
                n=result.n,
                note=f"family-wise p at most {result.alpha:g}; intervals per class in the table",
            ),
            action="Split again, stratified by class, unless the difference is meant.",
            table="balance",
            weight=min(1.0, abs(worst.share - worst.elsewhere)),
        ),
    )


def _blocks(result: BalanceResult) -> tuple[Block, ...]:
    if not result.counts:
        return ()
    spec = {
        "mark": {"type": "bar"},
        "data": {"values": [{"class": label, "images": k} for label, k in result.counts]},
        "encoding": {
            "y": {"field": "class", "type": "nominal", "sort": None, "title": None},
            "x": {"field": "images", "type": "quantitative"},
        },
        "width": 480,
    }
    shown = "" if result.n_classes <= len(result.counts) else f" (the {len(result.counts)} largest)"
    description = f"Bars of the number of images of {result.n_classes} classes, largest first."
    return (ChartBlock(title=f"Images per class{shown}", description=description, vega_lite=spec),)


ANALYSIS = register(
    Analysis(
        name="balance",
        version=VERSION,
        title="Class balance",
        question="How many pictures has each class, and do the splits share them alike?",
        datasets=1,
        needs=frozenset({Need.LABELS}),
        config=BalanceConfig,
        result=BalanceResult,
        compute=compute,
        section=section,
        source="Hill, Ecology 54 (1973) (effective number); Westfall and Young (1993) (maxT permutation).",
        order=50,
        tables=("balance",),
    )
)
