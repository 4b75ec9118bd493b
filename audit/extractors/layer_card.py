"""The layer card of an extractor on a dataset: what each layer keeps of its pictures, and which one suits them best.

After "Layer by Layer" (Skean et al., ICML 2025): inner layers often tell more than the last. Measured are entropy,
invariance to views, intrinsic dimension and, with labels, how well the layer tells the classes apart. It is advice: the
audit uses the embedding whatever the card says.

Source: see :mod:`audit.maths.layer_quality`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from audit.extractors.base import Extractor
from audit.maths import layer_quality as quality
from audit.maths import probes
from audit.maths.intervals import bootstrap, wilson
from audit.pictures.augmented import views

if TYPE_CHECKING:
    from audit.extractors.base import ExtractorSpec

EMBEDDING = "(embedding)"
"""The row of what the audit uses; brackets, since no layer is called so."""
K = 10
FOLDS = 5
LEAST_OF_A_CLASS = 5
LEAST_LABELLED = 50
MAX_POSITIONS = 64
"""Places of a picture that its own entropy is taken over, evenly spaced."""
N_RESAMPLES = 500

Pictures = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


class Estimate(BaseModel):
    """A number with its 95 % interval; all None where it is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float | None = None
    low: float | None = None
    high: float | None = None


class LayerQuality(BaseModel):
    """One layer, or the embedding.

    Attributes
    ----------
    entropy : float or None
        Of the pictures' means over places, as a share of the greatest. It depends on the number of pictures, so it is
        compared within a card only and has no interval.
    picture_entropy : Estimate
        Mean over pictures of the entropy of their places; not known of a layer with one place.
    invariance : Estimate
        How much more alike two views of a picture are than two pictures: 0 not at all, 1 equal.
    own_view : Estimate
        Share of pictures whose first view is most like their own second view, among all.
    dimension : Estimate
        Intrinsic dimension, by two nearest neighbours.
    neighbours, linear : Estimate
        Share of pictures whose class is named by 10 nearest neighbours, and by a linear probe, of other folds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    n_neurons: int
    entropy: float | None
    picture_entropy: Estimate
    invariance: Estimate
    own_view: Estimate
    dimension: Estimate
    neighbours: Estimate
    linear: Estimate


class LayerCard(BaseModel):
    """What :func:`make_card` finds.

    Attributes
    ----------
    n_images, n_bursts : int
        Pictures looked at; bursts they form (near-copies and groups move together, and count as one in intervals).
    n_labelled, n_classes : int
        Pictures that take part in probes, and their classes; 0 where there are too few, which ``note`` says.
    best : str
        Name of the layer that the audit should use; :data:`EMBEDDING` where none is better.
    sentence, action, note : str
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    extractor: str
    fingerprint: str
    dataset: str
    n_images: int
    n_bursts: int
    n_labelled: int
    n_classes: int
    layers: tuple[LayerQuality, ...]
    best: str
    sentence: str
    action: str
    note: str


@dataclass(frozen=True)
class Seen:
    """What an extractor says about some pictures and two views of each.

    Attributes
    ----------
    pooled : mapping of layer name to float32 (b, 3, c)
        Means over places: of the picture, its first and its second view. The embedding is one of the layers.
    entropy : mapping of layer name to float64 (b,)
        Of the places of the picture; NaN where there is only one.
    """

    pooled: Mapping[str, Float32]
    entropy: Mapping[str, Float64]


@dataclass(frozen=True)
class About:
    """Of which pictures a card is: the dataset's name, classes int64 (n,) (−1: none) and bursts int64 (n,)."""

    dataset: str
    classes: Int64
    bursts: Int64


def look(extractor: Extractor, pictures: Pictures, seed: int = 0) -> Seen:
    """Forward pictures, uint8 (b, size, size, 3), and two views of each.

    Each of the three is a batch of its own, as in an audit, so that no result depends on a larger batch.
    """
    found = [extractor.features(batch) for batch in (pictures, views(pictures, 0, seed), views(pictures, 1, seed))]
    layers = {name: np.stack([pooled(one.layers[name]) for one in found], axis=1) for name in found[0].layers}
    layers[EMBEDDING] = np.stack([one.embedding for one in found], axis=1)
    entropy = {name: _picture_entropy(values) for name, values in found[0].layers.items()}
    return Seen(layers, entropy | {EMBEDDING: np.full(len(pictures), np.nan)})


