"""How far the neurons of an extractor see two datasets apart, by layer and neuron, beside what sampling alone gives.

Source: Ramtoula, Gadd, Newman, De Martini, "Visual DNA", CVPR 2023; floor and correction as in docs/visual-dna.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field, WithJsonSchema, field_serializer, field_validator

from audit.analyses.base import Analysis, Computed, Config, Need, register
from audit.dna import Dna, sections
from audit.dna.blocks import SHOWN_BINS
from audit.dna.bursts import by_image
from audit.dna.classes import within_classes
from audit.dna.comparing import PEER_BINS, RATIO, Asked, Comparison, compare, even_weights
from audit.dna.pictures import has_places, least_alike, seen_most
from audit.dna.results import DnaResult, LayerDistance, ShownNeuron
from audit.dna.sections import ALPHA
from audit.dna.weights import NeuronWeights, given
from audit.maths.histograms import INNER_BINS, MEAN_UNIT
from audit.model import DatasetView
from audit.report import Picture, Section

VERSION = 6
N_SEEN = 6
"""Pictures of each side that are shown of a neuron."""
N_UNLIKE = 6
N_NEURONS_SEEN = 2
"""Most different neurons whose pictures are shown; histograms are shown of more."""

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
        pa.field("cramer", pa.float64()),
        pa.field("p_max_t", pa.float64()),
        pa.field("distance_bins", pa.float64()),
        pa.field("mean_reference", pa.float64()),
        pa.field("mean_candidate", pa.float64()),
    ]
)
"""One row per neuron, in the extractor's order.

