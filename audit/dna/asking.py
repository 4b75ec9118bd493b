"""What people ask of Visual DNA: compare two, choose neurons. The command line, the API and the pages ask here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from audit.dna.bursts import by_image, compact_of, dna_of
from audit.dna.classes import FEWEST, within_values
from audit.dna.compact import Compact, compact
from audit.dna.comparing import Asked, compare, layer_distances
from audit.dna.matrix import distance_matrix
from audit.dna.results import ClassDistance
from audit.dna.state import Dna
from audit.dna.weights import NeuronWeights, of_attribute, of_layers, of_neurons, silencing
from audit.errors import ConfigError
from audit.maths.attributes import squared_differences
from audit.maths.histograms import Doubles
from audit.model import DatasetView
from audit.saved import name_of

ONE_WAY = "give one of neurons, having and without"


@dataclass(frozen=True)
class Question:
    """How two DNA are compared.

    Attributes
    ----------
    weights : NeuronWeights, optional
        The total listens to these neurons only.
    layers : tuple of str
        The total listens to these layers only, each alike; all where empty.
    by : str
        ``label``, ``split`` or ``meta.NAME``: compare also within each of its values. Nothing where empty.
    seed : int
        Of permutations and resamples.
    """

    weights: NeuronWeights | None = None
    layers: tuple[str, ...] = ()
    by: str = ""
    seed: int = 0


class Choice(BaseModel):
    """How neurons are chosen: exactly one of ``neurons``, ``having`` and ``without``.

    neurons : layers (``last``) or single neurons (``last:17``)
    having, without : ``COLUMN=VALUE``; columns are label, split and meta.NAME
    name : what the weights are called
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    neurons: tuple[str, ...] | None = None
    having: str | None = None
    without: str | None = None
    name: str = ""
    seed: int = 0


def answer(sides: tuple[Dna | DatasetView, Dna | DatasetView], question: Question) -> dict[str, Any]:
    """Compare two DNA, as plain JSON: the total, its layers, the weights' fingerprint and what ``by`` asks for.

    Parameters
    ----------
    sides : reference and candidate
        Datasets of audits; or DNA from files, which know no pictures, so that ``by`` has no answer and images are
        taken as independent.

    Raises
    ------
    FingerprintMismatchError
        If they, or the weights, are of different extractors or ranges.
    ConfigError
        If there is no such layer, or no value of the column has enough pictures on both sides.
    """
    reference, candidate = (whole(side) for side in sides)
    chosen = _listened_to(reference, question)
    array = None if chosen is None else chosen.array(reference.ranges, reference.extractor)
    rng = np.random.default_rng(question.seed)
    views = [side for side in sides if isinstance(side, DatasetView)]
    images = by_image(views) if len(views) == len(sides) else None
    found = compare(reference, candidate, rng, Asked(weights=array, images=images))
    within = _within(views, question.by, found.weights, rng) if question.by else ()
    return {
        **vars(found.total),
        "weights": None if chosen is None else chosen.fingerprint,
        "layers": layer_distances(reference, found),
        "within": [one.model_dump(mode="json") for one in within],
    }


def _listened_to(reference: Dna, question: Question) -> NeuronWeights | None:
    if question.weights is not None and question.layers:
        raise ConfigError("give weights or layers, not both: weights say by themselves which layers they listen to")
    if question.layers:
        return of_layers(reference.ranges, reference.extractor, question.layers)
    return question.weights


def _within(
    views: Sequence[DatasetView], column: str, weights: Doubles, rng: np.random.Generator
) -> tuple[ClassDistance, ...]:
    """Distance, chance level and p-value for each value that both have, the widest first."""
    if len(views) < 2:
        raise ConfigError("comparing within values takes two audits, which know their pictures; a file does not")
    found = within_values((views[0], views[1]), column, weights, rng)
    if not found:
        known = sorted({name for view in views for name in columns_of(view)})
        raise ConfigError(
            f"no value of {column!r} has {FEWEST} pictures in both datasets; columns are {', '.join(known) or 'none'}"
        )
    return found