def pooled(values: Float32) -> Float32:
    """Means over the places of float32 (b, positions, c) that are no NaN; zero where all are."""
    there = np.isfinite(values)
    total = np.where(there, values, 0).sum(axis=1, dtype=np.float64)
    means: Float32 = (total / np.maximum(there.sum(axis=1), 1)).astype(np.float32)
    return means


def _picture_entropy(values: Float32) -> Float64:
    n = values.shape[1]
    kept = np.unique(np.rint(np.linspace(0, n - 1, min(n, MAX_POSITIONS))).astype(np.int64))
    return quality.matrix_entropy(values[:, kept])


def make_card(spec: ExtractorSpec, seen: Sequence[Seen], about: About, rng: np.random.Generator) -> LayerCard:
    """The card of an extractor from what it said about n pictures.

    Parameters
    ----------
    spec : ExtractorSpec
    seen : sequence of Seen
        Of :func:`look`, of all pictures in the order of ``about``.
    rng : numpy.random.Generator
        For folds and resamples; every layer gets the same ones.

    Raises
    ------
    ValueError
        If the numbers of pictures differ, or there are fewer than three.
    """
    n = sum(len(part.pooled[EMBEDDING]) for part in seen)
    if n != len(about.classes) or n < 3:
        raise ValueError(f"a layer card needs at least 3 pictures, each with its class and burst; got {n}")
    classes, note = _usable(about)
    folds, seed = probes.deal_folds(about.bursts, classes, FOLDS, rng), int(rng.integers(2**32))
    layers = []
    for name in seen[0].pooled:
        values = np.concatenate([part.pooled[name] for part in seen])
        places = np.concatenate([part.entropy[name] for part in seen])
        known = _Known(classes, about.bursts, folds, np.random.default_rng(seed))
        layers.append(_layer(name, values, places, known))
    best, sentence = _advice(layers, labelled=not note)
    labelled = classes[classes >= 0]
    return LayerCard(
        extractor=spec.name,
        fingerprint=spec.fingerprint,
        dataset=about.dataset,
        n_images=n,
        n_bursts=len(np.unique(about.bursts)),
        n_labelled=0 if note else len(labelled),
        n_classes=0 if note else len(np.unique(labelled)),
        layers=tuple(layers),
        best=best,
        sentence=sentence,
        action=_action(best),
        note=note,
    )


@dataclass(frozen=True)
class _Known:
    """What the measures of every layer share."""

    classes: Int64
    bursts: Int64
    folds: Int64
    rng: np.random.Generator


def _usable(about: About) -> tuple[Int64, str]:
    """Classes from 0, −1 for pictures without one or of a class with too few bursts; why there are no probes."""
    classes = np.full(len(about.classes), -1)
    kept = 0
    for value in np.unique(about.classes[about.classes >= 0]):
        of_class = about.classes == value
        if len(np.unique(about.bursts[of_class])) >= LEAST_OF_A_CLASS:
            classes[of_class] = kept
            kept += 1
    n = int((classes >= 0).sum())
    if kept >= 2 and n >= LEAST_LABELLED:
        return classes, ""
    return classes, (
        f"No probe: it needs two classes with {LEAST_OF_A_CLASS} different pictures each and {LEAST_LABELLED} pictures "
        f"in all; there are {kept} such classes with {n} pictures."
    )


def _layer(name: str, values: Float32, places: Float64, known: _Known) -> LayerQuality:
    picture, first, second = (np.ascontiguousarray(values[:, i]) for i in range(3))
    same, different = quality.view_agreement(first, second)
    entropy = float(quality.matrix_entropy(picture))
    neighbours, linear = _probes(picture, known)
    return LayerQuality(
        name=name,
        n_neurons=values.shape[2],
        entropy=entropy if np.isfinite(entropy) else None,
        picture_entropy=_resampled(places, known, lambda drawn: float(drawn.mean())),
        invariance=_resampled(same, known, lambda drawn: quality.invariance(drawn, different)),
        own_view=_share(quality.finds_own_view(first, second), known.bursts),
        dimension=_dimension(picture, known),
        neighbours=neighbours,
        linear=linear,
    )


