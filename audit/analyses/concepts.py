"""Which parts of pictures recur, where they are, and in which classes; and what a user's own examples have in common.

Source: E. Collins et al., "Deep feature factorization for concept discovery", ECCV 2018; B. Kim et al., "Testing with
Concept Activation Vectors", ICML 2018; mathematics in :mod:`audit.concepts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from audit.analyses.base import Analysis, Computed, Config, Need, Result, register
from audit.concepts import examples, prevalence, spatial
from audit.errors import ConfigError
from audit.maths.rows import arrange, bursts, one_a_burst
from audit.model import DatasetView, Parts
from audit.report import Block, Column, Finding, ImagesBlock, Metric, Picture, Section, Severity, TableBlock, TextBlock
from audit.shown import counted, picture

VERSION = 2
TIED = 0.25
"""Lower bound of the difference of a class's share from the others' from which a concept is said to go with it."""

MAX_TIED = 3
MAX_SHOWN = 8
"""Concepts shown below the findings; all are in the tables."""
ALPHA = 0.05

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

CONCEPTS_SCHEMA = pa.schema(
    [
        pa.field("concept", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("class", pa.string()),
        pa.field("n", pa.int64(), nullable=False),
        pa.field("share", pa.float64(), nullable=False),
        pa.field("low", pa.float64(), nullable=False),
        pa.field("high", pa.float64(), nullable=False),
        pa.field("stability", pa.float64()),
        pa.field("repeated", pa.float64()),
        pa.field("in_boxes", pa.float64()),
        pa.field("accuracy", pa.float64()),
        pa.field("p", pa.float64()),
    ]
)
"""A row for every concept and class; class null is the whole sample.

kind : ``factor`` (found) or ``example`` (shown by a user)
n : bursts; share, low, high : of them that show it, 95 % Wilson interval
stability, repeated : cosine with the match in a second fit, and in fits on halves of the pictures
in_boxes : density inside given boxes over that of an even spread
accuracy, p : of an example, held out, and how often random counterparts reach it
"""

IMAGES_SCHEMA = pa.schema(
    [
        pa.field("concept", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("strength", pa.float64(), nullable=False),
        pa.field("rank", pa.int64(), nullable=False),
    ]
)
"""The pictures that show each concept, the strongest first; of a factor, those of the sample."""


class ConceptsConfig(Config):
    """Which concepts are looked for."""

    sizes: tuple[int, ...] = Field(spatial.SIZES, min_length=1, description="Numbers of factors that are tried.")
    examples: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Concepts of your own: a name and the paths or ids of pictures that show it."
    )
    shown: int = Field(6, ge=1, le=12, description="Pictures shown for each concept.")


class SharePart(Result):
    """A share of bursts with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


class Tied(Result):
    """The class a concept goes with; low and high bound the difference from the others, at ``level``."""

    name: str
    own: SharePart
    rest: SharePart
    low: float
    high: float
    level: float


class Concept(Result):
    """One concept as it is shown. Accuracy and p are those of a user's example, the others those of a factor."""

    name: str
    kind: str
    share: SharePart
    tie: Tied | None
    stability: float | None = None
    repeated: float | None = None
    in_boxes: float | None = None
    accuracy: float | None = None
    null_high: float | None = None
    p: float | None = None
    pictures: tuple[Picture, ...] = ()


class ConceptsResult(Result):
    """What the section is written from."""

    n: int
    reason: str = ""
    tried: tuple[tuple[int, int, float], ...] = ()
    explained: float | None = None
    concepts: tuple[Concept, ...] = ()
    refused: tuple[str, ...] = ()


class _Lists:
    """The two tables of a view while they grow."""

    def __init__(self, view: DatasetView) -> None:
        self.view = view
        self.concepts: list[dict[str, Any]] = []
        self.images: list[dict[str, Any]] = []

    def tables(self) -> dict[str, pa.Table]:
        return {
            "concepts": pa.Table.from_pylist(self.concepts, schema=CONCEPTS_SCHEMA),
            "concept_images": pa.Table.from_pylist(self.images, schema=IMAGES_SCHEMA),
        }


@dataclass(frozen=True)
class _Asked:
    """The pictures among which it is counted who shows a concept, and how many counts there are in all."""

    labels: list[str | None]
    bursts: Ints
    n_concepts: int

    @property
    def n_looked_at(self) -> int:
        return self.n_concepts * max(len({label for label in self.labels if label is not None}), 1)


