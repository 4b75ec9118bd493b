"""How far the neurons of an extractor see two datasets apart, by layer and neuron, beside what sampling alone gives.

Source: Ramtoula, Gadd, Newman, De Martini, "Visual DNA", CVPR 2023; floor and correction as in docs/visual-dna.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field
from scipy.stats import t as student

from audit.analyses.base import Analysis, Computed, Config, Need, Result, register
from audit.dna import Dna, check_comparable
from audit.maths import distances
from audit.maths.histograms import INNER_BINS, MEAN_UNIT
from audit.model import DatasetView
from audit.report import Block, ChartBlock, Column, Finding, Metric, MetricBlock, Section, Severity, TableBlock

VERSION = 2
RATIO = 1.5
"""Times its floor from which a distance is called a difference: random halves of three real sets stayed below."""
NOTABLE, LARGE = 0.2, 0.5
"""Small and medium effect after Cohen (1988): a pure shift of the mean by δ SD has W1 = δ SD."""
MIN_BUCKETS = 8
SHOWN_BINS = 42
PEER_BINS = 1000

Doubles = npt.NDArray[np.float64]

TABLE_SCHEMA = pa.schema(
    [
        pa.field("layer", pa.string(), nullable=False),
        pa.field("neuron", pa.int32(), nullable=False),
        pa.field("dead", pa.bool_(), nullable=False),
        pa.field("distance", pa.float64()),
        pa.field("floor", pa.float64()),
        pa.field("corrected", pa.float64()),
        pa.field("ratio", pa.float64()),
        pa.field("distance_bins", pa.float64()),
        pa.field("mean_reference", pa.float64()),
        pa.field("mean_candidate", pa.float64()),
    ]
)
"""One row per neuron, in the extractor's order.

dead : constant in calibration, left out of layer and total
distance, floor, corrected : in standard deviations of the reference; null where one side has too few images
ratio : distance / floor; null where the floor is 0
distance_bins : distance in thousandths of the neuron's range
mean_reference, mean_candidate : mean activation, in the neuron's own unit
"""


class DnaConfig(Config):
    """What of the comparison is shown."""

    n_shown: int = Field(4, ge=0, le=12, description="Most different neurons whose histograms are drawn.")
    level: float = Field(0.95, gt=0.5, lt=1, description="Level of the interval of the distance.")


class LayerDistance(Result):
    """One layer, in standard deviations of the reference; means over its living neurons."""

    layer: str
    n_neurons: int
    n_dead: int
    distance: float
    floor: float
    corrected: float
    ratio: float | None
    median: float
    share_above: float
    """Share of neurons whose distance is at least 1.5 times their floor."""


class ShownNeuron(Result):
    """One neuron's two histograms: share of positions in 42 equal parts of its range."""

    layer: str
    neuron: int
    corrected: float
    low: float
    high: float
    reference: tuple[float, ...]
    candidate: tuple[float, ...]


class DnaResult(Result):
    """What the section is written from; distances are None when a side has fewer than two images."""

    names: tuple[str, str]
    n_images: tuple[int, int]
    distance: float | None
    floor: float | None
    corrected: float | None
    ratio: float | None
    low: float | None
    high: float | None
    level: float
    n_buckets: int
    plain_bins: float | None
    layers: tuple[LayerDistance, ...]
    neurons: tuple[ShownNeuron, ...]
    calibration: str


@dataclass(frozen=True)
class _PerNeuron:
    """Distances of each of N neurons in SD of the reference, and the weights of the mean of means."""

    sd: Doubles
    distance: Doubles
    floor: Doubles
    living: npt.NDArray[np.bool_]
    weights: Doubles


def compute(views: Sequence[DatasetView], config: DnaConfig, rng: np.random.Generator) -> Computed:
    """Compare the DNA of the reference (first) and the candidate.

    Raises
    ------
    FingerprintMismatchError
        If they were made by different extractors or ranges.
    """
    del rng
    reference, candidate = (_dna(view) for view in views)
    check_comparable(reference, candidate)
    each = _per_neuron(reference, candidate)
    table = _table(reference, candidate, each)
    enough = min(reference.size, candidate.size) >= 2 and bool(each.living.any())
    total = _total(reference, candidate, each, config.level) if enough else _nothing()
    result = DnaResult(
        names=(views[0].name, views[1].name),
        n_images=(reference.size, candidate.size),
        level=config.level,
        layers=_layers(reference, each) if enough else (),
        neurons=_shown(reference, candidate, each, config.n_shown) if enough else (),
        calibration=reference.ranges.calibration,
        **total,
    )
    return Computed(result, {"dna_neurons": table})


