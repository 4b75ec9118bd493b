"""Pictures that show a difference: those that look least like the reference, and what a neuron sees.

Source: the surprise of an image is the mean over neurons of -log of its tail probability among the reference's
images, Fisher's way of putting p-values together ("Statistical Methods for Research Workers", 1932, section 21.1);
neurons are not independent, so it is judged by the surprise of the reference's own images, as in conformal prediction
(Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005, section 2.2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.stats import binom

from audit.dna.facets import facets
from audit.dna.state import Dna
from audit.maths.histograms import Doubles
from audit.model import DatasetView, Neurons
from audit.pictures.process import box_in_picture
from audit.report import Picture, Place
from audit.shown import picture

UNUSUAL = 0.99
"""A picture is unusual for the reference when it surprises more than this share of the reference's own."""
MOST_WITNESSES = 2000
"""Images of the reference that the others are compared with, evenly spaced in the order of their ids."""

_BLOCK = 4096
"""Images that are judged at a time: their neurons lie row by row in a file, so each page of it is read once."""

N_ANSWERING = 24
"""Pictures that a neuron answers to most on average, among which kinds are looked for; by place nine are kept."""
ALPHA_BORDER = 0.001
"""How rarely chance puts as many of a neuron's strongest places at the border, where it is called one of borders."""

UNLIKE_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("surprise", pa.float64(), nullable=False),
        pa.field("share_below", pa.float64(), nullable=False),
        pa.field("neuron", pa.string(), nullable=False),
        pa.field("rank", pa.int64(), nullable=False),
    ]
)
"""One row per usable picture of the candidate, the least like the reference first.

surprise : mean over neurons of -log tail probability
share_below : share of the reference's own pictures that surprise less
neuron : ``layer:number`` of the one that adds most
"""


@dataclass(frozen=True)
class Surprise:
    """How unlike the reference the images of a dataset are.

    Attributes
    ----------
    score : float64 (n,)
        Mean over weighted neurons of -log tail probability.
    neuron : int64 (n,)
        The neuron that adds most.
    """

    score: Doubles
    neuron: npt.NDArray[np.int64]


def surprise(witnesses: npt.NDArray[np.floating], neurons: Neurons, weights: Doubles, *, own: bool) -> Surprise:
    """How unlike the reference every image is, by the mean of each neuron over it.

    p = 2 min(r + ½, k - r + ½)/(k + 1), at most 1, with r how many of the k witnesses lie below (ties count half).

    Parameters
    ----------
    witnesses : float (k, N)
        Images of the reference.
    neurons : of the dataset that is judged
    weights : float64 (N,), >= 0, sum to 1
        NaN of a neuron adds nothing.
    own : bool
        Whether the images are witnesses themselves, in the same order: then each is left out for itself.
    """
    sides = {}
    for neuron in np.flatnonzero(weights > 0):
        known = np.sort(np.asarray(witnesses[:, neuron], np.float32))
        known = known[~np.isnan(known)]
        if len(known) > own:
            sides[int(neuron)] = known
    parts = [
        _surprise_of(sides, np.asarray(neurons.values[start : start + _BLOCK]), weights, int(own))
        for start in range(0, len(neurons.values), _BLOCK)
    ]
    return Surprise(
        np.concatenate([np.zeros(0), *(part.score for part in parts)]),
        np.concatenate([np.zeros(0, np.int64), *(part.neuron for part in parts)]),
    )


def _surprise_of(
    sides: Mapping[int, npt.NDArray[np.float32]], values: npt.NDArray[np.floating], weights: Doubles, own: int
) -> Surprise:
    """The surprise of a block of images (b, N), given the sorted witnesses of each neuron."""
    columns = np.ascontiguousarray(values.T, np.float32)
    score, largest, most = np.zeros(len(values)), np.full(len(values), -1.0), np.zeros(len(values), np.int64)
    for neuron, known in sides.items():
        one, k = columns[neuron], len(known) - own
        below = (np.searchsorted(known, one, "left") + np.searchsorted(known, one, "right")) / 2 - own / 2
        p = np.minimum(1.0, 2 * np.minimum(below + 0.5, k - below + 0.5) / (k + 1))
        added = np.where(np.isnan(one), 0.0, -np.log(np.maximum(p, 1 / (k + 1)))) * weights[neuron]
        score += added
        most[added > largest] = neuron
        largest = np.maximum(largest, added)
    return Surprise(score, most)


@dataclass(frozen=True)
class Unlike:
    """The candidate's pictures by how unlike the reference they are.

    Attributes
    ----------
    pictures : the first few, one of each content
    share : of the candidate's pictures that surprise more than 99 % of the reference's own
    usual : the share that another sample of the reference's source has on average: 1 % where the reference is large
    strangest : share of the reference's own that surprise less than the first picture
    table : in UNLIKE_SCHEMA
    """

    pictures: tuple[Picture, ...]
    share: float
    usual: float
    strangest: float
    table: pa.Table


