"""Spurious features: what can the label be read off besides the object, and does it do harm?

Source: docs/spurious.md; S. Sagawa et al., ICLR 2020 (groups); K. Xiao et al., ICLR 2021 (backgrounds alone);
K. Hermann et al., ICLR 2024 (predictivity and availability); the mathematics is in :mod:`audit.spurious`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audit.analyses.base import Analysis, Computed, Need, register
from audit.maths.rows import arrange
from audit.model import DatasetView
from audit.report import (
    Block,
    ChartBlock,
    Column,
    Finding,
    ImagesBlock,
    Metric,
    Section,
    Severity,
    TableBlock,
    TextBlock,
)
from audit.shown import counted
from audit.spurious import remedies
from audit.spurious.candidates import BACKGROUND, METADATA, NEURON, STATISTIC
from audit.spurious.evidence import SpuriousConfig
from audit.spurious.harm import GROUPS, NO_CONFLICT
from audit.spurious.results import SPURIOUS_SCHEMA, Feature, Read, SpuriousResult, chosen, nothing, result, table
from audit.spurious.study import judged, study

VERSION = 1
LEAST_IMAGES = 100
NOT_PLACED = "Parts of the pictures were not embedded, so where a feature lies was not assessed (E2)."
MUCH = 0.10
"""The background is worth a look when it exceeds guessing, at its lower bound, by this much."""


def compute(views: Sequence[DatasetView], config: SpuriousConfig, rng: np.random.Generator) -> Computed:
    """Gather the evidence on every candidate, and what to do about the strongest."""
    view = arrange(views[0])
    sample = judged(view, config, rng)
    if len(sample.names) < 2 or len(sample.rows) < LEAST_IMAGES:
        reason = (
            f"{counted(len(sample.rows), 'image')} in {counted(len(sample.names), 'class', 'classes')} of at least 20 "
            f"images: it takes {LEAST_IMAGES} images in 2 classes"
        )
        n_labelled = sum(label is not None for label in view.column("label"))
        return Computed(nothing(sample, n_labelled, config, reason), {"spurious": SPURIOUS_SCHEMA.empty_table()})
    found = study(sample, config, rng)
    shown = chosen(found)
    tables = {
        "spurious": table(found),
        "conflicts": remedies.conflicts(sample, found, shown),
        "balanced_split": remedies.balanced_split(sample, found, shown, rng),
        "sample_weights": remedies.sample_weights(sample, found, shown),
    }
    return Computed(result(sample, found, shown, tables["balanced_split"], config), tables)


def section(result: SpuriousResult) -> Section:
    """Say how much the background gives away, which features do harm, and what to do."""
    findings = [] if result.reason else [*_background_findings(result), *map(_feature_finding, result.features)]
    return Section(
        id="spurious",
        title=ANALYSIS.title,
        question=ANALYSIS.question,
        summary=_summary(result),
        analysis=ANALYSIS.name,
        version=VERSION,
        findings=tuple(findings),
        headline=(_headline(result),),
        blocks=() if result.reason else _blocks(result),
        method=_method(result),
    )


def _summary(result: SpuriousResult) -> str:
    if result.reason:
        return f"Not judged; there are too few: {result.reason}."
    first = (
        _background_sentence(result.read)
        if result.read
        else "Parts of the pictures were not embedded, so where a feature lies was not assessed (E2)."
    )
    tested = f"{result.n_associated:,} of {result.n_candidates:,} candidate features go with a class beyond chance"
    if result.n_spurious:
        return f"{first} {tested}, and {result.n_spurious:,} of them are spurious by the evidence."
    if result.read is None:
        return f"{first} {tested}."
    if result.n_risks:
        return f"{first} {tested}; {result.n_risks:,} of them lie in the background, and no harm was shown."
    return f"{first} {tested}, and none was shown to be a shortcut."


def _background_sentence(read: Read) -> str:
    return (
        f"{read.background:.0%} of the label can be read off the background alone, where guessing gives "
        f"{read.guess:.0%}."
    )


def _headline(result: SpuriousResult) -> Metric:
    name = "Label read off the background"
    if result.read is None:
        note = f"too few: {result.reason}" if result.reason else "the parts of the pictures were not embedded"
        return Metric(name=name, value=None, n=result.n, note=note)
    return _metric(name, result.read)


def _metric(name: str, read: Read) -> Metric:
    note = f"balanced accuracy; guessing gives {read.guess:.1%}, the object alone {read.foreground:.1%}"
    return Metric(name=name, value=read.background, low=read.low, high=read.high, unit="share", n=read.n, note=note)


def _background_findings(result: SpuriousResult) -> list[Finding]:
    read = result.read
    if read is None:
        return []
    is_much = read.p <= result.config.alpha and read.low - read.guess >= MUCH
    above_box = read.low > read.box
    if not is_much:
        sentence = (
            f"The background alone says little about the label: {read.background:.0%} can be read off it, where "
            f"guessing gives {read.guess:.0%}."
        )
        action = "Nothing to do."
    elif above_box:
        sentence = _background_sentence(read)
        action = (
            "Check that the backgrounds of new pictures will be like these; else collect each class before more of "
            "the others' backgrounds."
        )
    else:
        sentence = f"{_background_sentence(read)[:-1]}, but place and size of the object alone give {read.box:.0%}."
        action = "Look at where the objects stand; the filling cannot hide that, so this says little about backgrounds."
    return [
        Finding(
            id="spurious.background",
            severity=Severity.ATTENTION if is_much and above_box else Severity.INFO if is_much else Severity.OK,
            sentence=sentence,
            metric=_metric("Label read off the background", read),
            action=action,
            table="spurious",
            weight=max(0.0, min(1.0, read.background - read.guess)),
        )
    ]


def _feature_finding(one: Feature) -> Finding:
    severity = Severity.PROBLEM if one.is_spurious else Severity.ATTENTION
    n = one.n_agreeing + one.n_conflicting
    return Finding(
        id=f"spurious.{one.name.replace(' ', '_')}",
        severity=severity,
        sentence=_sentence(one),
        metric=_gap(one),
        pictures=(*one.agreeing[:3], *one.conflicting[:9]),
        action=_action(one),
        table="conflicts",
        weight=one.n_conflicting / n if n else 0.0,
    )


def _words(one: Feature) -> str:
    """What a feature is called in a sentence."""
    if one.kind == BACKGROUND:
        return "the background"
    if one.kind == NEURON:
        return f"what {one.name.replace(':', ' neuron ')} of the network responds to"
    if one.kind == STATISTIC:
        return f"the statistic {one.name}"
    return f"the metadata {one.name}" if one.kind == METADATA else f"{one.name} (a kind of picture border)"


def _sentence(one: Feature) -> str:
    risk = "Shortcut risk" if one.is_risk else "Tied to one class"
    more = f" ({one.n_more:,} more features say the same)" if one.n_more else ""
    if one.verdict == "confirmed" and one.gap is None:
        return f"A person confirmed that {_words(one)} is spurious for {one.label}{more}."
    if one.gap is not None and one.gap_low is not None and one.gap_low > 0:
        word = "Spurious" if one.is_spurious else "Harmful"
        where = f"in which {_words(one)} disagrees with the label ({one.label} or not)"
        if one.kind == BACKGROUND:
            where = f"whose background is usual for the other label ({one.label} or not)"
        return f"{word}: pictures {where} are recognised {100 * one.gap:.0f} points less often{more}."
    if one.reason.startswith(NO_CONFLICT):
        return (
            f"{risk}: {_words(one)} goes with {one.label}, and hardly any picture shows one without the other"
            f"{more}, so whether a model relies on it cannot be measured here."
        )
    return f"{risk}: {_words(one)} goes with {one.label}{more}; no harm was shown."


def _gap(one: Feature) -> Metric:
    n = one.n_agreeing + one.n_conflicting
    if one.gap is None:
        return Metric(name="Accuracy lost in conflict", value=None, n=n, note=one.reason or "not measured")
    note = "accuracy where feature and label agree, less where they conflict"
    if one.before is not None and one.after is not None:
        note += f"; the worst group: {one.before:.0%}, {one.after:.0%} after fitting with balanced groups"
    return Metric(
        name="Accuracy lost in conflict",
        value=one.gap,
        low=one.gap_low,
        high=one.gap_high,
        unit="share",
        n=n,
        note=note,
    )


def _action(one: Feature) -> str:
    if one.reason.startswith(NO_CONFLICT):
        return f"Collect pictures of {one.label} without the feature and of the others with it; then audit again."
    if one.is_risk or one.is_spurious:
        return (
            "Collect more pictures like the conflicting ones (table conflicts), or train with sample_weights; test on "
            "balanced_split. Look at the pictures and record whether it is spurious (verdicts)."
        )
    if one.kind == BACKGROUND:
        return (
            "Look at the conflicting pictures: the object alone says as much, perhaps by what is left of the place. "
            "If it is the background, collect more like them or train with sample_weights; given boxes would tell."
        )
    return "It has no place in the picture: look at the conflicting pictures and record a verdict before acting."


def _blocks(result: SpuriousResult) -> tuple[Block, ...]:
    blocks: list[Block] = []
    if result.read is not None:
        blocks.append(_parts_table(result.read))
        blocks.append(TextBlock(title="Where the object is", text=_whose_boxes(result.read)))
    if result.plane:
        blocks.append(_plane(result))
    for one in result.features:
        groups = tuple(group for group in (one.agreeing, one.conflicting) if group)
        captions = [f"{one.n_agreeing:,} pictures agree: {one.label} with it, others without"] * bool(one.agreeing)
        captions += [f"{one.n_conflicting:,} pictures conflict: collect or up-weight these"] * bool(one.conflicting)
        if groups:
            blocks.append(
                ImagesBlock(title=f"{one.name}: agreeing and conflicting", groups=groups, captions=tuple(captions))
            )
    if result.features:
        blocks += [_features_table(result.features), *_remedies(result.features)]
    return tuple(blocks)


def _whose_boxes(read: Read) -> str:
    if read.n_given == read.n:
        return "Boxes of the objects come from the dataset."
    guessed = "where the network's last map is strongest (Eigen-CAM), which is not always the object"
    if read.n_given == 0:
        return f"The dataset gives no boxes, so the object is taken to be {guessed}."
    return f"{read.n_given:,} of {read.n:,} boxes come from the dataset; elsewhere the object is taken to be {guessed}."


def _parts_table(read: Read) -> TableBlock:
    rows = (
        ("the whole picture", read.whole),
        ("the object alone", read.foreground),
        ("the background alone", read.background),
        ("place and size of the filled hole alone", read.box),
        ("guessing (permuted labels)", read.guess),
    )
    return TableBlock(
        title="What the label can be read off",
        columns=(
            Column(name="part", title="From"),
            Column(name="accuracy", title="Balanced accuracy", align="right", format="percent"),
        ),
        rows=rows,
        note=f"Probes out of fold on {read.n:,} pictures; of the two fillings of the background the weaker one.",
    )


def _plane(result: SpuriousResult) -> ChartBlock:
    values = [{"name": p.name, "what": p.what, "predictivity": p.g, "availability": p.available} for p in result.plane]
    return ChartBlock(
        title="Predictivity and availability",
        description=(
            f"Each of {len(values)} examined features and classes by how well it tells a class and how easily the "
            "layers of the network give it away."
        ),
        vega_lite={
            "mark": {"type": "point", "filled": True, "size": 60},
            "data": {"values": values},
            "height": 280,
            "encoding": {
                "x": {
                    "field": "availability",
                    "type": "quantitative",
                    "title": "availability: mean share of the uncertainty that a probe of each layer removes",
                },
                "y": {"field": "predictivity", "type": "quantitative", "title": "predictivity |2 AUC − 1|"},
                "color": {"field": "what", "type": "nominal", "title": None},
                "tooltip": {"field": "name", "type": "nominal"},
            },
        },
    )


def _features_table(features: Sequence[Feature]) -> TableBlock:
    numbers = (("g", "Predictivity"), ("object", "Object alone"), ("background", "Background alone"))
    return TableBlock(
        title="The evidence",
        columns=(
            Column(name="feature", title="Feature"),
            Column(name="class", title="Class"),
            *(Column(name=name, title=title, align="right", format="number") for name, title in numbers),
            Column(name="earliest", title="Earliest layer (of the class)"),
            Column(name="level", title="Evidence"),
        ),
        rows=tuple(
            (f.name, f.label, f.g, f.foreground, f.background, f"{f.earliest} ({f.earliest_of_class})", f.level)
            for f in features
        ),
        source="spurious",
        note="E1 goes with the class, E2 from the background, E3 read earlier or simpler, E4 harmful, E5 confirmed.",
    )


def _remedies(features: Sequence[Feature]) -> tuple[TableBlock, TableBlock]:
    """The groups that the weights balance, and what the balanced split uses."""
    feature, counts = Column(name="feature", title="Feature"), {"align": "right", "format": "integer"}
    groups = tuple(
        (f.name, GROUPS[i].replace("the class", f.label).replace("another class", "others"), n, _weight(f, n))
        for f in features
        for i, n in enumerate(f.sizes)
    )
    weights = TableBlock(
        title="Weights that balance the groups",
        columns=(
            feature,
            Column(name="group", title="Group"),
            Column.model_validate({"name": "n", "title": "Pictures", **counts}),
            Column(name="weight", title="Weight of each", align="right", format="number"),
        ),
        rows=groups,
        source="sample_weights",
    )
    split = TableBlock(
        title="A split on which the feature does not pay",
        columns=(
            feature,
            Column.model_validate({"name": "train", "title": "Used for training", **counts}),
            Column.model_validate({"name": "test", "title": "Used for testing", **counts}),
        ),
        rows=tuple((f.name, *f.used) for f in features),
        source="balanced_split",
        note="As many pictures of each group in either part, copies and groups of pictures together.",
    )
    return weights, split


def _weight(one: Feature, n: int) -> float | None:
    return sum(one.sizes) / (sum(size > 0 for size in one.sizes) * n) if n else None


def _method(result: SpuriousResult) -> str:
    config = result.config
    answers = "the model's predictions" if result.used_predictions else "a linear probe out of fold"
    return (
        f"Each candidate (image statistics, neurons, kinds of picture borders, metadata) is tested by |2 AUC − 1| of "
        f"its ranks, at least {config.floor}, family-wise p at most {config.alpha} over {config.n_permutations} "
        "permutations of whole bursts. It is contextual when the background alone tells the class under both fillings "
        "and more than the object alone does. Harm is the accuracy of "
        f"{answers} where feature and label agree less where they conflict, interval over bursts and for all examined "
        'features at once. "Spurious" is said only with E1, E2 and E4 together, or by a person\'s verdict (E5). '
        f"{ANALYSIS.source}"
    )


ANALYSIS = register(
    Analysis(
        name="spurious",
        version=VERSION,
        title="Spurious features",
        question="What can the label be read off besides the object?",
        datasets=1,
        needs=frozenset({Need.EMBEDDINGS, Need.NEIGHBOURS, Need.LABELS, Need.NEURONS, Need.PARTS}),
        config=SpuriousConfig,
        result=SpuriousResult,
        compute=compute,
        section=section,
        source="Sagawa et al., ICLR 2020; Xiao et al., ICLR 2021; Hermann et al., ICLR 2024; docs/spurious.md.",
        order=65,
        tables=("spurious", "conflicts", "balanced_split", "sample_weights"),
    )
)
