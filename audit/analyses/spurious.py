"""Spurious features: what can the label be read off besides the object, and does it do harm?

Source: docs/spurious.md; S. Sagawa et al., ICLR 2020 (groups); K. Xiao et al., ICLR 2021 (backgrounds alone);
K. Hermann et al., ICLR 2024 (predictivity and availability); the mathematics is in :mod:`audit.spurious`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from audit.analyses.base import Analysis, Computed, Need, register
from audit.maths.intervals import wilson
from audit.maths.rows import arrange
from audit.model import DatasetView
from audit.report import (
    Block,
    ChartBlock,
    Column,
    Finding,
    Metric,
    Section,
    Severity,
    TableBlock,
)
from audit.shown import counted
from audit.spurious import remedies
from audit.spurious.candidates import BACKGROUND, METADATA
from audit.spurious.choice import chosen, leads
from audit.spurious.evidence import CONFIRMED, SpuriousConfig
from audit.spurious.harm import NO_CONFLICT
from audit.spurious.results import SPURIOUS_SCHEMA, Feature, Read, SpuriousResult, nothing, result, table
from audit.spurious.study import judged, study
from audit.spurious.words import clause, exceptions, listed, shares

VERSION = 7
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
        empty = {"spurious": SPURIOUS_SCHEMA.empty_table(), **remedies.empty()}
        return Computed(nothing(sample, n_labelled, config, reason), empty)
    found = study(sample, config, rng)
    ties = chosen(found)
    shown = leads(ties)
    tables = {
        "spurious": table(found),
        "conflicts": remedies.conflicts(sample, found, shown),
        "balanced_split": remedies.balanced_split(sample, found, shown, rng),
        "sample_weights": remedies.sample_weights(sample, found, shown),
    }
    return Computed(result(sample, found, ties, tables["balanced_split"], config), tables)


def section(result: SpuriousResult) -> Section:
    """Say which class has a shortcut and what it costs, how much the background gives away, and what to do."""
    findings = [] if result.reason else [*map(_feature_finding, result.features), *_background_findings(result)]
    return Section(
        id="spurious",
        title=ANALYSIS.title,
        question=ANALYSIS.question,
        summary=_summary(result),
        analysis=ANALYSIS.name,
        version=VERSION,
        findings=_in_this_order(findings),
        headline=(_headline(result),),
        blocks=() if result.reason else _blocks(result),
        method=_method(result),
    )


def _in_this_order(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings, none of which weighs more than one before it: a report sorts them by weight."""
    weights = accumulate((one.weight for one in findings), min)
    return tuple(one.model_copy(update={"weight": weight}) for one, weight in zip(findings, weights, strict=True))


def _summary(result: SpuriousResult) -> str:
    if result.reason:
        return f"Not judged; there are too few: {result.reason}."
    first = _background_sentence(result.read) if result.read else NOT_PLACED
    return f"{first} {_shortcuts(result.features)}"


def _shortcuts(features: Sequence[Feature]) -> str:
    """Which classes have a shortcut, or may have one."""
    sure = [f"“{one.label}”" for one in features if one.is_spurious]
    if sure:
        return f"The evidence for a shortcut is complete for {listed(sure)}."
    maybe = [f"“{one.label}”" for one in features if not one.is_look]
    if maybe:
        return f"A model may take a shortcut for {listed(maybe)}; the evidence is not complete."
    return "No shortcut was found."


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
    if read is None or any(one.is_background and (one.is_risk or one.is_spurious) for one in result.features):
        return []  # the finding on that class says it, and the summary the number
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
    severity = Severity.PROBLEM if one.is_spurious else Severity.INFO if one.is_look else Severity.ATTENTION
    return Finding(
        id=f"spurious.{one.name.replace(' ', '_')}",
        severity=severity,
        sentence=_sentence(one),
        metric=_gap(one) if one.gap is not None else _share(one),
        pictures=(*one.agreeing[:3], *one.conflicting[:3]) if one.is_look else (*one.agreeing, *one.conflicting),
        action=_action(one),
        table="conflicts",
        weight=(one.sizes[2] + one.sizes[3]) / max(1, sum(one.sizes)),
    )