def least_alike(reference: DatasetView, candidate: DatasetView, weights: Doubles, k: int) -> Unlike | None:
    """The candidate's pictures that look least like the reference; None without neurons by image."""
    if reference.dna is None or reference.neurons is None or candidate.neurons is None or not weights.any():
        return None
    if not len(reference) or not len(candidate):
        return None
    rows = _witnesses(reference)
    own = Neurons(reference.neurons.values[rows], reference.neurons.layers, reference.neurons.border[rows])
    judged = np.sort(surprise(own.values, own, weights, own=True).score)
    found = surprise(own.values, candidate.neurons, weights, own=False)
    names = neuron_names(reference.dna)
    below = np.searchsorted(judged, found.score, side="left") / len(judged)
    score = np.round(found.score, 6)
    most = [names[neuron] for neuron in found.neuron]
    shown = [
        picture(candidate, row, f"stranger than {_share(below[row])} of the reference; most by {most[row]}")
        for row in _first_of_each(candidate, score, k)
    ]
    table = _table(candidate, score, below, most)
    share, usual = float((below >= UNUSUAL).mean()), usual_share(len(judged))
    return Unlike(tuple(shown), share, usual, float(below.max()), table)


def usual_share(k: int) -> float:
    """Share of a source's pictures that surprise more than 99 % of k others of it, on average.

    (k - ⌈.99 k⌉ + 1)/(k + 1): every rank of one among k others is equally likely.
    """
    return (k - math.ceil(round(UNUSUAL * k, 9)) + 1) / (k + 1)


def strangest(
    view: DatasetView, others: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], weights: Doubles, k: int
) -> tuple[Picture, ...]:
    """Of some pictures of a dataset those that are strangest to others of it, one of each content."""
    if view.neurons is None or not len(others) or not len(rows):
        return ()
    asked = Neurons(view.neurons.values[rows], view.neurons.layers, view.neurons.border[rows])
    found = surprise(view.neurons.values[others], asked, weights, own=False)
    score = np.full(len(view), -np.inf)
    score[rows] = np.round(found.score, 6)
    return tuple(
        picture(view, row) for row in _first_of_each(view, score, min(k, len(rows))) if np.isfinite(score[row])
    )


def _share(value: float) -> str:
    return "all" if value >= 1 else f"{value:.1%}"


def _witnesses(view: DatasetView) -> npt.NDArray[np.int64]:
    """Rows of the images that the others are compared with, in the order of their ids."""
    ids = view.column("image_id")
    order = np.array(sorted(range(len(view)), key=ids.__getitem__), np.int64)
    return order[np.linspace(0, len(order) - 1, min(len(order), MOST_WITNESSES)).round().astype(np.int64)]


def _table(view: DatasetView, score: Doubles, below: Doubles, neurons: list[str]) -> pa.Table:
    ids, paths = view.column("image_id"), view.column("path")
    order = sorted(range(len(view)), key=lambda row: (-score[row], ids[row]))
    columns = {
        "image_id": [ids[row] for row in order],
        "path": [paths[row] for row in order],
        "surprise": score[order],
        "share_below": below[order],
        "neuron": [neurons[row] for row in order],
        "rank": np.arange(1, len(order) + 1),
    }
    return pa.table(columns, schema=UNLIKE_SCHEMA)


def _first_of_each(view: DatasetView, score: Doubles, k: int) -> list[int]:
    """The k rows of the highest score, one for each content; equal scores in the order of their ids."""
    if not len(score):
        return []
    ids, content = view.column("image_id"), view.column("content_hash")
    enough = min(len(score), max(64, 8 * k))
    cut = np.partition(score, len(score) - enough)[len(score) - enough]
    kept: dict[str, int] = {}
    for row in sorted(np.flatnonzero(score >= cut).tolist(), key=lambda row: (-score[row], ids[row])):
        kept.setdefault(content[row] or ids[row], row)
    return list(kept.values())[:k]


def has_places(views: Sequence[DatasetView], neuron: int) -> bool:
    """Whether what a neuron answers to lies in places of pictures: its layer has them, and it is no neuron of borders.

    A neuron of borders has most of its strongest places, of all datasets together, at the border or in the corners,
    more than chance gives (binomial, p at most 0.001): it answers to the padding, or to the picture as a whole.

    Source: Islam, Jia, Bruce, "How much position information do convolutional neural networks encode?", ICLR 2020
    (zero padding tells a network where the border is).
    """
    sides = {0 if view.dna is None or view.tops is None else grid_side(view.dna, neuron) for view in views}
    side = max(sides, default=0)
    if len(sides) != 1 or side < 2:
        return False
    places = np.concatenate([view.tops.places[neuron] for view in views if view.tops is not None])
    down, right = np.divmod(places[places >= 0], side)
    on_edge = [(axis == 0) | (axis == side - 1) for axis in (down, right)]
    regions = ((on_edge[0] | on_edge[1], 1 - (max(side - 2, 0) / side) ** 2), (on_edge[0] & on_edge[1], 4 / side**2))
    return len(down) > 0 and not any(_is_crowded(inside, share) for inside, share in regions)


