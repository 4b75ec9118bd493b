"""Whether two extractors see one dataset alike, and whether embeddings of the one can stand in for the other's.

Source: mathematics and papers in :mod:`audit.maths.representations`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from threadpoolctl import threadpool_limits

from audit.errors import TooFewImagesError
from audit.maths import probes, representations
from audit.maths.intervals import bootstrap
from audit.maths.representations import Method
from audit.model import DatasetView
from audit.pairing import common_bursts, same_images

MIN_BURSTS = 40
MIN_COSINE = 0.8
MIN_SHARED = 0.6
"""A translation is good enough when the lower ends of both intervals reach these: the direction is kept, and most of
the pictures that look most alike are still those that look most alike."""

N_FOLDS = 5
N_NEIGHBOURS = 10
N_SHUFFLES = 5
N_RESAMPLES = 499
MOST_BY_LAYER = 1000

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Translated(_Frozen):
    """How well the embedding of one extractor is told from the other's, on images it was not learnt from.

    cosine : mean cosine of translated and true vector, less the mean of the target space
    shared : mean share of an image's 10 nearest images that are still its nearest
    chance : the share that a translation into nothing would keep
    """

    source: str
    target: str
    method: Method
    cosine: float
    cosine_low: float
    cosine_high: float
    shared: float
    shared_low: float
    shared_high: float
    chance: float
    is_usable: bool


class Layers(_Frozen):
    """How alike each layer of the one arranges the pictures as each layer of the other: debiased CKA.

    first, second : names of the layers, from the input to the output
    cka : a row for each layer of the first
    """

    n_images: int
    first: tuple[str, ...]
    second: tuple[str, ...]
    cka: tuple[tuple[float, ...], ...]


class Agreement(_Frozen):
    """How alike two extractors see one dataset; intervals are of 95 %.

    layers : None where a view holds no neurons by image
    svcca_chance : what SVCCA is when the images of one are shuffled; it is in-sample, so judge it by this
    """

    first: str
    second: str
    n_images: int
    n_bursts: int
    cka: float
    cka_low: float
    cka_high: float
    svcca: float
    svcca_chance: float
    translations: tuple[Translated, Translated]
    layers: Layers | None = None

    @property
    def sentence(self) -> str:
        """What a person wants to know, in one sentence."""
        usable = [one for one in self.translations if one.is_usable]
        alike = "alike" if self.cka_low >= MIN_COSINE else "partly alike" if self.cka_low > 0.2 else "differently"
        said = f"{self.first} and {self.second} see these {self.n_images:,} pictures {alike} (CKA {self.cka:.2f})"
        if not usable:
            return (
                f"{said}; neither embedding can stand in for the other: embed again to compare, or see whether they "
                "share directions with assay extractors translate."
            )
        ways = " and ".join(f"{one.source} into {one.target}" for one in usable)
        return f"{said}; embeddings can be translated: {ways}."


def agree(views: Sequence[DatasetView], rng: np.random.Generator) -> Agreement:
    """Compare what two extractors say of the same images.

    Parameters
    ----------
    views : two DatasetView
        Of the same images in the same order, each with the vectors and neighbours of one extractor, and its neurons by
        image if layers are to be compared.
    rng : numpy.random.Generator

    Raises
    ------
    ConfigError
        If the two do not hold the same images.
    TooFewImagesError
        If there are fewer than 40 different images.
    """
    first, second = views
    same_images(views)
    own = common_bursts(first, second)
    n_bursts = len(np.unique(own))
    if n_bursts < MIN_BURSTS:
        raise TooFewImagesError("comparing two extractors", n_bursts, MIN_BURSTS)
    x, y = (view.vectors.astype(np.float64) for view in views)
    names = [_name(view) for view in views]
    folds = probes.deal_folds(own, np.zeros(len(own), dtype=np.int64), N_FOLDS, rng)
    with threadpool_limits(limits=1):
        low, high = representations.cka_interval(x, y, own, rng)
        shuffled = [representations.svcca(x, y[rng.permutation(len(y))]) for _ in range(N_SHUFFLES)]
        return Agreement(
            first=names[0],
            second=names[1],
            n_images=len(first),
            n_bursts=n_bursts,
            cka=representations.cka(x, y),
            cka_low=low,
            cka_high=high,
            svcca=representations.svcca(x, y),
            svcca_chance=float(np.mean(shuffled)),
            translations=(
                _translated((names[0], names[1]), (x, y), own, folds, rng),
                _translated((names[1], names[0]), (y, x), own, folds, rng),
            ),
            layers=_layers(views, rng),
        )


def _layers(views: Sequence[DatasetView], rng: np.random.Generator) -> Layers | None:
    """Layers by layers, on at most 1,000 of the images: a matrix of images by images for each layer is in memory."""
    known = [view.neurons for view in views if view.neurons is not None]
    if len(known) < len(views):
        return None
    rows = np.sort(rng.permutation(len(views[0]))[:MOST_BY_LAYER])
    values = [np.nan_to_num(neurons.values[rows].astype(np.float64)) for neurons in known]
    first, second = (
        [one[:, columns] for columns in neurons.layers.values()] for one, neurons in zip(values, known, strict=True)
    )
    found = representations.cka_matrix(first, second)
    return Layers(
        n_images=len(rows),
        first=tuple(known[0].layers),
        second=tuple(known[1].layers),
        cka=tuple(tuple(row) for row in np.round(found, 4).tolist()),
    )


def _translated(
    names: tuple[str, str], spaces: tuple[Float64, Float64], own: Int64, folds: Int64, rng: np.random.Generator
) -> Translated:
    """The better of rotation and ridge regression, by the neighbours it keeps."""
    methods: tuple[Method, Method] = ("procrustes", "ridge")
    found = {m: representations.held_out(*spaces, own, folds, method=m, k=N_NEIGHBOURS) for m in methods}
    method = max(methods, key=lambda m: float(found[m].agreement.mean()))
    cosine, shared = found[method].cosine, found[method].agreement
    cosine_low, cosine_high = _interval(cosine, own, rng)
    shared_low, shared_high = _interval(shared, own, rng)
    return Translated(
        source=names[0],
        target=names[1],
        method=method,
        cosine=float(cosine.mean()),
        cosine_low=cosine_low,
        cosine_high=cosine_high,
        shared=float(shared.mean()),
        shared_low=shared_low,
        shared_high=shared_high,
        chance=N_NEIGHBOURS / (len(own) - 1),
        is_usable=cosine_low >= MIN_COSINE and shared_low >= MIN_SHARED,
    )


def _interval(values: Float64, own: Int64, rng: np.random.Generator) -> tuple[float, float]:
    return bootstrap(lambda rows: values[rows].mean(), own, rng, n_resamples=N_RESAMPLES, method="percentile")


def _name(view: DatasetView) -> str:
    return view.name if view.embeddings is None else view.embeddings.extractor