def _sentence(one: Feature) -> str:
    if one.gap is not None and one.gap_low is not None and one.gap_low > 0:
        return _harmful(one, f"are recognised {counted(round(100 * one.gap), 'point')} less often")
    if one.verdict == CONFIRMED:
        return f"A person confirmed a shortcut for “{one.label}”: {shares(one)}."
    kind = "A possible shortcut in the background of" if one.is_risk else "Something else than the object marks"
    if one.is_look:
        kind = "The look of whole pictures, which the object may cause, marks"
    told = next((also for also in one.also if one.is_background and also.kind == METADATA), one)
    costs = "with too few exceptions to measure the harm" if one.gap is None else "but no harm was shown"
    return f"{kind} “{one.label}”: {shares(told)}, {costs}."


def _harmful(one: Feature, costs: str) -> str:
    if one.is_background:
        kind = "A shortcut" if one.is_spurious else "Perhaps a shortcut"
        return f"{kind} in the background of “{one.label}”: pictures whose background does not fit {costs}."
    kind = "A shortcut for" if one.is_spurious else "Perhaps a shortcut for"
    return f"{kind} “{one.label}”: {clause(one)}, and pictures where that does not fit the label {costs}."


def _gap(one: Feature) -> Metric:
    n = one.n_agreeing + one.n_conflicting
    note = "accuracy where background and label agree" if one.is_background else "accuracy where it fits the label"
    note += ", less where they conflict" if one.is_background else ", less where it does not"
    if one.before is not None and one.after is not None:
        note += f"; the worst group: {one.before:.0%}, {one.after:.0%} after fitting with balanced groups"
    return Metric(
        name="Accuracy lost in conflict",
        value=one.gap,
        low=one.gap_low,
        high=one.gap_high,
        unit="share",
        n=n,
        note=f"{note}; {_evidence(one)}",
    )


def _share(one: Feature) -> Metric:
    """How many of the class have it, where what it costs cannot be measured; pictures count as independent."""
    _, _, without, having = one.sizes
    low, high = wilson(having, without + having) if without + having else (None, None)
    note = f"{one.outside:.0%} of the others; {one.reason or 'harm was not measured'}; {_evidence(one)}"
    return Metric(
        name=f"Pictures of “{one.label}” that have it",
        value=one.inside,
        low=low,
        high=high,
        unit="share",
        n=without + having,
        note=note,
    )


def _evidence(one: Feature) -> str:
    """What it is called in the tables, its levels of evidence, and what else says the same."""
    also = [
        f"{'the background as a whole' if other.is_background else clause(other)} "
        f"({other.inside:.0%} against {other.outside:.0%})"
        for other in one.also
    ]
    more = [f"{counted(one.n_more, 'more feature')} of this class"] * bool(one.n_more)
    same = f"; the same say {listed([*also, *more])}" if also or more else ""
    return f"told by {one.name}, evidence {one.level or 'none'}{same}"


_WEIGHTED = ", or train with sample_weights, which helped the worst group here"


def _action(one: Feature) -> str:
    if one.reason.startswith(NO_CONFLICT):
        return f"Collect {exceptions(one)} (table conflicts lists the few there are); then audit again."
    if one.is_risk or one.is_spurious:
        is_helped = one.before is not None and one.after is not None and one.after > one.before
        return (
            f"Collect more pictures like the conflicting ones (table conflicts){_WEIGHTED if is_helped else ''}; test "
            "on balanced_split. Look at the pictures and record whether it is a shortcut (assay verdict)."
        )
    if one.kind == BACKGROUND:
        return (
            "Look at the conflicting pictures: the object alone says as much, perhaps by what is left of the place. "
            "If it is the background, collect more like them or train with sample_weights; given boxes would tell."
        )
    return "Look at the conflicting pictures, and record whether it is a shortcut (assay verdict) before acting."


def _blocks(result: SpuriousResult) -> tuple[Block, ...]:
    blocks: list[Block] = []
    if result.features:
        blocks += [_features_table(result), _remedies(result.features)]
    if result.read is not None:
        blocks.append(_parts_table(result.read))
    if result.plane:
        blocks.append(_plane(result))
    return tuple(blocks)