def compute(views: Sequence[DatasetView], config: ConceptsConfig, rng: np.random.Generator) -> Computed:
    """Find concepts in the sampled maps, learn those of the user, and say who shows them."""
    view = arrange(views[0])
    own, lists = bursts(view), _Lists(view)
    learned, refused = _examples(lists, own, config, rng)
    parts = view.parts
    if parts is None or len(parts.rows) < spatial.MIN_PICTURES:
        n = 0 if parts is None else len(parts.rows)
        reason = f"it takes the maps of {spatial.MIN_PICTURES} sampled pictures; there are {n}"
        return Computed(ConceptsResult(n=n, reason=reason, concepts=learned, refused=refused), lists.tables())
    found = spatial.find_concepts(parts, own, rng, sizes=config.sizes)
    result = ConceptsResult(
        n=len(parts.rows),
        tried=tuple((t.n_factors, t.n_stable, t.explained) for t in found.tried),
        explained=found.explained,
        concepts=(*_factors(lists, own, found, parts, config), *learned),
        refused=refused,
    )
    return Computed(result, lists.tables())


def section(result: ConceptsResult) -> Section:
    """Show each concept with its pictures, and name those that go with one class."""
    return Section(
        id="concepts",
        title=ANALYSIS.title,
        question=ANALYSIS.question,
        summary=_summary(result),
        analysis=ANALYSIS.name,
        version=VERSION,
        findings=_findings(result),
        headline=(_headline(result),),
        blocks=_blocks(result),
        method=(
            "The last map of sampled pictures is written as a sum of non-negative factors of its neurons (HALS, on "
            "activations above each neuron's 5 % quantile). Kept are factors that a second fit from another beginning "
            "finds too (cosine at least 0.9). A picture shows a concept when its strongest place has half of what the "
            "strongest hundredth of pictures has. Copies and groups count once; a class is named where the share "
            "among its pictures is surely 25 points above that of all others, allowing for the number of "
            "comparisons. Examples of a user: the direction of a linear probe, tested on held-out examples against "
            f"{examples.N_COUNTERPARTS} sets of random pictures. {ANALYSIS.source}"
        ),
    )


# numbers -------------------------------------------------------------------------------------------------------------


def _factors(
    lists: _Lists, own: Ints, found: spatial.Concepts, parts: Parts, config: ConceptsConfig
) -> tuple[Concept, ...]:
    shown, strengths, boxed = found.shown, found.strengths, spatial.inside_boxes(found, parts)
    every = lists.view.column("label")
    asked = _Asked([every[row] for row in found.rows], own[found.rows], shown.shape[1])
    concepts = []
    for j in range(shown.shape[1]):
        about = {
            "name": spatial.concept_name(j),
            "kind": "factor",
            "stability": float(found.stability[j]),
            "repeated": float(found.repeated[j]),
            "in_boxes": None if np.isnan(boxed[j]) else float(boxed[j]),
        }
        order = np.lexsort((found.rows, -strengths[:, j]))
        listed = order[shown[order, j]]
        _list(lists, about, found.rows[listed], strengths[listed, j])
        top = float(np.quantile(found.weights[:, :, j].max(axis=1), 0.99))
        chosen = one_a_burst(order, asked.bursts, config.shown)
        grids = [spatial.heat(found.weights[i, :, j], top) for i in chosen]
        pictures = tuple(_warm(lists.view, int(found.rows[i]), grid) for i, grid in zip(chosen, grids, strict=True))
        concepts.append(Concept(**about, **_who(lists, about, shown[:, j], asked), pictures=pictures))
    return tuple(concepts)


def _examples(
    lists: _Lists, own: Ints, config: ConceptsConfig, rng: np.random.Generator
) -> tuple[tuple[Concept, ...], tuple[str, ...]]:
    """The concepts of the user that could be learned, and why the others could not."""
    view, labels = lists.view, lists.view.column("label")
    learned, refused = [], []
    named = {name: _rows_of(view, name, given) for name, given in sorted(config.examples.items())}
    for name, rows in named.items():
        try:
            found = examples.learn_concept(view.vectors, rows, own, rng)
        except ValueError as error:
            refused.append(f"{name}: {error}")
            continue
        others = np.setdiff1d(np.arange(len(view)), rows)
        order = others[np.lexsort((others, -found.strengths[others]))]
        about: dict[str, Any] = {"name": name, "kind": "example", "accuracy": found.accuracy, "p": found.p}
        listed = order[found.strengths[order] >= found.threshold]
        _list(lists, about, listed, found.strengths[listed])
        asked = _Asked([labels[i] for i in others], own[others], len(named))
        about |= _who(lists, about, found.strengths[others] >= found.threshold, asked)
        pictures = tuple(picture(view, int(i)) for i in one_a_burst(order, own, config.shown))
        learned.append(Concept(**about, null_high=float(np.quantile(found.null, 0.95)), pictures=pictures))
    return tuple(learned), tuple(refused)


