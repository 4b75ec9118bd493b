"""How few neurons know each class, and each value of the metadata.

Source: W. Gurnee et al., "Finding Neurons in a Haystack: Case Studies with Sparse Probing", TMLR 2023; mathematics in
:mod:`audit.concepts.sparse`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from audit.analyses.base import Analysis, Computed, Config, Need, Result, register
from audit.concepts import sparse
from audit.maths.partitions import names_alike
from audit.maths.rows import arrange, bursts, one_a_burst, sample_bursts
from audit.model import META_PREFIX, DatasetView, Neurons
from audit.report import (
    Block,
    ChartBlock,
    Column,
    Finding,
    Metric,
    Picture,
    Section,
    Severity,
    TableBlock,
    TextBlock,
)
from audit.settings.attributes import says_nothing
from audit.shown import counted, picture

VERSION = 3
MIN_BURSTS = 20
"""Different pictures that an attribute and the rest need, each."""

MAX_VALUES = 30
"""Distinct values beyond which a column of the metadata is no attribute."""

ALONE = 0.9
"""Balanced accuracy, at its lower bound, from which one neuron is said to know an attribute."""

MAX_FINDINGS = 3
N_PICTURES = 6
N_CHARTED = 6
MAX_NUMBERS = 40_000_000
"""Activations held in memory: images times neurons."""

TABLE_SCHEMA = pa.schema(
    [
        pa.field("attribute", pa.string(), nullable=False),
        pa.field("value", pa.string(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),
        pa.field("k", pa.int64(), nullable=False),
        pa.field("accuracy", pa.float64(), nullable=False),
        pa.field("low", pa.float64(), nullable=False),
        pa.field("high", pa.float64(), nullable=False),
        pa.field("neurons", pa.string(), nullable=False),
    ]
)
"""A row for every attribute, value and number of neurons k.