def _dna(view: DatasetView) -> Dna:
    if view.dna is None:
        raise ValueError(f"the view of {view.name!r} was made without Visual DNA")
    return view.dna


def _per_neuron(reference: Dna, candidate: Dna) -> _PerNeuron:
    sd = distances.standard_deviation(reference)
    distance = distances.wasserstein(reference, candidate) / sd
    floor = distances.floor(reference, candidate) / sd
    living = ~reference.ranges.dead & np.isfinite(distance) & np.isfinite(floor)
    weights = np.zeros(len(sd))
    alive = [rows for rows in reference.ranges.slices.values() if living[rows].any()]
    for rows in alive:
        weights[rows] = living[rows] / living[rows].sum() / len(alive)
    return _PerNeuron(sd, distance, floor, living, weights)


def _weighted(values: Doubles, weights: Doubles) -> float:
    used = weights > 0
    return float(values[used] @ weights[used])


def _total(reference: Dna, candidate: Dna, each: _PerNeuron, level: float) -> dict[str, float | int | None]:
    distance, floor = _weighted(each.distance, each.weights), _weighted(each.floor, each.weights)
    corrected = float(np.sqrt(max(0.0, distance**2 - floor**2)))
    error, n_buckets = distances.bucket_error(reference, candidate, each.weights / each.sd)
    reach = float(student.ppf((1 + level) / 2, n_buckets - 1)) * error if n_buckets >= MIN_BUCKETS else None
    bins = _weighted(each.distance * each.sd, each.living / each.living.sum())
    return {
        "distance": distance,
        "floor": floor,
        "corrected": corrected,
        "ratio": distance / floor if floor > 0 else None,
        "low": None if reach is None else max(0.0, corrected - reach),
        "high": None if reach is None else corrected + reach,
        "n_buckets": n_buckets,
        "plain_bins": bins * PEER_BINS / INNER_BINS,
    }


def _nothing() -> dict[str, float | int | None]:
    names = ("distance", "floor", "corrected", "ratio", "low", "high", "plain_bins")
    return {**dict.fromkeys(names), "n_buckets": 0}


def _layers(reference: Dna, each: _PerNeuron) -> tuple[LayerDistance, ...]:
    found = []
    for name, rows in reference.ranges.slices.items():
        living = each.living[rows]
        if not living.any():
            continue
        distance, floor = each.distance[rows][living], each.floor[rows][living]
        d, f = float(distance.mean()), float(floor.mean())
        found.append(
            LayerDistance(
                layer=name,
                n_neurons=int(living.sum()),
                n_dead=int((~living).sum()),
                distance=d,
                floor=f,
                corrected=float(np.sqrt(max(0.0, d * d - f * f))),
                ratio=d / f if f > 0 else None,
                median=float(np.median(distance)),
                share_above=float(((distance > 0) & (distance >= RATIO * floor)).mean()),
            )
        )
    return tuple(found)


def _shown(reference: Dna, candidate: Dna, each: _PerNeuron, n: int) -> tuple[ShownNeuron, ...]:
    score = np.where(each.living, distances.corrected(each.distance, each.floor), -1.0)
    order = np.lexsort((np.arange(len(score)), -score))[:n]
    layer_of = [(name, i) for name, layer in reference.ranges.layers.items() for i in range(len(layer.low))]
    shown = []
    for row in order:
        if score[row] <= 0:
            continue
        name, neuron = layer_of[row]
        known = reference.ranges.layers[name]
        shown.append(
            ShownNeuron(
                layer=name,
                neuron=neuron,
                corrected=float(score[row]),
                low=float(known.low[neuron]),
                high=float(known.high[neuron]),
                reference=_shares(reference, int(row)),
                candidate=_shares(candidate, int(row)),
            )
        )
    return tuple(shown)


def _shares(dna: Dna, row: int) -> tuple[float, ...]:
    """Shares of 42 equal parts of the range; what lies beyond counts in the first and last."""
    counts = dna.counts[row]
    parts = counts[1:-1].reshape(SHOWN_BINS, -1).sum(axis=1)
    parts[0] += counts[0]
    parts[-1] += counts[-1]
    return tuple(round(float(share), 6) for share in parts / max(int(counts.sum()), 1))


