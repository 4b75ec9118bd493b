"""What differs between two datasets: the pictures farthest from the other, and the kinds whose share differs.

Source: R. G. Newcombe, Statist. Med. 17 (1998) (intervals of differences); Westfall and Young (1993) (maxT);
E. Kitagawa, JASA 50 (1955) (class shares against within-class change).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from pydantic import Field
from threadpoolctl import threadpool_limits

from audit.analyses.base import Analysis, Computed, Config, Need, Result, register
from audit.maths import isolation, mixture, pairs, permutation
from audit.maths.intervals import newcombe, wilson
from audit.maths.neighbours import search
from audit.maths.rows import image_rows
from audit.model import DatasetView
from audit.report import Block, Column, Finding, ImagesBlock, Metric, Picture, Section, Severity, TableBlock
from audit.shown import counted, have, picture, points

VERSION = 3
MIN_IMAGES = 20
MOST_KINDS = 4
"""Kinds whose pictures are shown as evidence; all are in the table."""
USUAL_BEYOND = 0.02
FARTHEST_NOTE = (
    "The number is the mean distance to the nearest pictures of the other dataset: 0 is the same picture, 1.41 one "
    "that has nothing in common with them."
)
BEYOND = 0.99
"""An image lies beyond a dataset when it is farther from it than this share of the dataset's own images."""

TABLE_SCHEMA = pa.schema(
    [
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("distance", pa.float64(), nullable=False),
        pa.field("percentile", pa.float64(), nullable=False),
        pa.field("rank", pa.int64(), nullable=False),
        pa.field("cluster", pa.int64(), nullable=False),
    ]
)
"""The sampled images of both datasets, candidate first, farthest from the other dataset first.

distance : mean distance to the k nearest images of the other dataset
percentile : share of the other dataset's images that lie nearer to their own dataset than that, in [0, 1]
cluster : kind of picture, 0 = the most frequent
"""


class DifferencesConfig(Config):
    """Sizes of the comparison."""

    k: int = Field(10, ge=1, le=50, description="Neighbours over which distances are averaged.")
    max_images: int = Field(5000, ge=100, le=50_000, description="Images taken of each dataset, in whole bursts.")
    n_clusters: int = Field(20, ge=2, le=100, description="Kinds of pictures looked for (at most n/20).")
    n_permutations: int = Field(999, ge=99, le=9999, description="Permutations of bursts between the datasets.")
    alpha: float = Field(0.01, gt=0, lt=1, description="Family-wise level at which a kind's share is reported.")
    shown: int = Field(6, ge=1, le=24, description="Pictures shown of each dataset and of each kind.")


class Kind(Result):
    """A cluster of pictures and its share in both datasets (candidate minus reference)."""

    cluster: int
    n_reference: int
    n_candidate: int
    difference: float
    low: float
    high: float
    p_max_t: float
    prior: float | None
    conditional: float | None
    pictures: tuple[Picture, ...]


class DifferencesResult(Result):
    """What the section is written from."""

    n_reference: int
    n_candidate: int
    reason: str = ""
    k: int = 10
    alpha: float = 0.01
    n_beyond_candidate: int = 0
    n_beyond_reference: int = 0
    farthest_candidate: tuple[Picture, ...] = ()
    farthest_reference: tuple[Picture, ...] = ()
    kinds: tuple[Kind, ...] = ()