dead : constant in calibration, left out of layer and total
distance, floor, corrected : in standard deviations of the reference; null where one side has too few images
ratio : distance / floor; null where the floor is 0
cramer : unbiased squared Cramér distance, in standard deviations of the reference; 0 on average where nothing differs
p_max_t : family-wise p-value over all neurons; null where single neurons cannot be judged
distance_bins : distance in thousandths of the neuron's range
mean_reference, mean_candidate : mean activation, in the neuron's own unit
"""


SavedWeights = Annotated[
    NeuronWeights | None,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "object", "required": ["extractor", "fingerprint", "layers", "made", "name", "ranges"]},
                {"type": "null"},
            ]
        }
    ),
]
"""Weights in plain values with their fingerprint, as they were saved."""


class DnaConfig(Config):
    """What of the comparison is shown, and how surely."""

    n_shown: int = Field(4, ge=0, le=12, description="Most different neurons whose histograms are drawn.")
    level: float = Field(0.95, gt=0.5, lt=1, description="Level of the interval of the distance.")
    n_permutations: int = Field(999, ge=99, le=99_999, description="Permutations of bursts or buckets of images.")
    weights: SavedWeights = Field(
        None,
        description="Neuron weights that assay dna select saved, whole with their fingerprint; the total listens with "
        "them. In a configuration file, the name of their file.",
    )

    @field_validator("weights", mode="before")
    @classmethod
    def _given(cls, value: Any) -> Any:
        return given(value)

    @field_serializer("weights")
    def _saved(self, weights: NeuronWeights | None) -> dict[str, Any] | None:
        return None if weights is None else weights.plain()


def compute(views: Sequence[DatasetView], config: DnaConfig, rng: np.random.Generator) -> Computed:
    """Compare the DNA of the reference (first) and the candidate.

    Raises
    ------
    FingerprintMismatchError
        If they, or the weights, were made by different extractors or ranges.
    """
    reference, candidate = (_dna(view) for view in views)
    each = compare(reference, candidate, rng, _asked(views, config))
    judged = np.isfinite(each.p_neurons)
    heard = each.weights if each.weights.any() else even_weights(reference)
    unlike = least_alike(views[0], views[1], heard, N_UNLIKE)
    result = DnaResult(
        names=(views[0].name, views[1].name),
        n_images=(reference.size, candidate.size),
        level=config.level,
        n_different=int((each.p_neurons[judged] <= ALPHA).sum()) if judged.any() else None,
        n_neurons=int(each.living.sum() if config.weights is None else (each.weights > 0).sum()),
        layers=_layers(reference, each),
        neurons=_shown(views, each, config.n_shown),
        classes=within_classes(views[0], views[1], each.weights, rng),
        unlike=() if unlike is None else unlike.pictures,
        share_unlike=None if unlike is None else unlike.share,
        usual_unlike=None if unlike is None else unlike.usual,
        strangest=None if unlike is None else unlike.strangest,
        weights="" if config.weights is None else config.weights.name,
        weights_fingerprint="" if config.weights is None else config.weights.fingerprint,
        calibration=reference.ranges.calibration,
        **vars(each.total),
    )
    tables = {"dna_neurons": _table(reference, candidate, each)}
    return Computed(result, tables if unlike is None else tables | {"dna_unlike": unlike.table})


def _asked(views: Sequence[DatasetView], config: DnaConfig) -> Asked:
    reference = _dna(views[0])
    weights = None if config.weights is None else config.weights.array(reference.ranges, reference.extractor)
    return Asked(weights, config.level, config.n_permutations, images=by_image(views))


def _dna(view: DatasetView) -> Dna:
    if view.dna is None:
        raise ValueError(f"the view of {view.name!r} was made without Visual DNA")
    return view.dna


def _layers(reference: Dna, each: Comparison) -> tuple[LayerDistance, ...]:
    slices = reference.ranges.slices.items()
    return tuple(_layer(name, rows, each) for name, rows in slices if each.living[rows].any())


def _layer(name: str, rows: slice, each: Comparison) -> LayerDistance:
    living = each.living[rows]
    distance, floor = each.distance[rows][living], each.floor[rows][living]
    d, f = float(distance.mean()), float(floor.mean())
    return LayerDistance(
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


def _shown(views: Sequence[DatasetView], each: Comparison, n: int) -> tuple[ShownNeuron, ...]:
    reference, candidate = (_dna(view) for view in views)
    score = np.where(each.living, each.corrected, -1.0)
    order = np.lexsort((np.arange(len(score)), -score))[:n]
    layer_of = [(name, i) for name, layer in reference.ranges.layers.items() for i in range(len(layer.low))]
    shown = []
    for place, row in enumerate(int(row) for row in order if score[row] > 0):
        name, neuron = layer_of[row]
        known = reference.ranges.layers[name]
        p = float(each.p_neurons[row])
        shown.append(
            ShownNeuron(
                layer=name,
                neuron=neuron,
                corrected=float(score[row]),
                p_value=p if np.isfinite(p) else None,
                low=float(known.low[neuron]),
                high=float(known.high[neuron]),
                reference=_shares(reference, row),
                candidate=_shares(candidate, row),
                seen=_seen(views, row) if place < N_NEURONS_SEEN else ((), ()),
            )
        )
    return tuple(shown)


def _seen(views: Sequence[DatasetView], row: int) -> tuple[tuple[Picture, ...], tuple[Picture, ...]]:
    in_places = has_places(views, row)
    reference, candidate = (seen_most(view, row, N_SEEN, in_places=in_places) for view in views)
    return reference, candidate


def _shares(dna: Dna, row: int) -> tuple[float, ...]:
    """Shares of 42 equal parts of the range; what lies beyond counts in the first and last."""
    counts = dna.counts[row]
    parts = counts[1:-1].reshape(SHOWN_BINS, -1).sum(axis=1)
    parts[0] += counts[0]
    parts[-1] += counts[-1]
    return tuple(round(float(share), 6) for share in parts / max(int(counts.sum()), 1))


def _table(reference: Dna, candidate: Dna, each: Comparison) -> pa.Table:
    ranges = reference.ranges
    known = np.isfinite(each.distance) & np.isfinite(each.floor)
    ratio = np.divide(each.distance, each.floor, out=np.full(len(each.sd), np.nan), where=known & (each.floor > 0))
    neurons = [np.arange(len(layer.low), dtype=np.int32) for layer in ranges.layers.values()]
    numbers = {
        "distance": each.distance,
        "floor": each.floor,
        "corrected": each.corrected,
        "ratio": ratio,
        "cramer": each.cramer,
        "p_max_t": each.p_neurons,
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
    return Section(
        id="visual_dna",
        title=ANALYSIS.title,
        question=ANALYSIS.question,
        summary=sections.summary(result),
        analysis=ANALYSIS.name,
        version=VERSION,
        findings=sections.findings(result),
        headline=(sections.distance_metric(result),),
        blocks=sections.evidence(result),
        method=sections.method(result, ANALYSIS.source),
    )


ANALYSIS = register(
    Analysis(
        name="visual_dna",
        version=VERSION,
        title="Visual DNA",
        question="How far apart do the extractor's neurons see the two datasets, and in which layers?",
        datasets=2,
        needs=frozenset({Need.DNA, Need.NEURONS, Need.EMBEDDINGS, Need.NEIGHBOURS}),
        config=DnaConfig,
        result=DnaResult,
        compute=compute,
        section=section,
        source="Ramtoula et al., Visual DNA, CVPR 2023; sampling floor: docs/visual-dna.md.",
        order=110,
        tables=("dna_neurons", "dna_unlike"),
    )
)
