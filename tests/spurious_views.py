"""Views in which a shortcut is planted among the neurons and vectors, so that hundreds can be made in a minute.

Each class has one neuron that sees its object and one that sees its usual background; the others are noise. Where the
object is hidden its neuron is noise, and so for the background.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit.model import META_PREFIX, DatasetView, Neurons, PartFeatures, Parts
from tests.views import unit, view_of

N_NOISE = 30
CLEAR = 1.2
"""Standard deviations between the values of a neuron with and without what it sees."""

Ints = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Plant:
    """What is planted; ``rho`` is the share of images before the usual background of their class (None: any)."""

    n: int = 600
    n_classes: int = 2
    rho: float | None = 0.9
    burst: int = 1
    first_share: float | None = None
    mark: tuple[float, float] | None = None
    tint: float = 0.0
    camera: float | None = None
    core: float = CLEAR
    clear: float = CLEAR
    n_everywhere: int = 0
    """Neurons that see the class as well in the object as in the background: the style of a picture, say."""
    leak: float = 0.0
    """Share of the other part's signal that is still seen in a part, as with boxes that are only roughly right."""
    with_parts: bool = True


@dataclasses.dataclass(frozen=True)
class Planted:
    """A view, and the truth: names of planted candidates, background of each image."""

    view: DatasetView
    names: frozenset[str]
    classes: Ints
    backgrounds: Ints


def planted(seed: int = 0, **options: Any) -> Planted:
    """Draw a view with a plant."""
    plant = Plant(**options)
    rng = np.random.default_rng(seed)
    n_bursts = plant.n // plant.burst
    classes = np.repeat(_classes(plant, n_bursts, rng), plant.burst)
    bursts = np.repeat(np.arange(n_bursts), plant.burst)
    backgrounds = _tied(classes, bursts, plant.n_classes, plant.rho, rng)
    whole = _features(classes, backgrounds, bursts, plant, rng)
    view = view_of(
        whole.vectors,
        labels=[f"class {c}" for c in classes],
        groups=[f"burst {b}" for b in bursts] if plant.burst > 1 else None,
    )
    layers = {"early": slice(0, 10), "late": slice(10, whole.neurons.shape[1])}
    view = dataclasses.replace(
        view, neurons=Neurons(whole.neurons, layers, np.zeros((len(classes), 0), np.float16)), parts=None
    )
    names = {f"late:{plant.n_classes + c}" for c in range(plant.n_classes)} if plant.rho is not None else set()
    if plant.with_parts:
        view = dataclasses.replace(view, parts=_parts(classes, backgrounds, bursts, whole, plant, rng))
    view, more = _others(view, classes, bursts, plant, rng)
    return Planted(view, frozenset(names | more), classes, backgrounds)


def reordered(view: DatasetView, order: Ints) -> DatasetView:
    """The same dataset with its rows, neurons and parts in another order."""
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    base = view_of(view.vectors[order])
    parts, neurons = view.parts, view.neurons
    if parts is not None:
        at = np.argsort(place[parts.rows])
        one = [PartFeatures(f.vectors[at], f.neurons[at]) for f in (parts.whole, parts.foreground, *parts.backgrounds)]
        rows = place[parts.rows][at]
        parts = Parts(
            rows, parts.boxes[at], parts.is_given[at], one[0], one[1], (one[2], one[3]), parts.maps[at], parts.map_layer
        )
    if neurons is not None:
        neurons = dataclasses.replace(neurons, values=neurons.values[order], border=neurons.border[order])
    return dataclasses.replace(
        base, name=view.name, images=view.images.take(pa.array(order)), neurons=neurons, parts=parts
    )


def _classes(plant: Plant, n: int, rng: np.random.Generator) -> Ints:
    if plant.first_share is None:
        return np.arange(n) % plant.n_classes
    rest = (1 - plant.first_share) / (plant.n_classes - 1)
    return rng.choice(plant.n_classes, n, p=[plant.first_share, *[rest] * (plant.n_classes - 1)])