def _rows_of(view: DatasetView, name: str, given: Sequence[str]) -> Ints:
    """Row numbers of pictures named by path or id.

    Raises
    ------
    ConfigError
        If a picture is not in the dataset.
    """
    place = {path: i for i, path in enumerate(view.column("path"))}
    place |= {image_id: i for i, image_id in enumerate(view.column("image_id"))}
    missing = [one for one in given if one not in place]
    if missing:
        raise ConfigError(
            f"{len(missing)} examples of {name!r} are no usable pictures of {view.name!r}, {missing[0]!r} first: give "
            "paths or image_id as in tables/images.parquet"
        )
    return np.unique(np.array([place[one] for one in given], dtype=np.int64))


def _who(lists: _Lists, about: Mapping[str, Any], shows: Bools, asked: _Asked) -> dict[str, Any]:
    """Who shows a concept: rows of the table, and the class that shows it most."""
    everywhere = prevalence.share(shows, asked.bursts)
    tie = prevalence.strongest_tie(shows, asked.labels, asked.bursts, n_looked_at=asked.n_looked_at)
    named = {"concept": about["name"], **{key: value for key, value in about.items() if key != "name"}}
    for name, part in ((None, everywhere), *prevalence.by_class(shows, asked.labels, asked.bursts).items()):
        counts = {"class": name, "n": part.n, "share": part.value, "low": part.low, "high": part.high}
        lists.concepts.append(named | counts)
    tied = tie and Tied(
        name=tie.name, own=_part(tie.own), rest=_part(tie.rest), low=tie.low, high=tie.high, level=tie.level
    )
    return {"share": _part(everywhere), "tie": tied}


def _part(share: prevalence.Share) -> SharePart:
    return SharePart(value=share.value, low=share.low, high=share.high, n=share.n)


def _list(lists: _Lists, about: Mapping[str, Any], rows: Ints, strengths: Floats) -> None:
    images = lists.view.images.select(["image_id", "path", "label"]).take(pa.array(rows)).to_pylist()
    for rank, (image, strength) in enumerate(zip(images, strengths, strict=True), start=1):
        named = {"concept": about["name"], "kind": about["kind"], **image}
        lists.images.append(named | {"strength": float(strength), "rank": rank})


def _warm(view: DatasetView, row: int, grid: tuple[tuple[int, ...], ...]) -> Picture:
    return picture(view, row).model_copy(update={"heat": grid})


# words ---------------------------------------------------------------------------------------------------------------


def _is_sure(concept: Concept) -> bool:
    return concept.p is None or concept.p <= ALPHA


def _tied(result: ConceptsResult) -> list[Concept]:
    """Concepts that go with one class, the surest first."""
    tied = [c for c in result.concepts if c.tie is not None and c.tie.low >= TIED and _is_sure(c)]
    return sorted(tied, key=lambda c: (-(c.tie.low if c.tie else 0.0), c.name))


def _summary(result: ConceptsResult) -> str:
    n_found = sum(c.kind == "factor" for c in result.concepts)
    if result.reason:
        said = f"No concepts were looked for: {result.reason}."
    else:
        recur = "recurs" if n_found == 1 else "recur"
        said = f"{counted(n_found, 'concept')} {recur} in {result.n:,} sampled pictures, found again in a second fit."
    tied = _tied(result)
    if tied:
        said += f" {len(tied)} of them {'goes' if len(tied) == 1 else 'go'} with one class."
    return said


def _headline(result: ConceptsResult) -> Metric:
    name = "Concepts tied to one class"
    if result.reason and not result.concepts:
        return Metric(name=name, value=None, n=result.n, note=result.reason)
    return Metric(
        name=name,
        value=len(_tied(result)),
        unit="concepts",
        n=result.n,
        note=f"of {counted(len(result.concepts), 'stable concept')}; a count of those whose interval is wholly above "
        f"{100 * TIED:.0f} points",
    )


def _findings(result: ConceptsResult) -> tuple[Finding, ...]:
    return tuple(
        _finding(place, concept, concept.tie)
        for place, concept in enumerate(_tied(result)[:MAX_TIED], 1)
        if concept.tie
    )


def _finding(place: int, concept: Concept, tie: Tied) -> Finding:
    where = ""
    if concept.in_boxes is not None:
        where = f" Inside the given boxes it is {concept.in_boxes:.1f} times as dense as if it were spread evenly."
    return Finding(
        id=f"concepts.tied-{place}",
        severity=Severity.INFO,
        sentence=(
            f"{concept.name} is in {tie.own.value:.1%} of the pictures of {tie.name} and in {tie.rest.value:.1%} of "
            f"all others.{where}"
        ),
        metric=Metric(
            name="Difference of the shares",
            value=100 * (tie.own.value - tie.rest.value),
            level=tie.level,
            low=min(100 * tie.low, 100 * (tie.own.value - tie.rest.value)),
            high=max(100 * tie.high, 100 * (tie.own.value - tie.rest.value)),
            unit="percentage points",
            n=tie.own.n + tie.rest.n,
            note="Newcombe interval, widened for the number of comparisons",
        ),
        pictures=concept.pictures,
        action=(
            "See where the pictures are bright. If it is the object, all is well; if it is what surrounds it, a model "
            "may learn that instead: collect pictures of the class without it, and of others with it."
        ),
        table="concept_images",
        weight=concept.share.value,
    )