def _probes(picture: Float32, known: _Known) -> tuple[Estimate, Estimate]:
    rows = np.flatnonzero(known.classes >= 0)
    if not _has_probe(known.classes):
        return Estimate(), Estimate()
    classes, folds, bursts = known.classes[rows], known.folds[rows], known.bursts[rows]
    near = quality.neighbour_votes(picture[rows], classes, folds, K)
    centred = picture[rows] - picture[rows].mean(axis=0)
    scaled = centred / np.maximum(centred.std(axis=0), 1e-6)
    judged = probes.judge(quality.unit_rows(scaled).astype(np.float32), classes, folds)
    return _share(near, bursts), _share(judged.margin < 0, bursts)


def _has_probe(classes: Int64) -> bool:
    return int((classes >= 0).sum()) >= LEAST_LABELLED and int(classes.max(initial=-1)) >= 1


def _dimension(picture: Float32, known: _Known) -> Estimate:
    """TwoNN of unit vectors, over one picture of each burst: near-copies would be its nearest neighbours."""
    first = np.sort(np.unique(known.bursts, return_index=True)[1])
    ratios = quality.neighbour_ratios(quality.unit_rows(picture[first]).astype(np.float32))
    value = quality.intrinsic_dimension(ratios)
    if not np.isfinite(value):
        return Estimate()
    rows = np.arange(len(ratios))
    low, high = bootstrap(
        lambda drawn: quality.intrinsic_dimension(ratios[drawn]),
        rows,
        known.rng,
        n_resamples=N_RESAMPLES,
        method="percentile",
    )
    return Estimate(value=value, low=low, high=high)


def _resampled(values: Float64, known: _Known, statistic: Callable[[Float64], float]) -> Estimate:
    """A statistic of one number a picture, with the bootstrap interval over bursts."""
    there = np.flatnonzero(np.isfinite(values))
    bursts = known.bursts[there]
    if len(np.unique(bursts)) < 2 or not np.isfinite(value := statistic(values[there])):
        return Estimate()
    low, high = bootstrap(
        lambda drawn: statistic(values[there][drawn]), bursts, known.rng, n_resamples=N_RESAMPLES, method="percentile"
    )
    return Estimate(value=value, low=low, high=high)


def _share(right: npt.NDArray[np.bool_], bursts: Int64) -> Estimate:
    """A share of pictures with Wilson's interval at as many trials as there are bursts."""
    n = len(np.unique(bursts))
    low, high = wilson(round(float(right.mean()) * n), n)
    return Estimate(value=float(right.mean()), low=low, high=high)


def _advice(layers: Sequence[LayerQuality], *, labelled: bool) -> tuple[str, str]:
    """The layer to use, and a sentence with the numbers: the embedding, unless a layer is beyond its interval."""
    scores = {one.name: one.neighbours if labelled else one.own_view for one in layers}
    does = "name the right class" if labelled else "are their own other view"
    who = "nearest neighbours" if labelled else "most alike pictures"
    own = scores[EMBEDDING]
    best = max(scores, key=lambda name: (scores[name].value or 0, name == EMBEDDING))
    said = f"its {who} {does} for {_percent(own)} of the pictures"
    if best == EMBEDDING:
        return best, f"No layer is better than the embedding that the audit uses: {said}."
    other = f"layer {best} for {_percent(scores[best])}"
    if (scores[best].value or 0) <= (own.high or 0):
        return EMBEDDING, f"No layer is clearly better than the embedding that the audit uses: {said}, {other}."
    return best, f"Layer {best} suits these pictures better than the embedding that the audit uses: {said}, {other}."


def _percent(estimate: Estimate) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "an unknown share"
    return f"{100 * estimate.value:.0f} % ({100 * estimate.low:.0f} to {100 * estimate.high:.0f})"


def _action(best: str) -> str:
    if best == EMBEDDING:
        return "Nothing to do: audit with this extractor as it is."
    return (
        "The audit goes on using the embedding. Try another extractor; of a model of your own (torch:, onnx:), name "
        f"the output {best} as the embedding in its description."
    )