def _table(reference: Dna, candidate: Dna, each: _PerNeuron) -> pa.Table:
    ranges = reference.ranges
    known = np.isfinite(each.distance) & np.isfinite(each.floor)
    ratio = np.divide(each.distance, each.floor, out=np.full(len(each.sd), np.nan), where=known & (each.floor > 0))
    neurons = [np.arange(len(layer.low), dtype=np.int32) for layer in ranges.layers.values()]
    numbers = {
        "distance": each.distance,
        "floor": each.floor,
        "corrected": distances.corrected(each.distance, each.floor),
        "ratio": ratio,
        "distance_bins": each.distance * each.sd * PEER_BINS / INNER_BINS,
        "mean_reference": _means(reference),
        "mean_candidate": _means(candidate),
    }
    columns = {
        "layer": [name for name, layer in ranges.layers.items() for _ in layer.low],
        "neuron": np.concatenate([np.zeros(0, np.int32), *neurons]),
        "dead": ranges.dead,
        **{name: pa.array(values, pa.float64(), from_pandas=True) for name, values in numbers.items()},
    }
    return pa.table(columns, schema=TABLE_SCHEMA)


def _means(dna: Dna) -> Doubles:
    low = np.concatenate([np.zeros(0), *(layer.low for layer in dna.ranges.layers.values())])
    bins = np.divide(dna.mean_sum, dna.n_images * MEAN_UNIT, out=np.full(len(low), np.nan), where=dna.n_images > 0)
    means: Doubles = low + bins * dna.ranges.bin_width
    return means


def section(result: DnaResult) -> Section:
    """Say how far apart the two are and where."""
    metric = _metric(result)
    return Section(
        id="visual_dna",
        title=ANALYSIS.title,
        question=ANALYSIS.question,
        summary=_summary(result),
        analysis=ANALYSIS.name,
        version=VERSION,
        findings=_findings(result, metric),
        headline=(metric,),
        blocks=_blocks(result),
        method=(
            "For every neuron the distance is the area between the two cumulative distributions of its activations "
            "(1-D Wasserstein), in standard deviations of the reference; mean over the neurons of a layer, then over "
            "layers. Two samples of one source also differ: the floor is what sampling alone gives on average, from "
            "the variance between images, and it is taken off in squares. The interval comes from the scatter "
            f"between {result.n_buckets} buckets of images. A difference is called one from {RATIO} times the floor "
            "(random halves of real datasets stayed below), notable from "
            f"{NOTABLE} and large from {LARGE} SD (small and medium effect, Cohen 1988). Neuron ranges: "
            f"{result.calibration}. {ANALYSIS.source}"
        ),
    )


def _metric(result: DnaResult) -> Metric:
    name, n = "Visual DNA distance", sum(result.n_images)
    if result.corrected is None:
        return Metric(name=name, value=None, unit="SD", n=n, note="takes at least two images on each side")
    note = f"measured {result.distance:.3f}, of which sampling alone gives {result.floor:.3f}"
    if result.low is None:
        note += f"; no interval: the images fall in {result.n_buckets} of the {MIN_BUCKETS} buckets it takes"
    return Metric(
        name=name,
        value=result.corrected,
        low=result.low,
        high=result.high,
        level=result.level,
        unit="SD",
        n=n,
        note=note,
    )


def _differs(result: DnaResult) -> bool:
    return result.corrected is not None and result.corrected > 0 and (result.ratio is None or result.ratio >= RATIO)


def _summary(result: DnaResult) -> str:
    if result.corrected is None:
        return "One side has fewer than two images: too few to compare distributions."
    if not _differs(result):
        times = "" if result.ratio is None else f", {result.ratio:.1f} times what sampling alone gives"
        return f"The neurons see no difference beyond sampling (distance {result.distance:.3f} SD{times})."
    widest = max(result.layers, key=lambda layer: layer.corrected)
    return (
        f"The neurons see the datasets {result.corrected:.2f} SD apart beyond sampling, "
        f"most of all in the layer {widest.layer} ({widest.corrected:.2f} SD)."
    )


def _severity(result: DnaResult) -> Severity:
    if not _differs(result):
        return Severity.OK
    if result.low is not None and result.low >= LARGE:
        return Severity.PROBLEM
    return Severity.ATTENTION if result.low is not None and (result.corrected or 0) >= NOTABLE else Severity.INFO


def _findings(result: DnaResult, metric: Metric) -> tuple[Finding, ...]:
    if result.corrected is None:
        return ()
    severity = _severity(result)
    action = (
        "Look at the neurons and pictures that differ before training on one and testing on the other."
        if severity is not Severity.OK
        else "Nothing: as far as these neurons see, the two may come from one source."
    )
    return (
        Finding(
            id="visual_dna.distance",
            severity=severity,
            sentence=_summary(result),
            metric=metric,
            action=action,
            table="dna_neurons",
            weight=min(1.0, result.corrected),
        ),
    )