def _tied(classes: Ints, bursts: Ints, k: int, rho: float | None, rng: np.random.Generator) -> Ints:
    """A property with k states that is the class with probability rho, drawn once for each burst."""
    _, first = np.unique(bursts, return_index=True)
    of_burst = classes[first]
    other = (of_burst + rng.integers(1, max(k, 2), len(first))) % k
    drawn = rng.integers(0, k, len(first)) if rho is None else np.where(rng.random(len(first)) < rho, of_burst, other)
    return drawn[np.searchsorted(np.arange(len(first)), bursts)]


def _features(classes: Ints, backgrounds: Ints, bursts: Ints, plant: Plant, rng: np.random.Generator) -> PartFeatures:
    """Neurons and vectors of pictures; below 0 in place of a class or background where it cannot be seen."""
    k, n = plant.n_classes, len(classes)
    shared = 0.6 * rng.normal(size=(int(bursts.max()) + 1, 2 * k))[bursts] if plant.burst > 1 else 0.0
    seen = np.column_stack(
        [plant.core * (classes[:, None] == np.arange(k)), plant.clear * (backgrounds[:, None] == np.arange(k))]
    )
    values = seen + shared + rng.normal(size=(n, 2 * k)) * (0.8 if plant.burst > 1 else 1.0)
    noise = rng.normal(size=(n, N_NOISE))
    style = np.maximum(classes, -classes - 2)  # a hidden object of class c is written −c − 2
    noise[:, N_NOISE - plant.n_everywhere :] += CLEAR * (style == 0)[:, None]
    neurons = np.column_stack([noise[:, :10], values, noise[:, 10:]]) * 0.1 + 0.5
    vectors = np.column_stack([values, 0.5 * rng.normal(size=(n, 8)), np.full(n, 3.0)])
    return PartFeatures(np.array(unit(vectors)), neurons.astype(np.float16))


def _parts(
    classes: Ints, backgrounds: Ints, bursts: Ints, whole: PartFeatures, plant: Plant, rng: np.random.Generator
) -> Parts:
    n = len(classes)
    rows = np.sort(rng.permutation(n)[:1500])
    hidden, styled = np.full(len(rows), -1), -classes[rows] - 2
    bursts = np.unique(bursts[rows], return_inverse=True)[1]
    leaky = [
        dataclasses.replace(plant, core=plant.core * a, clear=plant.clear * b)
        for a, b in ((1, plant.leak), (plant.leak, 1))
    ]
    seen = (classes[rows], backgrounds[rows]) if plant.leak else (styled, hidden)
    front = _features(classes[rows], seen[1], bursts, leaky[0], rng)
    backs = [_features(seen[0], backgrounds[rows], bursts, leaky[1], rng) for _ in range(2)]
    corner = rng.uniform(0.1, 0.4, (len(rows), 2)).astype(np.float32)
    boxes = np.column_stack([corner, corner + 0.4])
    shown = PartFeatures(whole.vectors[rows], whole.neurons[rows])
    maps = np.zeros((len(rows), 16, 2), np.float16)
    return Parts(rows, boxes, np.ones(len(rows), bool), shown, front, (backs[0], backs[1]), maps, "late")


def _others(
    view: DatasetView, classes: Ints, bursts: Ints, plant: Plant, rng: np.random.Generator
) -> tuple[DatasetView, set[str]]:
    """A corner mark on the first class, a tint, a camera."""
    images, names, n = view.images, set(), len(classes)

    def replaced(name: str, values: npt.NDArray[np.float64]) -> None:
        nonlocal images
        column = pa.array(values.astype(np.float32))
        images = images.set_column(images.column_names.index(name), name, column)
        names.add(name)

    if plant.mark is not None:
        has = rng.random(n) < np.where(classes == 0, *plant.mark)
        replaced("corner_top_left", np.where(has, 0.95, 0.5) + 0.02 * rng.normal(size=n))
    if plant.tint:
        replaced("red_mean", 0.45 + 0.05 * rng.normal(size=n) + 0.05 * plant.tint * (classes == 0))
    if plant.camera is not None:
        camera = _tied(classes, bursts, plant.n_classes, plant.camera, rng)
        images = images.append_column(f"{META_PREFIX}camera", pa.array([f"C{c}" for c in camera]))
        names |= {f"camera = C{c}" for c in range(plant.n_classes)}
    return dataclasses.replace(view, images=images), names