def _whose_boxes(read: Read) -> str:
    if read.n_given == read.n:
        return "Boxes of the objects come from the dataset."
    guessed = "where the network's last map is strongest (Eigen-CAM), which is not always the object"
    middle = "of such a box the middle half of the sides is shown as the object alone"
    if read.n_given == 0:
        return f"The dataset gives no boxes, so the object is taken to be {guessed}; {middle}."
    given = f"{read.n_given:,} of {read.n:,} boxes come from the dataset"
    return f"{given}; elsewhere the object is taken to be {guessed}; {middle}."


_UNSEEN = (
    " What is shown of the object tells too little of the label to be taken for it, so nothing is said to lie in the "
    "background (E2): give boxes of the objects."
)


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
        note=(
            f"Probes out of fold on {read.n:,} pictures; of the two fillings of the background the weaker one. "
            f"{_whose_boxes(read)}{'' if read.shows_object else _UNSEEN}"
        ),
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
            "height": 200,
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


def _features_table(result: SpuriousResult) -> TableBlock:
    numbers = (("g", "Predictivity"), ("object", "Object alone"), ("background", "Background alone"))
    return TableBlock(
        title="The evidence",
        columns=(
            Column(name="class", title="Class"),
            Column(name="feature", title="Feature"),
            *(Column(name=name, title=title, align="right", format="number") for name, title in numbers),
            Column(name="earliest", title="Earliest layer (of the class)"),
            Column(name="level", title="Evidence"),
        ),
        rows=tuple(
            (f.label, f.name, f.g, f.foreground, f.background, f"{f.earliest} ({f.earliest_of_class})", f.level)
            for f in result.features
        ),
        source="spurious",
        note=(
            "E1 goes with the class, E2 from the background, E3 read earlier or simpler, E4 harmful, E5 confirmed. "
            f"{result.n_associated:,} of {result.n_candidates:,} candidates go with a class beyond chance, "
            f"{result.n_risks:,} of them from the background."
        ),
    )


def _remedies(features: Sequence[Feature]) -> TableBlock:
    """The groups that the weights balance, and how many pictures the balanced split uses."""
    counts = ("of the class, with it", "of the class, without it", "others, with it", "others, without it")
    more = ("heaviest weight", "train", "test")
    return TableBlock(
        title="What weights and a balanced split make of it",
        columns=(
            Column(name="class", title="Class"),
            *(Column(name=name, title=name.capitalize(), align="right", format="integer") for name in counts),
            Column(name=more[0], title="Heaviest weight", align="right", format="number"),
            *(Column(name=name, title=f"Used to {name}", align="right", format="integer") for name in more[1:]),
        ),
        rows=tuple((f.label, *(f.sizes[i] for i in (3, 2, 1, 0)), _heaviest(f), *f.used) for f in features),
        source="sample_weights",
        note=(
            "Weights give the four groups the same sum; the mean weight is 1. The balanced split uses as many pictures "
            "of each group in either part, copies and groups of pictures together."
        ),
    )


def _heaviest(one: Feature) -> float:
    held = [size for size in one.sizes if size]
    return sum(held) / (len(held) * min(held)) if held else 0.0


def _method(result: SpuriousResult) -> str:
    config = result.config
    answers = "the model's predictions" if result.used_predictions else "a linear probe out of fold"
    return (
        "Each candidate (image statistics, neurons, kinds of picture borders, metadata, patterns of the last map) is "
        f"tested by |2 AUC − 1| of "
        f"its ranks, at least {config.floor}, family-wise p at most {config.alpha} over {config.n_permutations} "
        "permutations of whole bursts. It is contextual when the background alone tells the class under both fillings "
        "and more than the object alone does; of patterns the table says instead where their heat lies. Harm is the "
        "accuracy of "
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
        needs=frozenset({Need.EMBEDDINGS, Need.NEIGHBOURS, Need.LABELS, Need.NEURONS, Need.PARTS, Need.METADATA}),
        config=SpuriousConfig,
        result=SpuriousResult,
        compute=compute,
        section=section,
        source="Sagawa et al., ICLR 2020; Xiao et al., ICLR 2021; Hermann et al., ICLR 2024; docs/spurious.md.",
        order=65,
        tables=("spurious", "conflicts", "balanced_split", "sample_weights"),
    )
)