def _blocks(result: DnaResult) -> tuple[Block, ...]:
    if result.corrected is None:
        return ()
    peer = Metric(
        name="Plain mean over neurons",
        value=result.plain_bins,
        unit="bins of 1 000",
        n=sum(result.n_images),
        note="as the paper aggregates it, floor not taken off; no interval",
    )
    charts = (_layer_chart(result), *((_neuron_chart(result),) if result.neurons else ()))
    return (MetricBlock(metric=peer), _layer_table(result), *charts)


def _layer_table(result: DnaResult) -> TableBlock:
    names = {"distance": "Distance (SD)", "floor": "Floor (SD)", "corrected": "Beyond sampling (SD)"}
    names |= {"ratio": "Times the floor", "median": "Median neuron (SD)"}
    return TableBlock(
        title="Distance by layer",
        columns=(
            Column(name="layer", title="Layer"),
            Column(name="n_neurons", title="Neurons", align="right", format="integer"),
            *(Column(name=name, title=title, align="right", format="number") for name, title in names.items()),
            Column(name="share_above", title=f"Neurons ≥ {RATIO} × floor", align="right", format="percent"),
        ),
        rows=tuple(
            (v.layer, v.n_neurons, v.distance, v.floor, v.corrected, v.ratio, v.median, v.share_above)
            for v in result.layers
        ),
        note="Standard deviations of the reference; dead neurons left out. Each neuron: tables/dna_neurons.parquet.",
    )


def _layer_chart(result: DnaResult) -> ChartBlock:
    values = [{"layer": v.layer, "distance": round(v.distance, 6), "floor": round(v.floor, 6)} for v in result.layers]
    y = {"field": "layer", "type": "nominal", "sort": None, "title": None}
    bars = {
        "mark": {"type": "bar"},
        "encoding": {"y": y, "x": {"field": "distance", "type": "quantitative", "title": "distance (SD)"}},
    }
    ticks = {
        "mark": {"type": "tick", "thickness": 3, "size": 18},
        "encoding": {"y": y, "x": {"field": "floor", "type": "quantitative"}},
    }
    return ChartBlock(
        title="Distance of each layer, and what sampling alone gives",
        description=f"Bars of the distance of {len(values)} layers, a tick at the floor of each.",
        vega_lite={"data": {"values": values}, "layer": [bars, ticks], "width": 480},
    )


def _neuron_chart(result: DnaResult) -> ChartBlock:
    values = []
    for shown in result.neurons:
        step = (shown.high - shown.low) / SHOWN_BINS
        title = f"{shown.layer}, neuron {shown.neuron}: {shown.corrected:.2f} SD"
        sides = zip(("reference", "candidate"), result.names, (shown.reference, shown.candidate), strict=True)
        for role, name, shares in sides:
            values += [
                {
                    "neuron": title,
                    "dataset": f"{name} ({role})",
                    "at": round(shown.low + (i + 0.5) * step, 6),
                    "share": s,
                }
                for i, s in enumerate(shares)
            ]
    titles = list(dict.fromkeys(str(value["neuron"]) for value in values))
    lines = {
        "mark": {"type": "line", "interpolate": "step"},
        "width": 250,
        "height": 120,
        "encoding": {
            "x": {"field": "at", "type": "quantitative", "title": "activation", "scale": {"zero": False}},
            "y": {"field": "share", "type": "quantitative", "title": "share of positions"},
            "color": {"field": "dataset", "type": "nominal", "sort": None, "title": None},
            "strokeDash": {"field": "dataset", "type": "nominal", "sort": None, "title": None},
        },
    }
    return ChartBlock(
        title="The neurons that differ most",
        description=f"Two overlaid histograms for each of the {len(result.neurons)} most different neurons.",
        vega_lite={
            "data": {"values": values},
            "facet": {"field": "neuron", "type": "nominal", "sort": titles, "title": None},
            "columns": 2,
            "spec": lines,
            "resolve": {"scale": {"x": "independent", "y": "independent"}},
        },
    )


ANALYSIS = register(
    Analysis(
        name="visual_dna",
        version=VERSION,
        title="Visual DNA",
        question="How far apart do the extractor's neurons see the two datasets, and in which layers?",
        datasets=2,
        needs=frozenset({Need.DNA}),
        config=DnaConfig,
        result=DnaResult,
        compute=compute,
        section=section,
        source="Ramtoula et al., Visual DNA, CVPR 2023; sampling floor: docs/visual-dna.md.",
        order=110,
        tables=("dna_neurons",),
    )
)