def _is_crowded(inside: npt.NDArray[np.bool_], share: float) -> bool:
    """Whether most of some places lie in a region that holds a share of all places, more than chance puts there."""
    n, k = len(inside), int(inside.sum())
    return 2 * k > n and float(binom.sf(k - 1, n, share)) <= ALPHA_BORDER


def seen_most(view: DatasetView, neuron: int, k: int, *, in_places: bool = False) -> tuple[Picture, ...]:
    """The pictures that a neuron answers to most, the strongest first; none without neurons by image.

    Where they are of clearly different kinds (:func:`audit.dna.facets.facets`), each kind is shown in turn.

    Parameters
    ----------
    in_places : bool
        By its strongest place (:func:`has_places`), which a ring is drawn around; else by its mean over the picture.
    """
    found = _in_places(view, neuron) if in_places or view.neurons is None else _on_average(view, neuron)
    groups = [list(range(len(found)))]
    if view.embeddings is not None and found:
        groups = facets(np.asarray(view.vectors[[one.row for one in found]], np.float64))
    each = max(1, k // len(groups))
    many = len(groups) > 1
    return tuple(
        _shown(view, found[i], f", kind {number}" if many else "")
        for number, group in enumerate(groups, start=1)
        for i in group[:each]
    )[:k]


@dataclass(frozen=True)
class _Answer:
    """A picture that a neuron answers to, how strongly in parts of its range, and where on the picture."""

    row: int
    value: float
    place: Place | None = None


def _shown(view: DatasetView, answer: _Answer, kind: str) -> Picture:
    caption = f"{answer.value:.2f}{'' if answer.place else ' on average'}{kind}"
    return picture(view, answer.row, caption).model_copy(update={"place": answer.place})


def _in_places(view: DatasetView, neuron: int) -> list[_Answer]:
    """The pictures with the strongest places of a neuron, and where those are."""
    if view.tops is None:
        return []
    side = 0 if view.dna is None else grid_side(view.dna, neuron)
    kept = zip(
        view.tops.rows[neuron].tolist(),
        view.tops.values[neuron].tolist(),
        view.tops.places[neuron].tolist(),
        strict=True,
    )
    return [_Answer(row, value, _place(view, row, place, side)) for row, value, place in kept if row >= 0]


def _on_average(view: DatasetView, neuron: int) -> list[_Answer]:
    """The pictures with the highest means of a neuron."""
    if view.neurons is None:
        return []
    values = np.nan_to_num(np.asarray(view.neurons.values[:, neuron], np.float64), nan=-np.inf)
    rows = [row for row in _first_of_each(view, values, N_ANSWERING) if np.isfinite(values[row])]
    return [_Answer(row, float(values[row])) for row in rows]


def grid_side(dna: Dna, neuron: int) -> int:
    """Places on a side of the square grid of a neuron's layer; 1 of a layer without places, 0 where they are no square.

    Every image gives its layer's places to each neuron, as numbers or not.
    """
    rows = next(rows for rows in dna.ranges.slices.values() if rows.start <= neuron < rows.stop)
    images = int(dna.n_images[rows].max())
    n_places, left = divmod(int((dna.n_positions[rows] + dna.n_nan[rows]).max()), max(images, 1))
    side = math.isqrt(n_places)
    return side if side * side == n_places and not left else 0


def _place(view: DatasetView, row: int, place: int, side: int) -> Place | None:
    """Where on its picture a place of a grid lies; None where there is one place only."""
    if side < 2 or place < 0 or view.tops is None:
        return None
    down, right = divmod(place, side)
    box = (right / side, down / side, (right + 1) / side, (down + 1) / side)
    width, height = (view.images.column(name)[row].as_py() for name in ("width", "height"))
    spec = view.tops.input
    found = box if spec is None or not width or not height else box_in_picture(box, width, height, spec)
    return None if found is None else (round(found[0], 4), round(found[1], 4), round(found[2], 4), round(found[3], 4))


def neuron_names(dna: Dna) -> list[str]:
    """``layer:number`` of every neuron."""
    return [f"{name}:{i}" for name, layer in dna.ranges.layers.items() for i in range(len(layer.low))]
