"""Do the splits and settings of one dataset look different to the network, beyond chance?

Source: exact 1-D Wasserstein distance of image means per neuron, exchanging whole bursts
(:mod:`audit.maths.image_distances`); neurons after Ramtoula et al., "Visual DNA", CVPR 2023.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from audit.analyses.base import Analysis, Computed, Config, Need, Result, register
from audit.dna.pictures import strangest
from audit.maths.image_distances import code_distances
from audit.maths.partitions import names_alike
from audit.maths.rows import bursts
from audit.model import META_PREFIX, DatasetView, Neurons
from audit.report import Column, Finding, Metric, Picture, Section, Severity, TableBlock
from audit.settings.attributes import says_nothing

VERSION = 3
ALPHA = 0.05
NOTABLE = 0.2
"""Standard deviations beyond chance from which a difference is notable: a small effect after Cohen (1988)."""
SPLIT = "split"
N_PICTURES = 12
MAX_ATTRIBUTES = 25
"""Attributes that are compared: p is multiplied by their number, so each one more takes more permutations of all."""

TABLE_SCHEMA = pa.schema(
    [
        pa.field("attribute", pa.string(), nullable=False),
        pa.field("value", pa.string(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),
        pa.field("distance", pa.float64(), nullable=False),
        pa.field("floor", pa.float64(), nullable=False),
        pa.field("corrected", pa.float64(), nullable=False),
        pa.field("p_max_t", pa.float64(), nullable=False),
    ]
)
"""One row per value of an attribute, compared with all its other values.