def columns_of(view: DatasetView) -> list[str]:
    """The columns that a dataset can be split by: label, split and its own."""
    return [name for name in view.images.column_names if name in ("label", "split") or name.startswith("meta.")]


def choose(side: Dna | DatasetView, choice: Choice) -> NeuronWeights:
    """Weights of the neurons that are chosen.

    Raises
    ------
    ConfigError
        If not exactly one way of choosing is given, or it chooses nothing.
    TooFewImagesError
        If an attribute has too few pictures to learn from.
    """
    if sum(way is not None for way in (choice.neurons, choice.having, choice.without)) != 1:
        raise ConfigError(ONE_WAY)
    dna = whole(side)
    if choice.neurons is not None:
        return of_neurons(dna.ranges, dna.extractor, choice.neurons, name=choice.name or " + ".join(choice.neurons))
    if not isinstance(side, DatasetView):
        raise ConfigError("an attribute is learnt from an audit, which knows its pictures; a file does not")
    if choice.having is not None:
        return _learnt(side, choice.having, choice)
    return _silenced(side, str(choice.without), choice.name)


def _learnt(view: DatasetView, condition: str, choice: Choice) -> NeuronWeights:
    dna, (having, lacking) = dna_of(view), parted(view, condition)
    rng = np.random.default_rng(choice.seed)
    return of_attribute(dna.ranges, dna.extractor, having, lacking, rng, name=choice.name or condition)


def _silenced(view: DatasetView, condition: str, name: str) -> NeuronWeights:
    dna, (having, lacking) = dna_of(view), parted(view, condition)
    start = of_layers(dna.ranges, dna.extractor, list(dna.ranges.layers)).array(dna.ranges, dna.extractor)
    attributes = {condition: squared_differences(having, lacking)}
    made = silencing(dna.ranges, dna.extractor, attributes, [condition], start * ~dna.ranges.dead)
    return made.model_copy(update={"name": name_of(name or made.name)})


def parted(view: DatasetView, condition: str) -> tuple[Doubles, Doubles]:
    """Image means of the pictures with a value and of those with another, float64 (n, N) each.

    Parameters
    ----------
    condition : str
        ``COLUMN=VALUE``; pictures without any value are left out.

    Raises
    ------
    ConfigError
        If there is no such column, either has no picture, or the dataset holds no neurons by image.
    """
    column, _, value = condition.partition("=")
    if column not in columns_of(view):
        raise ConfigError(f"there is no column {column!r}; columns are {', '.join(columns_of(view)) or 'none'}")
    if view.neurons is None:
        raise ConfigError(f"{view.name!r} holds no neurons by image; audit the dataset again")
    values = [None if one is None else str(one) for one in view.column(column)]
    having, lacking = (
        np.array([one is not None and (one == value) is has for one in values], dtype=bool) for has in (True, False)
    )
    if not having.any() or not lacking.any():
        raise ConfigError(
            f"pictures with {condition} and with another value are needed; "
            f"{having.sum():,} have it, and {lacking.sum():,} another"
        )
    every = view.neurons.values
    return np.asarray(every[having], np.float64), np.asarray(every[lacking], np.float64)


def matrix(sides: Sequence[Dna | Compact | DatasetView]) -> dict[str, list[list[float | None]]]:
    """Distances between several datasets as plain JSON, NaN as null: :class:`audit.dna.matrix.Matrix`."""
    found = distance_matrix([small(side) for side in sides])
    return {name: [[_known(value) for value in row] for row in table.tolist()] for name, table in vars(found).items()}


def small(side: Dna | Compact | DatasetView) -> Compact:
    """The query form; that of a dataset knows which images hang together, that of a whole DNA does not."""
    if isinstance(side, Compact):
        return side
    return compact(side) if isinstance(side, Dna) else compact_of(side)


def whole(side: Dna | DatasetView) -> Dna:
    """The whole DNA."""
    return side if isinstance(side, Dna) else dna_of(side)


def _known(value: float) -> float | None:
    return value if value == value else None  # noqa: PLR0124 - NaN differs from itself