def compute(views: Sequence[DatasetView], config: DifferencesConfig, rng: np.random.Generator) -> Computed:
    """Find the pictures of each farthest from the other, and the kinds with another share."""
    left, right = pairs.samples(views, config.max_images, rng)
    known = {"n_reference": len(left), "n_candidate": len(right), "k": config.k, "alpha": config.alpha}
    if min(len(left), len(right)) < MIN_IMAGES:
        reason = f"it takes {MIN_IMAGES} images on both sides; there are {len(left)} and {len(right)}"
        empty = TABLE_SCHEMA.empty_table()
        return Computed(DifferencesResult(**known, reason=reason), {"differences": empty})
    with threadpool_limits(limits=1):
        vectors, groups, own, _ = pairs.joint(left, right)
        n_clusters = min(config.n_clusters, len(vectors) // MIN_IMAGES)
        clusters = mixture.cluster(vectors, n_clusters, rng)
    p = permutation.max_t_shares(clusters, groups, own, rng, n_permutations=config.n_permutations)
    far_left, far_right = _distances(left, right, config.k), _distances(right, left, config.k)
    tables = [_rows(right, *far_right, clusters[len(left) :]), _rows(left, *far_left, clusters[: len(left)])]
    result = DifferencesResult(
        **known,
        n_beyond_candidate=int((far_right[1] >= BEYOND).sum()),
        n_beyond_reference=int((far_left[1] >= BEYOND).sum()),
        farthest_candidate=_farthest(right, far_right[0], config.shown),
        farthest_reference=_farthest(left, far_left[0], config.shown),
        kinds=_kinds(left, right, clusters, p, config.shown),
    )
    return Computed(result, {"differences": pa.concat_tables(tables)})


def section(result: DifferencesResult) -> Section:
    """Show what one dataset has and the other has not."""
    return Section(
        id="differences",
        title=ANALYSIS.title,
        question=ANALYSIS.question,
        summary=_summary(result),
        analysis=ANALYSIS.name,
        version=VERSION,
        findings=_findings(result),
        headline=(_metric(result),),
        blocks=_blocks(result),
        method=(
            f"Mean distance to the {result.k} nearest images of the other dataset, beside the same distance of the "
            "other's own images. Kinds are k-means clusters of both together; differences of shares with Newcombe "
            f"intervals, reported at a family-wise p of {result.alpha:g} by permutation of bursts, and split into "
            f"the part due to class shares and the part within classes. {ANALYSIS.source}"
        ),
    )


def _distances(sample: pairs.Sample, other: pairs.Sample, k: int) -> tuple[pairs.Float64, pairs.Float64]:
    """Distance of every image to the other dataset, and the share of the other's images that lie nearer to it."""
    targets = other.vectors.astype(np.float32)
    across = search(sample.vectors.astype(np.float32), targets, min(k, len(targets)), threads=1)
    within = search(targets, targets, min(4 * k, len(targets)), threads=1)
    usual, _ = isolation.mean_of_first(within.indices, within.distances, other.bursts, other.bursts, k)
    distance = across.distances.mean(axis=1, dtype=np.float64)
    usual = np.sort(usual[np.isfinite(usual)])
    return distance, np.searchsorted(usual, distance, side="left") / max(len(usual), 1)


def _kinds(
    left: pairs.Sample, right: pairs.Sample, clusters: pairs.Int64, p: pairs.Float64, shown: int
) -> tuple[Kind, ...]:
    parts = _parts(left, right, clusters)
    vectors = np.concatenate([left.vectors, right.vectors])
    found = []
    for j in range(int(clusters.max()) + 1):
        a, b = int((clusters[: len(left)] == j).sum()), int((clusters[len(left) :] == j).sum())
        low, high = newcombe(b, len(right), a, len(left))
        members = np.flatnonzero(clusters == j)
        centre = vectors[members].mean(axis=0)
        nearest = members[np.argsort(((vectors[members] - centre) ** 2).sum(axis=1), kind="stable")]
        found.append(
            Kind(
                cluster=j,
                n_reference=a,
                n_candidate=b,
                difference=b / len(right) - a / len(left),
                low=low,
                high=high,
                p_max_t=float(p[j, 1]) if p.size else 1.0,
                prior=None if parts is None else float(parts[0][j]),
                conditional=None if parts is None else float(parts[1][j]),
                pictures=tuple(_picture(left, right, int(i)) for i in nearest[:shown]),
            )
        )
    return tuple(sorted(found, key=lambda kind: (-abs(kind.difference), kind.cluster)))


def _parts(
    left: pairs.Sample, right: pairs.Sample, clusters: pairs.Int64
) -> tuple[pairs.Float64, pairs.Float64] | None:
    """Class-prior and class-conditional parts; None unless every sampled image of both datasets has a label."""
    labels = [*left.labels, *right.labels]
    if any(label is None for label in labels):
        return None
    _, codes = np.unique(np.array(labels, dtype=str), return_inverse=True)
    counts = np.zeros((2, int(clusters.max()) + 1, int(codes.max()) + 1))
    np.add.at(counts, (np.repeat([0, 1], [len(left), len(right)]), clusters, codes), 1)
    return mixture.kitagawa(counts[1], counts[0])


def _picture(left: pairs.Sample, right: pairs.Sample, i: int) -> Picture:
    sample, row = (left, i) if i < len(left) else (right, i - len(left))
    return picture(sample.view, int(sample.rows[row]))


def _farthest(sample: pairs.Sample, distance: pairs.Float64, n: int) -> tuple[Picture, ...]:
    order = np.lexsort((sample.rows, -distance))[:n]
    return tuple(picture(sample.view, int(sample.rows[i]), f"distance {distance[i]:.2f}") for i in order)


def _rows(sample: pairs.Sample, distance: pairs.Float64, percentile: pairs.Float64, clusters: pairs.Int64) -> pa.Table:
    order = np.lexsort((sample.rows, -distance))
    columns = {
        "dataset": [sample.view.name] * len(order),
        "distance": distance[order],
        "percentile": percentile[order],
        "rank": np.arange(1, len(order) + 1),
        "cluster": clusters[order],
    }
    return image_rows(sample.view.images, sample.rows[order], columns, TABLE_SCHEMA)


def _different(result: DifferencesResult) -> tuple[Kind, ...]:
    return tuple(kind for kind in result.kinds if kind.p_max_t <= result.alpha)


def _summary(result: DifferencesResult) -> str:
    if result.reason:
        return f"Not compared; there are too few images: {result.reason}."
    kinds = _different(result)
    words = (
        f"{counted(len(kinds), 'kind')} of pictures of {len(result.kinds)} {have(len(kinds))} another share in the "
        "candidate; "
    )
    beyond = result.n_beyond_candidate / result.n_candidate
    return f"{words}{beyond:.0%} of its images lie farther out than 99 % of the reference's own (1 % is usual)."


def _metric(result: DifferencesResult) -> Metric:
    name = "Candidate beyond the reference"
    if result.reason:
        return Metric(name=name, value=None, note=f"too few images: {result.reason}")
    low, high = wilson(result.n_beyond_candidate, result.n_candidate)
    value = result.n_beyond_candidate / result.n_candidate
    note = "1 % is usual"
    return Metric(name=name, value=value, low=low, high=high, unit="share", n=result.n_candidate, note=note)


def _findings(result: DifferencesResult) -> tuple[Finding, ...]:
    found = []
    metric = _metric(result)
    if metric.low is not None and metric.value is not None and metric.low > USUAL_BEYOND:
        found.append(
            Finding(
                id="differences.beyond",
                severity=Severity.ATTENTION if metric.value >= 0.1 else Severity.INFO,
                sentence=f"{metric.value:.0%} of the candidate's pictures are unlike anything in the reference.",
                metric=metric,
                pictures=result.farthest_candidate,
                action="Add such pictures to the reference, or expect a model trained on it to fail on them.",
                table="differences",
                weight=metric.value,
            )
        )
    kinds = _different(result)
    if kinds:
        top = kinds[0]
        share = top.n_candidate / result.n_candidate, top.n_reference / result.n_reference
        found.append(
            Finding(
                id="differences.kinds",
                severity=Severity.ATTENTION if abs(top.difference) >= 0.05 else Severity.INFO,
                sentence=f"One kind of picture is {share[0]:.0%} of the candidate and {share[1]:.0%} of the reference.",
                metric=Metric(
                    name="Difference of share",
                    value=100 * top.difference,
                    low=100 * top.low,
                    high=100 * top.high,
                    unit="percentage points",
                    n=result.n_reference + result.n_candidate,
                    note=f"family-wise p = {top.p_max_t:.3f}",
                ),
                pictures=top.pictures,
                action="Decide whether the mixture is meant; if not, sample the two alike.",
                table="differences",
                weight=min(1.0, abs(top.difference)),
            )
        )
    return tuple(found)


def _blocks(result: DifferencesResult) -> tuple[Block, ...]:
    """The evidence, without the pictures that a finding has shown above."""
    if result.reason:
        return ()
    told = {finding.pictures for finding in _findings(result)}
    farthest = (
        ("Candidate's pictures farthest from the reference", result.farthest_candidate),
        ("Reference's pictures farthest from the candidate", result.farthest_reference),
    )
    kinds = [(_caption(kind, result), kind.pictures) for kind in _different(result)[: MOST_KINDS + 1]]
    blocks = (
        _pictures("Farthest from the other dataset", farthest, told, FARTHEST_NOTE),
        _pictures("Other kinds whose share differs", kinds, told, ""),
    )
    return (*(block for block in blocks if block is not None), _kinds_table(result))


def _pictures(
    title: str, groups: Sequence[tuple[str, tuple[Picture, ...]]], told: set[tuple[Picture, ...]], note: str
) -> ImagesBlock | None:
    new = [(caption, pictures) for caption, pictures in groups if pictures and pictures not in told]
    if not new:
        return None
    captions, pictures = zip(*new, strict=True)
    return ImagesBlock(title=title, groups=pictures, captions=captions, note=note)


def _caption(kind: Kind, result: DifferencesResult) -> str:
    shares = kind.n_candidate / result.n_candidate, kind.n_reference / result.n_reference
    return (
        f"Kind {kind.cluster}: {shares[0]:.1%} of the candidate, {shares[1]:.1%} of the reference; "
        f"{points(kind.difference)} percentage points ({points(kind.low)} to {points(kind.high)})"
    )


def _kinds_table(result: DifferencesResult) -> TableBlock:
    names = {
        "cluster": "kind",
        "reference": "reference",
        "candidate": "candidate",
        "difference": "difference (points)",
        "low": "from",
        "high": "to",
        "p": "p (family-wise)",
        "prior": "by class shares",
        "conditional": "within classes",
    }
    whole = ("cluster", "reference", "candidate")
    columns = tuple(
        Column(name=n, title=t, align="right", format="integer" if n in whole else "number" if n == "p" else "text")
        for n, t in names.items()
    )
    rows = tuple(
        (
            k.cluster,
            k.n_reference,
            k.n_candidate,
            *(points(part) for part in (k.difference, k.low, k.high)),
            k.p_max_t,
            *(None if part is None else points(part) for part in (k.prior, k.conditional)),
        )
        for k in result.kinds[:20]
    )
    note = (
        "Pictures of each kind on either side; the difference is that of their shares, in percentage points. Which "
        "pictures they are: tables/differences.parquet, column cluster."
    )
    if result.kinds and result.kinds[0].prior is None:
        note += " Parts by class need a label for every image."
    return TableBlock(title="Kinds of pictures", columns=columns, rows=rows, note=note)


ANALYSIS = register(
    Analysis(
        name="differences",
        version=VERSION,
        title="What differs",
        question="What does one dataset show that the other does not?",
        datasets=2,
        needs=frozenset({Need.EMBEDDINGS, Need.NEIGHBOURS}),
        config=DifferencesConfig,
        result=DifferencesResult,
        compute=compute,
        section=section,
        source="Newcombe, Statist. Med. 17 (1998); Westfall and Young (1993); Kitagawa, JASA 50 (1955).",
        order=140,
        tables=("differences",),
    )
)