accuracy : balanced, on bursts that neither chose nor fitted the neurons
neurons : ``layer/neuron`` of the k chosen with all images, separated by blanks
"""


class SparseProbesConfig(Config):
    """What is asked of the neurons."""

    max_images: int = Field(5_000, ge=200, description="At most so many images are used, bursts whole.")
    max_attributes: int = Field(
        40, ge=1, le=500, description="Classes and values of metadata, the most frequent first."
    )


class Level(Result):
    """Balanced accuracy with k neurons."""

    k: int
    accuracy: float
    low: float
    high: float


class Attribute(Result):
    """One class or value, told from the rest."""

    name: str
    value: str
    n: int
    levels: tuple[Level, ...]
    layer: str
    neuron: int
    n_same: int
    pictures: tuple[Picture, ...] = ()


class SparseProbesResult(Result):
    """What the section is written from."""

    n: int
    n_neurons: int = 0
    n_left_out: int = 0
    reason: str = ""
    attributes: tuple[Attribute, ...] = ()


@dataclass(frozen=True)
class _Asked:
    name: str
    value: str
    is_so: npt.NDArray[np.bool_]


def compute(views: Sequence[DatasetView], config: SparseProbesConfig, rng: np.random.Generator) -> Computed:
    """Probe classes and values of the metadata with few neurons."""
    view = arrange(views[0])
    own = bursts(view)
    neurons = view.neurons
    asked = _attributes(view, own)
    reason = _reason(neurons, asked)
    if neurons is None or reason:
        return Computed(SparseProbesResult(n=len(view), reason=reason), {"sparse_probes": TABLE_SCHEMA.empty_table()})
    n_neurons = neurons.values.shape[1]
    rows = sample_bursts(own, min(config.max_images, MAX_NUMBERS // n_neurons), rng)
    kept = [a for a in asked if _is_enough(a.is_so[rows], own[rows])][: config.max_attributes]
    if not kept:
        reason = "too few different pictures of each value in the sample"
        return Computed(SparseProbesResult(n=len(view), reason=reason), {"sparse_probes": TABLE_SCHEMA.empty_table()})
    values = np.nan_to_num(neurons.values[rows].astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    known = sparse.sparse_probes(values, np.stack([a.is_so[rows] for a in kept], axis=1), own[rows], rng)
    found = tuple(
        _attribute(a, one, neurons, _strongest(view, rows, a.is_so[rows], values[:, one.neurons[0]], own))
        for a, one in zip(kept, known, strict=True)
    )
    ordered = tuple(sorted(found, key=lambda a: (-a.levels[0].low, a.name, a.value)))
    n_left_out = len(asked) - len(kept)
    result = SparseProbesResult(n=len(rows), n_neurons=n_neurons, n_left_out=n_left_out, attributes=ordered)
    return Computed(result, {"sparse_probes": _table(kept, known, neurons)})


def section(result: SparseProbesResult) -> Section:
    """Name what a single neuron knows, and show how accuracy grows with more."""
    return Section(
        id="sparse_probes",
        title=ANALYSIS.title,
        question=ANALYSIS.question,
        summary=_summary(result),
        analysis=ANALYSIS.name,
        version=VERSION,
        findings=_findings(result),
        headline=(_headline(result),),
        blocks=_blocks(result),
        method=(
            "Neurons are means over the places of a picture, all layers together. One after another the neuron is "
            "taken that correlates most with what those before it leave unexplained (orthogonal matching pursuit); "
            f"both sides weigh the same. Choosing and fitting see {sparse.N_FOLDS - 1} of {sparse.N_FOLDS} folds, "
            "accuracy is measured on the other, with copies and groups whole. Intervals are bootstrap samples of "
            "bursts. "
            f"{ANALYSIS.source}"
        ),
    )


# numbers -------------------------------------------------------------------------------------------------------------


def _attributes(view: DatasetView, own: npt.NDArray[np.int64]) -> list[_Asked]:
    """Classes, then values of the metadata, the most frequent first; of two that complete each other only one."""
    found: list[_Asked] = []
    columns = [("class", "label"), *((c.removeprefix(META_PREFIX), c) for c in _metadata(view))]
    for name, column in columns:
        values = view.column(column)
        if column.startswith(META_PREFIX):
            values = [None if says_nothing(value) else value for value in values]
        known = np.array([value is not None for value in values], dtype=np.bool_)
        texts = np.array([str(value) for value in values], dtype=object)
        distinct = sorted(set(texts[known].tolist()))
        asked = [_Asked(name, value, known & (texts == value)) for value in distinct]
        usable = [a for a in asked if _is_enough(a.is_so, own)]
        if len(distinct) == 2 and known.all():
            usable = usable[:1]
        found += sorted(usable, key=lambda a: (-int(a.is_so.sum()), a.value))
    return found


def _metadata(view: DatasetView) -> list[str]:
    """Columns of the user with 2 to 30 different texts, whole numbers or truths that do not just rename the classes."""
    kept, labels = [], view.column("label")
    for column in view.circumstances:
        kind = view.images.schema.field(column).type
        is_discrete = pa.types.is_string(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
        if is_discrete:
            values = view.column(column)
            is_asked = 2 <= len(set(values) - {None}) <= MAX_VALUES and not names_alike(values, labels)
            kept += [column] if is_asked else []
    return kept


def _is_enough(is_so: npt.NDArray[np.bool_], own: npt.NDArray[np.int64]) -> bool:
    return min(len(np.unique(own[is_so])), len(np.unique(own[~is_so]))) >= MIN_BURSTS


def _reason(neurons: Neurons | None, asked: Sequence[_Asked]) -> str:
    if neurons is None or neurons.values.shape[1] < sparse.KS[-1]:
        return "the neurons of each picture were not kept"
    if not asked:
        return f"it takes a class or value with {MIN_BURSTS} different pictures beside {MIN_BURSTS} others"
    return ""


def _place(neurons: Neurons, number: int) -> tuple[str, int]:
    """Layer of a neuron, and its number there."""
    return next((name, number - s.start) for name, s in neurons.layers.items() if s.start <= number < s.stop)


def _strongest(
    view: DatasetView,
    rows: npt.NDArray[np.int64],
    is_so: npt.NDArray[np.bool_],
    values: npt.NDArray[np.float32],
    own: npt.NDArray[np.int64],
) -> tuple[Picture, ...]:
    """The pictures that a neuron says most surely are so, one of a burst, whatever they are."""
    signed = values if values[is_so].mean() > values[~is_so].mean() else -values
    order = rows[np.lexsort((rows, -signed))]
    chosen = one_a_burst(order, own, N_PICTURES)
    so = set(rows[is_so].tolist())
    return tuple(picture(view, int(row), "" if int(row) in so else "not one of them") for row in chosen)


def _attribute(asked: _Asked, known: sparse.Known, neurons: Neurons, pictures: tuple[Picture, ...]) -> Attribute:
    layer, neuron = _place(neurons, int(known.neurons[0]))
    levels = tuple(
        Level(k=k, accuracy=float(known.accuracy[i]), low=float(known.low[i]), high=float(known.high[i]))
        for i, k in enumerate(sparse.KS)
    )
    return Attribute(
        name=asked.name,
        value=asked.value,
        n=int(asked.is_so.sum()),
        levels=levels,
        layer=layer,
        neuron=neuron,
        n_same=known.n_same,
        pictures=pictures,
    )


def _table(asked: Sequence[_Asked], known: Sequence[sparse.Known], neurons: Neurons) -> pa.Table:
    rows = []
    for a, one in zip(asked, known, strict=True):
        names = ["{}/{}".format(*_place(neurons, int(number))) for number in one.neurons]
        for i, k in enumerate(sparse.KS):
            row = {"attribute": a.name, "value": a.value, "n": int(a.is_so.sum()), "k": k}
            numbers = {"accuracy": one.accuracy[i], "low": one.low[i], "high": one.high[i]}
            rows.append(row | numbers | {"neurons": " ".join(names[:k])})
    return pa.Table.from_pylist(rows, schema=TABLE_SCHEMA)


# words ---------------------------------------------------------------------------------------------------------------


def _alone(result: SparseProbesResult) -> list[Attribute]:
    return [a for a in result.attributes if a.levels[0].low >= ALONE]


def _called(attribute: Attribute) -> str:
    return attribute.value if attribute.name == "class" else f"{attribute.name} = {attribute.value}"


def _summary(result: SparseProbesResult) -> str:
    if result.reason:
        return f"Not asked: {result.reason}."
    best = result.attributes[0]
    n_alone = len(_alone(result)) or "none"
    return (
        f"Of {counted(len(result.attributes), 'class or value', 'classes and values')}, a single neuron surely knows "
        f"{n_alone}; best known is {_called(best)}, told from the rest with an accuracy of "
        f"{best.levels[0].accuracy:.1%} by one neuron of layer {best.layer}."
    )


def _headline(result: SparseProbesResult) -> Metric:
    name = "Known to one neuron"
    if result.reason:
        return Metric(name=name, value=None, n=result.n, note=result.reason)
    note = f"of {len(result.attributes)}; the accuracy is surely at least {ALONE:.0%}, so the count has no interval"
    return Metric(name=name, value=len(_alone(result)), unit="classes and values", n=result.n, note=note)


def _findings(result: SparseProbesResult) -> tuple[Finding, ...]:
    return tuple(_finding(place, a, result) for place, a in enumerate(_alone(result)[:MAX_FINDINGS], 1))


def _finding(place: int, attribute: Attribute, result: SparseProbesResult) -> Finding:
    one = attribute.levels[0]
    return Finding(
        id=f"sparse_probes.alone-{place}",
        severity=Severity.INFO,
        sentence=(
            f"One neuron of layer {attribute.layer} tells {_called(attribute)} from the rest with an accuracy of "
            f"{one.accuracy:.1%} ({one.low:.1%} to {one.high:.1%})."
        ),
        metric=Metric(
            name=f"Accuracy with neuron {attribute.neuron} of {attribute.layer}",
            value=one.accuracy,
            low=one.low,
            high=one.high,
            unit="share",
            n=result.n,
            note=f"balanced, held out (50% = guessing); {attribute.n_same} of {sparse.N_FOLDS} folds took this neuron",
        ),
        pictures=attribute.pictures,
        action=(
            "What a single neuron knows a model learns first. If it is a colour, a texture or a background and not the "
            "thing itself, collect pictures in which the two do not go together."
        ),
        weight=min(attribute.n / max(result.n, attribute.n), 1.0),
    )


def _blocks(result: SparseProbesResult) -> tuple[Block, ...]:
    if not result.attributes:
        return ()
    rest = f" {counted(result.n_left_out, 'value')} more had too few pictures or no place." * bool(result.n_left_out)
    return (
        _chart(result.attributes[:N_CHARTED]),
        _rows(result.attributes),
        TextBlock(
            title="How far to trust this",
            text=(
                f"{result.n_neurons:,} neurons of the extractor were asked about {result.n:,} pictures. Neurons are "
                "chosen without the pictures they are tested on, so choosing the best of many does not raise the "
                f"accuracy. An early layer that suffices points to colour or texture, a late one to shapes.{rest}"
            ),
        ),
    )


def _chart(attributes: Sequence[Attribute]) -> ChartBlock:
    values = [
        {"neurons": level.k, "accuracy": level.accuracy, "what": _called(a)} for a in attributes for level in a.levels
    ]
    encoding = {
        "x": {"field": "neurons", "type": "ordinal", "title": "number of neurons", "axis": {"labelAngle": 0}},
        "y": {
            "field": "accuracy",
            "type": "quantitative",
            "title": "accuracy",
            "scale": {"zero": False},
            "axis": {"format": ".0%"},
        },
        "color": {"field": "what", "type": "nominal", "title": None},
    }
    return ChartBlock(
        title="Accuracy against the number of neurons",
        description="Balanced accuracy on held-out pictures for those that one neuron knows best; 50% is guessing.",
        vega_lite={
            "mark": {"type": "line", "point": True},
            "data": {"values": values},
            "encoding": encoding,
            "width": 560,
            "height": 240,
        },
    )


def _rows(attributes: Sequence[Attribute]) -> TableBlock:
    columns = (
        Column(name="what", title="Class or value"),
        Column(name="n", title="Pictures", align="right", format="integer"),
        *(
            Column(name=f"k{k}", title=f"{k} neuron{'s' if k > 1 else ''}", align="right", format="percent")
            for k in sparse.KS
        ),
        Column(name="interval", title="95% interval with one"),
        Column(name="neuron", title="First neuron"),
    )
    rows = tuple(
        (
            _called(a),
            a.n,
            *(level.accuracy for level in a.levels),
            f"{a.levels[0].low:.1%} to {a.levels[0].high:.1%}",
            f"{a.layer}/{a.neuron}",
        )
        for a in attributes
    )
    return TableBlock(
        title="Accuracy with few neurons",
        columns=columns,
        rows=rows,
        source="sparse_probes",
        note="Balanced accuracy on pictures that neither chose nor fitted the neurons.",
    )


ANALYSIS = register(
    Analysis(
        name="sparse_probes",
        version=VERSION,
        title="Few neurons",
        question="How few neurons know a class or a circumstance?",
        datasets=1,
        needs=frozenset({Need.EMBEDDINGS, Need.NEIGHBOURS, Need.NEURONS, Need.METADATA}),
        config=SparseProbesConfig,
        result=SparseProbesResult,
        compute=compute,
        section=section,
        source="Gurnee et al., TMLR 2023 (sparse probing); Pati, Rezaiifar, Krishnaprasad, 1993 (selection).",
        order=68,
        tables=("sparse_probes",),
    )
)