def _blocks(result: ConceptsResult) -> tuple[Block, ...]:
    blocks: list[Block] = []
    if result.concepts:
        blocks += [*_gallery(result), _table(result.concepts)]
    if result.tried:
        tried = "; ".join(f"{k} factors: {stable} stable, {e:.0%} explained" for k, stable, e in result.tried)
        blocks.append(
            TextBlock(
                title="How many concepts",
                text=(
                    f"Tried: {tried}. Taken is the largest number of which three quarters are found again in a second "
                    "fit, or the one with most. Explained is the share of the squares of the activations. A concept "
                    "has no name of its own: its pictures say what it is, and it need not be one thing to a person."
                ),
            )
        )
    if result.refused:
        blocks.append(TextBlock(title="Examples that could not be used", text="\n\n".join(result.refused)))
    return tuple(blocks)


def _gallery(result: ConceptsResult) -> tuple[ImagesBlock, ...]:
    """The concepts that are no findings: those of a user first, then the most frequent."""
    told = {c.name for c in _tied(result)[:MAX_TIED]}
    others = [c for c in result.concepts if c.pictures and _is_sure(c) and c.name not in told]
    shown = sorted(others, key=lambda c: (c.kind == "factor", -c.share.value, c.name))[:MAX_SHOWN]
    if not shown:
        return ()
    rest = f" Not shown: {counted(len(others) - len(shown), 'rarer concept')} (tables/concept_images.parquet)."
    return (
        ImagesBlock(
            title="Other concepts and where they are" if told else "The concepts and where they are",
            groups=tuple(c.pictures for c in shown),
            captions=tuple(_caption(c) for c in shown),
            note="The pictures that have most of each, one of a burst. Bright is where it is, where that is known."
            + rest * (len(others) > len(shown)),
        ),
    )


def _caption(concept: Concept) -> str:
    said = f"{concept.name}: in {concept.share.value:.0%} of the pictures"
    if concept.tie is not None and concept.tie.low > 0:
        said += (
            f": {concept.tie.own.value:.0%} of those of {concept.tie.name}, {concept.tie.rest.value:.0%} of the others"
        )
    return said


def _table(concepts: Sequence[Concept]) -> TableBlock:
    columns = [
        Column(name="concept", title="Concept"),
        Column(name="share", title="Share of pictures", align="right", format="percent"),
        Column(name="interval", title="95% interval"),
        Column(name="class", title="Class that shows it most"),
        Column(name="own", title="Share in it", align="right", format="percent"),
        Column(name="rest", title="Share in the others", align="right", format="percent"),
        Column(name="again", title="Found again in halves (cosine)", align="right", format="number"),
    ]
    note = "Copies and groups count once."
    if any(c.kind == "example" for c in concepts):
        columns.append(Column(name="accuracy", title="Held-out accuracy of examples", align="right", format="number"))
        columns.append(Column(name="p", title="p against random examples", align="right", format="number"))
        note += " Accuracy is how often an example outdoes another picture; 0.5 is guessing."
    rows = tuple(
        (
            c.name,
            c.share.value,
            f"{c.share.low:.1%} to {c.share.high:.1%}",
            c.tie.name if c.tie else None,
            c.tie.own.value if c.tie else None,
            c.tie.rest.value if c.tie else None,
            c.repeated,
            c.accuracy,
            c.p,
        )[: len(columns)]
        for c in concepts
    )
    return TableBlock(title="Who shows each concept", columns=tuple(columns), rows=rows, source="concepts", note=note)


ANALYSIS = register(
    Analysis(
        name="concepts",
        version=VERSION,
        title="Concepts",
        question="Which parts of pictures recur, where are they, and does one go with a single class?",
        datasets=1,
        needs=frozenset({Need.EMBEDDINGS, Need.NEIGHBOURS, Need.PARTS}),
        config=ConceptsConfig,
        result=ConceptsResult,
        compute=compute,
        section=section,
        source="Collins et al., ECCV 2018 (factors); Cichocki, Phan, 2009 (HALS); Kim et al., ICML 2018 (examples).",
        order=66,
        tables=("concepts", "concept_images"),
    )
)
