"""What the analysis of spurious features hands to its section: small, frozen, JSON; and the table of all candidates."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.analyses.base import Result
from audit.model import DatasetView
from audit.report import Picture
from audit.shown import picture
from audit.spurious.candidates import BACKGROUND, METADATA, NEURON, PATTERN
from audit.spurious.choice import Tie
from audit.spurious.evidence import Evidence, Sample, SpuriousConfig, Study
from audit.spurious.harm import sizes
from audit.spurious.remedies import grouped
from audit.spurious.words import Named, caption

SHOWN = 3
"""Pictures shown of each group."""

SPURIOUS_SCHEMA = pa.schema(
    [
        ("feature", pa.string()),
        ("kind", pa.string()),
        ("layer", pa.string()),
        ("class", pa.string()),
        ("g", pa.float64()),
        ("p_max_t", pa.float64()),
        ("g_foreground", pa.float64()),
        ("g_background", pa.float64()),
        ("heat_outside", pa.float64()),
        ("earliest_layer", pa.string()),
        ("complexity", pa.float64()),
        ("gap", pa.float64()),
        ("gap_low", pa.float64()),
        ("gap_high", pa.float64()),
        ("worst_group_accuracy", pa.float64()),
        ("worst_group_after", pa.float64()),
        ("level", pa.string()),
        ("verdict", pa.string()),
        ("same_as", pa.list_(pa.string())),
    ]
)
"""Every candidate that is not merged into another, strongest evidence first; null = not measured."""


class Read(Result):
    """How much of the label can be read off parts of the pictures; see :class:`audit.spurious.context.Readable`."""

    background: float
    low: float
    high: float
    guess: float
    p: float
    foreground: float
    whole: float
    box: float
    n: int
    n_given: int
    shows_object: bool = True


class Feature(Named):
    """A feature to be shown."""

    layer: str
    g: float
    p_max_t: float
    foreground: float | None
    background: float | None
    earliest: str
    earliest_of_class: str
    gap: float | None
    gap_low: float | None
    gap_high: float | None
    before: float | None
    after: float | None
    used: tuple[int, int]
    """Pictures used of the train and the test part of the balanced split."""
    reason: str
    verdict: str
    is_spurious: bool
    is_risk: bool
    n_more: int
    """Further features of the same evidence on the same class."""
    also: tuple[Named, ...]
    """What else goes with the class, of other kinds."""
    agreeing: tuple[Picture, ...]
    conflicting: tuple[Picture, ...]

    @property
    def is_look(self) -> bool:
        """Whether it is only the look of whole pictures, which objects change too, and its harm was not measured."""
        return self.gap is None and self.kind != METADATA and not self.is_risk and not self.is_spurious

    @property
    def n_agreeing(self) -> int:
        """Pictures in which the feature agrees with the label."""
        return self.sizes[0] + self.sizes[3]

    @property
    def n_conflicting(self) -> int:
        """Pictures in which it does not."""
        return self.sizes[1] + self.sizes[2]


class Point(Result):
    """A candidate in the plane of predictivity and availability."""

    name: str
    what: str
    g: float
    available: float


class SpuriousResult(Result):
    """What was found; the lists are tables."""

    config: SpuriousConfig
    n: int
    n_labelled: int
    n_classes: int
    reason: str
    n_candidates: int = 0
    n_associated: int = 0
    n_risks: int = 0
    n_spurious: int = 0
    read: Read | None = None
    features: tuple[Feature, ...] = ()
    plane: tuple[Point, ...] = ()
    accuracy: float | None = None
    used_predictions: bool = False
    has_neurons: bool = False


def nothing(sample: Sample, n_labelled: int, config: SpuriousConfig, reason: str) -> SpuriousResult:
    """The result where nothing can be judged."""
    n_classes = len(sample.names)
    return SpuriousResult(config=config, n=len(sample.rows), n_labelled=n_labelled, n_classes=n_classes, reason=reason)


def result(
    sample: Sample, found: Study, ties: Sequence[Tie], split: pa.Table, config: SpuriousConfig
) -> SpuriousResult:
    """The result of a study, with the pictures that will be shown and the sizes of the balanced split."""
    view = sample.view
    used = Counter(
        (row["feature"], row["part"]) for row in split.select(["feature", "part", "used"]).to_pylist() if row["used"]
    )
    return SpuriousResult(
        config=config,
        n=len(sample.rows),
        n_labelled=sum(label is not None for label in view.column("label")),
        n_classes=len(sample.names),
        reason="",
        n_candidates=found.n_candidates,
        n_associated=sum("E1" in one.levels for one in found.found),
        n_risks=sum(one.is_risk for one in found.found),
        n_spurious=sum(one.is_spurious for one in found.found),
        read=None if found.readable is None else Read(**vars(found.readable)),
        features=tuple(
            _feature(sample, found, tie, tuple(used[tie.lead.candidate.name, part] for part in ("train", "test")))
            for tie in ties
        ),
        plane=_plane(found),
        accuracy=found.accuracy,
        used_predictions=found.used_predictions,
        has_neurons=view.neurons is not None,
    )


def table(found: Study) -> pa.Table:
    """All evidence as a table in :data:`SPURIOUS_SCHEMA`."""
    rows = [_row(one) for one in found.found]
    return pa.Table.from_pylist(rows, SPURIOUS_SCHEMA)


def _row(one: Evidence) -> dict[str, object]:
    cost, known = one.harm, one.known
    numbers = {
        "g": one.g,
        "p_max_t": one.p_max_t,
        "g_foreground": one.foreground,
        "g_background": one.background,
        "heat_outside": one.candidate.outside,
        "complexity": math.nan if known is None else known.complexity,
        "gap": math.nan if cost is None else cost.gap,
        "gap_low": math.nan if cost is None else cost.low,
        "gap_high": math.nan if cost is None else cost.high,
        "worst_group_accuracy": math.nan if cost is None else cost.before,
        "worst_group_after": math.nan if cost is None else cost.after,
    }
    texts = {
        "feature": one.candidate.name,
        "kind": one.candidate.kind,
        "layer": one.candidate.layer,
        "class": one.label,
        "earliest_layer": None if known is None else known.earliest,
        "level": "+".join(sorted(one.levels)),
        "verdict": one.verdict,
        "same_as": list(one.alike),
    }
    return {**texts, **{name: _known(value) for name, value in numbers.items()}}


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _feature(sample: Sample, found: Study, tie: Tie, used: Sequence[int]) -> Feature:
    one, cost = tie.lead, tie.lead.harm
    known = grouped(sample, found, one)
    same = [e for e in found.found if e.label == one.label and e.is_risk == one.is_risk and e.is_risk]
    named = _named(sample, found, one)
    return Feature(
        **vars(named),
        layer=one.candidate.layer,
        g=one.g,
        p_max_t=one.p_max_t,
        foreground=_known(one.foreground),
        background=_known(one.background),
        earliest=one.known.earliest if one.known else "",
        earliest_of_class=one.known_class.earliest if one.known_class else "",
        gap=None if cost is None else _known(cost.gap),
        gap_low=None if cost is None else _known(cost.low),
        gap_high=None if cost is None else _known(cost.high),
        before=None if cost is None else _known(cost.before),
        after=None if cost is None else _known(cost.after),
        used=(used[0], used[1]),
        reason="" if cost is None else cost.reason,
        verdict=one.verdict,
        is_spurious=one.is_spurious,
        is_risk=one.is_risk,
        n_more=max(0, len(same) - 1),
        also=tuple(_named(sample, found, other) for other in tie.also),
        agreeing=pictures_of(sample.view, named, known, (3, 0), typical=True),
        conflicting=pictures_of(sample.view, named, known, (2, 1), typical=False),
    )


def _named(sample: Sample, found: Study, one: Evidence) -> Named:
    _, groups, _ = grouped(sample, found, one)
    candidate, levels = one.candidate, tuple(sorted(one.levels))
    return Named(
        name=candidate.name,
        kind=candidate.kind,
        sign=one.sign,
        label=one.label,
        levels=levels,
        sizes=sizes(groups),
        is_background=one.is_contextual or candidate.kind == BACKGROUND,
        of_two=len(sample.names) == 2,
    )


Known = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]
"""What :func:`audit.spurious.remedies.grouped` gives."""


def pictures_of(
    view: DatasetView, named: Named, known: Known, wanted: tuple[int, int], *, typical: bool
) -> tuple[Picture, ...]:
    """Some images of two groups, with what they are: those nearest to the middle of their group, or the clearest."""
    rows, groups, strength = known
    shown = []
    for group in wanted:
        at = np.flatnonzero(groups == group)
        far = np.abs(strength[at] - np.median(strength[at])) if typical and len(at) else -np.abs(strength[at])
        at = at[np.lexsort((rows[at], far))][:SHOWN]
        for r in rows[at]:
            label = view.images.column("label")[int(r)].as_py()
            shown.append(picture(view, int(r), caption(named, label, group)))
    return tuple(shown)


def _plane(found: Study) -> tuple[Point, ...]:
    points = [
        Point(name=one.candidate.name, what=_what(one), g=round(one.g, 4), available=round(one.known.mean, 4))
        for one in found.found
        if one.known is not None
    ]
    classes = {one.label: one.known_class for one in found.found if one.known_class is not None}
    points += [
        Point(name=label, what="the class itself", g=1.0, available=round(known.mean, 4))
        for label, known in sorted(classes.items())
        if known is not None
    ]
    return tuple(points)


def _what(one: Evidence) -> str:
    if one.is_spurious:
        return "spurious"
    if one.is_risk:
        return "shortcut risk"
    return "on the object or not placed" if one.candidate.kind in (NEURON, PATTERN) else "no place in the picture"