n : pictures of the value that were compared
distance, floor, corrected : in standard deviations; floor is the mean when values are exchanged among the pictures
p_max_t : family-wise over the values of the attribute, times the number of attributes
"""


class ConditionsConfig(Config):
    """What is compared."""

    max_images: int = Field(400, ge=50, le=5000, description="Most pictures that an attribute is judged by.")
    min_images: int = Field(20, ge=5, description="Pictures of a value from which it is compared.")
    max_values: int = Field(8, ge=2, le=30, description="Attributes with more values are left out.")
    n_permutations: int = Field(199, ge=99, le=9999, description="Permutations of whole bursts among the values.")


class Condition(Result):
    """One value of an attribute against its other values; units as in the table."""

    attribute: str
    value: str
    n: int
    distance: float
    floor: float
    corrected: float
    p_value: float
    pictures: tuple[Picture, ...]
    """Pictures of this value that are strangest to the others."""


class ConditionsResult(Result):
    """Every value that was compared, the widest difference first."""

    n_images: int
    conditions: tuple[Condition, ...]


def compute(views: Sequence[DatasetView], config: ConditionsConfig, rng: np.random.Generator) -> Computed:
    """Compare every value of the split and of each setting with the other values."""
    view = views[0]
    attributes = _attributes(view, config) if view.neurons is not None else {}
    config = config.model_copy(update={"n_permutations": _n_permutations(config, len(attributes))})
    found = [one for name, values in attributes.items() for one in _compared(view, name, values, config, rng)]
    p = [min(1.0, one.p_value * len(attributes)) for one in found]
    judged = [one.model_copy(update={"p_value": value}) for one, value in zip(found, p, strict=True)]
    judged.sort(key=lambda one: (one.p_value > ALPHA, -one.corrected, one.attribute, one.value))
    return Computed(ConditionsResult(n_images=len(view), conditions=tuple(judged)), {"conditions": _table(judged)})


def _attributes(view: DatasetView, config: ConditionsConfig) -> dict[str, list[str | None]]:
    """Split and settings by name: a value for every image, None where it has none or one that is too rare.

    A column that names the classes, or the splits, in other words is no setting. Of many columns those known of most
    images are taken.
    """
    labels, splits = view.column("label"), view.column(SPLIT)
    columns = [SPLIT, *view.circumstances]
    found = {}
    for column in columns:
        values = [None if says_nothing(value) else str(value) for value in view.column(column)]
        counts = Counter(value for value in values if value is not None)
        kept = {value for value, n in counts.items() if n >= config.min_images}
        is_known = column != SPLIT and any(names_alike(values, other) for other in (labels, splits))
        if len(kept) >= 2 and len(counts) <= config.max_values and not is_known:
            found[column.removeprefix(META_PREFIX)] = [value if value in kept else None for value in values]
    known = sorted(found, key=lambda name: (name != SPLIT, found[name].count(None), name))
    return {name: found[name] for name in sorted(known[:MAX_ATTRIBUTES], key=lambda name: (name != SPLIT, name))}


def _n_permutations(config: ConditionsConfig, n_attributes: int) -> int:
    """Permutations of which the smallest p, times the number of attributes, is at most half of the level."""
    return max(config.n_permutations, math.ceil(2 * n_attributes / ALPHA) - 1)


def _compared(
    view: DatasetView, name: str, values: list[str | None], config: ConditionsConfig, rng: np.random.Generator
) -> list[Condition]:
    if view.neurons is None:
        return []
    rows = _sample(view, values, config.max_images, rng)
    kept = sorted({str(values[row]) for row in rows})
    if len(kept) < 2:
        return []
    codes = np.array([kept.index(str(values[row])) for row in rows], np.int64)
    block = np.asarray(view.neurons.values[rows], np.float64)
    weights = _weights(view.neurons)
    found = code_distances(block, codes, bursts(view)[rows], (weights, rng), n_permutations=config.n_permutations)
    corrected = np.sqrt(np.maximum(0.0, found.distance**2 - found.floor**2))
    return [
        Condition(
            attribute=name,
            value=value,
            n=int((codes == i).sum()),
            distance=float(found.distance[i]),
            floor=float(found.floor[i]),
            corrected=float(corrected[i]),
            p_value=float(found.p_value[i]),
            pictures=strangest(view, rows[codes != i], rows[codes == i], weights, N_PICTURES),
        )
        for i, value in enumerate(kept)
    ]


def _sample(view: DatasetView, values: list[str | None], most: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Rows with a value, the same number of each value where there are too many; in the order of image ids."""
    ids = view.column("image_id")
    rows = sorted((row for row, value in enumerate(values) if value is not None), key=ids.__getitem__)
    if len(rows) <= most:
        return np.array(rows, np.int64)
    kept = sorted({value for value in values if value is not None})
    drawn = [rng.permutation([row for row in rows if values[row] == value])[: most // len(kept)] for value in kept]
    return np.array(sorted(np.concatenate(drawn).tolist(), key=ids.__getitem__), np.int64)


def _weights(neurons: Neurons) -> npt.NDArray[np.float64]:
    """Every layer alike, and every neuron of a layer."""
    weights = np.zeros(neurons.values.shape[1])
    for rows in neurons.layers.values():
        weights[rows] = 1 / max(rows.stop - rows.start, 1) / len(neurons.layers)
    return weights


def _table(found: Sequence[Condition]) -> pa.Table:
    names = {"p_max_t": "p_value"}
    columns = {name: [getattr(one, names.get(name, name)) for one in found] for name in TABLE_SCHEMA.names}
    return pa.table(columns, schema=TABLE_SCHEMA)


def section(result: ConditionsResult) -> Section:
    """Say which splits and settings look different."""
    different = [one for one in result.conditions if one.p_value <= ALPHA and one.corrected > 0]
    return Section(
        id="conditions",
        title=ANALYSIS.title,
        question=ANALYSIS.question,
        summary=_summary(result, different),
        analysis=ANALYSIS.name,
        version=VERSION,
        findings=_findings(result, different),
        blocks=(_block(result),) if result.conditions else (),
        method=(
            "Of every picture each neuron's mean is taken; the distance of a value's pictures from those of the other "
            "values is the exact 1-D Wasserstein distance of these means, in standard deviations, mean over the "
            "neurons of a layer, then over layers. Whole bursts of pictures are exchanged among the values: the mean "
            "distance then is the floor, and p is family-wise over the values, times the number of attributes. Classes "
            "are not compared, since they are meant to look different. " + ANALYSIS.source
        ),
    )


def _summary(result: ConditionsResult, different: Sequence[Condition]) -> str:
    if not result.conditions:
        return "The dataset has no splits or settings with enough pictures to compare."
    if not different:
        names = ", ".join(sorted({one.attribute for one in result.conditions}))
        return f"The network sees no difference beyond chance between the values of {names}."
    first = different[0]
    return (
        f"Pictures with {first.attribute} = {first.value} look different from the others to the network: "
        f"{first.corrected:.2f} standard deviations apart beyond chance, where 0.2 is little and 0.8 is much "
        f"(p = {first.p_value:.3f})."
    )


def _findings(result: ConditionsResult, different: Sequence[Condition]) -> tuple[Finding, ...]:
    """The widest difference of the splits, and that of the settings; or that there is none."""
    if not result.conditions:
        return ()
    if not different:
        return (_finding(result, max(result.conditions, key=lambda one: one.corrected), Severity.OK),)
    splits = [one for one in different if one.attribute == SPLIT][:1]
    settings = [one for one in different if one.attribute != SPLIT][:1]
    matters = [Severity.ATTENTION if one.corrected >= NOTABLE else Severity.INFO for one in splits]
    found = zip([*splits, *settings], [*matters, *(Severity.INFO for _ in settings)], strict=True)
    return tuple(_finding(result, one, severity) for one, severity in found)


def _finding(result: ConditionsResult, one: Condition, severity: Severity) -> Finding:
    fine = severity is Severity.OK
    action = (
        "Draw the splits anew so that they share circumstances, or say that the test is of other circumstances."
        if one.attribute == SPLIT
        else "Make sure that every value is in training and in testing, and report results by value."
    )
    return Finding(
        id=f"conditions.{'none' if fine else 'split' if one.attribute == SPLIT else 'setting'}",
        severity=severity,
        sentence=_summary(result, [] if fine else [one]),
        metric=Metric(
            name=f"Distance of {one.attribute} = {one.value}",
            value=one.corrected,
            unit="standard deviations",
            n=one.n,
            note=f"measured {one.distance:.3f}, by chance {one.floor:.3f}, p = {one.p_value:.3f}; no interval",
        ),
        pictures=() if fine else one.pictures,
        action="Nothing." if fine else action,
        table="conditions",
        weight=min(1.0, one.n / max(result.n_images, 1)),
    )


def _block(result: ConditionsResult) -> TableBlock:
    names = {"distance": "Distance (SD)", "floor": "By chance (SD)", "corrected": "Beyond chance (SD)", "p": "p"}
    return TableBlock(
        title="Every value against the others",
        columns=(
            Column(name="attribute", title="Attribute"),
            Column(name="value", title="Value"),
            Column(name="n", title="Pictures", align="right", format="integer"),
            *(Column(name=name, title=title, align="right", format="number") for name, title in names.items()),
        ),
        rows=tuple(
            (one.attribute, one.value, one.n, one.distance, one.floor, one.corrected, one.p_value)
            for one in result.conditions[:50]
        ),
        source="conditions",
    )


ANALYSIS = register(
    Analysis(
        name="conditions",
        version=VERSION,
        title="Conditions",
        question="Do the splits and settings of the dataset look different to the network?",
        datasets=1,
        needs=frozenset({Need.NEURONS, Need.NEIGHBOURS, Need.METADATA}),
        config=ConditionsConfig,
        result=ConditionsResult,
        compute=compute,
        section=section,
        source="Ramtoula et al., Visual DNA, CVPR 2023; exact distances: docs/visual-dna.md.",
        order=70,
        tables=("conditions",),
    )
)
